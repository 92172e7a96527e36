//! Looks into a ledger without touching it: nothing is made, locked or changed, so a run may be at
//! work meanwhile. What it has under way counts as in doubt, as it would if it were killed now.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use super::{Ledger, LedgerError, Result, place};
use crate::model::{Counts, Field, PerField};
use crate::plan::Open;

/// What is kept of a user.
pub struct UserRecord {
    /// By field.
    pub fields: PerField<FieldRecord>,
    /// The failure that waits to be worked on.
    pub open: Option<Open>,
}

/// What is kept of a user's field. Personal data.
#[derive(Default, serde::Serialize)]
pub struct FieldRecord {
    /// What the service was last known to hold; `None` where this ledger never gave it any, and ''
    /// where it was cleared.
    pub held: Option<String>,
    /// When the service last said so.
    pub held_at: Option<DateTime<Utc>>,
    /// The run that gave it.
    pub held_run: Option<u32>,
    /// What was held before that run.
    pub before: Option<String>,
    /// What was sent without learning whether it arrived.
    pub doubt: Option<String>,
    /// When it was last sent, or later; `None` while it is under way.
    pub doubt_at: Option<DateTime<Utc>>,
    /// The run that sent it.
    pub doubt_run: Option<u32>,
    /// When another call left that may still arrive.
    pub late_at: Option<DateTime<Utc>>,
}

/// What a ledger holds, in figures.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Users it knows anything of.
    pub users: u64,
    /// Those known to hold a nickname that it gave them.
    pub nicknames: u64,
    /// The same of avatars.
    pub avatars: u64,
    /// Those in doubt in either field.
    pub in_doubt: u64,
    /// Those whose failure waits to be worked on.
    pub open: u64,
    /// Runs so far.
    pub runs: u64,
}

/// A past run.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RunRecord {
    /// Its number.
    pub run: u32,
    /// Its id.
    pub run_id: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; `None` while it is under way, and after a kill until the next run.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it stopped early, in a word.
    pub stopped_by: Option<String>,
    /// What its caller saw; `None` for one that was killed.
    pub exit_code: Option<u8>,
    /// Its FILE arguments.
    pub input: Vec<String>,
    /// Where its reports were put.
    pub report_dir: PathBuf,
    /// Its rows by outcome, as of its last commit.
    pub counts: Counts,
}

/// A change that was about to be sent and is not settled.
pub(super) struct UnderWay {
    pub(super) run: u32,
    pub(super) values: PerField<Option<String>>,
}

impl Ledger {
    /// Opens the ledger at `path` to look at; `None` where no run has made one yet. It can't be
    /// written to.
    ///
    /// # Errors
    /// When it can't be opened, or is something else or newer.
    pub fn look(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        super::refuse_other_than_file(path)?;
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        if super::is_blank(&db, path)? {
            return Ok(None);
        }
        Self::of(db, path).map(Some)
    }

    /// A ledger of nobody's, to plan with where there is none yet. It is gone when it is dropped.
    ///
    /// # Errors
    /// When SQLite has no memory.
    pub fn nobodys(path: &Path) -> Result<Self> {
        let db = Connection::open_in_memory()?;
        super::create(&db)?;
        Self::of(db, path)
    }

    /// What it knows of a user.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn user(&self, user: &str) -> Result<Option<UserRecord>> {
        let tx = self.db.unchecked_transaction()?;
        let mut select = tx.prepare_cached(
            "SELECT nickname, nickname_at, nickname_run, nickname_before,
                    nickname_doubt, nickname_doubt_at, nickname_doubt_run, nickname_late_at,
                    avatar, avatar_at, avatar_run, avatar_before,
                    avatar_doubt, avatar_doubt_at, avatar_doubt_run, avatar_late_at,
                    open_run, closed_run, open_refused
             FROM user WHERE id BETWEEN ?1 AND ?1 + 8 AND user_id = ?2",
        )?;
        let at_place = params![place(&self.keys, user), user];
        let found = select.query_row(at_place, |row| {
            let open = match row.get(16)? {
                Some(run) => Some(Open {
                    run,
                    refused: row.get(18)?,
                    closed_by: row.get(17)?,
                }),
                None => None,
            };
            Ok(UserRecord {
                fields: PerField {
                    nickname: field_record(row, 0)?,
                    avatar: field_record(row, 8)?,
                },
                open,
            })
        });
        let mut found = found.optional()?;
        if let Some(under_way) = self.under_way()?.remove(user) {
            let record = found.get_or_insert_with(|| UserRecord {
                fields: PerField::from_fn(|_| FieldRecord::default()),
                open: None,
            });
            for field in Field::ALL {
                if let Some(value) = &under_way.values[field] {
                    let record = &mut record.fields[field];
                    record.doubt = Some(value.clone());
                    record.doubt_at = None;
                    record.doubt_run = Some(under_way.run);
                }
            }
        }
        Ok(found)
    }

    /// What it holds, in figures.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn stats(&self) -> Result<Stats> {
        let tx = self.db.unchecked_transaction()?;
        let mut stats = tx.query_row(
            "SELECT count(*), count(nickname), count(avatar),
                    count(coalesce(nickname_doubt, avatar_doubt)),
                    count(iif(closed_run IS NULL, open_run, NULL)),
                    (SELECT count(*) FROM run)
             FROM user",
            [],
            |row| {
                Ok(Stats {
                    users: row.get(0)?,
                    nicknames: row.get(1)?,
                    avatars: row.get(2)?,
                    in_doubt: row.get(3)?,
                    open: row.get(4)?,
                    runs: row.get(5)?,
                })
            },
        )?;
        let mut find = tx.prepare(
            "SELECT coalesce(nickname_doubt, avatar_doubt) IS NOT NULL FROM user
             WHERE id BETWEEN ?1 AND ?1 + 8 AND user_id = ?2",
        )?;
        for user in self.under_way()?.keys() {
            let at_place = params![place(&self.keys, user), user];
            let known: Option<bool> = find.query_row(at_place, |row| row.get(0)).optional()?;
            stats.users += u64::from(known.is_none());
            stats.in_doubt += u64::from(known != Some(true));
        }
        Ok(stats)
    }

    /// The last `n` runs, the newest first.
    ///
    /// # Errors
    /// When it can't be read, or holds what is no run.
    pub fn runs(&self, n: u32) -> Result<Vec<RunRecord>> {
        let mut select = self.db.prepare(
            "SELECT run, run_id, started_at, ended_at, stopped_by, exit_code, input, report_dir,
                    counts
             FROM run ORDER BY run DESC LIMIT ?1",
        )?;
        let mut rows = select.query([n])?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next()? {
            let damaged = |error: serde_json::Error| LedgerError::Damaged {
                path: self.path.clone(),
                found: error.to_string(),
            };
            let (input, counts): (String, String) = (row.get(6)?, row.get(8)?);
            let report_dir: String = row.get(7)?;
            runs.push(RunRecord {
                run: row.get(0)?,
                run_id: row.get(1)?,
                started_at: time(row, 2)?.unwrap_or_default(),
                ended_at: time(row, 3)?,
                stopped_by: row.get(4)?,
                exit_code: row.get(5)?,
                input: serde_json::from_str(&input).map_err(damaged)?,
                report_dir: report_dir.into(),
                counts: serde_json::from_str(&counts).map_err(damaged)?,
            });
        }
        Ok(runs)
    }

    /// What is under way, by user: nothing, unless a run is at work or was killed.
    pub(super) fn under_way(&self) -> Result<HashMap<String, UnderWay>> {
        let mut under_way = HashMap::new();
        self.each_in_doubt(&mut |batch, (user, nickname, avatar, _)| {
            let change = UnderWay {
                run: u32::try_from(batch >> 32).unwrap_or_default(),
                values: PerField {
                    nickname: nickname.map(Into::into),
                    avatar: avatar.map(Into::into),
                },
            };
            under_way.insert(user.into(), change);
            Ok(())
        })?;
        Ok(under_way)
    }
}

fn field_record(row: &Row<'_>, from: usize) -> rusqlite::Result<FieldRecord> {
    Ok(FieldRecord {
        held: row.get(from)?,
        held_at: time(row, from + 1)?,
        held_run: row.get(from + 2)?,
        before: row.get(from + 3)?,
        doubt: row.get(from + 4)?,
        doubt_at: time(row, from + 5)?,
        doubt_run: row.get(from + 6)?,
        late_at: time(row, from + 7)?,
    })
}

pub(super) fn time(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let millis: Option<i64> = row.get(at)?;
    Ok(millis.and_then(DateTime::from_timestamp_millis))
}
