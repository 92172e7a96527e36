//! The log as a file that never grows without bound: at [`LIMIT`] it becomes `FILE.1`, what was that
//! becomes `FILE.2`, and so on; the oldest goes.
//!
//! Forty lines of our own, because the crate that does this by size (file-rotate) asserts what a
//! second process can change at any time, and a log must never end a run. For the same reason a
//! line that the disk does not take is lost without a word; only a file that can't be opened is an
//! error, before anything else happens.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How large a log becomes, in bytes. Chosen: a year of quiet nights, and an editor opens it.
pub const LIMIT: u64 = 10_000_000;
/// How many old ones are kept.
pub const KEPT: u32 = 5;

/// See the module.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    length: u64,
    limit: u64,
}

impl LogFile {
    /// Opens the log to write at its end, for its owner only where it is new.
    ///
    /// # Errors
    /// When the system says no.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let metadata = file.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            length: metadata.len(),
            // /dev/stderr, a pipe: not ours to move away.
            limit: if metadata.is_file() { LIMIT } else { u64::MAX },
            file,
        })
    }

    fn rotate(&mut self) -> io::Result<()> {
        for n in (1..KEPT).rev() {
            let older = self.numbered(n);
            if older.exists() {
                fs::rename(older, self.numbered(n + 1))?;
            }
        }
        fs::rename(&self.path, self.numbered(1))?;
        self.file = open(&self.path)?;
        self.length = self.file.metadata()?.len();
        Ok(())
    }

    fn numbered(&self, n: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{n}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

impl Write for LogFile {
    /// Takes a whole line or none: so it is called by the subscriber.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.length > 0 && self.length + line.len() as u64 > self.limit {
            // What can't be moved away goes on to grow: better than no log.
            let _ = self.rotate();
        }
        self.file.write_all(line)?;
        self.length += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn write_line(log: &mut LogFile, line: &str) {
        log.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    #[test]
    fn a_full_log_moves_on_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sync.log");
        fs::write(&path, "before\n").unwrap();
        let mut log = LogFile::open(&path).unwrap();
        log.limit = 20;
        for n in 1..=8 {
            write_line(&mut log, &format!("{n} is a long line"));
        }
        let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(text("sync.log"), "8 is a long line\n");
        assert_eq!(text("sync.log.1"), "7 is a long line\n");
        assert_eq!(text("sync.log.5"), "3 is a long line\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 6);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // Opened again, it goes on at its end.
        let mut log = LogFile::open(&path).unwrap();
        log.limit = 20;
        write_line(&mut log, "9");
        assert_eq!(text("sync.log"), "8 is a long line\n9\n");
    }

    #[test]
    fn a_log_that_cannot_move_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sync.log");
        fs::create_dir_all(dir.path().join("sync.log.5/full")).unwrap();
        fs::write(dir.path().join("sync.log.4"), "").unwrap();
        let mut log = LogFile::open(&path).unwrap();
        log.limit = 5;
        write_line(&mut log, "one");
        write_line(&mut log, "two");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
}
