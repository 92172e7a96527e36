//! `check --fix`: a copy of a file with the repairs that can't be wrong. It is UTF-8 with commas and
//! plain line ends; ids have no blanks around them; of rows that say the same of one user, cell by
//! cell, the last is left, which is the one that counts. All else stays as it was, wrong or not.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use csv::ByteRecord;
use sha2::{Digest, Sha256};

use crate::input::Source;
use crate::input::lint::Level;
use crate::input::records::{RecordError, Records};
use crate::input::survey::Survey;
use crate::report::words::count;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fixed {
    rows: u64,
    read_as: Option<String>,
    trimmed: u64,
    repeated: u64,
    left_out: u64,
    errors: u64,
    warnings: u64,
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} written in UTF-8", count(self.rows, "row"))?;
        if let Some(read_as) = &self.read_as {
            write!(f, " (was {read_as})")?;
        }
        for (n, what) in [
            (self.trimmed, "id without the blanks around it"),
            (self.repeated, "row left out that a later one repeats"),
            (
                self.left_out,
                "row left out that was blank or the header again",
            ),
        ] {
            if n > 0 {
                write!(f, "; {n} × {what}")?;
            }
        }
        let (errors, warnings) = (count(self.errors, "error"), count(self.warnings, "warning"));
        write!(f, "; left as they are: {errors} and {warnings}")
    }
}

/// Writes the copy. The file must be new.
///
/// # Errors
/// When it is there already, or can't be written; when the input can't be read again.
pub fn write(survey: &Survey, out: &Path) -> io::Result<Fixed> {
    let source = &survey.sources[0];
    let to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)?;
    let written = copy(survey, source, to);
    if written.is_err() {
        // Half a copy looks like a whole one.
        let _ = std::fs::remove_file(out);
    }
    written
}

fn copy(survey: &Survey, source: &Source, to: File) -> io::Result<Fixed> {
    let mut last_of = HashMap::new();
    let candidates = repeated(survey);
    if !candidates.is_empty() {
        each_row(source, |row, cells| {
            if candidates.contains(&row) {
                last_of.insert(digest(cells), row);
            }
            Ok(())
        })?;
    }
    let mut lines = csv::WriterBuilder::new().flexible(true).from_writer(to);
    let mut header = Records::new(source.file.clone(), source.layout);
    let header = header.next_record().map_err(io_error)?;
    let header = header.expect("was there when it was opened").to_cells();
    let width = source.header.width;
    lines.write_byte_record(&header.iter().take(width).collect())?;
    let findings = &survey.findings;
    let mut fixed = Fixed {
        read_as: source.read_as.clone(),
        left_out: survey.blank_rows + survey.repeated_headers,
        errors: findings.count(Level::Error),
        warnings: findings.count(Level::Warning),
        ..Fixed::default()
    };
    each_row(source, |row, cells| {
        if candidates.contains(&row) && last_of[&digest(cells)] != row {
            fixed.repeated += 1;
            return Ok(());
        }
        // Cells behind the header's are only kept where there is something in one of them.
        let end = match cells
            .iter()
            .skip(width)
            .all(|cell| cell.trim_ascii().is_empty())
        {
            true => width,
            false => cells.len(),
        };
        let cells = cells
            .iter()
            .take(end)
            .enumerate()
            .map(|(at, cell)| match std::str::from_utf8(cell) {
                Ok(text) if at == source.header.user => {
                    fixed.trimmed += u64::from(text.trim().len() < text.len());
                    text.trim().as_bytes()
                }
                _ => cell,
            });
        let cells: ByteRecord = cells.collect();
        fixed.rows += 1;
        Ok(lines.write_byte_record(&cells)?)
    })?;
    lines.flush()?;
    fixed.warnings = fixed
        .warnings
        .saturating_sub(fixed.trimmed + fixed.repeated);
    Ok(fixed)
}

/// Rows that may say the same as another of their user, by what they set.
fn repeated(survey: &Survey) -> HashSet<u32> {
    let mut rows = HashSet::new();
    for group in survey
        .entries
        .chunk_by(|a, b| a.user == b.user && a.user != 0)
    {
        if group.len() > 1 {
            let is_alike = |at: &usize| {
                let others = group.iter().enumerate();
                others
                    .filter(|(other, _)| other != at)
                    .any(|(_, other)| other.sets == group[*at].sets)
            };
            rows.extend((0..group.len()).filter(is_alike).map(|at| group[at].row));
        }
    }
    rows
}

fn each_row(
    source: &Source,
    mut with: impl FnMut(u32, &ByteRecord) -> io::Result<()>,
) -> io::Result<()> {
    let mut records = source.rows().map_err(io_error)?;
    let mut row = 0;
    while let Some(record) = records.next_record().map_err(io_error)? {
        if !source.skips(&record) {
            with(row, &record.to_cells())?;
            row += 1;
        }
    }
    Ok(())
}

fn digest(cells: &ByteRecord) -> [u8; 32] {
    let mut digest = Sha256::new();
    for cell in cells {
        digest.update((cell.len() as u64).to_le_bytes());
        digest.update(cell);
    }
    digest.finalize().into()
}

fn io_error(error: RecordError) -> io::Error {
    match error {
        RecordError::Io(error) => error,
        error => io::Error::other(error.to_string()),
    }
}
