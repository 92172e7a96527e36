//! A sheet of an Excel workbook (.xlsx) to CSV: texts as they are; numbers, dates and errors as
//! texts that [`super::lint`] judges. A row of the sheet becomes a record, a blank one a blank
//! line, so that a record's line is the row's number.
//!
//! Excel keeps fifteen digits of a number. So a number in the column of the ids is only written as
//! one when it is whole and shorter; else in scientific notation, which no id may be in.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use csv::ByteRecord;
use zip::ZipArchive;

use super::header::Header;
use super::records::MAX_RECORD;
use super::rules::Rules;

/// Whole numbers below this are exact, and so is what Excel showed of them.
const EXACT: f64 = 1e15;

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
        Some(wanted) => names.iter().find(|name| *name == wanted),
        None => {
            if let Some(why) = doubt(&mut book)? {
                let found = found();
                return Err(WorkbookError::WhichSheet { why, found });
            }
            names.first()
        }
    };
    let Some(sheet) = wanted else {
        let wanted = rules.sheet.clone().unwrap_or_default();
        let found = found();
        return Err(WorkbookError::NoSheet { wanted, found });
    };
    // Whether there are texts among the ids is known at the end only.
    let ids = copy(&mut book, sheet, rules, false, &mut io::sink())?;
    let (is_mixed, lang) = (ids.numbers && ids.texts, rules.lang);
    copy(&mut book, sheet, rules, is_mixed, to)?;
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
    texts: bool,
}

/// Writes a sheet as CSV. Where `are_mixed`, its ids are of both kinds: those that are numbers may have lost zeros at
/// their front, and are written as no id may be.
fn copy(
    book: &mut Xlsx<BufReader<&File>>,
    sheet: &str,
    rules: &Rules,
    are_mixed: bool,
    to: &mut impl Write,
) -> Result<Ids, WorkbookError> {
    let mut ids = Ids::default();
    let mut sheet_as_csv = Sheet {
        to,
        rules,
        row: 0,
        written: 0,
        cells: Vec::new(),
        user: None,
        has_header: false,
        width: 0,
    };
    let mut cells = book.worksheet_cells_reader(sheet)?;
    while let Some(cell) = cells.next_cell()? {
        let (row, column) = cell.get_position();
        if column >= MOST_COLUMNS {
            return Err(WorkbookError::TooWide);
        }
        if row >= MOST_ROWS {
            return Err(WorkbookError::TooTall);
        }
        sheet_as_csv.go_to(row)?;
        let is_id = sheet_as_csv.user == Some(column as usize);
        let text = text(cell.get_value(), is_id, are_mixed);
        if is_id {
            match cell.get_value() {
                DataRef::Int(_) | DataRef::Float(_) => ids.numbers = true,
                DataRef::String(_) | DataRef::SharedString(_) if !text.trim().is_empty() => {
                    ids.texts = true
                }
                _ => {}
            }
        }
        let width = sheet_as_csv.cells.len().max(column as usize + 1);
        sheet_as_csv.cells.resize(width, String::new());
        sheet_as_csv.cells[column as usize] = text;
        let in_row: usize = sheet_as_csv.cells.iter().map(String::len).sum();
        if in_row > MAX_RECORD {
            return Err(WorkbookError::LongRow { row: row + 1 });
        }
        if sheet_as_csv.written > MOST_TEXT {
            return Err(WorkbookError::TooMuchText);
        }
    }
    sheet_as_csv.end_row()?;
    Ok(ids)
}

/// Why the first sheet may not be the one that is meant.
fn doubt(book: &mut Xlsx<BufReader<&File>>) -> Result<Option<&'static str>, XlsxError> {
    let sheets = book.sheets_metadata().to_vec();
    let is_visible = |sheet: &calamine::Sheet| sheet.visible == SheetVisible::Visible;
    if sheets.first().is_some_and(|first| !is_visible(first)) {
        return Ok(Some("the first sheet is hidden"));
    }
    let mut n_filled = 0;
    for sheet in sheets.iter().filter(|sheet| is_visible(sheet)) {
        if sheet.typ != SheetType::WorkSheet {
            continue;
        }
        let mut cells = book.worksheet_cells_reader(&sheet.name)?;
        while let Some(cell) = cells.next_cell()? {
            if !matches!(cell.get_value(), DataRef::Empty) {
                n_filled += 1;
                break;
            }
        }
    }
    Ok((n_filled > 1).then_some("several sheets have something in them"))
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

struct Sheet<'s, W> {
    to: &'s mut W,
    rules: &'s Rules,
    /// The row being read, from 0.
    row: u32,
    /// The text of the rows before it. Bytes.
    written: u64,
    cells: Vec<String>,
    /// The column of the ids, once the header is read.
    user: Option<usize>,
    has_header: bool,
    /// The header's cells: a row's blank last ones don't stand in the sheet.
    width: usize,
}

impl<W: Write> Sheet<'_, W> {
    fn go_to(&mut self, row: u32) -> io::Result<()> {
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
            self.user = Header::parse(&record, self.rules)
                .ok()
                .map(|header| header.user);
        }
        let mut line = csv::Writer::from_writer(&mut *self.to);
        line.write_byte_record(&record)?;
        line.flush()
    }
}

fn text(value: &DataRef<'_>, is_id: bool, are_mixed: bool) -> String {
    match value {
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).into(),
        DataRef::Int(number) => self::number(*number as f64, is_id, are_mixed),
        DataRef::Float(number) => self::number(*number, is_id, are_mixed),
        DataRef::Bool(true) => "TRUE".into(),
        DataRef::Bool(false) => "FALSE".into(),
        DataRef::DateTime(time) => {
            let (year, month, day, hour, minute, ..) = time.to_ymd_hms_milli();
            match (hour, minute) {
                (0, 0) => format!("{year}-{month:02}-{day:02}"),
                _ => format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}"),
            }
        }
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

fn number(number: f64, is_id: bool, are_mixed: bool) -> String {
    let is_exact = number.fract() == 0.0 && number.abs() < EXACT;
    if !is_id || (is_exact && !are_mixed) {
        return number.to_string();
    }
    // As Excel writes it: the exponent has a sign.
    let text = format!("{number:E}");
    match text.split_once("E-") {
        Some(_) => text,
        None => text.replace('E', "E+"),
    }
}

#[cfg(test)]
mod tests {
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// What becomes of a workbook with one part more than the others.
    fn refused(name: &str, blocks: usize, block: &[u8]) -> String {
        let mut parts = ZipWriter::new(tempfile::tempfile().unwrap());
        let packed = SimpleFileOptions::default();
        parts.start_file(name, packed).unwrap();
        for _ in 0..blocks {
            parts.write_all(block).unwrap();
        }
        let file = parts.finish().unwrap();
        fits(&file).map_or_else(|error| error.to_string(), |()| "fits".into())
    }

    #[test]
    fn a_workbook_that_unpacks_without_end_is_refused_before_it_is_read() {
        let block = vec![b' '; 1 << 20];
        let too_long = "unpacks to more than 512 MB (a full sheet of users comes to 350)";
        assert_eq!(refused("xl/a.xml", 513, &block), too_long);
        assert_eq!(refused("xl/a.xml", 1, &block), "fits");
    }

    #[test]
    fn room_is_made_for_no_more_texts_than_a_sheet_can_hold() {
        let texts = |n: &str| {
            let text = format!("<sst uniqueCount=\"{n}\"></sst>");
            refused("xl/SharedStrings.xml", 1, text.as_bytes())
        };
        assert_eq!(texts("3000000"), "fits");
        let told = texts("99999999999999999999");
        assert!(
            told.starts_with("says that it holds 18446744073709551615"),
            "{told}"
        );
    }
}
