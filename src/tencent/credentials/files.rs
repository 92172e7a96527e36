//! Reading files that hold secrets.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// Far more than such a file holds; a device or a log named by mistake is not read to its end.
const FILE_LIMIT: u64 = 64 * 1024;

/// Why a file's content is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAText {
    /// Not text.
    #[error("is not UTF-8 text")]
    NotUtf8,
    /// Too large to be one.
    #[error("is larger than 64 KB, which no credentials file is")]
    TooLarge,
}

/// Opens a file to read, or says that there is none; a directory is an error here already, under
/// its own name.
pub(super) fn open(path: &Path) -> io::Result<Option<File>> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(Some(file))
}

/// What is in a file.
pub(super) fn text(file: &File) -> io::Result<Result<Zeroizing<String>, NotAText>> {
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Ok(Err(NotAText::TooLarge));
    }
    Ok(match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(NotAText::NotUtf8),
    })
}

/// What to tell about a file that others can read.
pub(super) fn too_open(file: &File, path: &Path) -> Option<String> {
    let mode = mode(&file.metadata().ok()?);
    (mode & 0o044 != 0).then(|| {
        format!(
            "{} can be read by other users of this machine (mode {mode:03o}): chmod 600 it",
            path.display()
        )
    })
}

/// Whether the directory of a file keeps others out.
pub(super) fn is_behind_a_closed_door(path: &Path) -> bool {
    let directory = path.parent().and_then(|parent| parent.metadata().ok());
    directory.is_some_and(|directory| mode(&directory) & 0o011 == 0)
}

#[cfg(unix)]
fn mode(metadata: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn mode(_: &std::fs::Metadata) -> u32 {
    0
}
