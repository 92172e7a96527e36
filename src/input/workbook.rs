//! A sheet of an Excel workbook (.xlsx) to CSV: texts as they are; numbers, dates and errors as
//! texts that [`super::lint`] judges. A row of the sheet becomes a record, a blank one a blank
//! line, so that a record's line is the row's number.
//!
//! Excel keeps fifteen digits of a number. So a number in the column of the ids is only written as
//! one when it is whole and shorter; else in scientific notation, which no id may be in
//! ([`number`] has the rules, also those of formats).

mod number;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use csv::ByteRecord;
use zip::ZipArchive;

use super::header::Header;
use super::lint::NO_VALUE;
use super::lint::id::all_digits;
use super::records::MAX_RECORD;
use super::rules::Rules;

/// The format of a cell without one.
const GENERAL: &str = "General";

/// Columns of a sheet that are looked at; Excel has up to 16,384, and no export so many.
const MOST_COLUMNS: u32 = 256;

/// Rows of a sheet, by Excel's own limit.
const MOST_ROWS: u32 = 1 << 20;

/// What all parts of a workbook may come to, unpacked: a full sheet of ids, names and addresses of
/// 100 bytes comes to 350 MB. Bytes.
const MOST_UNPACKED: u64 = 512 << 20;

/// What a sheet may come to as CSV: two KB a row. One text may stand in every cell. Bytes.
const MOST_TEXT: u64 = 2 << 30;

const BLOCK: usize = 64 * 1024;

/// Texts that a workbook may say it holds: one for each cell of 16 full columns.
const MOST_TEXTS: u64 = 1 << 24;

/// Why a workbook can't be read.
#[derive(Debug, thiserror::Error)]
pub enum WorkbookError {
    /// It is none, or a broken one.
    #[error(
        "looks like an Excel workbook or another zip file, and can't be read as a workbook: {0}"
    )]
    Unreadable(#[from] XlsxError),
    /// So broken that its reader did not end.
    #[error("looks like an Excel workbook, and is broken")]
    Broken,
    /// No such sheet.
    #[error("has no sheet {wanted:?} (expected one of {})", found.join(", "))]
    NoSheet {
        /// What was asked for.
        wanted: String,
        /// What there is.
        found: Vec<String>,
    },
    /// It is not plain which is meant.
    #[error("{why}: say which with --sheet (one of {})", found.join(", "))]
    WhichSheet {
        /// What makes it so.
        why: &'static str,
        /// What there is.
        found: Vec<String>,
    },
    /// Too wide.
    #[error("has cells beyond column {MOST_COLUMNS}")]
    TooWide,
    /// Too tall.
    #[error("has cells beyond row {MOST_ROWS}")]
    TooTall,
    /// A row that no program that writes CSV would write.
    #[error("row {row} holds more than {} KB of text", MAX_RECORD / 1024)]
    LongRow {
        /// Its number, from 1.
        row: u32,
    },
    /// Rows or cells that no program writes so, and that would land in others' places.
    #[error("row {row} stands behind later ones, or has a cell twice")]
    OutOfOrder {
        /// Its number, from 1.
        row: u32,
    },
    /// Far more than a sheet of users.
    #[error("holds more than {} MB of text in its cells", MOST_TEXT >> 20)]
    TooMuchText,
    /// A few KB can unpack to more than fits anywhere.
    #[error("unpacks to more than {} MB (a full sheet of users comes to 350)", MOST_UNPACKED >> 20)]
    TooLong,
    /// Room would be made for all of them at once.
    #[error("says that it holds {said} different texts (expected at most {MOST_TEXTS})")]
    TooManyTexts {
        /// How many, by the workbook.
        said: u64,
    },
    /// The copy can't be written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Writes the sheet as CSV; says which it was.
///
/// # Errors
/// When it is no workbook, or has no such sheet.
pub fn to_csv(file: &File, rules: &Rules, to: &mut impl Write) -> Result<String, WorkbookError> {
    fits(file)?;
    let mut book = Xlsx::new(BufReader::new(file))?;
    let names = book.sheet_names();
    let found = || names.iter().map(|name| format!("{name:?}")).collect();
    let wanted = match &rules.sheet {
        Some(wanted) => match names.contains(wanted) {
            true => Ok(wanted.clone()),
            false => Err(WorkbookError::NoSheet {
                wanted: wanted.clone(),
                found: found(),
            }),
        },
        None => only_sheet(&mut book)?.map_err(|why| WorkbookError::WhichSheet {
            why,
            found: found(),
        }),
    };
    let sheet = wanted?;
    // Whether there are texts among the ids is known at the end only.
    let learned = learn(&mut book, &sheet, rules)?;
    let (ids, lang) = (learned.ids, rules.lang);
    copy(&mut book, &sheet, rules, learned, to)?;
    let ids = match ids.numbers && !ids.texts {
        true => lang.ids_are_numbers(),
        false => "",
    };
    Ok(match names.len() {
        1 => lang.sheet(format!("{sheet:?}"), ids),
        n => lang.sheet_of_several(format!("{sheet:?}"), n, ids),
    })
}

/// What the ids of a sheet are.
#[derive(Debug, Clone, Copy, Default)]
struct Ids {
    numbers: bool,
    /// Texts that could be numbers.
    texts: bool,
}

/// What the first reading of a sheet tells the second.
#[derive(Debug, Default)]
struct Learned {
    ids: Ids,
    /// Cells that matter and whose formulas give nothing, in their order.
    without_value: VecDeque<(u32, u32)>,
}

/// Reads a sheet without writing it.
fn learn(
    book: &mut Xlsx<BufReader<&File>>,
    sheet: &str,
    rules: &Rules,
) -> Result<Learned, WorkbookError> {
    let mut learned = Learned::default();
    let mut csv = Sheet::new(rules, io::sink());
    let mut cells = book.worksheet_cells_reader(sheet)?;
    while let Some(cell) = cells.next_cell_with_formula_metadata()? {
        let (row, column) = cell.pos;
        csv.go_to(row)?;
        // What a formula makes of a blank cell is 0, and no name.
        let has_value = !matches!(
            &cell.value,
            DataRef::Empty | DataRef::Float(0.0) | DataRef::Int(0)
        );
        let text = match (cell.formula, has_value) {
            (Some(_), false) => {
                if csv.matters(column) {
                    learned.without_value.push_back(cell.pos);
                }
                NO_VALUE.into()
            }
            _ => text(&cell.value, GENERAL, false, false),
        };
        if csv.is_id(column) {
            match cell.value {
                DataRef::Int(_) | DataRef::Float(_) => learned.ids.numbers = true,
                // `T001` among numbers says nothing of zeros that they may have lost; `00123` does.
                DataRef::String(_) | DataRef::SharedString(_) if all_digits(text.trim()) => {
                    learned.ids.texts = true;
                }
                _ => {}
            }
        }
        csv.put(column, text)?;
    }
    csv.end_row()?;
    Ok(learned)
}

/// Writes a sheet as CSV. Where its ids are of both kinds, those that are numbers may have lost
/// zeros at their front, and are written as no id may be unless their format shows how many.
fn copy(
    book: &mut Xlsx<BufReader<&File>>,
    sheet: &str,
    rules: &Rules,
    mut learned: Learned,
    to: &mut impl Write,
) -> Result<(), WorkbookError> {
    let mut csv = Sheet::new(rules, to);
    let mut cells = book.worksheet_cells_reader(sheet)?;
    let are_mixed = learned.ids.numbers && learned.ids.texts;
    while let Some((cell, style)) = cells.next_cell_with_style_id()? {
        let (row, column) = cell.get_position();
        csv.go_to(row)?;
        let format = cells.styles().get(style);
        let format = format.and_then(|style| style.number_format.as_ref());
        let format = format.map_or(GENERAL, |format| &format.format_code);
        let pending = &mut learned.without_value;
        let text = if pending.front() == Some(&(row, column)) {
            pending.pop_front();
            NO_VALUE.into()
        } else {
            text(cell.get_value(), format, csv.is_id(column), are_mixed)
        };
        csv.put(column, text)?;
    }
    csv.end_row()?;
    Ok(())
}

/// The only visible sheet with something in it; or why it is not clear which is meant.
fn only_sheet(
    book: &mut Xlsx<BufReader<&File>>,
) -> Result<Result<String, &'static str>, XlsxError> {
    let sheets = book.sheets_metadata().to_vec();
    let is_visible = |sheet: &calamine::Sheet| sheet.visible == SheetVisible::Visible;
    if sheets.first().is_some_and(|first| !is_visible(first)) {
        return Ok(Err("the first sheet is hidden"));
    }
    let mut filled: Vec<&str> = Vec::new();
    for sheet in sheets.iter().filter(|sheet| is_visible(sheet)) {
        if sheet.typ != SheetType::WorkSheet {
            continue;
        }
        let mut cells = book.worksheet_cells_reader(&sheet.name)?;
        while let Some(cell) = cells.next_cell()? {
            if !matches!(cell.get_value(), DataRef::Empty) {
                filled.push(&sheet.name);
                break;
            }
        }
    }
    let first = sheets.first().map(|first| first.name.as_str());
    Ok(match (&filled[..], first) {
        ([only], _) => Ok((*only).to_owned()),
        ([], Some(first)) => Ok(first.to_owned()),
        ([], None) => Err("there is no sheet"),
        _ => Err("several sheets have something in them"),
    })
}

/// Unpacks all parts to nowhere, before any of them is held in memory: what a zip file says of their
/// lengths need not be true. What can't be unpacked here can't be by who reads it next, and is told
/// there.
fn fits(file: &File) -> Result<(), WorkbookError> {
    let Ok(mut parts) = ZipArchive::new(BufReader::new(file)) else {
        return Ok(());
    };
    let mut left = MOST_UNPACKED;
    let mut block = vec![0; BLOCK];
    for part in 0..parts.len() {
        let Ok(mut part) = parts.by_index(part) else {
            continue;
        };
        let is_texts = |name: &str| name.to_ascii_lowercase().ends_with("sharedstrings.xml");
        let mut is_head_of_texts = part.name().is_ok_and(|name| is_texts(&name));
        loop {
            let filled = fill(&mut part, &mut block);
            let text = &block[..filled];
            if is_head_of_texts && let Some(said) = n_texts(text).filter(|said| *said > MOST_TEXTS)
            {
                return Err(WorkbookError::TooManyTexts { said });
            }
            is_head_of_texts = false;
            left = left
                .checked_sub(filled as u64)
                .ok_or(WorkbookError::TooLong)?;
            if filled < BLOCK {
                break;
            }
        }
    }
    Ok(())
}

/// Fills the block, unless the part ends or breaks off before that.
fn fill(part: &mut impl Read, block: &mut [u8]) -> usize {
    let mut filled = 0;
    while let Ok(read @ 1..) = part.read(&mut block[filled..]) {
        filled += read;
    }
    filled
}

/// How many texts the head of their part says there are.
fn n_texts(head: &[u8]) -> Option<u64> {
    let name = b"uniqueCount";
    let at = memchr::memmem::find(head, name)?;
    let rest = head[at + name.len()..].iter();
    let digits = rest
        .skip_while(|byte| !byte.is_ascii_digit())
        .take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |n: u64, digit| {
        n.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    }))
}

/// A sheet on its way to be CSV.
struct Sheet<'s, W> {
    to: W,
    rules: &'s Rules,
    /// The row being read, from 0.
    row: u32,
    /// The text of the rows before it. Bytes.
    written: u64,
    cells: Vec<String>,
    /// Its columns, once the header is read and where it fits.
    header: Option<Header>,
    has_header: bool,
    /// The header's cells: a row's blank last ones don't stand in the sheet.
    width: usize,
}

impl<'s, W: Write> Sheet<'s, W> {
    fn new(rules: &'s Rules, to: W) -> Self {
        Self {
            to,
            rules,
            row: 0,
            written: 0,
            cells: Vec::new(),
            header: None,
            has_header: false,
            width: 0,
        }
    }

    fn is_id(&self, column: u32) -> bool {
        let header = self.header.as_ref();
        header.is_some_and(|header| header.user == column as usize)
    }

    /// Whether a column is read for what it says.
    fn matters(&self, column: u32) -> bool {
        let header = self.header.as_ref();
        header.is_some_and(|header| header.at(column as usize).is_some())
    }

    /// Puts a cell into the row.
    fn put(&mut self, column: u32, text: String) -> Result<(), WorkbookError> {
        if column >= MOST_COLUMNS {
            return Err(WorkbookError::TooWide);
        }
        let row = self.row + 1;
        let at = column as usize;
        self.cells
            .resize(self.cells.len().max(at + 1), String::new());
        if !self.cells[at].is_empty() {
            return Err(WorkbookError::OutOfOrder { row });
        }
        self.cells[at] = text;
        let in_row: usize = self.cells.iter().map(String::len).sum();
        if in_row > MAX_RECORD {
            return Err(WorkbookError::LongRow { row });
        }
        if self.written > MOST_TEXT {
            return Err(WorkbookError::TooMuchText);
        }
        Ok(())
    }

    fn go_to(&mut self, row: u32) -> Result<(), WorkbookError> {
        if row >= MOST_ROWS {
            return Err(WorkbookError::TooTall);
        }
        if row < self.row {
            return Err(WorkbookError::OutOfOrder { row: row + 1 });
        }
        while self.row < row {
            self.end_row()?;
            self.row += 1;
        }
        Ok(())
    }

    fn end_row(&mut self) -> io::Result<()> {
        if self.cells.iter().all(String::is_empty) {
            self.cells.clear();
            return self.to.write_all(b"\n");
        }
        let width = self.cells.len().max(self.width);
        self.cells.resize(width, String::new());
        let record: ByteRecord = self.cells.drain(..).map(String::into_bytes).collect();
        self.written += (record.as_slice().len() + record.len()) as u64;
        if !self.has_header {
            self.has_header = true;
            self.width = width;
            // One that does not fit is told by who reads it next.
            self.header = Header::parse(&record, self.rules).ok();
        }
        let mut line = csv::Writer::from_writer(&mut self.to);
        line.write_byte_record(&record)?;
        line.flush()
    }
}

fn text(value: &DataRef<'_>, format: &str, is_id: bool, are_mixed: bool) -> String {
    match value {
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).into(),
        DataRef::Int(number) => number::text(*number as f64, format, is_id, are_mixed),
        DataRef::Float(number) => number::text(*number, format, is_id, are_mixed),
        DataRef::Bool(true) => "TRUE".into(),
        DataRef::Bool(false) => "FALSE".into(),
        DataRef::DateTime(time) => {
            let (year, month, day, hour, minute, ..) = time.to_ymd_hms_milli();
            match (hour, minute) {
                (0, 0) => format!("{year}-{month:02}-{day:02}"),
                _ => format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}"),
            }
        }
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.replace('T', " "),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

#[cfg(test)]
pub(super) mod tests;
