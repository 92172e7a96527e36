//! What is to be sent: the survey folded user by user (rule T1) and held against what the ledger
//! says the service holds (rule T2). Nothing here reads a file or a clock.
//!
//! The ledger is read once from end to end rather than asked a million times, and compared by
//! keys; the text of the rows is not needed until the second pass ([`rows`]) reads it to send it.
//! So the counts are known, and exact, before the first call.
//!
//! Changes have their turn in this order: what is in doubt, then as in the file, and last those
//! whom the service refused before.

mod role;
pub mod rows;

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::input::survey::{Entry, Survey};
use crate::keys::UserKey;
use crate::model::{Counts, Field, Fields, Outcome, PerField};
use role::{Note, Role, Roles};

/// A *different* value for a field in doubt waits this long after the field's last attempt: a
/// late call of the earlier value must not land after it (rule T3). Chosen: a call's time-out is
/// 15 s, and the official SDKs give up after 60.
pub const COOLDOWN: Duration = Duration::from_secs(60);

/// What the ledger knows of a user.
#[derive(Default)]
pub struct Known<'l> {
    /// The user's id.
    pub user: &'l str,
    /// What the service was last known to hold; `None` where it was never given.
    pub held: PerField<Option<&'l str>>,
    /// When the call left with which it was given that. Asked for only where
    /// [`Wishes::max_age`] is.
    pub held_at: PerField<Option<DateTime<Utc>>>,
    /// What was sent without learning whether it arrived.
    pub doubt: PerField<Option<Doubt<'l>>>,
    /// When a call left, at the latest, that was never answered though its field is not in doubt
    /// for it any more: it may still arrive.
    pub late: PerField<Option<DateTime<Utc>>>,
    /// The failure that waits to be worked on.
    pub open: Option<Open>,
    /// The newest run that settled anything of this user.
    pub newest_run: u32,
}

/// A value of which nobody knows whether the service holds it.
#[derive(Clone, Copy)]
pub struct Doubt<'l> {
    /// The value.
    pub value: &'l str,
    /// When it was last sent; after this it can't arrive later than a [`COOLDOWN`].
    pub last_attempt: DateTime<Utc>,
}

/// A user's open record: the run that failed, and the run that has taken care of it since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// The run whose `failures.csv` lists the user.
    pub run: u32,
    /// Whether the service refused it there; else no answer decided, or its row was invalid.
    pub refused: bool,
    /// A later run that named the user.
    pub closed_by: Option<u32>,
}

/// What the person wants beside the file; by default, nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes {
    /// Send what the ledger already holds, too.
    pub all: bool,
    /// At most this many changes.
    pub limit: Option<u64>,
    /// Send again what was given longer ago than this, spread over its last quarter: of a million
    /// users who were given theirs in one night, some fall due in each of many.
    pub max_age: Option<Duration>,
}

/// What every user's decision needs beside the user.
#[derive(Clone, Copy)]
struct Asked<'a> {
    wishes: Wishes,
    now: DateTime<Utc>,
    origin_runs: &'a [u32],
}

/// When a change has its turn within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// First: until it is sent nobody knows what the service holds.
    InDoubt,
    /// In the order of the file.
    Usual,
    /// Last: it will most likely be refused again, and must not keep others waiting.
    RefusedBefore,
}

impl Turn {
    const ALL: [Self; 3] = [Self::InDoubt, Self::Usual, Self::RefusedBefore];
}

/// What is to be sent, and what became of the rest.
pub struct Plan {
    survey: Survey,
    roles: Roles,
    /// By the row that completes the change.
    doubts: HashMap<u32, Doubted>,
    /// Rows that have their outcome before anything is sent; the rest is to be sent.
    pub settled: Counts,
    /// Changes to be sent.
    pub changes: u64,
    /// Users of whom the ledger knows that the service holds something, whoever they are.
    pub users_held: u64,
    /// Users in doubt whom the input does not name: they stay in doubt.
    pub in_doubt_elsewhere: u64,
    /// Users whose open record this run closes by naming them.
    pub closes: Vec<Box<str>>,
}

/// What the ledger has against a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Doubted {
    failed_before: bool,
    before: Fields,
    not_before: Option<DateTime<Utc>>,
}

impl Doubted {
    fn turn(&self) -> Turn {
        match (self.before.is_empty(), self.failed_before) {
            (false, _) => Turn::InDoubt,
            (true, true) => Turn::RefusedBefore,
            (true, false) => Turn::Usual,
        }
    }
}

/// Folds the survey and compares it with the ledger. `scan` calls back with everything that the
/// ledger knows, best in the order of keys; `run_number` tells the number of a run by its id, `now` is what
/// the wall clock says.
///
/// # Errors
/// Those of `scan`; and [`UnknownRun`] within when a `failures.csv` names a run that this ledger
/// has not seen.
pub fn make<E: From<UnknownRun>>(
    survey: Survey,
    wishes: Wishes,
    now: DateTime<Utc>,
    run_number: impl Fn(&str) -> Option<u32>,
    scan: impl FnOnce(&mut dyn FnMut(&Known<'_>)) -> Result<(), E>,
) -> Result<Plan, E> {
    let runs = survey
        .origins
        .as_ref()
        .map_or(&[][..], |origins| &origins.runs);
    let origin_runs = runs
        .iter()
        .map(|id| run_number(id).ok_or_else(|| UnknownRun { id: id.clone() }))
        .collect::<Result<Vec<u32>, _>>()?;
    let asked = Asked {
        wishes,
        now,
        origin_runs: &origin_runs,
    };
    let mut plan = Plan {
        roles: Roles::new(survey.entries.len()),
        doubts: HashMap::new(),
        settled: Counts {
            read: survey.n_rows(),
            ..Counts::default()
        },
        changes: 0,
        users_held: 0,
        in_doubt_elsewhere: 0,
        closes: Vec::new(),
        survey,
    };
    let (mut cursor, mut decided) = (0, Decided::of(&plan));
    scan(&mut |known| {
        let user = plan.survey.keys.user(known.user);
        let is_held = Field::ALL.iter().any(|field| known.held[*field].is_some());
        plan.users_held += u64::from(is_held);
        match plan.group_of(user.key, &mut cursor) {
            // Two users of the ledger whose keys are alike: the rows are decided once, and as the
            // values' stand-ins depend on their user, a stranger's leave nothing unsent.
            Some(group) if !decided.add(&group) => {}
            Some(group) => plan.decide(group, Some((known, user)), asked),
            None => {
                let in_doubt = Field::ALL.iter().any(|field| known.doubt[*field].is_some());
                plan.in_doubt_elsewhere += u64::from(in_doubt);
            }
        }
    })?;
    plan.decide_unknown_users(&decided, asked);
    plan.in_file_order();
    plan.cut(wishes.limit);
    Ok(plan)
}

/// Which users are decided, by where their rows begin among the sorted entries. Their roles would
/// tell, too, but those lie in the order of the file: a wait for memory at each user.
struct Decided(Vec<u64>);

impl Decided {
    fn of(plan: &Plan) -> Self {
        Self(vec![0; plan.survey.entries.len().div_ceil(64)])
    }

    fn has(&self, group: &Range<usize>) -> bool {
        self.0[group.start / 64] & 1 << (group.start % 64) != 0
    }

    /// False where it was decided before.
    fn add(&mut self, group: &Range<usize>) -> bool {
        let is_new = !self.has(group);
        self.0[group.start / 64] |= 1 << (group.start % 64);
        is_new
    }
}

/// A `failures.csv` of a run that this ledger does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the file was written by {}, which this ledger does not know\nhint: use the --state-dir of that run; or, to send the file as it is, remove its columns that begin with _",
    shown(id)
)]
pub struct UnknownRun {
    id: String,
}

/// A run's name, if it is one: a cell may hold anything.
fn shown(id: &str) -> String {
    let is_name = id.len() <= 32 && id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    if is_name {
        format!("run {id}")
    } else {
        "a run whose name is not one".into()
    }
}

impl Plan {
    /// What the first pass found.
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// Rows that belong to a change to be sent.
    pub fn rows_to_send(&self) -> u64 {
        self.settled.read - self.settled.settled()
    }

    /// The rows of the user with this key. `cursor` makes a walk in the order of keys cheap.
    fn group_of(&self, key: u64, cursor: &mut usize) -> Option<Range<usize>> {
        let entries = &self.survey.entries;
        let from = match entries.get(*cursor) {
            Some(entry) if entry.user <= key => gallop(entries, *cursor, key),
            Some(_) if *cursor == 0 || entries[*cursor - 1].user < key => *cursor,
            _ => entries.partition_point(|entry| entry.user < key),
        };
        *cursor = from;
        let n_rows = entries[from..]
            .iter()
            .take_while(|entry| entry.user == key)
            .count();
        (n_rows > 0).then_some(from..from + n_rows)
    }

    fn decide_unknown_users(&mut self, decided: &Decided, asked: Asked<'_>) {
        let mut from = 0;
        while from < self.survey.entries.len() {
            let user = self.survey.entries[from].user;
            let n_rows = match user {
                // Rows without a user have nobody to share an outcome with.
                0 => 1,
                _ => self.survey.entries[from..]
                    .iter()
                    .take_while(|entry| entry.user == user)
                    .count(),
            };
            let group = from..from + n_rows;
            if !decided.has(&group) {
                self.decide(group, None, asked);
            }
            from += n_rows;
        }
    }

    /// Folds one user's rows and gives each its role.
    fn decide(
        &mut self,
        group: Range<usize>,
        known: Option<(&Known<'_>, UserKey)>,
        asked: Asked<'_>,
    ) {
        let rows = &self.survey.entries[group];
        if let Some(bad) = rows.iter().find(|row| row.is_invalid()) {
            for row in rows {
                let role = if row.is_invalid() {
                    Role::Invalid
                } else {
                    Role::HeldBack { by: bad.row }
                };
                self.roles.set(row.row, role);
            }
            self.settled.add(Outcome::Invalid, rows.len() as u64);
            return;
        }
        let newer_run = |row: &Entry| {
            let run = self.survey.origins.as_ref()?.of(row.row)?;
            let (known, user) = known?;
            let newer = taken_care_of(asked.origin_runs[run], known)?;
            // A newer run that left this very row in doubt has not taken care of it (rule T4).
            let in_doubt = leaves_in_doubt(&self.survey, known, user, row);
            (!in_doubt).then_some(newer)
        };
        let mut last: PerField<Option<&Entry>> = PerField::default();
        let mut n_superseded = 0;
        for row in rows {
            if let Some(run) = newer_run(row) {
                self.roles.set(row.row, Role::SupersededByRun { run });
                n_superseded += 1;
                continue;
            }
            for field in Field::ALL {
                if row.sets[field].is_set() {
                    last[field] = Some(row);
                }
            }
        }
        let contributes = |row: &Entry| {
            Field::ALL
                .iter()
                .any(|field| last[*field].is_some_and(|last| last.row == row.row))
        };
        let Some(completing) = Field::ALL
            .iter()
            .filter_map(|field| last[*field])
            .max_by_key(|row| row.row)
        else {
            self.settled.add(Outcome::Superseded, n_superseded);
            return;
        };
        for row in rows {
            if contributes(row) || self.roles.get(row.row) != Role::Unchanged {
                continue;
            }
            let by = Field::ALL
                .iter()
                .filter(|field| row.sets[**field].is_set())
                .filter_map(|field| last[*field])
                .map(|last| last.row)
                .max()
                .expect("a valid row sets something");
            self.roles.set(row.row, Role::Superseded { by });
            n_superseded += 1;
        }
        self.settled.add(Outcome::Superseded, n_superseded);

        let (send, mut doubted) = compare(&self.survey, &last, known, asked);
        let earlier = Field::ALL
            .iter()
            .filter_map(|field| last[*field])
            .find(|row| row.row != completing.row);
        let n_rows = 1 + u64::from(earlier.is_some());
        let still_open = known.map(|(known, _)| known).filter(|known| {
            matches!(
                known.open,
                Some(Open {
                    closed_by: None,
                    ..
                })
            )
        });
        // A run on a failures.csv closes what it settles, not what it names: if it is cut off,
        // the same command must find the rest still open (rule T5).
        if let Some(known) = still_open
            && (self.survey.origins.is_none() || send.is_empty())
        {
            self.closes.push(known.user.into());
        }
        // Their rows are unchanged as they are.
        if send.is_empty() {
            self.settled.add(Outcome::Unchanged, n_rows);
            return;
        }
        self.changes += 1;
        doubted.failed_before = still_open
            .and_then(|known| known.open)
            .is_some_and(|open| open.refused);
        if doubted != Doubted::default() {
            self.doubts.insert(completing.row, doubted);
        }
        match earlier {
            None => self.roles.set(completing.row, Role::Sends { fields: send }),
            Some(earlier) => {
                let note = Note {
                    earlier: earlier.row,
                    completing: completing.row,
                    fields: send,
                    offset: 0,
                };
                self.roles.set_pair(note);
            }
        }
    }

    /// Puts the entries back into the order of the rows, in which the second pass asks for them:
    /// each knows its place.
    fn in_file_order(&mut self) {
        if self.roles.n_rows_to_read() == 0 {
            return;
        }
        let entries = &mut self.survey.entries;
        for at in 0..entries.len() {
            while entries[at].row as usize != at {
                let home = entries[at].row as usize;
                entries.swap(at, home);
            }
        }
    }

    /// Leaves all but the first `limit` changes, in the order of their turns, for a later run.
    fn cut(&mut self, limit: Option<u64>) {
        let Some(limit) = limit.filter(|limit| self.changes > *limit) else {
            return;
        };
        let mut n_changes = 0;
        for turn in Turn::ALL {
            for row in 0..self.survey.entries.len() as u32 {
                let earlier = match self.roles.get(row) {
                    Role::Sends { .. } => None,
                    Role::Completes { note } => Some(self.roles.note(note).earlier),
                    _ => continue,
                };
                if self.turn(row) != turn {
                    continue;
                }
                n_changes += 1;
                if n_changes > limit {
                    self.doubts.remove(&row);
                    for row in earlier.into_iter().chain([row]) {
                        self.roles.set(row, Role::Pending);
                        self.settled.add(Outcome::Pending, 1);
                    }
                }
            }
        }
        self.changes = limit;
    }

    /// The turn of the change that `row` completes.
    fn turn(&self, row: u32) -> Turn {
        self.doubts.get(&row).map_or(Turn::Usual, Doubted::turn)
    }

    /// The number of rows up to and including the last that has to be read in this turn.
    fn n_rows_to_read(&self, turn: Turn) -> u32 {
        match turn {
            Turn::Usual => self.roles.n_rows_to_read(),
            _ => {
                let rows = self.doubts.iter();
                let rows = rows.filter(|(_, doubted)| doubted.turn() == turn);
                rows.map(|(row, _)| row + 1).max().unwrap_or(0)
            }
        }
    }
}

/// The first entry from `from` on whose user is not before `key`: near in a walk in order.
fn gallop(entries: &[Entry], from: usize, key: u64) -> usize {
    let mut step = 1;
    let mut low = from;
    while let Some(entry) = entries.get(low + step) {
        if entry.user >= key {
            break;
        }
        low += step;
        step *= 2;
    }
    let high = (low + step).min(entries.len());
    low + entries[low..high].partition_point(|entry| entry.user < key)
}

/// The run that has taken care of a row fed back from `failures.csv` since run `written_by` wrote
/// it, if any (rule T5). A user of whom no newer run knows anything is free to be sent: a person
/// may have mended the very id in the row.
fn taken_care_of(written_by: u32, known: &Known<'_>) -> Option<u32> {
    let by_open = match known.open {
        Some(open) if open.run == written_by => open.closed_by,
        Some(open) => Some(open.closed_by.unwrap_or(open.run).max(open.run)),
        None => None,
    };
    by_open
        .into_iter()
        .chain([known.newest_run])
        .filter(|run| *run > written_by)
        .max()
}

/// Whether the user's open record has in doubt just what the row sets, as far as it is not held.
fn leaves_in_doubt(survey: &Survey, known: &Known<'_>, user: UserKey, row: &Entry) -> bool {
    let is_open = matches!(known.open, Some(open) if open.closed_by.is_none());
    let is = |field: Field, text: &str| survey.keys.value(user, field, text) == row.sets[field];
    let sets = |field: &&Field| row.sets[**field].is_set();
    let mut set = Field::ALL.iter().filter(sets);
    let agrees = |field: &Field| match known.doubt[*field] {
        Some(doubt) => is(*field, doubt.value),
        None => known.held[*field].is_some_and(|held| is(*field, held)),
    };
    let in_doubt = |field: &Field| known.doubt[*field].is_some();
    is_open && set.clone().any(in_doubt) && set.all(agrees)
}

/// Which fields a change sends, and what of them was in doubt.
fn compare(
    survey: &Survey,
    last: &PerField<Option<&Entry>>,
    known: Option<(&Known<'_>, UserKey)>,
    asked: Asked<'_>,
) -> (Fields, Doubted) {
    let mut doubted = Doubted::default();
    let send = Fields::from_fn(|field| {
        let Some(row) = last[field] else {
            return false;
        };
        let Some((known, user)) = known else {
            return true;
        };
        let is = |text| survey.keys.value(user, field, text) == row.sets[field];
        let other = known.doubt[field].filter(|doubt| !is(doubt.value));
        doubted.before[field] = known.doubt[field].is_some();
        let holds = known.held[field].is_some_and(is);
        let sends_again = asked.wishes.all || is_old(known.held_at[field], user.key, asked);
        if !doubted.before[field] && holds && !sends_again {
            return false;
        }
        let late = known.late[field].max(other.map(|doubt| doubt.last_attempt));
        doubted.not_before = doubted.not_before.max(late.map(|late| late + COOLDOWN));
        true
    });
    (send, doubted)
}

/// Whether what a user was given then is to be sent again for its age alone. Each user has a time
/// of its own between three quarters of the age and all of it. A clock that was ahead when it was
/// given makes it new, not due.
fn is_old(given_at: Option<DateTime<Utc>>, user: u64, asked: Asked<'_>) -> bool {
    let (Some(given_at), Some(max_age)) = (given_at, asked.wishes.max_age) else {
        return false;
    };
    let age = (asked.now - given_at).to_std().unwrap_or_default();
    let share = user as f64 / u64::MAX as f64;
    age >= max_age.mul_f64(0.75 + 0.25 * share)
}

#[cfg(test)]
mod tests;
