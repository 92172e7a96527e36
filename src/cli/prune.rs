//! Removes the directories of old runs (`--keep-runs`).
//!
//! **Invariants.** Only what a run of this very ledger left is removed: a directory that bears a
//! run's name, holds nothing but a run's files, and whose summary says that it is that run and names
//! that ledger. A run whose `failures.csv` still waits to be worked on is spared, however old.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::ledger::{Ledger, LedgerError};
use crate::report::results::{FAILURES, RESULTS};
use crate::report::summary::{self, Summary};
use crate::report::{page, timeline};

/// Why pruning stopped.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// A directory can't be read or removed.
    #[error("{path}: {error}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Nobody knows which failures are open.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Removes all but the newest `keep` runs of the ledger at `ledger` from `reports`, and never one
/// that an input lies in; returns how many went. The state directory must be locked by who calls.
///
/// # Errors
/// When something could not be read or removed; what went before that is gone.
pub fn prune(
    reports: &Path,
    ledger: &Path,
    keep: u64,
    inputs: &[String],
) -> Result<usize, PruneError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| PruneError::Io { path, error }
    };
    let mut runs = Vec::new();
    for entry in fs::read_dir(reports).map_err(failed(reports))? {
        let entry = entry.map_err(failed(reports))?;
        let name = entry.file_name();
        if let Some(run_id) = name.to_str()
            && is_run_of(&entry.path(), run_id, ledger)
        {
            runs.push(run_id.to_owned());
        }
    }
    // Their names begin with their time.
    runs.sort_unstable();
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    runs.truncate(runs.len().saturating_sub(keep));
    if runs.is_empty() {
        return Ok(0);
    }
    let mut spared: BTreeSet<String> = Ledger::open(ledger)?.0.runs_with_open_failures()?;
    let latest = fs::read_link(reports.join("latest")).ok();
    spared.extend(latest.and_then(|target| target.into_os_string().into_string().ok()));
    let holds_input = |run_id: &str| {
        let directory = fs::canonicalize(reports.join(run_id));
        directory.is_ok_and(|directory| {
            let inputs = inputs
                .iter()
                .filter_map(|input| fs::canonicalize(input).ok());
            inputs
                .into_iter()
                .any(|input| input.starts_with(&directory))
        })
    };
    runs.retain(|run_id| !spared.contains(run_id) && !holds_input(run_id));
    for run_id in &runs {
        let directory = reports.join(run_id);
        fs::remove_dir_all(&directory).map_err(failed(&directory))?;
    }
    Ok(runs.len())
}

fn is_run_of(directory: &Path, run_id: &str, ledger: &Path) -> bool {
    let is_directory = fs::symlink_metadata(directory).is_ok_and(|found| found.is_dir());
    let is_ours = |summary: Summary| summary.run_id == run_id && summary.ledger.path == ledger;
    is_directory
        && is_run_id(run_id)
        && holds_only_files_of_a_run(directory)
        && Summary::read(directory).is_some_and(is_ours)
}

/// `20261123T020000Z-abcd`.
fn is_run_id(name: &str) -> bool {
    let form = "ddddddddTddddddZ-cccc";
    let fits = |(c, form): (char, char)| match form {
        'd' => c.is_ascii_digit(),
        'c' => c.is_ascii_alphanumeric(),
        literal => c == literal,
    };
    name.len() == form.len() && name.chars().zip(form.chars()).all(fits)
}

/// A person may have put something there that is nowhere else.
fn holds_only_files_of_a_run(directory: &Path) -> bool {
    let files = [
        RESULTS,
        FAILURES,
        summary::FILE_NAME,
        timeline::FILE_NAME,
        page::FILE_NAME,
    ];
    let Ok(mut entries) = fs::read_dir(directory) else {
        return false;
    };
    entries
        .all(|entry| entry.is_ok_and(|entry| files.iter().any(|file| entry.file_name() == **file)))
}
