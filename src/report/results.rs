//! The two CSV files that a run leaves beside its summary.
//!
//! `results.csv` has a line for every row that was not `unchanged`. `failures.csv` has the rows
//! that failed, are unknown or invalid, with the person's own columns first, so that it can be
//! mended and applied as it is (rule T5). Both are machine files: UTF-8, comma, no byte order
//! mark, cells exactly as they were. Lines are appended and synced before the ledger commits
//! (rule T7).

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use csv::ByteRecord;

use crate::engine::Settlement;
use crate::input::Source;
use crate::input::header::OWN_COLUMNS;
use crate::model::{Cells, Outcome, SourceRow};
use crate::plan::rows::SettledRow;
use crate::report::summary::save_private;

/// Name of the file with all rows that were not unchanged.
pub const RESULTS: &str = "results.csv";
/// Name of the file with the rows that need work.
pub const FAILURES: &str = "failures.csv";

const RESULT_COLUMNS: [&str; 11] = [
    "file",
    "line",
    "UserId",
    "outcome",
    "code",
    "message",
    "RequestId",
    "attempts",
    "first_attempt",
    "last_attempt",
    "latency_ms",
];

/// A settlement with the times that people read.
#[derive(Debug, Clone)]
pub struct Settled {
    /// What became of the change.
    pub settlement: Settlement,
    /// When its first and its last call left.
    pub sent: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// The two files, open for appending.
#[derive(Debug)]
pub struct ResultFiles {
    results: AppendedFile,
    failures: AppendedFile,
    wording: Arc<Wording>,
}

/// Lines for the two files, until they are taken to be appended.
pub struct ResultLines {
    results: Lines,
    failures: Lines,
    wording: Arc<Wording>,
}

/// What the lines of a run have in common.
#[derive(Debug)]
struct Wording {
    columns: Columns,
    run_id: String,
}

/// The person's own columns over all files, and where each file has them.
#[derive(Debug)]
struct Columns {
    names: Vec<String>,
    files: Vec<FileColumns>,
}

#[derive(Debug)]
struct FileColumns {
    name: String,
    user: usize,
    width: usize,
    /// What an earlier run said of a row's cells.
    cells: Option<usize>,
    /// For each of `Columns::names`, where this file has it.
    places: Vec<Option<usize>>,
}

impl ResultFiles {
    /// Makes both files in `dir`, with their headers.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn create(dir: &Path, sources: &[Source], run_id: &str) -> io::Result<Self> {
        let columns = Columns::of(sources);
        let names = columns.names.iter().map(String::as_str);
        let files = Self {
            results: AppendedFile::create(dir, RESULTS, RESULT_COLUMNS)?,
            failures: AppendedFile::create(dir, FAILURES, names.chain(OWN_COLUMNS))?,
            wording: Arc::new(Wording {
                columns,
                run_id: run_id.into(),
            }),
        };
        // The ledger will vouch for them: they must be found after a power cut, too, and so must
        // the directory that they are in.
        if let Some(parent) = dir.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(files)
    }

    /// Lines for these files.
    pub fn lines(&self) -> ResultLines {
        ResultLines {
            results: Lines::default(),
            failures: Lines::default(),
            wording: self.wording.clone(),
        }
    }

    /// Appends lines to `results.csv` and to `failures.csv`, and syncs them.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn append(&mut self, results: &[u8], failures: &[u8]) -> io::Result<()> {
        self.results.append(results)?;
        self.failures.append(failures)
    }

    /// The lengths of `results.csv` and `failures.csv`, as saved. Bytes.
    pub fn lengths(&self) -> (u64, u64) {
        (self.results.length, self.failures.length)
    }

    /// Lets the disk be full from now on.
    #[cfg(test)]
    pub fn fill_disk(&mut self) {
        let full = OpenOptions::new().append(true).open("/dev/full");
        self.failures.file = full.expect("/dev/full takes no byte");
        self.results.file = self.failures.file.try_clone().expect("another one");
    }
}

impl ResultLines {
    /// Adds the rows of a change.
    pub fn add_settled(&mut self, settled: &Settled, now: DateTime<Utc>) {
        let settlement = &settled.settlement;
        let fault = settlement.ending.fault();
        let request_id = match &settlement.ending {
            crate::engine::Ending::Applied { request_id } => Some(request_id.as_str()),
            _ => fault.and_then(|fault| fault.request_id.as_deref()),
        };
        for row in &settlement.change.rows {
            self.add(&Line {
                row,
                outcome: settlement.ending.outcome(),
                code: fault.map_or("", |fault| &fault.code),
                message: fault.map_or("", |fault| &fault.message),
                request_id: request_id.unwrap_or_default(),
                attempts: settlement.attempts,
                sent: settled.sent,
                latency_ms: settlement.latency.map(|latency| latency.as_millis()),
                is_repeatable: true,
                now,
            });
        }
    }

    /// Adds a row that had its outcome before anything was sent.
    pub fn add_row(&mut self, row: &SettledRow, now: DateTime<Utc>) {
        self.add(&Line {
            row: &row.row,
            outcome: row.outcome,
            code: row.code,
            message: &row.message,
            request_id: "",
            attempts: 0,
            sent: None,
            latency_ms: None,
            is_repeatable: row.is_repeatable,
            now,
        });
    }

    /// Takes out what is to be appended to `results.csv` and to `failures.csv`.
    pub fn take(&mut self) -> [Vec<u8>; 2] {
        [self.results.take(), self.failures.take()]
    }

    fn add(&mut self, line: &Line<'_>) {
        let file = &self.wording.columns.files[usize::from(line.row.at.file)];
        // Readable even where the row is not text.
        let user = line.row.cells.get(file.user).unwrap_or_default();
        let user = String::from_utf8_lossy(user);
        let [mut number, mut attempts, mut latency] = <[itoa::Buffer; 3]>::default();
        let number = number.format(line.row.at.line);
        let latency = line.latency_ms.map_or("", |ms| latency.format(ms));
        let first = line.sent.map_or_else(String::new, |(at, _)| shown(at));
        let last = match line.sent {
            Some((first, last)) if last != first => Cow::Owned(shown(last)),
            _ => Cow::Borrowed(&*first),
        };
        self.results.push([
            file.name.as_bytes(),
            number.as_bytes(),
            user.as_bytes(),
            line.outcome.name().as_bytes(),
            line.code.as_bytes(),
            line.message.as_bytes(),
            line.request_id.as_bytes(),
            attempts.format(line.attempts).as_bytes(),
            first.as_bytes(),
            last.as_bytes(),
            latency.as_bytes(),
        ]);
        let needs_work = matches!(
            line.outcome,
            Outcome::Failed | Outcome::Unknown | Outcome::Invalid
        );
        if !needs_work {
            return;
        }
        let at = shown(line.now);
        let cells = line.row.cells.get(file.cells.unwrap_or(usize::MAX));
        let mut cells = String::from_utf8_lossy(cells.unwrap_or_default()).into_owned();
        if !line.is_repeatable {
            cells += &odd_cells(&line.row.cells, file.width);
        }
        let ours: [&str; 9] = [
            line.outcome.name(),
            line.code,
            line.message,
            line.request_id,
            &file.name,
            number,
            &self.wording.run_id,
            &at,
            &cells,
        ];
        // Of a row with other cells than its header, what `_cells` says makes it invalid until it is
        // mended; bytes that are not text are shown as U+FFFD, which does so, too. Fed back as it
        // is, either goes on holding back what else there is of its user (rule T1).
        let own = file.places.iter().map(|place| {
            let cell = place.and_then(|at| line.row.cells.get(at));
            String::from_utf8_lossy(cell.unwrap_or_default())
        });
        let ours = ours.iter().map(|cell| Cow::Borrowed(*cell));
        self.failures
            .push(own.chain(ours).map(|cell| cell.into_owned().into_bytes()));
    }
}

/// One row, with what both files say of it.
struct Line<'l> {
    row: &'l SourceRow,
    outcome: Outcome,
    code: &'l str,
    message: &'l str,
    request_id: &'l str,
    attempts: u32,
    sent: Option<(DateTime<Utc>, DateTime<Utc>)>,
    latency_ms: Option<u128>,
    is_repeatable: bool,
    now: DateTime<Utc>,
}

impl Columns {
    fn of(sources: &[Source]) -> Self {
        let mut names: Vec<String> = Vec::new();
        for source in sources {
            for (name, _) in &source.header.own {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        let files = sources
            .iter()
            .map(|source| FileColumns {
                name: source.name.clone(),
                user: source.header.user,
                width: source.header.width,
                cells: source.header.fed_back.and_then(|columns| columns.cells),
                places: names
                    .iter()
                    .map(|name| {
                        let own = source.header.own.iter();
                        own.clone().find(|(own, _)| own == name).map(|(_, at)| *at)
                    })
                    .collect(),
            })
            .collect();
        Self { names, files }
    }
}

/// What `_cells` says of a row with other cells than its header: how many, and those that have no
/// column, as CSV.
fn odd_cells(cells: &Cells, width: usize) -> String {
    let told = format!("{} of {width}", cells.len());
    let surplus: ByteRecord = cells.iter().skip(width).collect();
    if surplus.is_empty() {
        return told;
    }
    let mut line = csv::Writer::from_writer(Vec::new());
    line.write_byte_record(&surplus).expect("memory takes it");
    let line = line.into_inner().expect("memory takes it");
    format!(
        "{told}: {}",
        String::from_utf8_lossy(&line).trim_end_matches('\n')
    )
}

/// Cuts a file that a killed run left to the length that its ledger vouches for. The header was
/// there before the run began, so it stays where nothing was committed behind it: a file without
/// one could not be fed back.
///
/// # Errors
/// When it can't be cut.
pub fn cut(path: &Path, length: u64) -> io::Result<()> {
    match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(file) => {
            let length = if length == 0 {
                header_length(path)?
            } else {
                length
            };
            if file.metadata()?.len() > length {
                file.set_len(length)?;
                file.sync_all()?;
            }
            Ok(())
        }
    }
}

/// The length of the first line: no name of a column has a line break in it.
fn header_length(path: &Path) -> io::Result<u64> {
    let mut header = Vec::new();
    BufReader::new(File::open(path)?).read_until(b'\n', &mut header)?;
    Ok(header.len() as u64)
}

/// A file that is only ever appended to, in batches.
#[derive(Debug)]
struct AppendedFile {
    file: File,
    length: u64,
}

impl AppendedFile {
    /// Makes the file with its header: whoever finds its name finds that, also where the run was
    /// killed as it began.
    fn create<'c>(
        dir: &Path,
        name: &str,
        header: impl IntoIterator<Item = &'c str>,
    ) -> io::Result<Self> {
        let mut lines = csv::Writer::from_writer(Vec::new());
        lines.write_record(header)?;
        let header = lines.into_inner().map_err(|error| error.into_error())?;
        let path = save_private(dir, name, &header)?;
        Ok(Self {
            file: OpenOptions::new().append(true).open(path)?,
            length: header.len() as u64,
        })
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let written = self
            .file
            .write_all(lines)
            .and_then(|()| self.file.sync_data());
        if written.is_err() {
            // No line shall stand there by half. If that fails as well, the next run sees to it.
            let _ = self.file.set_len(self.length);
        } else {
            self.length += lines.len() as u64;
        }
        written
    }
}

/// Lines of one of the files.
struct Lines {
    csv: csv::Writer<Vec<u8>>,
    /// The line at hand, kept for its memory.
    line: ByteRecord,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            csv: csv::Writer::from_writer(Vec::new()),
            line: ByteRecord::new(),
        }
    }
}

impl Lines {
    fn push<C: AsRef<[u8]>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.line.clear();
        self.line.extend(cells);
        self.csv
            .write_byte_record(&self.line)
            .expect("memory takes every line, and all have the header's width");
    }

    fn take(&mut self) -> Vec<u8> {
        let csv = std::mem::replace(&mut self.csv, csv::Writer::from_writer(Vec::new()));
        csv.into_inner().expect("memory takes it")
    }
}

fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
