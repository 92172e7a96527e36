//! Bytes to rows.
//!
//! The input is read twice over one open descriptor: first the [`survey`], which checks every row
//! and keeps 24 bytes of each; then, if there is anything to send or to report, the second pass
//! ([`crate::plan::rows`]). A bad row is data, a bad file is an error before anything is sent.
//!
//! Parts: [`encoding`] says what the bytes are, [`records`] cuts them, [`header`] and [`rows`]
//! give them meaning, [`survey`] is the first pass.

pub mod encoding;
pub mod header;
pub mod records;
pub mod rows;
pub mod survey;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use encoding::Magic;
use header::{Header, HeaderError};
use records::{RecordError, Records};

/// Why an input can't be used at all.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The system says no.
    #[error("{name}: {error}")]
    Io {
        /// The FILE argument.
        name: String,
        /// What the system said.
        error: io::Error,
    },
    /// Not a file that could hold rows.
    #[error("{name}: is a directory, not a CSV file")]
    Directory {
        /// The FILE argument.
        name: String,
    },
    /// Nothing in it.
    #[error(
        "{name}: is empty, not even a header row (expected a first line like UserId,Nickname,Avatar)"
    )]
    Empty {
        /// The FILE argument.
        name: String,
    },
    /// Not CSV in UTF-8.
    #[error("{name}: is {is}\nhint: {hint}")]
    Encoding {
        /// The FILE argument.
        name: String,
        /// What it is.
        is: &'static str,
        /// What a person can do.
        hint: &'static str,
    },
    /// The header does not fit.
    #[error("{name}: line {line}: {error}")]
    Header {
        /// The FILE argument.
        name: String,
        /// The line of the header.
        line: u64,
        /// What does not fit.
        error: HeaderError,
    },
    /// The records can't be told apart.
    #[error("{name}: {error}")]
    Records {
        /// The FILE argument.
        name: String,
        /// What is wrong.
        error: RecordError,
    },
    /// A `failures.csv` beside another file: what it repeats can't be ordered against the rest.
    #[error(
        "{name}: a failures.csv must be the only file of its run (apply it first or last, by itself)"
    )]
    FedBackAmongOthers {
        /// The FILE argument.
        name: String,
    },
    /// More rows than can be numbered.
    #[error("more than {} million rows in one run; split the input", survey::MAX_ROWS / 1_000_000)]
    TooManyRows,
    /// Somebody asked to stop.
    #[error("stopped before the input was read")]
    Stopped,
}

/// An input, held open from the first look to the last row.
#[derive(Debug, Clone)]
pub struct Source {
    /// The FILE argument, `-` for standard input.
    pub name: String,
    /// The descriptor that both passes read, by position.
    pub file: Arc<File>,
    /// Where its text begins, behind a byte order mark.
    pub begins: u64,
    /// Its columns.
    pub header: Header,
}

impl Source {
    /// Opens a FILE argument. Standard input, pipes and other things that can't be read twice are
    /// copied to a nameless file under `spool` first.
    ///
    /// # Errors
    /// When it can't be read, is not text in UTF-8, or its header does not fit.
    pub fn open(name: &str, spool: &Path) -> Result<Self, InputError> {
        let io_error = |error| InputError::Io {
            name: name.into(),
            error,
        };
        let file = if name == "-" {
            spooled(&mut io::stdin().lock(), spool).map_err(io_error)?
        } else {
            let mut file = File::open(name).map_err(io_error)?;
            let kind = file.metadata().map_err(io_error)?.file_type();
            if kind.is_dir() {
                return Err(InputError::Directory { name: name.into() });
            }
            if kind.is_file() {
                file
            } else {
                spooled(&mut file, spool).map_err(io_error)?
            }
        };
        Self::from_file(name, file)
    }

    fn from_file(name: &str, file: File) -> Result<Self, InputError> {
        let name = name.to_owned();
        let mut head = [0; 4];
        let mut n_head = 0;
        while n_head < head.len() {
            match file.read_at(&mut head[n_head..], n_head as u64) {
                Ok(0) => break,
                Ok(read) => n_head += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(InputError::Io { name, error }),
            }
        }
        let begins = match encoding::magic(&head[..n_head]) {
            Magic::Utf8 { skip } => skip,
            Magic::Other { is, hint } => return Err(InputError::Encoding { name, is, hint }),
        };
        let file = Arc::new(file);
        let mut records = Records::new(file.clone(), begins, 1);
        let first = match records.next_record() {
            Err(error) => return Err(InputError::Records { name, error }),
            Ok(None) => return Err(InputError::Empty { name }),
            Ok(Some(record)) => record,
        };
        match Header::parse(&first.to_cells()) {
            Err(error) => {
                let line = first.line;
                Err(InputError::Header { name, line, error })
            }
            Ok(header) => Ok(Self {
                name,
                file,
                begins,
                header,
            }),
        }
    }

    /// Its rows, from the first behind the header.
    ///
    /// # Errors
    /// When the header can't be read again.
    pub fn rows(&self) -> Result<Records, RecordError> {
        let mut records = Records::new(self.file.clone(), self.begins, 1);
        records.next_record()?;
        Ok(records)
    }
}

/// A nameless copy: it is gone when the program is, however it ends.
fn spooled(from: &mut impl Read, spool: &Path) -> io::Result<File> {
    let mut file = tempfile::tempfile_in(spool)?;
    io::copy(from, &mut file)?;
    file.rewind()?;
    Ok(file)
}
