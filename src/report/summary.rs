//! `summary.json`: how a run ended, in one object. Version 1.
//!
//! Programs read it, so fields are only ever added. It names no person: rows are counted, not
//! shown. `samples/summary.json` is one that must stay readable.
//!
//! | field | meaning |
//! | --- | --- |
//! | `schema_version` | 1 |
//! | `run_id`, `run` | the run's directory; its number in the ledger, null where it got none |
//! | `input` | the FILE arguments, in their order |
//! | `account`, `endpoint` | whom the run acted for, and where |
//! | `ledger` | its path, and whether this run made it |
//! | `started_at`, `ended_at`, `seconds` | UTC; the seconds are of a steady clock |
//! | `counts` | rows by outcome; `read` is their sum |
//! | `calls` | `total` sent; `accepted`; `throttled`; `retried` are those after a change's first; `by_code` counts answers that were not accepted |
//! | `pace` | `rate` allowed; `mean_per_s` from the first call to the last; `max_in_any_second`; `late_wakeups`; `lowest` pace that refusals led to; the `limit` that the service named, or null |
//! | `stopped_by`, `message` | the word for why the run stopped early, and the reason; null when it ran to its end |
//! | `failures` | the codes of rows that failed or are invalid, most rows first |
//! | `exit_code` | what the caller saw |

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};

use crate::model::Counts;

/// The version of the file that this program writes.
pub const SCHEMA_VERSION: u32 = 1;
/// Codes of failures that it names.
pub const FAILURE_CODES: usize = 20;
/// The name of the file in the run's directory.
pub const FILE_NAME: &str = "summary.json";

/// How a run ended. See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The name of the run's directory.
    pub run_id: String,
    /// The run's number in the ledger.
    pub run: Option<u32>,
    /// The FILE arguments.
    pub input: Vec<InputName>,
    /// Whom the run acted for; never a secret.
    pub account: Option<String>,
    /// Where the service is.
    pub endpoint: String,
    /// Which ledger.
    pub ledger: LedgerUsed,
    /// When the run began.
    #[serde(serialize_with = "as_utc")]
    pub started_at: DateTime<Utc>,
    /// When it ended.
    #[serde(serialize_with = "as_utc")]
    pub ended_at: DateTime<Utc>,
    /// How long it took, by a clock that does not jump.
    pub seconds: f64,
    /// Rows, by outcome.
    pub counts: Counts,
    /// Calls, by answer.
    pub calls: Calls,
    /// How fast they left.
    pub pace: Pace,
    /// The word for why the run stopped early.
    pub stopped_by: Option<String>,
    /// The reason in words, as the service or the system gave it.
    #[serde(default)]
    pub message: Option<String>,
    /// Codes of rows that failed or are invalid, most rows first.
    #[serde(default)]
    pub failures: Vec<Failures>,
    /// What the caller saw.
    pub exit_code: u8,
}

/// A FILE argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputName {
    /// As given, `-` for standard input.
    pub name: String,
}

impl InputName {
    /// All FILE arguments, in their order.
    pub fn all(inputs: &[String]) -> Vec<Self> {
        let names = inputs.iter().cloned();
        names.map(|name| Self { name }).collect()
    }
}

/// A ledger, as a run used it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerUsed {
    /// Where it is.
    pub path: PathBuf,
    /// Whether the run made it.
    pub new: bool,
}

/// Calls, by answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Sent.
    pub total: u64,
    /// Accepted by the service.
    pub accepted: u64,
    /// Over the quota.
    pub throttled: u64,
    /// Sent again, after a change's first call.
    pub retried: u64,
    /// Answers that were not accepted, failures that passed included.
    pub by_code: BTreeMap<String, u64>,
}

/// How fast calls left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Calls per second that were allowed.
    pub rate: f64,
    /// From the first call to the last.
    pub mean_per_s: f64,
    /// The most that left within a second, wherever that second begins.
    pub max_in_any_second: u64,
    /// Calls that left later than their permit said, because the machine was busy.
    pub late_wakeups: u64,
    /// The lowest pace that refusals led to; the rate where there were none.
    #[serde(default)]
    pub lowest: f64,
    /// Calls per second that the service said it allows.
    #[serde(default)]
    pub limit: Option<f64>,
}

/// Rows that share a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// The service's code, or ours.
    pub code: String,
    /// How many rows.
    pub rows: u64,
}

fn as_utc<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

impl Summary {
    /// The text of the file, and of `--json`: one object, ended by a line break.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("a summary has string keys only");
        json + "\n"
    }

    /// The summary that a run left in `directory`, if it left one that can be read.
    pub fn read(directory: &Path) -> Option<Self> {
        let text = fs::read(directory.join(FILE_NAME)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes `summary.json` into `directory`, whole or not at all, for its owner only. Returns
    /// its path.
    ///
    /// # Errors
    /// When the system does not take it.
    pub fn save(&self, directory: &Path) -> io::Result<PathBuf> {
        save_private(directory, FILE_NAME, self.to_json().as_bytes())
    }
}

/// Writes a file of a run, whole or not at all, for its owner only. Returns its path.
pub(super) fn save_private(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let path = directory.join(name);
    let mut file = tempfile::Builder::new()
        .prefix(&format!(".{name}-"))
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    // The new name is on disk only when its directory is.
    File::open(directory)?.sync_all()?;
    Ok(path)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The sample in `samples/`.
    pub fn sample() -> Summary {
        serde_json::from_str(include_str!("../../samples/summary.json")).unwrap()
    }

    #[test]
    fn the_sample_of_version_1_is_still_read_and_written_alike() {
        let sample = sample();
        assert_eq!(sample.schema_version, SCHEMA_VERSION);
        assert_eq!(sample.input.len(), 2);
        assert_eq!(sample.counts.read, 200);
        assert!(sample.counts.add_up());
        assert_eq!(sample.calls.by_code["RequestLimitExceeded"], 3);
        assert_eq!(sample.stopped_by.as_deref(), Some("outage"));
        assert_eq!(
            sample.to_json(),
            include_str!("../../samples/summary.json"),
            "fields, their order and their form are what programs rely on"
        );
    }

    #[test]
    fn what_later_versions_add_does_not_disturb() {
        let mut json: serde_json::Value = serde_json::from_str(&sample().to_json()).unwrap();
        json["added_later"] = 1.into();
        json.as_object_mut().unwrap().remove("message");
        json.as_object_mut().unwrap().remove("failures");
        let read: Summary = serde_json::from_value(json).unwrap();
        assert_eq!((read.message, read.failures.len()), (None, 0));
    }

    #[test]
    fn a_saved_summary_is_whole_private_and_alone() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE_NAME), "old").unwrap();
        let path = sample().save(directory.path()).unwrap();
        let read: Summary = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(read, sample());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
