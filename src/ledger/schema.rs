//! The ledger's tables, as they stand on disk. `samples/ledger.sql` shows queries for `sqlite3`.
//!
//! A value is *held* when the service said so, and *in doubt* when it was sent and no answer came.
//! Times are milliseconds since 1970-01-01 UTC. `NULL` in `nickname` or `avatar` means that this
//! ledger never gave the user one, `''` that it was cleared.
//!
//! | table | a row is |
//! | --- | --- |
//! | `meta` | one fact about the ledger: its key, the `limit` that the service named and when |
//! | `account` | an identity of the one account that it belongs to (rule T8) |
//! | `user` | what one user was last given, and what of it is in doubt (rules T2, T3) |
//! | `doubt` | a batch of changes that were about to be sent (rule T3); gone when all are settled |
//! | `run` | one invocation, and how far it got (rule T7) |
//!
//! `user.id` is the user's key ([`crate::keys`]) with its highest bit flipped, so that the order
//! of SQLite's signed integers is the order of keys; a user whose place is taken by another, which
//! no real ledger will see, stands in the next free one.

/// The version in `PRAGMA user_version`. A ledger of a newer version is refused.
pub const VERSION: u32 = 1;

/// `PRAGMA application_id`: "LCIC".
pub const APPLICATION_ID: u32 = 0x4C43_4943;

/// Creates everything in an empty database.
pub const CREATE: &str = "
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE account (
  host     TEXT NOT NULL,
  identity TEXT NOT NULL,
  label    TEXT NOT NULL,
  since    INTEGER NOT NULL DEFAULT (unixepoch() * 1000),
  PRIMARY KEY (host, identity)
) STRICT;

CREATE TABLE run (
  run            INTEGER PRIMARY KEY,
  run_id         TEXT NOT NULL UNIQUE,
  started_at     INTEGER NOT NULL,
  ended_at       INTEGER,            -- NULL: it runs, or it was killed
  stopped_by     TEXT,               -- NULL: it ran to its end
  exit_code      INTEGER,
  input          TEXT NOT NULL,      -- JSON: the FILE arguments
  report_dir     TEXT NOT NULL,
  counts         TEXT NOT NULL,      -- JSON: rows by outcome, as of the last commit
  results_bytes  INTEGER NOT NULL,   -- length of results.csv as of the last commit
  failures_bytes INTEGER NOT NULL    -- length of failures.csv as of the last commit
) STRICT;

CREATE TABLE user (
  id                INTEGER PRIMARY KEY,
  user_id           TEXT NOT NULL,
  nickname          TEXT,
  nickname_at       INTEGER,         -- when the service last said so
  nickname_run      INTEGER,         -- the run that gave it
  nickname_before   TEXT,            -- held before that run; NULL: not known
  nickname_doubt    TEXT,            -- sent, and no answer came
  nickname_doubt_at INTEGER,         -- its last attempt, or later
  nickname_doubt_run INTEGER,
  nickname_late_at  INTEGER,         -- a call that left then, or before, may still arrive
  avatar            TEXT,
  avatar_at         INTEGER,
  avatar_run        INTEGER,
  avatar_before     TEXT,
  avatar_doubt      TEXT,
  avatar_doubt_at   INTEGER,
  avatar_doubt_run  INTEGER,
  avatar_late_at    INTEGER,
  open_run          INTEGER,         -- the run whose failures.csv lists the user
  open_refused      INTEGER,         -- whether the service refused it there
  closed_run        INTEGER,         -- the later run that took care of it
  newest_run        INTEGER NOT NULL,
  settled_batch     INTEGER          -- the last batch of doubt in which the user was settled
) STRICT;

CREATE TABLE doubt (
  batch   INTEGER PRIMARY KEY,       -- run * 2^32 + number within the run
  changes TEXT NOT NULL              -- JSON: [user_id, nickname or null, avatar or null, rows] each
) STRICT;

CREATE VIEW profiles AS
SELECT user_id,
       nickname, datetime(nickname_at / 1000, 'unixepoch') AS nickname_since,
       nickname_doubt,
       avatar,   datetime(avatar_at / 1000, 'unixepoch')   AS avatar_since,
       avatar_doubt,
       CASE WHEN closed_run IS NULL THEN open_run END      AS failed_in_run
FROM user;
";

/// One user's row. Numbered parameters: see `write.rs`.
///
/// For each field an action says what a settlement does to it: 0 leaves it, 1 the service holds
/// the value, 2 it was refused and nothing of it is in doubt, 3 the value is in doubt. `?12` says
/// that some call of it was never answered; so was the call of a doubt that ends here.
///
/// A value that was held already keeps its run and what was held before it, so that both are still
/// there when a run sends it once more. What was held before another value is not known if a third
/// one was in doubt.
pub const UPSERT_USER: &str = "
INSERT INTO user (id, user_id,
  nickname, nickname_at, nickname_run,
  nickname_doubt, nickname_doubt_at, nickname_doubt_run, nickname_late_at,
  avatar, avatar_at, avatar_run,
  avatar_doubt, avatar_doubt_at, avatar_doubt_run, avatar_late_at,
  open_run, open_refused, newest_run, settled_batch)
VALUES (?1, ?2,
  iif(?3 = 1, ?4, NULL), iif(?3 = 1, ?5, NULL), iif(?3 = 1, ?9, NULL),
  iif(?3 = 3, ?4, NULL), iif(?3 = 3, ?5, NULL), iif(?3 = 3, ?9, NULL),
  iif(?3 = 1 AND ?12, ?5, NULL),
  iif(?6 = 1, ?7, NULL), iif(?6 = 1, ?8, NULL), iif(?6 = 1, ?9, NULL),
  iif(?6 = 3, ?7, NULL), iif(?6 = 3, ?8, NULL), iif(?6 = 3, ?9, NULL),
  iif(?6 = 1 AND ?12, ?8, NULL),
  iif(?10 > 0, ?9, NULL), iif(?10 > 0, ?10 = 2, NULL), ?9, ?11)
ON CONFLICT (id) DO UPDATE SET
  nickname          = iif(?3 = 1, excluded.nickname, nickname),
  nickname_at       = iif(?3 = 1, excluded.nickname_at, nickname_at),
  nickname_run = iif(?3 = 1 AND excluded.nickname IS NOT nickname, ?9, nickname_run),
  nickname_before = iif(?3 = 1 AND excluded.nickname IS NOT nickname,
                 iif(nickname_doubt <> excluded.nickname, NULL, nickname), nickname_before),
  nickname_doubt    = iif(?3 = 0, nickname_doubt, excluded.nickname_doubt),
  nickname_doubt_at = iif(?3 = 0, nickname_doubt_at, excluded.nickname_doubt_at),
  nickname_doubt_run = iif(?3 = 0, nickname_doubt_run, excluded.nickname_doubt_run),
  nickname_late_at  = iif(?3 = 1,
                        coalesce(excluded.nickname_late_at, nickname_doubt_at, nickname_late_at),
                        nickname_late_at),
  avatar            = iif(?6 = 1, excluded.avatar, avatar),
  avatar_at         = iif(?6 = 1, excluded.avatar_at, avatar_at),
  avatar_run = iif(?6 = 1 AND excluded.avatar IS NOT avatar, ?9, avatar_run),
  avatar_before = iif(?6 = 1 AND excluded.avatar IS NOT avatar,
                 iif(avatar_doubt <> excluded.avatar, NULL, avatar), avatar_before),
  avatar_doubt      = iif(?6 = 0, avatar_doubt, excluded.avatar_doubt),
  avatar_doubt_at   = iif(?6 = 0, avatar_doubt_at, excluded.avatar_doubt_at),
  avatar_doubt_run  = iif(?6 = 0, avatar_doubt_run, excluded.avatar_doubt_run),
  avatar_late_at    = iif(?6 = 1,
                        coalesce(excluded.avatar_late_at, avatar_doubt_at, avatar_late_at),
                        avatar_late_at),
  open_run          = iif(?10 > 0, ?9, open_run),
  open_refused      = iif(?10 > 0, excluded.open_refused, open_refused),
  closed_run        = iif(?10 > 0, NULL,
                        iif(open_run IS NOT NULL AND closed_run IS NULL, ?9, closed_run)),
  newest_run        = ?9,
  settled_batch     = coalesce(?11, settled_batch)
WHERE user.user_id = excluded.user_id";

/// Puts the values of a killed run's change in doubt; without values it only notes the batch. If
/// another value was in doubt before, the run was perhaps still waiting for it to be too late, so
/// it may arrive late whatever is sent next. What the user's record says of failures is
/// left alone: the killed run did not take care of this user.
pub const MARK_DOUBT: &str = "
INSERT INTO user (id, user_id, nickname_doubt, nickname_doubt_at, nickname_doubt_run,
  avatar_doubt, avatar_doubt_at, avatar_doubt_run, newest_run, settled_batch)
VALUES (?1, ?2, ?3, iif(?3 IS NULL, NULL, ?5), iif(?3 IS NULL, NULL, ?6 >> 32),
  ?4, iif(?4 IS NULL, NULL, ?5), iif(?4 IS NULL, NULL, ?6 >> 32), 0, ?6)
ON CONFLICT (id) DO UPDATE SET
  nickname_late_at  = iif(excluded.nickname_doubt <> nickname_doubt, nickname_doubt_at,
                        nickname_late_at),
  nickname_doubt    = coalesce(excluded.nickname_doubt, nickname_doubt),
  nickname_doubt_at = coalesce(excluded.nickname_doubt_at, nickname_doubt_at),
  nickname_doubt_run = coalesce(excluded.nickname_doubt_run, nickname_doubt_run),
  avatar_late_at    = iif(excluded.avatar_doubt <> avatar_doubt, avatar_doubt_at,
                        avatar_late_at),
  avatar_doubt      = coalesce(excluded.avatar_doubt, avatar_doubt),
  avatar_doubt_at   = coalesce(excluded.avatar_doubt_at, avatar_doubt_at),
  avatar_doubt_run  = coalesce(excluded.avatar_doubt_run, avatar_doubt_run),
  settled_batch     = excluded.settled_batch
WHERE user.user_id = excluded.user_id";
