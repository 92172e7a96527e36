//! What each user was last given: one SQLite file, so that *running the same command again is how
//! you resume*, and a nightly export costs calls only for the users that changed.
//!
//! **Invariants.** A field is in doubt on disk before a call for it leaves (T3). One account per
//! ledger (T8). Commits are synchronous: what was acted on survives a power cut. There is one
//! writer: the value travels into a blocking thread with each batch and comes back.
//!
//! Parts: [`schema`] is what stands on disk, [`mod@write`] puts a batch there, [`recover`] finds what
//! a killed run left, [`whose`] looks whom it belongs to without touching it.

pub mod recover;
pub mod schema;
pub mod whose;
pub mod write;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::keys::Keys;
use crate::model::{Counts, PerField};
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
        "ledger {path}: belongs to {pinned}, and this run would act for {found}\nhint: each account has its own ledger: choose another --state-dir"
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

type Result<T> = std::result::Result<T, LedgerError>;

/// So long a limit that the service named is taken to hold. Chosen: a quota is raised by ticket, and
/// a run that starts too low finds out within two minutes.
const LIMIT_HOLDS: TimeDelta = TimeDelta::days(7);

/// Whom a run acts for (rule T8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Host of the endpoint.
    pub host: String,
    /// What stays the same when the same account comes again: a fingerprint of its permanent
    /// SecretId, or the label that the person gave. Nothing secret.
    pub identity: String,
    /// How it is shown.
    pub label: String,
}

impl Account {
    /// How it is shown, host included.
    pub fn shown(&self) -> String {
        format!("{} at {}", self.label, self.host)
    }
}

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
        let mut is_new = false;
        let found: u32 =
            pragma(&db, "application_id").map_err(|error| not_a_ledger(path, error))?;
        let n_tables: u32 =
            db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if n_tables == 0 {
            is_new = true;
            create(&db)?;
        } else if found != schema::APPLICATION_ID {
            return Err(LedgerError::NotALedger { path: path.into() });
        }
        let found: u32 = pragma(&db, "user_version")?;
        if found > schema::VERSION {
            let path = path.into();
            return Err(LedgerError::Newer { path, found });
        }
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "cache_size", -16_384)?;
        let secret: String = meta(&db, "key")?.unwrap_or_default();
        let mut key = [0; 16];
        hex::decode_to_slice(secret, &mut key)
            .map_err(|_| LedgerError::NotALedger { path: path.into() })?;
        let ledger = Self {
            db,
            path: path.into(),
            keys: Keys::new(key),
            batches: write::OpenBatches::default(),
        };
        Ok((ledger, is_new))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the stand-ins by which its users are found.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Pins the ledger to `account`, or checks that it is pinned to it.
    ///
    /// # Errors
    /// [`LedgerError::OtherAccount`].
    pub fn pin(&mut self, account: &Account) -> Result<()> {
        let Some(host) = meta(&self.db, "host")? else {
            let tx = self.db.transaction()?;
            for (name, value) in [
                ("host", &account.host),
                ("identity", &account.identity),
                ("account", &account.label),
            ] {
                tx.execute(
                    "INSERT INTO meta (name, value) VALUES (?1, ?2)",
                    params![name, value],
                )?;
            }
            tx.commit()?;
            return Ok(());
        };
        let identity = meta(&self.db, "identity")?.unwrap_or_default();
        if host == account.host && identity == account.identity {
            return Ok(());
        }
        if !self.holds_anything()? {
            // The first key was mistyped, or the first host: there is nothing to mix up yet.
            for (name, value) in [
                ("host", &account.host),
                ("identity", &account.identity),
                ("account", &account.label),
            ] {
                self.db.execute(
                    "UPDATE meta SET value = ?2 WHERE name = ?1",
                    params![name, value],
                )?;
            }
            return Ok(());
        }
        let label = meta(&self.db, "account")?.unwrap_or_default();
        Err(LedgerError::OtherAccount {
            path: self.path.clone(),
            pinned: format!("{label} at {host}"),
            found: account.shown(),
        })
    }

    /// Whether any user is known to hold, or perhaps to hold, what a run has sent.
    fn holds_anything(&self) -> Result<bool> {
        let any = "SELECT EXISTS (SELECT 1 FROM user
                     WHERE coalesce(nickname_at, nickname_doubt_at, avatar_at, avatar_doubt_at)
                           IS NOT NULL)
                OR EXISTS (SELECT 1 FROM doubt)";
        Ok(self.db.query_row(any, [], |row| row.get(0))?)
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

    /// Calls back with everything it knows of its users, in the order of their keys.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn scan(&self, each: &mut dyn FnMut(&Known<'_>)) -> Result<()> {
        let mut select = self.db.prepare(
            "SELECT user_id, nickname, nickname_doubt, nickname_doubt_at,
                    avatar, avatar_doubt, avatar_doubt_at, open_run, closed_run, newest_run,
                    nickname_late_at, avatar_late_at
             FROM user ORDER BY id",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            each(&known(row)?);
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

fn create(db: &Connection) -> Result<()> {
    let key: [u8; 16] = rand::random();
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
    let text = |at: usize| -> Result<Option<&'r str>> {
        match row.get_ref(at)? {
            ValueRef::Null => Ok(None),
            value => Ok(Some(value.as_str().map_err(rusqlite::Error::from)?)),
        }
    };
    let doubt = |at: usize| -> Result<Option<Doubt<'r>>> {
        let Some(millis) = row.get::<_, Option<i64>>(at + 1)? else {
            return Ok(None);
        };
        Ok(Some(Doubt {
            value: text(at)?.unwrap_or_default(),
            last_attempt: DateTime::from_timestamp_millis(millis).unwrap_or_default(),
        }))
    };
    let late = |at: usize| -> Result<Option<DateTime<Utc>>> {
        let millis: Option<i64> = row.get(at)?;
        Ok(millis.and_then(DateTime::from_timestamp_millis))
    };
    let open_run: Option<u32> = row.get(7)?;
    let closed_by = row.get(8)?;
    Ok(Known {
        user: text(0)?.unwrap_or_default(),
        held: PerField {
            nickname: text(1)?,
            avatar: text(4)?,
        },
        doubt: PerField {
            nickname: doubt(2)?,
            avatar: doubt(5)?,
        },
        late: PerField {
            nickname: late(10)?,
            avatar: late(11)?,
        },
        open: open_run.map(|run| Open { run, closed_by }),
        newest_run: row.get(9)?,
    })
}

#[cfg(test)]
mod tests;
