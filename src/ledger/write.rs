//! Puts a batch of records on disk in one commit: doubt about what is about to be sent, and what
//! became of what was sent.
//!
//! Doubt is written ahead as one row a batch, outcomes are merged into the users' rows in the
//! order of their keys: two upserts a call would cost several times as much. A user of a doubt
//! row counts as settled once its own row names that batch; the doubt row goes when all of its
//! users are.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{Statement, params};

use super::{Ledger, LedgerError, Result, json, place, schema};
use crate::engine::{Ending, Mark, Settlement};
use crate::keys::Keys;
use crate::model::{Change, Counts, Field, PerField, UserId};

/// What a commit tells the ledger, gathered as it comes in: a note keeps what may get there and
/// nothing else, so that thousands of them wait close together and the changes can go.
#[derive(Default)]
pub struct Records {
    doubts: Vec<(Mark, Arc<Change>)>,
    notes: Vec<Note>,
    /// Of each note in turn: user, nickname, avatar.
    texts: String,
}

impl Records {
    /// Notes a change that may be sent once this is on disk. Marks come in their order.
    pub fn doubt(&mut self, mark: Mark, change: Arc<Change>) {
        self.doubts.push((mark, change));
    }

    /// Notes what became of a change, and when its last call left.
    pub fn settle(&mut self, settlement: &Settlement, last_sent: DateTime<Utc>) {
        let change = &settlement.change;
        let end = match settlement.ending {
            Ending::Pending => End::Pending,
            Ending::Failed(_) if settlement.in_doubt.is_empty() => End::Refused,
            Ending::Failed(_) | Ending::Unknown(_) => End::Open,
            Ending::Applied { .. } => End::Applied,
        };
        let (user, send) = (change.user.as_str(), &change.send);
        let actions = PerField::from_fn(|field: Field| match &send[field] {
            None => Action::Leave,
            Some(_) if settlement.in_doubt[field] => Action::Doubt,
            Some(_) if end == End::Applied => Action::Hold,
            Some(_) => Action::Refuse,
        });
        let lengths = PerField::from_fn(|field| send[field].as_ref().map_or(0, |text| text.len()));
        self.notes.push(Note {
            mark: Some(settlement.mark),
            end,
            starts_at: self.texts.len(),
            user: user.len(),
            lengths,
            actions,
            sent_at: last_sent.timestamp_millis(),
            may_arrive_late: settlement.may_arrive_late,
        });
        self.texts.push_str(user);
        for field in Field::ALL {
            self.texts
                .push_str(send[field].as_deref().unwrap_or_default());
        }
    }

    /// Notes a user of an invalid row: its record is open until a later run names it (rule T5).
    pub fn hold_back(&mut self, user: &UserId) {
        let user = user.as_str();
        self.notes.push(Note {
            mark: None,
            end: End::Open,
            starts_at: self.texts.len(),
            user: user.len(),
            lengths: PerField::default(),
            actions: PerField::from_fn(|_| Action::Leave),
            sent_at: 0,
            may_arrive_late: false,
        });
        self.texts.push_str(user);
    }

    /// Takes out the doubts.
    pub fn take_doubts(&mut self) -> Self {
        Self {
            doubts: std::mem::take(&mut self.doubts),
            ..Self::default()
        }
    }

    /// How many doubts.
    pub fn n_doubts(&self) -> usize {
        self.doubts.len()
    }

    /// The last change whose doubt is among them.
    pub fn last_doubt(&self) -> Option<Mark> {
        self.doubts.last().map(|(mark, _)| *mark)
    }
}

/// What became of a change, or that a user's row is invalid.
struct Note {
    /// `None` where there was no change.
    mark: Option<Mark>,
    end: End,
    /// Where its texts start, and how long they are. Bytes.
    starts_at: usize,
    user: usize,
    lengths: PerField<usize>,
    actions: PerField<Action>,
    /// When the values were last sent. Milliseconds.
    sent_at: i64,
    may_arrive_late: bool,
}

/// How a change ended, as far as its user's record of failures goes (rule T5).
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Pending,
    Applied,
    /// The record is open.
    Open,
    /// And the service has refused it.
    Refused,
}

/// What a settlement does to one field of its user's row, as [`schema::UPSERT_USER`] numbers it.
#[derive(Clone, Copy)]
enum Action {
    Leave = 0,
    Hold = 1,
    Refuse = 2,
    Doubt = 3,
}

impl Note {
    fn user<'t>(&self, texts: &'t str) -> &'t str {
        &texts[self.starts_at..][..self.user]
    }

    /// Writes the user's row at its place, or at the next one that is free or its own already.
    fn upsert(
        &self,
        texts: &str,
        upsert: &mut Statement<'_>,
        place: i64,
        run: u32,
        batch: Option<i64>,
    ) -> rusqlite::Result<()> {
        let (user, values) = texts[self.starts_at..].split_at(self.user);
        let (nickname, values) = values.split_at(self.lengths.nickname);
        let avatar = &values[..self.lengths.avatar];
        let value = |action, text| match action {
            Action::Leave | Action::Refuse => None,
            Action::Hold | Action::Doubt => Some(text),
        };
        let opens = match self.end {
            End::Pending | End::Applied => 0,
            End::Open => 1,
            End::Refused => 2,
        };
        at_its_place(place, |place| {
            upsert.execute(params![
                place,
                user,
                self.actions.nickname as u8,
                value(self.actions.nickname, nickname),
                self.sent_at,
                self.actions.avatar as u8,
                value(self.actions.avatar, avatar),
                self.sent_at,
                run,
                opens,
                batch,
                self.may_arrive_late,
            ])
        })
    }
}

/// How far the run is, for the commit.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Rows by outcome.
    pub counts: Counts,
    /// Length of `results.csv`.
    pub results_bytes: u64,
    /// Length of `failures.csv`.
    pub failures_bytes: u64,
}

/// The doubt rows of this run that are still on disk.
#[derive(Debug, Default)]
pub(super) struct OpenBatches {
    run: u32,
    next: u32,
    open: VecDeque<OpenBatch>,
}

#[derive(Debug)]
struct OpenBatch {
    batch: i64,
    last: Mark,
    unsettled: usize,
}

impl OpenBatches {
    pub(super) fn of_run(run: u32) -> Self {
        Self {
            run,
            ..Self::default()
        }
    }

    fn open(&mut self, last: Mark, n_changes: usize) -> i64 {
        let batch = i64::from(self.run) << 32 | i64::from(self.next);
        self.next += 1;
        self.open.push_back(OpenBatch {
            batch,
            last,
            unsettled: n_changes,
        });
        batch
    }

    /// The batch of a change, which has one unsettled change less now. `None` for a change that
    /// was settled before its doubt was ever recorded.
    fn settle(&mut self, mark: Mark) -> Option<i64> {
        let at = self.open.partition_point(|batch| batch.last < mark);
        let batch = self.open.get_mut(at)?;
        batch.unsettled = batch.unsettled.saturating_sub(1);
        Some(batch.batch)
    }

    /// Batches whose changes are all settled; they are forgotten here.
    fn take_settled(&mut self) -> Vec<i64> {
        let settled = self.open.iter().filter(|batch| batch.unsettled == 0);
        let settled = settled.map(|batch| batch.batch).collect();
        self.open.retain(|batch| batch.unsettled > 0);
        settled
    }
}

impl Ledger {
    /// Commits `records` and how far the run is.
    ///
    /// # Errors
    /// When it can't be written. Then nothing of it is on disk.
    pub fn write(&mut self, records: &Records, progress: &Progress) -> Result<()> {
        let tx = self.db.transaction()?;
        if let Some((last, _)) = records.doubts.last() {
            let batch = self.batches.open(*last, records.doubts.len());
            let changes: Vec<_> = records
                .doubts
                .iter()
                .map(|(_, change)| noted(change))
                .collect();
            tx.prepare_cached("INSERT INTO doubt (batch, changes) VALUES (?1, ?2)")?
                .execute(params![batch, json(&changes)])?;
        }
        {
            let mut upsert = tx.prepare_cached(schema::UPSERT_USER)?;
            let texts = records.texts.as_str();
            let mut sorted: Vec<_> = records
                .notes
                .iter()
                .map(|note| (place(&self.keys, note.user(texts)), note))
                .collect();
            sorted.sort_unstable_by_key(|(place, _)| *place);
            let mut pending = Vec::new();
            for (place, note) in sorted {
                let batch = note.mark.and_then(|mark| self.batches.settle(mark));
                // Nothing was sent for it, so nothing of it is in doubt, and nothing is known.
                if note.end == End::Pending {
                    pending.extend(batch.map(|batch| (place, note.user(texts), batch)));
                    continue;
                }
                note.upsert(texts, &mut upsert, place, self.batches.run, batch)?;
            }
            let mut delete = tx.prepare_cached("DELETE FROM doubt WHERE batch = ?1")?;
            let settled = self.batches.take_settled();
            for batch in &settled {
                delete.execute([batch])?;
            }
            // Where a doubt row stays for the sake of others, a kill must not find these in it.
            pending.retain(|(_, _, batch)| !settled.contains(batch));
            let mut mark_doubt = tx.prepare_cached(schema::MARK_DOUBT)?;
            for (place, user, batch) in pending {
                let nothing = None::<&str>;
                at_its_place(place, |place| {
                    mark_doubt.execute(params![place, user, nothing, nothing, 0, batch])
                })?;
            }
            tx.prepare_cached(
                "UPDATE run SET counts = ?2, results_bytes = ?3, failures_bytes = ?4 WHERE run = ?1",
            )?
            .execute(params![
                self.batches.run,
                json(&progress.counts),
                progress.results_bytes,
                progress.failures_bytes,
            ])?;
        }
        tx.commit()?;
        Ok(())
    }
}

/// A change as a doubt row holds it: user, nickname, avatar, rows.
pub(super) type Noted<'c> = (&'c str, Option<&'c str>, Option<&'c str>, usize);

fn noted(change: &Change) -> Noted<'_> {
    (
        change.user.as_str(),
        change.send.nickname.as_deref(),
        change.send.avatar.as_deref(),
        change.rows.len(),
    )
}

/// Writes a user's row at its place, or at the next one where no other user stands: `write` says
/// how many rows it wrote.
pub(super) fn at_its_place(
    mut place: i64,
    mut write: impl FnMut(i64) -> rusqlite::Result<usize>,
) -> rusqlite::Result<()> {
    while write(place)? == 0 {
        place = place.wrapping_add(1);
    }
    Ok(())
}

/// Where a user's row is, if it has one.
pub(super) fn settled_batch(
    select: &mut Statement<'_>,
    keys: &Keys,
    user: &str,
) -> std::result::Result<Option<i64>, LedgerError> {
    let mut rows = select.query(params![place(keys, user), user])?;
    match rows.next()? {
        Some(row) => Ok(row.get(0)?),
        None => Ok(None),
    }
}
