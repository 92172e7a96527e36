//! `check --fix`: a copy of a file with the repairs that can't be wrong. It is UTF-8 with commas and
//! plain line ends; ids have no blanks around them; of rows that say the same of one user, cell by
//! cell, the last is left, which is the one that counts. All else stays as it was, wrong or not.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use csv::ByteRecord;
use sha2::{Digest, Sha256};

use crate::input::Source;
use crate::input::records::{RecordError, Records};
use crate::input::survey::Survey;
use crate::lang::Lang;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fixed {
    rows: u64,
    read_as: Option<String>,
    trimmed: u64,
    repeated: u64,
    left_out: u64,
}

impl Fixed {
    /// It, for a person.
    pub fn in_words(&self, lang: Lang) -> String {
        let mut told = lang.written(lang.rows(self.rows));
        if let Some(read_as) = &self.read_as {
            told += &lang.was_read_as(read_as);
        }
        for (n, what) in [
            (self.trimmed, lang.without_blanks()),
            (self.repeated, lang.without_repeated()),
            (self.left_out, lang.without_blank_rows()),
        ] {
            if n > 0 {
                told += &lang.repaired(n, what);
            }
        }
        told + lang.rest_is_left()
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
        each_row(source, |row, cells, _| {
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
    let names = header.iter().take(source.header.width);
    lines.write_byte_record(&names.collect())?;
    let mut fixed = Fixed {
        read_as: source.read_as.clone(),
        left_out: survey.blank_rows + survey.repeated_headers,
        ..Fixed::default()
    };
    each_row(source, |row, cells, was_trimmed| {
        if candidates.contains(&row) && last_of[&digest(cells)] != row {
            fixed.repeated += 1;
            return Ok(());
        }
        fixed.trimmed += u64::from(was_trimmed);
        fixed.rows += 1;
        Ok(lines.write_byte_record(cells)?)
    })?;
    lines.flush()?;
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

/// Gives each row as it is to be written, and whether there were blanks around its id.
fn each_row(
    source: &Source,
    mut with: impl FnMut(u32, &ByteRecord, bool) -> io::Result<()>,
) -> io::Result<()> {
    let header = &source.header;
    let mut records = source.rows().map_err(io_error)?;
    let mut row = 0;
    while let Some(record) = records.next_record().map_err(io_error)? {
        if source.skips(&record) {
            continue;
        }
        let cells = record.to_cells();
        // Cells behind the header's are only kept where there is something in one of them.
        let mut more = cells.iter().skip(header.width);
        let width = match more.all(|cell| cell.trim_ascii().is_empty()) {
            true => header.width,
            false => cells.len(),
        };
        let mut was_trimmed = false;
        let cleaned = cells.iter().take(width).enumerate().map(|(at, cell)| {
            match std::str::from_utf8(cell) {
                Ok(text) if at == header.user => {
                    was_trimmed = text.trim().len() < text.len();
                    text.trim().as_bytes()
                }
                _ => cell,
            }
        });
        let cleaned: ByteRecord = cleaned.collect();
        with(row, &cleaned, was_trimmed)?;
        row += 1;
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
