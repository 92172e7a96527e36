//! Bytes to rows.
//!
//! The input is read twice over one open descriptor: first the [`survey`], which checks every row
//! and keeps 24 bytes of each; then, if there is anything to send or to report, the second pass
//! ([`crate::plan::rows`]). A bad row is data, a bad file is an error before anything is sent.
//!
//! What is not CSV in UTF-8 already (another encoding, a workbook, gzip, a pipe) is written once as
//! that into a nameless file: both passes read one format, of one descriptor, and lines stay those
//! of the original.
//!
//! Parts: [`rules`] is what a person said, [`encoding`] says what the bytes are, `open` and
//! `workbook` make them CSV in UTF-8, [`records`] cuts it, [`header`] and [`rows`] give it
//! meaning, [`lint`] says what is suspicious, [`survey`] is the first pass and keeps the
//! [`findings`].

pub mod encoding;
pub mod findings;
pub mod header;
pub mod lint;
mod open;
pub mod records;
pub mod rows;
pub mod rules;
pub mod survey;
mod workbook;

use std::fs::File;
use std::io;
use std::sync::Arc;

use header::{Header, HeaderError, Likeness};
use lint::id::Habits;
use records::{Layout, Record, RecordError, Records};
use rules::Rules;

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
    /// Not text that can be read.
    #[error("{name}: {is}\nhint: {hint}")]
    Encoding {
        /// The FILE argument.
        name: String,
        /// What it is.
        is: String,
        /// What a person can do.
        hint: &'static str,
    },
    /// A user in two rows, where that was said to be wrong.
    #[error(
        "{name}: line {line}: the user stands in {first}, too, and --on-duplicate error refuses that"
    )]
    Duplicate {
        /// The FILE argument of the later row.
        name: String,
        /// Its line.
        line: u64,
        /// The earlier row.
        first: String,
    },
    /// Somebody is still writing it.
    #[error(
        "{name}: became longer while it was being read\nhint: give the command again when what writes it has ended"
    )]
    Growing {
        /// The FILE argument.
        name: String,
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
    /// How it is cut into records.
    pub layout: Layout,
    /// Its columns.
    pub header: Header,
    /// What the person said of it.
    pub rules: Arc<Rules>,
    /// What its ids are like; the survey learns it.
    pub habits: Habits,
    /// What it was read as, where that is not plain CSV in UTF-8.
    pub read_as: Option<String>,
    /// Its length when it was opened, where somebody may still be writing it.
    length: Option<u64>,
}

impl Source {
    /// Its rows, from the first behind the header.
    ///
    /// # Errors
    /// When the header can't be read again.
    pub fn rows(&self) -> Result<Records, RecordError> {
        let mut records = Records::new(self.file.clone(), self.layout);
        records.next_record()?;
        Ok(records)
    }

    /// Whether a record is no row: blank, or the header again.
    pub fn skips(&self, record: &Record<'_>) -> bool {
        record.is_blank() || self.likeness(record) == Likeness::Repeated
    }

    /// What a record is to the header.
    fn likeness(&self, record: &Record<'_>) -> Likeness {
        self.header.likeness(|at| record.cell(at))
    }

    /// Whether somebody wrote on while it was being read.
    fn has_grown(&self) -> bool {
        let now = self.file.metadata().map(|data| data.len());
        matches!((self.length, now), (Some(then), Ok(now)) if now > then)
    }
}
