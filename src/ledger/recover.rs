//! What a killed run left: how far it got, and what it sent without learning the answer.
//!
//! Everything here can be done twice, so a second kill in the middle of it costs nothing.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use rusqlite::params;

use super::write::{Noted, at_its_place, settled_batch};
use super::{Ledger, LedgerError, Result, place, schema};
use crate::model::{Counts, Outcome};

/// A run that did not end.
#[derive(Debug, Clone, PartialEq)]
pub struct Killed {
    /// Its number.
    pub run: u32,
    /// Its id.
    pub run_id: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Its FILE arguments.
    pub input: Vec<String>,
    /// Where its reports are.
    pub report_dir: PathBuf,
    /// Its rows by outcome: what its last commit says, what was in doubt as unknown, the rest as
    /// pending.
    pub counts: Counts,
    /// Users in doubt.
    pub users_in_doubt: u64,
    /// How much of its `results.csv` is backed by a commit. Bytes.
    pub results_bytes: u64,
    /// The same of its `failures.csv`.
    pub failures_bytes: u64,
}

impl Ledger {
    /// Whether there is a run that did not end, and what it left.
    ///
    /// # Errors
    /// When the ledger can't be read, or is damaged: after a kill it is looked through first.
    pub fn find_killed(&self) -> Result<Option<Killed>> {
        let mut select = self.db.prepare(
            "SELECT run, run_id, started_at, input, report_dir, counts, results_bytes,
                    failures_bytes
             FROM run WHERE ended_at IS NULL ORDER BY run LIMIT 1",
        )?;
        let mut rows = select.query([])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let check: String = self
            .db
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if check != "ok" {
            let path = self.path.clone();
            return Err(LedgerError::Damaged { path, found: check });
        }
        let parse = |what: &str| -> Result<String> { Ok(row.get(what)?) };
        let damaged = |error: serde_json::Error| LedgerError::Damaged {
            path: self.path.clone(),
            found: error.to_string(),
        };
        let mut killed = Killed {
            run: row.get("run")?,
            run_id: row.get("run_id")?,
            started_at: DateTime::from_timestamp_millis(row.get("started_at")?).unwrap_or_default(),
            input: serde_json::from_str(&parse("input")?).map_err(damaged)?,
            report_dir: parse("report_dir")?.into(),
            counts: serde_json::from_str(&parse("counts")?).map_err(damaged)?,
            users_in_doubt: 0,
            results_bytes: row.get("results_bytes")?,
            failures_bytes: row.get("failures_bytes")?,
        };
        self.each_in_doubt(&mut |_, change| {
            killed.users_in_doubt += 1;
            killed.counts.add(Outcome::Unknown, change.3 as u64);
            Ok(())
        })?;
        let settled = killed.counts.settled();
        let pending = killed.counts.read.saturating_sub(settled);
        killed.counts.add(Outcome::Pending, pending);
        Ok(Some(killed))
    }

    /// Puts what a killed run had in doubt into its users' rows, and closes the run. `now` stands
    /// for the last attempt of each: it was made before the run was killed, nobody knows when.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn close_killed(&mut self, killed: &Killed, now: DateTime<Utc>) -> Result<()> {
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let done = self.settle_killed(killed, now);
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        self.db.execute_batch(end)?;
        done
    }

    fn settle_killed(&self, killed: &Killed, now: DateTime<Utc>) -> Result<()> {
        let mut mark = self.db.prepare(schema::MARK_DOUBT)?;
        self.each_in_doubt(&mut |batch, (user, nickname, avatar, _)| {
            let at = now.timestamp_millis();
            at_its_place(place(&self.keys, user), |place| {
                mark.execute(params![place, user, nickname, avatar, at, batch])
            })?;
            Ok(())
        })?;
        self.db.execute("DELETE FROM doubt", [])?;
        self.db.execute(
            "UPDATE run SET ended_at = ?2, stopped_by = 'killed', counts = ?3 WHERE run = ?1",
            params![
                killed.run,
                now.timestamp_millis(),
                super::json(&killed.counts)
            ],
        )?;
        Ok(())
    }

    /// Calls back with each change that was about to be sent and is not settled.
    pub(super) fn each_in_doubt(
        &self,
        each: &mut dyn FnMut(i64, Noted<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut batches = self
            .db
            .prepare("SELECT batch, changes FROM doubt ORDER BY batch")?;
        let mut find = self.db.prepare(
            "SELECT settled_batch FROM user WHERE id BETWEEN ?1 AND ?1 + 8 AND user_id = ?2",
        )?;
        let mut rows = batches.query([])?;
        while let Some(row) = rows.next()? {
            let batch: i64 = row.get(0)?;
            let text: String = row.get(1)?;
            let changes: Vec<(String, Option<String>, Option<String>, usize)> =
                serde_json::from_str(&text).map_err(|error| LedgerError::Damaged {
                    path: self.path.clone(),
                    found: format!("doubt {batch}: {error}"),
                })?;
            for (user, nickname, avatar, n_rows) in &changes {
                if settled_batch(&mut find, &self.keys, user)? != Some(batch) {
                    each(
                        batch,
                        (user, nickname.as_deref(), avatar.as_deref(), *n_rows),
                    )?;
                }
            }
        }
        Ok(())
    }
}
