//! What each user was last given: one SQLite file, so that *running the same command again is how
//! you resume*, and a nightly export costs calls only for the users that changed.
//!
//! **Invariants.** A field is in doubt on disk before a call for it leaves (T3). One account per
//! ledger (T8). Commits are synchronous: what was acted on survives a power cut. There is one
//! writer: the value travels into a blocking thread with each batch and comes back.
//!
//! Parts: [`schema`] is what stands on disk, [`mod@account`] whom it belongs to, [`mod@write`] puts a
//! batch there, [`recover`] finds what a killed run left, [`look`] reads without touching, [`amend`]
//! takes back: a user's record, or a run.

pub mod account;
pub mod amend;
pub mod look;
pub mod recover;
pub mod schema;
pub mod write;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::keys::Keys;
use crate::model::{Counts, Field, PerField};
use crate::plan::{Doubt, Known, Open, UnknownRun};

/// Why the ledger can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite or the disk says no.
    #[error("ledger: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file can't be made.
    #[error("ledger {path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Some other SQLite database, or none.
    #[error("ledger {path}: is not a ledger of lcic-sync")]
    NotALedger {
        /// Which file.
        path: PathBuf,
    },
    /// Written by a newer lcic-sync.
    #[error(
        "ledger {path}: has version {found}, this lcic-sync knows up to {}\nhint: use the newer lcic-sync that wrote it",
        schema::VERSION
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Damaged.
    #[error(
        "ledger {path}: is damaged: {found}\nhint: move it away and run again: every row will be sent once more, which is harmless"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What `PRAGMA quick_check` said.
        found: String,
    },
    /// Another account's (rule T8).
    #[error(
        "ledger {path}: belongs to {pinned}, and this run would act for {found}\nhint: each account has its own ledger: choose another --state-dir\nhint: if it is the same account with a new key, say so with: lcic-sync ledger adopt"
    )]
    OtherAccount {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        pinned: String,
        /// Who runs.
        found: String,
    },
    /// A `failures.csv` of another ledger.
    #[error(transparent)]
    UnknownRun(#[from] UnknownRun),
}

pub use account::Account;

type Result<T> = std::result::Result<T, LedgerError>;

/// So long a limit that the service named is taken to hold. Chosen: a quota is raised by ticket, and
/// a run that starts too low finds out within two minutes.
const LIMIT_HOLDS: TimeDelta = TimeDelta::days(7);

/// See the module.
#[derive(Debug)]
pub struct Ledger {
    db: Connection,
    path: PathBuf,
    keys: Keys,
    batches: write::OpenBatches,
}

/// A run, as it begins.
#[derive(Debug, Clone)]
pub struct NewRun<'r> {
    /// Its id.
    pub run_id: &'r str,
    /// When.
    pub started_at: DateTime<Utc>,
    /// The FILE arguments.
    pub input: &'r [String],
    /// Where its reports go.
    pub report_dir: &'r Path,
    /// What is settled before anything is sent.
    pub counts: Counts,
}

impl Ledger {
    /// Opens the ledger at `path`, or makes a new one there; says whether it is new.
    ///
    /// # Errors
    /// When it can't be opened, or is something else, damaged or newer.
    pub fn open(path: &Path) -> Result<(Self, bool)> {
        refuse_other_than_file(path)?;
        // Made here rather than by SQLite, so that nobody else may ever read it.
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| LedgerError::Io {
                path: path.into(),
                error,
            })?;
        let db = Connection::open(path)?;
        let is_new = is_blank(&db, path)?;
        if is_new {
            create(&db)?;
        }
        let ledger = Self::of(db, path)?;
        ledger.db.pragma_update(None, "journal_mode", "WAL")?;
        ledger.db.pragma_update(None, "synchronous", "FULL")?;
        ledger.db.pragma_update(None, "cache_size", -16_384)?;
        ledger.db.pragma_update(None, "wal_autocheckpoint", 4096)?;
        Ok((ledger, is_new))
    }

    /// The ledger in `db`.
    fn of(db: Connection, path: &Path) -> Result<Self> {
        let path = path.to_owned();
        let found: u32 = pragma(&db, "user_version")?;
        if found > schema::VERSION {
            return Err(LedgerError::Newer { path, found });
        }
        let secret: String = meta(&db, "key")?.unwrap_or_default();
        let mut key = [0; 16];
        if hex::decode_to_slice(secret, &mut key).is_err() {
            return Err(LedgerError::NotALedger { path });
        }
        Ok(Self {
            db,
            path,
            keys: Keys::new(key),
            batches: write::OpenBatches::default(),
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the stand-ins by which its users are found.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The number of a run by its id.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn run_number(&self, run_id: &str) -> Result<Option<u32>> {
        let number = "SELECT run FROM run WHERE run_id = ?1";
        Ok(self
            .db
            .query_row(number, [run_id], |row| row.get(0))
            .optional()?)
    }

    /// The runs whose `failures.csv` still waits to be worked on (rule T5), and those that did not
    /// end: by their ids.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn runs_with_open_failures(&self) -> Result<BTreeSet<String>> {
        let mut select = self.db.prepare(
            "SELECT run_id FROM run WHERE ended_at IS NULL OR run IN
               (SELECT open_run FROM user WHERE open_run IS NOT NULL AND closed_run IS NULL)",
        )?;
        let runs = select.query_map([], |row| row.get(0))?;
        Ok(runs.collect::<std::result::Result<_, _>>()?)
    }

    /// The calls per second that the service said it allows, if that was lately (rule P3).
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn limit(&self, now: DateTime<Utc>) -> Result<Option<f64>> {
        let told = meta(&self.db, "limit")?.unwrap_or_default();
        let told = told.split_once(' ').and_then(|(limit, at)| {
            let at = DateTime::parse_from_rfc3339(at).ok()?;
            (now - at.to_utc() < LIMIT_HOLDS).then(|| limit.parse().ok())?
        });
        Ok(told)
    }

    /// Notes what the service said that it allows, and when; `None` forgets it.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn note_limit(&mut self, per_second: Option<f64>, at: DateTime<Utc>) -> Result<()> {
        let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        match per_second {
            Some(limit) => self.db.execute(
                "INSERT OR REPLACE INTO meta (name, value) VALUES ('limit', ?1)",
                [format!("{limit} {at}")],
            )?,
            None => self
                .db
                .execute("DELETE FROM meta WHERE name = 'limit'", [])?,
        };
        Ok(())
    }

    /// The rows of the last run on the same FILE arguments that got as far as its plan.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn rows_of_last_run(&self, input: &[String]) -> Result<Option<u64>> {
        let read = "SELECT counts ->> 'read' FROM run WHERE input = ?1 ORDER BY run DESC LIMIT 1";
        let rows = self.db.query_row(read, [json(&input)], |row| row.get(0));
        Ok(rows.optional()?)
    }

    /// Calls back with everything it knows of its users but [`Known::held_at`], in the order of
    /// their keys; what is under way of users it does not know yet comes last.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn scan(&self, each: &mut dyn FnMut(&Known<'_>)) -> Result<()> {
        self.scan_columns("NULL, NULL", each)
    }

    /// The same with [`Known::held_at`], which costs time at each user.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn scan_with_ages(&self, each: &mut dyn FnMut(&Known<'_>)) -> Result<()> {
        self.scan_columns("nickname_at, avatar_at", each)
    }

    fn scan_columns(&self, ages: &str, each: &mut dyn FnMut(&Known<'_>)) -> Result<()> {
        // Both tables as of one commit: a run may be at work.
        let tx = self.db.unchecked_transaction()?;
        let mut under_way = self.under_way()?;
        let mut select = tx.prepare(&format!(
            "SELECT user_id, nickname, avatar, {ages}, newest_run,
                    coalesce(nickname_doubt_at, avatar_doubt_at, nickname_late_at, avatar_late_at,
                             open_run) IS NOT NULL, id
             FROM user ORDER BY id"
        ))?;
        // Few users have any of these, and each column costs time at each.
        let mut select_unsettled = tx.prepare(
            "SELECT nickname_doubt, nickname_doubt_at, avatar_doubt, avatar_doubt_at,
                    nickname_late_at, avatar_late_at, open_run, closed_run, open_refused
             FROM user WHERE id = ?1",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let mut known = known(row)?;
            let mut unsettled;
            if row.get(6)? {
                unsettled = select_unsettled.query([row.get::<_, i64>(7)?])?;
                if let Some(row) = unsettled.next()? {
                    add_unsettled(&mut known, row)?;
                }
            }
            let change = match under_way.is_empty() {
                true => None,
                false => under_way.remove(known.user),
            };
            if let Some(change) = &change {
                add_under_way(&mut known, change);
            }
            each(&known);
        }
        for (user, change) in &under_way {
            let mut known = Known {
                user,
                ..Known::default()
            };
            add_under_way(&mut known, change);
            each(&known);
        }
        Ok(())
    }

    /// Opens a run and closes the records of the users it names, in one commit. Returns the run's
    /// number.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn begin_run(&mut self, run: &NewRun<'_>, closes: &[Box<str>]) -> Result<u32> {
        let tx = self.db.transaction()?;
        tx.execute(
            "INSERT INTO run (run_id, started_at, input, report_dir, counts,
                              results_bytes, failures_bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, 0)",
            params![
                run.run_id,
                run.started_at.timestamp_millis(),
                json(&run.input),
                run.report_dir.to_string_lossy(),
                json(&run.counts),
            ],
        )?;
        let number = u32::try_from(tx.last_insert_rowid()).expect("fewer than 4 billion runs");
        {
            let mut close = tx.prepare(
                "UPDATE user SET closed_run = ?1, newest_run = ?1
                 WHERE id BETWEEN ?2 AND ?2 + 8 AND user_id = ?3
                   AND open_run IS NOT NULL AND closed_run IS NULL",
            )?;
            for user in closes {
                close.execute(params![number, place(&self.keys, user), user])?;
            }
        }
        tx.commit()?;
        self.batches = write::OpenBatches::of_run(number);
        Ok(number)
    }

    /// Closes a run.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn end_run(
        &mut self,
        run: u32,
        ended_at: DateTime<Utc>,
        counts: Counts,
        stopped_by: Option<&str>,
        exit_code: u8,
    ) -> Result<()> {
        self.db.execute(
            "UPDATE run SET ended_at = ?2, counts = ?3, stopped_by = ?4, exit_code = ?5
             WHERE run = ?1",
            params![
                run,
                ended_at.timestamp_millis(),
                json(&counts),
                stopped_by,
                exit_code
            ],
        )?;
        Ok(())
    }
}

/// Nothing else can be a ledger, and a pipe would be waited for.
fn refuse_other_than_file(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => Err(LedgerError::NotALedger { path: path.into() }),
        _ => Ok(()),
    }
}

/// Whether nothing was put there yet.
fn is_blank(db: &Connection, path: &Path) -> Result<bool> {
    let found: u32 = pragma(db, "application_id").map_err(|error| not_a_ledger(path, error))?;
    let n_tables: u32 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if (found != 0 || n_tables > 0) && found != schema::APPLICATION_ID {
        return Err(LedgerError::NotALedger { path: path.into() });
    }
    Ok(n_tables == 0)
}

fn create(db: &Connection) -> Result<()> {
    let key: [u8; 16] = rand::random();
    // Before there is anything in it: a commit by way of a rollback journal syncs four times.
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.execute_batch("BEGIN IMMEDIATE")?;
    db.execute_batch(schema::CREATE)?;
    db.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    db.pragma_update(None, "user_version", schema::VERSION)?;
    db.execute(
        "INSERT INTO meta (name, value) VALUES ('key', ?1)",
        [hex::encode(key)],
    )?;
    db.execute_batch("COMMIT")?;
    Ok(())
}

fn not_a_ledger(path: &Path, error: rusqlite::Error) -> LedgerError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => LedgerError::NotALedger { path: path.into() },
        _ => error.into(),
    }
}

fn pragma(db: &Connection, name: &str) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, name, |row| row.get(0))
}

fn meta(db: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| {
        row.get(0)
    })
    .optional()
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("text and numbers are always JSON")
}

/// Where a user stands in the table, unless another stands there.
fn place(keys: &Keys, user: &str) -> i64 {
    (keys.user(user).key ^ (1 << 63)).cast_signed()
}

fn known<'r>(row: &'r Row<'_>) -> Result<Known<'r>> {
    Ok(Known {
        user: text(row, 0)?.unwrap_or_default(),
        held: PerField {
            nickname: text(row, 1)?,
            avatar: text(row, 2)?,
        },
        held_at: PerField {
            nickname: look::time(row, 3)?,
            avatar: look::time(row, 4)?,
        },
        newest_run: row.get(5)?,
        ..Known::default()
    })
}

fn add_unsettled<'r>(known: &mut Known<'r>, row: &'r Row<'_>) -> Result<()> {
    let doubt = |at: usize| -> Result<Option<Doubt<'r>>> {
        let Some(millis) = row.get::<_, Option<i64>>(at + 1)? else {
            return Ok(None);
        };
        Ok(Some(Doubt {
            value: text(row, at)?.unwrap_or_default(),
            last_attempt: DateTime::from_timestamp_millis(millis).unwrap_or_default(),
        }))
    };
    known.doubt = PerField {
        nickname: doubt(0)?,
        avatar: doubt(2)?,
    };
    known.late = PerField {
        nickname: look::time(row, 4)?,
        avatar: look::time(row, 5)?,
    };
    known.open = match row.get(6)? {
        Some(run) => Some(Open {
            run,
            refused: row.get(8)?,
            closed_by: row.get(7)?,
        }),
        None => None,
    };
    Ok(())
}

fn text<'r>(row: &'r Row<'_>, at: usize) -> Result<Option<&'r str>> {
    match row.get_ref(at)? {
        ValueRef::Null => Ok(None),
        value => Ok(Some(value.as_str().map_err(rusqlite::Error::from)?)),
    }
}

/// As if the run were killed now (see [`recover`]).
fn add_under_way<'l>(known: &mut Known<'l>, change: &'l look::UnderWay) {
    for field in Field::ALL {
        let Some(value) = &change.values[field] else {
            continue;
        };
        if let Some(other) = known.doubt[field].filter(|doubt| doubt.value != value) {
            known.late[field] = Some(other.last_attempt);
        }
        known.doubt[field] = Some(Doubt {
            value,
            last_attempt: Utc::now(),
        });
    }
}

#[cfg(test)]
mod tests;
