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

/// What one commit records.
#[derive(Debug, Default)]
pub struct Records {
    /// Changes that may be sent once this is on disk, in the order of their marks.
    pub doubts: Vec<(Mark, Arc<Change>)>,
    /// What became of changes, and when their last call left.
    pub settlements: Vec<(Settlement, DateTime<Utc>)>,
    /// Users of invalid rows: their record is open until a later run names them (rule T5).
    pub invalid_users: Vec<UserId>,
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
            let mut sorted: Vec<_> = records
                .settlements
                .iter()
                .map(|(settlement, last_sent)| {
                    let user = settlement.change.user.as_str();
                    (place(&self.keys, user), settlement, *last_sent)
                })
                .collect();
            sorted.sort_unstable_by_key(|(place, ..)| *place);
            let mut pending = Vec::new();
            for (place, settlement, last_sent) in sorted {
                let batch = self.batches.settle(settlement.mark);
                // Nothing was sent for it, so nothing of it is in doubt, and nothing is known.
                if settlement.ending == Ending::Pending {
                    pending.extend(batch.map(|batch| (place, settlement, batch)));
                    continue;
                }
                let row = UserRow::settled(settlement, last_sent, batch);
                row.upsert(&mut upsert, place, self.batches.run)?;
            }
            for user in &records.invalid_users {
                let row = UserRow::invalid(user);
                row.upsert(
                    &mut upsert,
                    place(&self.keys, user.as_str()),
                    self.batches.run,
                )?;
            }
            let mut delete = tx.prepare_cached("DELETE FROM doubt WHERE batch = ?1")?;
            let settled = self.batches.take_settled();
            for batch in &settled {
                delete.execute([batch])?;
            }
            // Where a doubt row stays for the sake of others, a kill must not find these in it.
            pending.retain(|(_, _, batch)| !settled.contains(batch));
            let mut note = tx.prepare_cached(schema::MARK_DOUBT)?;
            for (place, settlement, batch) in pending {
                let user = settlement.change.user.as_str();
                let nothing = None::<&str>;
                at_its_place(place, |place| {
                    note.execute(params![place, user, nothing, nothing, 0, batch])
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

/// What a settlement does to one field of its user's row.
#[derive(Clone, Copy)]
pub(super) enum FieldAction<'v> {
    Leave,
    Held(&'v str),
    Refused,
    InDoubt(&'v str),
}

/// Whether a settlement opens a record of its user (rule T5), as the schema numbers it.
#[derive(Clone, Copy)]
pub(super) enum Opens {
    No = 0,
    Yes = 1,
    /// The service has refused it.
    Refused = 2,
}

/// What a settlement does to its user's row.
pub(super) struct UserRow<'s> {
    pub(super) user: &'s str,
    pub(super) fields: PerField<FieldAction<'s>>,
    /// When the values were last sent.
    pub(super) at: DateTime<Utc>,
    pub(super) opens: Opens,
    pub(super) may_arrive_late: bool,
    pub(super) batch: Option<i64>,
}

impl<'s> UserRow<'s> {
    fn settled(settlement: &'s Settlement, last_sent: DateTime<Utc>, batch: Option<i64>) -> Self {
        let change = &settlement.change;
        let fields = PerField::from_fn(|field: Field| match &change.send[field] {
            None => FieldAction::Leave,
            Some(value) if settlement.in_doubt[field] => FieldAction::InDoubt(value),
            Some(value) if matches!(settlement.ending, Ending::Applied { .. }) => {
                FieldAction::Held(value)
            }
            Some(_) => FieldAction::Refused,
        });
        Self {
            user: change.user.as_str(),
            fields,
            at: last_sent,
            opens: match settlement.ending {
                Ending::Failed(_) if settlement.in_doubt.is_empty() => Opens::Refused,
                Ending::Failed(_) | Ending::Unknown(_) => Opens::Yes,
                Ending::Applied { .. } | Ending::Pending => Opens::No,
            },
            may_arrive_late: settlement.may_arrive_late,
            batch,
        }
    }

    fn invalid(user: &'s UserId) -> Self {
        Self {
            user: user.as_str(),
            fields: PerField::from_fn(|_| FieldAction::Leave),
            at: DateTime::UNIX_EPOCH,
            opens: Opens::Yes,
            may_arrive_late: false,
            batch: None,
        }
    }

    /// Writes it at its place, or at the next one that is free or its own already.
    pub(super) fn upsert(
        &self,
        upsert: &mut Statement<'_>,
        place: i64,
        run: u32,
    ) -> rusqlite::Result<()> {
        let action = |field: Field| match self.fields[field] {
            FieldAction::Leave => (0, None),
            FieldAction::Held(value) => (1, Some(value)),
            FieldAction::Refused => (2, None),
            FieldAction::InDoubt(value) => (3, Some(value)),
        };
        let (nickname_action, nickname) = action(Field::Nickname);
        let (avatar_action, avatar) = action(Field::Avatar);
        let at = self.at.timestamp_millis();
        at_its_place(place, |place| {
            upsert.execute(params![
                place,
                self.user,
                nickname_action,
                nickname,
                at,
                avatar_action,
                avatar,
                at,
                run,
                self.opens as u8,
                self.batch,
                self.may_arrive_late,
            ])
        })
    }
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
