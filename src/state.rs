//! The state directory: one account's ledger, its lock, and a place for copies of standard input.
//!
//! The lock is the kernel's (`flock`), so it dies with the process, however that dies. It must
//! lie on a local disk, like the ledger.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const LEDGER: &str = "ledger.sqlite3";
/// Where SQLite puts what it is about to commit.
const LEDGER_LOG: &str = "ledger.sqlite3-wal";
const LOCK: &str = "lock";

/// Why the state directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system says no.
    #[error("{path}: {error}\nhint: choose another place with --state-dir DIR")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another run is at work.
    #[error(
        "another run holds the lock of {dir} ({holder})\nhint: wait for it (--wait-lock 5m), or give each account its own --state-dir"
    )]
    Locked {
        /// The state directory.
        dir: PathBuf,
        /// Who holds it, in its own words.
        holder: String,
    },
}

/// A state directory that is ours until this is dropped.
#[derive(Debug)]
pub struct StateDir {
    dir: PathBuf,
    lock: File,
}

impl StateDir {
    /// Makes the directory where it is missing (mode 0700) and takes its lock.
    ///
    /// # Errors
    /// [`StateError::Locked`] when another run has it.
    pub fn lock(dir: &Path) -> Result<Self, StateError> {
        make_private_dir(dir).map_err(|error| StateError::Io {
            path: dir.into(),
            error,
        })?;
        let path = dir.join(LOCK);
        let failed = |error| StateError::Io {
            path: path.clone(),
            error,
        };
        let mut lock = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                dir: dir.into(),
                lock,
            }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who it is helps, but is not needed.
                let _ = lock.read_to_string(&mut holder);
                Err(StateError::Locked {
                    dir: dir.into(),
                    holder: holder.trim().into(),
                })
            }
        }
    }

    /// Leaves word of who holds the lock, for those who find it taken.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn say_holder(&mut self, run_id: &str, since: &str) -> io::Result<()> {
        self.lock.set_len(0)?;
        self.lock.rewind()?;
        let pid = std::process::id();
        writeln!(self.lock, "pid {pid}, run {run_id}, since {since}")
    }

    /// The ledger's file.
    pub fn ledger(&self) -> PathBuf {
        ledger_in(&self.dir)
    }

    /// Where standard input may be copied to.
    pub fn spool(&self) -> &Path {
        &self.dir
    }
}

/// The ledger's file in a state directory.
pub fn ledger_in(state_dir: &Path) -> PathBuf {
    state_dir.join(LEDGER)
}

/// The files of a state directory that a run writes to.
pub fn written_in(dir: &Path) -> [PathBuf; 3] {
    [LEDGER, LEDGER_LOG, LOCK].map(|name| dir.join(name))
}

/// An input that is the very file that an output is, by whatever names (links, redirections), and
/// that output.
pub fn input_that_is_an_output<'a>(
    inputs: &'a [String],
    outputs: &'a [PathBuf],
) -> Option<(&'a str, &'a Path)> {
    let identity = |path: &Path| {
        let file = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some((file.dev(), file.ino()))
    };
    inputs.iter().find_map(|input| {
        let path = match input.as_str() {
            "-" => "/dev/stdin",
            path => path,
        };
        let input_is = identity(Path::new(path))?;
        let output = outputs
            .iter()
            .find(|output| identity(output) == Some(input_is))?;
        Some((input.as_str(), output.as_path()))
    })
}

/// Makes a directory and its parents, for nobody else to look into.
///
/// # Errors
/// When it can't be made.
pub fn make_private_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Points `<reports>/latest` at a run's directory, in one step.
///
/// # Errors
/// When the link can't be made.
pub fn point_latest(reports: &Path, run_id: &str) -> io::Result<()> {
    let fresh = reports.join(format!(".latest-{run_id}"));
    std::os::unix::fs::symlink(run_id, &fresh)?;
    fs::rename(&fresh, reports.join("latest"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_second_is_told_who_holds_the_lock_and_a_free_one_can_be_taken_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let mut first = StateDir::lock(&path).unwrap();
        first.say_holder("20261123T020000Z-abcd", "02:00").unwrap();
        let error = StateDir::lock(&path).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(&format!("pid {}", std::process::id())),
            "{message}"
        );
        assert!(message.contains("20261123T020000Z-abcd"), "{message}");
        drop(first);
        StateDir::lock(&path).unwrap();
    }

    #[test]
    fn an_input_is_found_among_the_outputs_by_whatever_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let text = |name: &str| at(name).to_str().unwrap().to_owned();
        for name in ["users.csv", "lock", "ledger.sqlite3"] {
            fs::write(at(name), "x").unwrap();
        }
        fs::hard_link(at("lock"), at("hard.csv")).unwrap();
        std::os::unix::fs::symlink(at("ledger.sqlite3"), at("soft.csv")).unwrap();
        let outputs = written_in(dir.path());
        let found = |input: &str| {
            let inputs = [text("users.csv"), text(input)];
            let found = input_that_is_an_output(&inputs, &outputs);
            found.map(|(input, output)| (input.to_owned(), output.to_owned()))
        };
        assert_eq!(found("hard.csv"), Some((text("hard.csv"), at("lock"))));
        assert_eq!(found("soft.csv").unwrap().1, at("ledger.sqlite3"));
        assert_eq!(found("users.csv"), None);
        assert_eq!(found("missing.csv"), None);
    }

    #[test]
    fn the_directory_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/state");
        StateDir::lock(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn latest_moves_from_run_to_run() {
        let dir = tempfile::tempdir().unwrap();
        for run_id in ["one", "two"] {
            point_latest(dir.path(), run_id).unwrap();
            let target = fs::read_link(dir.path().join("latest")).unwrap();
            assert_eq!(target, Path::new(run_id));
        }
    }
}
