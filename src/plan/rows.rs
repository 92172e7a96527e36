//! The second pass: reads the input once more, over the same descriptors, and hands out the
//! changes to be sent and the rows that have their outcome already, each with its text. Where some
//! changes go first or last, it comes by once more for each such turn.
//!
//! A row that is not what the survey saw is not handed out, and ends the pass (rule T6). When
//! nothing is to be sent or reported there is no second pass.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::role::Role;
use super::{COOLDOWN, Doubted, Plan, Turn};
use crate::input::InputError;
use crate::input::records::{Record, RecordError, Records};
use crate::input::rows::{Reason, Row};
use crate::input::survey::{entry, file_of};
use crate::model::{Change, Field, Fields, Outcome, RowRef, SourceRow, UserId, Values};

/// The stable word for a row whose user has another, invalid row.
pub const HELD_BACK: &str = "another row of the user is invalid";

/// Rows looked at in one batch, so that a batch takes a bounded time, and what comes of it too: lines
/// of so many invalid ones are written within what a call may leave late.
const ROWS_A_BATCH: usize = 1024;

/// The plan, being read off the input.
pub struct Rows {
    plan: Plan,
    records: Option<Records>,
    file: usize,
    next: u32,
    /// The turn at hand and those to come, each with the number of rows to be read for it.
    turns: VecDeque<(Turn, u32)>,
}

/// Some rows on, in the order of the file within a turn.
#[derive(Debug, Default)]
pub struct Batch {
    /// Changes to be sent.
    pub changes: Vec<Change>,
    /// Rows that have their outcome.
    pub settled: Vec<SettledRow>,
    /// Whether this was the last.
    pub ended: bool,
}

/// A row that had its outcome before anything was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct SettledRow {
    /// The row.
    pub row: SourceRow,
    /// Its user, where it is readable. Personal data.
    pub user: Option<UserId>,
    /// How it ended.
    pub outcome: Outcome,
    /// The stable word for why.
    pub code: &'static str,
    /// Why, for a person.
    pub message: String,
    /// Whether it has the header's number of cells; else `failures.csv` says how many.
    pub is_repeatable: bool,
}

/// Why the second pass ended early.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The input is not what the survey saw.
    #[error("the input changed while it was being read, at line {}", .0.line)]
    Changed(RowRef),
    /// It can't be read any more.
    #[error(transparent)]
    Input(#[from] InputError),
}

impl Rows {
    /// Begins the second pass.
    pub fn new(plan: Plan) -> Self {
        let turns = Turn::ALL.map(|turn| (turn, plan.n_rows_to_read(turn)));
        Self {
            turns: turns.into_iter().filter(|(_, end)| *end > 0).collect(),
            records: None,
            file: 0,
            next: 0,
            plan,
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The next batch, of at most `n_changes` changes. `began` is when the run began: what must
    /// not be sent before some instant is told in time since then.
    ///
    /// # Errors
    /// When the input changed or can't be read. What was read before it is in `batch`.
    pub fn next_batch(
        &mut self,
        n_changes: usize,
        began: DateTime<Utc>,
        batch: &mut Batch,
    ) -> Result<(), RowsError> {
        let mut n_rows = 0;
        while let Some((turn, end)) = self.turns.front().copied()
            && batch.changes.len() < n_changes
            && n_rows < ROWS_A_BATCH
        {
            self.read_row(turn, began, batch)?;
            n_rows += 1;
            if self.next == end {
                self.turns.pop_front();
                self.records = None;
                self.next = 0;
            }
        }
        batch.ended = self.turns.is_empty();
        Ok(())
    }

    fn read_row(
        &mut self,
        turn: Turn,
        began: DateTime<Utc>,
        batch: &mut Batch,
    ) -> Result<(), RowsError> {
        let plan = &mut self.plan;
        let survey = &plan.survey;
        let number = self.next;
        let file = usize::from(file_of(&survey.first_rows, number));
        if self.records.is_none() || self.file != file {
            let source = &survey.sources[file];
            let records = source
                .rows()
                .map_err(|error| unreadable(&source.name, error))?;
            self.records = Some(records);
            self.file = file;
        }
        let source = &survey.sources[file];
        let records = self.records.as_mut().expect("opened just now");
        let record = loop {
            match records.next_record() {
                Ok(Some(record)) if source.skips(&record) => {}
                // Cut in the middle, or shorter than it was.
                Ok(None) | Err(RecordError::OpenQuote { .. } | RecordError::TooLong { .. }) => {
                    return Err(RowsError::Changed(survey.at(number)));
                }
                Ok(Some(_)) => break records.last_record(),
                Err(error) => return Err(unreadable(&source.name, error)),
            }
        };
        self.next += 1;
        let role = plan.roles.get(number);
        let has_its_turn = match role {
            Role::Sends { .. } | Role::Completes { .. } => plan.turn(number) == turn,
            // Where the row is must be known before the one that completes its change comes.
            Role::Part { .. } => true,
            _ => turn == Turn::Usual,
        };
        if !has_its_turn {
            return Ok(());
        }
        let row = Row::read(source, &record);
        if entry(&survey.keys, number, &row) != survey.entries[number as usize] {
            return Err(RowsError::Changed(survey.at(number)));
        }
        let at = RowRef {
            file: file as u16,
            line: record.line,
        };
        let outcome = |outcome, code, message| SettledRow {
            user: row.user.and_then(UserId::new),
            row: owned(&record, at),
            outcome,
            code,
            message,
            is_repeatable: !matches!(row.sets, Err(Reason::Width { .. })),
        };
        let lang = source.rules.lang;
        match role {
            Role::Unchanged => {}
            Role::Invalid => {
                let Err(reason) = row.sets else {
                    unreachable!("the survey saw that it is invalid");
                };
                let message = reason.in_words(lang);
                batch
                    .settled
                    .push(outcome(Outcome::Invalid, reason.code(), message));
            }
            Role::HeldBack { by } => {
                let message = lang.other_is_invalid(survey.name_of(by, file));
                batch
                    .settled
                    .push(outcome(Outcome::Invalid, HELD_BACK, message));
            }
            Role::Superseded { by } => {
                let message = lang.later_sets_the_same(survey.name_of(by, file));
                let code = "later row";
                batch
                    .settled
                    .push(outcome(Outcome::Superseded, code, message));
            }
            Role::SupersededByRun { run } => {
                let message = lang.newer_run(run);
                let code = "newer run";
                batch
                    .settled
                    .push(outcome(Outcome::Superseded, code, message));
            }
            Role::Pending => {
                let message = lang.left_by_limit().into();
                batch
                    .settled
                    .push(outcome(Outcome::Pending, "limit", message));
            }
            Role::Sends { fields } => {
                let send = texts(&row, fields);
                let rows = vec![owned(&record, at)];
                let change = change(row.user, send, rows, plan.doubts.get(&number), began);
                batch.changes.push(change);
            }
            Role::Part { note } => plan.roles.note_mut(note).offset = record.offset,
            Role::Completes { note } => {
                let note = *plan.roles.note(note);
                let mut send = texts(&row, note.fields);
                let rows = vec![earlier_row(plan, note, &mut send)?, owned(&record, at)];
                let change = change(row.user, send, rows, plan.doubts.get(&number), began);
                batch.changes.push(change);
            }
        }
        Ok(())
    }
}

/// Goes back for the row that a change began with, and takes from it what is still missing.
fn earlier_row(
    plan: &Plan,
    note: super::role::Note,
    send: &mut Values,
) -> Result<SourceRow, RowsError> {
    let survey = &plan.survey;
    let at = survey.at(note.earlier);
    let source = &survey.sources[usize::from(at.file)];
    let mut records = Records::single(source.file.clone(), source.layout, note.offset, at.line);
    let record = match records.next_record() {
        Ok(Some(record)) => record,
        Ok(None) | Err(RecordError::OpenQuote { .. } | RecordError::TooLong { .. }) => {
            return Err(RowsError::Changed(at));
        }
        Err(error) => return Err(unreadable(&source.name, error)),
    };
    let row = Row::read(source, &record);
    if entry(&survey.keys, note.earlier, &row) != survey.entries[note.earlier as usize] {
        return Err(RowsError::Changed(at));
    }
    let missing = Fields::from_fn(|field| note.fields[field] && send[field].is_none());
    let rest = texts(&row, missing);
    for field in Field::ALL {
        if missing[field] {
            send[field] = rest[field].clone();
        }
    }
    Ok(owned(&record, at))
}

fn owned(record: &Record<'_>, at: RowRef) -> SourceRow {
    SourceRow {
        at,
        cells: record.cells().collect(),
    }
}

/// The texts of `fields` as far as the row sets them.
fn texts(row: &Row<'_>, fields: Fields) -> Values {
    let Ok(sets) = &row.sets else {
        unreachable!("a row that is sent is valid");
    };
    Values::from_fn(|field| {
        sets[field]
            .as_deref()
            .filter(|_| fields[field])
            .map(Into::into)
    })
}

fn change(
    user: Option<&str>,
    send: Values,
    rows: Vec<SourceRow>,
    doubted: Option<&Doubted>,
    began: DateTime<Utc>,
) -> Change {
    let doubted = doubted.copied().unwrap_or_default();
    // The doubted call left before this run began, whatever a wall clock that was ahead then says.
    let not_before = doubted
        .not_before
        .and_then(|free| (free - began).to_std().ok())
        .map(|wait| wait.min(COOLDOWN))
        .filter(|wait| *wait > Duration::ZERO);
    Change {
        user: user
            .and_then(UserId::new)
            .expect("a row that is sent has a user"),
        send,
        rows,
        doubted_before: doubted.before,
        failed_before: doubted.failed_before,
        not_before,
    }
}

fn unreadable(name: &str, error: RecordError) -> RowsError {
    RowsError::Input(InputError::Records {
        name: name.into(),
        error,
    })
}
