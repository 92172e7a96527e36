//! Bytes to records: csv-core (the parser of the csv crate) over a file that is read by position,
//! so that several passes can share one open descriptor and a rename over the file's name is
//! harmless (rule T6).
//!
//! The csv crate's own reader is not used because two things matter here that it doesn't tell:
//! the exact line of a record (it counts neither CRLF nor blank lines to the record that follows),
//! and that a quote was never closed (it swallows the rest of the file into one cell without a
//! word).

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::str::Utf8Error;
use std::sync::Arc;

use csv_core::ReadRecordResult;

/// The longest record: far more than any profile needs, far less than a file that an open quote
/// swallows. Bytes.
pub const MAX_RECORD: usize = 64 * 1024;

const BLOCK: usize = 256 * 1024;
const SMALL_BLOCK: usize = 1024;

/// Why a file's records can't be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The system says no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A quote opened here is never closed.
    #[error(
        "line {line}: the quote (\") that opens here is never closed: everything after it would be one cell"
    )]
    OpenQuote {
        /// Line of the quote.
        line: u64,
    },
    /// More than [`MAX_RECORD`] bytes.
    #[error("line {line}: the record that begins here is longer than {} KB: probably a quote (\") that is never closed", MAX_RECORD / 1024)]
    TooLong {
        /// Line on which the record begins.
        line: u64,
    },
}

/// How a file is cut into records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The byte at which its text begins.
    pub begins: u64,
    /// The line on which that is.
    pub line: u64,
    /// What stands between cells.
    pub delimiter: u8,
    /// It was a sheet of a workbook: each record is one row of it, whatever breaks are in its
    /// cells.
    pub is_sheet: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            begins: 0,
            line: 1,
            delimiter: b',',
            is_sheet: false,
        }
    }
}

/// Reads a file record by record.
#[derive(Debug)]
pub struct Records {
    file: Arc<File>,
    layout: Layout,
    block: usize,
    parser: csv_core::Reader,
    buffer: Vec<u8>,
    /// `buffer[from..fed]` is the record being read, `buffer[fed..filled]` is still to be parsed.
    from: usize,
    fed: usize,
    filled: usize,
    /// Where in the file `buffer` begins.
    offset: u64,
    cells: Vec<u8>,
    ends: Vec<usize>,
    /// Line of the byte at `from`.
    line: u64,
    /// The byte before `from` was a CR: an LF at `from` belongs to it.
    after_cr: bool,
    last: Last,
}

/// Where the last record is.
#[derive(Debug, Default)]
struct Last {
    line: u64,
    n_lines: u64,
    offset: u64,
    /// Where in `buffer` it is, if it is read where it stands; else it is in `cells`.
    in_buffer: Option<usize>,
    n_bytes: usize,
    n_cells: usize,
    /// The cell in which text stands behind a closed quote.
    stray_quote: Option<usize>,
}

/// One record, borrowed from the reader.
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    /// Line on which it begins, from 1.
    pub line: u64,
    /// Over how many lines it goes.
    pub n_lines: u64,
    /// Where in the file it begins.
    pub offset: u64,
    /// The first cell in which text stands behind a closed quote: who wrote it meant something else
    /// than what is read.
    pub stray_quote: Option<usize>,
    /// The cells, with `gap` bytes between them.
    cells: &'r [u8],
    ends: &'r [usize],
    gap: usize,
    /// All of `cells`, where that is text.
    text: Option<&'r str>,
}

impl<'r> Record<'r> {
    /// Number of cells.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has no cell at all.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether every cell is empty or blank.
    pub fn is_blank(&self) -> bool {
        let mut cells = self.cells();
        cells.all(|cell| cell.iter().all(u8::is_ascii_whitespace))
    }

    /// The bytes of all cells.
    pub fn cells(self) -> impl Iterator<Item = &'r [u8]> {
        (0..self.len()).filter_map(move |at| self.cell(at))
    }

    /// The bytes of a cell.
    pub fn cell(&self, at: usize) -> Option<&'r [u8]> {
        Some(&self.cells[self.place(at)?])
    }

    /// The text of a cell; empty where there is none.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self, at: usize) -> Result<&'r str, Utf8Error> {
        let Some(place) = self.place(at) else {
            return Ok("");
        };
        // Of nearly all records one look told that all cells are.
        match self.text.and_then(|text| text.get(place.clone())) {
            Some(text) => Ok(text),
            None => std::str::from_utf8(&self.cells[place]),
        }
    }

    fn place(&self, at: usize) -> Option<Range<usize>> {
        let end = *self.ends.get(at)?;
        let start = match at {
            0 => 0,
            _ => self.ends[at - 1] + self.gap,
        };
        Some(start..end)
    }

    /// All cells, to keep.
    pub fn to_cells(self) -> csv::ByteRecord {
        let mut cells = csv::ByteRecord::with_capacity(self.cells.len(), self.len());
        cells.extend(self.cells());
        cells
    }
}

impl Records {
    /// Reads `file` from its beginning.
    pub fn new(file: Arc<File>, layout: Layout) -> Self {
        Self::in_blocks(BLOCK, file, layout, layout.begins, layout.line)
    }

    /// Reads a single record, at byte `offset` and on line `line`: little at a time.
    pub fn single(file: Arc<File>, layout: Layout, offset: u64, line: u64) -> Self {
        Self::in_blocks(SMALL_BLOCK, file, layout, offset, line)
    }

    fn in_blocks(block: usize, file: Arc<File>, layout: Layout, offset: u64, line: u64) -> Self {
        let mut parser = csv_core::ReaderBuilder::new()
            .delimiter(layout.delimiter)
            .build();
        // From the very first record that it is given it takes off a byte order mark; here that may
        // be any record. A blank line takes that away.
        parser.read_record(b"\n", &mut [0], &mut [0]);
        Self {
            block,
            file,
            layout,
            parser,
            buffer: Vec::new(),
            from: 0,
            fed: 0,
            filled: 0,
            offset,
            cells: vec![0; 1024],
            ends: vec![0; 32],
            line,
            after_cr: false,
            last: Last::default(),
        }
    }

    /// The next record; `None` at the end of the file.
    ///
    /// # Errors
    /// When the file can't be read, a record is too long or its quote is never closed.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, RecordError> {
        if self.cut_plain_record() {
            return Ok(Some(self.last_record()));
        }
        self.last = Last::default();
        let (mut n_bytes, mut n_cells) = (0, 0);
        loop {
            // To the parser, nothing more to read is the end of the file.
            if self.fed == self.filled {
                self.fill()?;
            }
            let (result, read, written, ended) = self.parser.read_record(
                &self.buffer[self.fed..self.filled],
                &mut self.cells[n_bytes..],
                &mut self.ends[n_cells..],
            );
            let at_end = self.fed == self.filled;
            self.fed += read;
            n_bytes += written;
            n_cells += ended;
            match result {
                ReadRecordResult::InputEmpty => {
                    if self.fed - self.from > MAX_RECORD {
                        return Err(self.too_long());
                    }
                }
                ReadRecordResult::OutputFull => self.cells.resize(self.cells.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => {
                    if self.fed - self.from > MAX_RECORD {
                        return Err(self.too_long());
                    }
                    let (line, offset, stray_quote) = self.pass_record(at_end)?;
                    self.last = Last {
                        line,
                        n_lines: (self.line - line).max(1),
                        offset,
                        in_buffer: None,
                        n_bytes,
                        n_cells,
                        stray_quote,
                    };
                    return Ok(Some(self.last_record()));
                }
            }
        }
    }

    /// Cuts the next record if it lies in the buffer and has no quote, as nearly all do: then it is
    /// read where it stands, and its end and those of its cells are found by looking for them,
    /// several times as fast as by the parser, which is between two records and need not know.
    /// False leaves all as it was.
    fn cut_plain_record(&mut self) -> bool {
        let raw = &self.buffer[self.from..self.filled];
        let is_end = |byte: &&u8| matches!(**byte, b'\r' | b'\n');
        let lead = raw.iter().take_while(is_end).count();
        let (blank, rest) = raw.split_at(lead);
        let Some(length) = memchr::memchr3(b'\n', b'\r', b'"', rest) else {
            return false;
        };
        if length > MAX_RECORD || rest[length] == b'"' {
            return false;
        }
        let delimiters = memchr::memchr_iter(self.layout.delimiter, &rest[..length]);
        let mut n_cells = 0;
        for end in delimiters.chain([length]) {
            if n_cells == self.ends.len() {
                self.ends.resize(n_cells * 2, 0);
            }
            self.ends[n_cells] = end;
            n_cells += 1;
        }
        let begins = self.from + lead;
        let line = self.line + line_ends(blank, &mut self.after_cr);
        self.last = Last {
            line,
            n_lines: 1,
            offset: self.offset + begins as u64,
            in_buffer: Some(begins),
            n_bytes: length,
            n_cells,
            stray_quote: None,
        };
        self.line = line + 1;
        self.after_cr = rest[length] == b'\r';
        self.from = begins + length + 1;
        self.fed = self.from;
        true
    }

    /// The record that [`Self::next_record`] returned last.
    pub fn last_record(&self) -> Record<'_> {
        let last = &self.last;
        let (cells, gap) = match last.in_buffer {
            Some(begins) => (&self.buffer[begins..][..last.n_bytes], 1),
            None => (&self.cells[..last.n_bytes], 0),
        };
        Record {
            line: last.line,
            n_lines: last.n_lines,
            offset: last.offset,
            stray_quote: last.stray_quote,
            cells,
            ends: &self.ends[..last.n_cells],
            gap,
            text: simdutf8::basic::from_utf8(cells).ok(),
        }
    }

    /// Counts the lines of the record just parsed and moves behind it.
    fn pass_record(&mut self, at_end: bool) -> Result<(u64, u64, Option<usize>), RecordError> {
        let raw = &self.buffer[self.from..self.fed];
        let lead = raw
            .iter()
            .position(|byte| !matches!(byte, b'\r' | b'\n'))
            .unwrap_or(raw.len());
        let (blank, content) = raw.split_at(lead);
        let line = self.line + line_ends(blank, &mut self.after_cr);
        let offset = self.offset + (self.from + lead) as u64;
        let quotes = Quotes::of(content, self.layout.delimiter);
        // Only at the end of the file can a quote still be open.
        if let Some(quote) = quotes.open.filter(|_| at_end) {
            let line = line + line_ends(&content[..quote], &mut false);
            return Err(RecordError::OpenQuote { line });
        }
        if !content.is_empty() {
            self.after_cr = false;
        }
        let n_ends = line_ends(content, &mut self.after_cr);
        self.line = line
            + if self.layout.is_sheet {
                n_ends.min(1)
            } else {
                n_ends
            };
        self.from = self.fed;
        Ok((line, offset, quotes.stray))
    }

    fn too_long(&mut self) -> RecordError {
        let raw = &self.buffer[self.from..self.fed];
        let lead = raw.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let lead = lead.count();
        RecordError::TooLong {
            line: self.line + line_ends(&raw[..lead], &mut self.after_cr),
        }
    }

    /// Reads on, keeping the record that has begun.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.from..self.filled, 0);
        self.offset += self.from as u64;
        self.filled -= self.from;
        self.fed -= self.from;
        self.from = 0;
        if self.buffer.len() < self.filled + self.block {
            self.buffer.resize(self.filled + self.block, 0);
        }
        let at = self.offset + self.filled as u64;
        loop {
            match self.file.read_at(&mut self.buffer[self.filled..], at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    self.filled += read;
                    return Ok(());
                }
            }
        }
    }
}

/// Counts LF, CRLF and CR; `after_cr` says whether the byte before was a CR, and then whether the
/// last one is.
fn line_ends(bytes: &[u8], after_cr: &mut bool) -> u64 {
    let Some(last) = bytes.last() else {
        return 0;
    };
    let mut ends = 0;
    for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
        let follows_cr = if at == 0 {
            *after_cr
        } else {
            bytes[at - 1] == b'\r'
        };
        if bytes[at] == b'\r' || !follows_cr {
            ends += 1;
        }
    }
    *after_cr = *last == b'\r';
    ends
}

/// What is odd about the quotes of a record, by csv-core's own rules: a quote opens only at the
/// beginning of a cell, two of them within are one, and behind the one that closes they are text.
#[derive(Debug, Default)]
struct Quotes {
    /// Where the one stands that is still open at the end.
    open: Option<usize>,
    /// The first cell in which text stands behind the one that closes it.
    stray: Option<usize>,
}

impl Quotes {
    fn of(record: &[u8], delimiter: u8) -> Self {
        let mut quotes = Self::default();
        let mut rest = record;
        for cell in 0.. {
            if let Some(quoted) = rest.strip_prefix(b"\"") {
                let Some(behind) = behind_quote(quoted) else {
                    quotes.open = Some(record.len() - rest.len());
                    break;
                };
                let is_end = |byte: &u8| *byte == delimiter || matches!(byte, b'\r' | b'\n');
                if behind.first().is_some_and(|byte| !is_end(byte)) {
                    quotes.stray.get_or_insert(cell);
                }
                rest = behind;
            }
            let Some(end) = memchr::memchr(delimiter, rest) else {
                break;
            };
            rest = &rest[end + 1..];
        }
        quotes
    }
}

/// What follows the quote that closes the one before `rest`; two of them within are one.
fn behind_quote(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        rest = &rest[memchr::memchr(b'"', rest)? + 1..];
        match rest.strip_prefix(b"\"") {
            Some(more) => rest = more,
            None => return Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn records(text: &[u8]) -> Records {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        Records::new(Arc::new(file), Layout::default())
    }

    fn lines(text: &str) -> Vec<(u64, String)> {
        let mut records = records(text.as_bytes());
        let mut seen = Vec::new();
        while let Some(record) = records.next_record().unwrap() {
            let first = String::from_utf8(record.cell(0).unwrap().to_vec()).unwrap();
            let begins = &text.as_bytes()[record.offset as usize..];
            assert!(begins[0] != b'\n' && begins[0] != b'\r');
            seen.push((record.line, first));
        }
        seen
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts() {
        let expected = vec![
            (1, "a".to_owned()),
            (2, "1\nx".to_owned()),
            (6, "3".to_owned()),
            (7, "4".to_owned()),
        ];
        let text = "a,b\n\"1\nx\",2\n\n\n3,y\n4,z";
        assert_eq!(lines(text), expected);
        let crlf: Vec<u64> = lines(&text.replace('\n', "\r\n"))
            .iter()
            .map(|(line, _)| *line)
            .collect();
        assert_eq!(crlf, [1, 2, 6, 7]);
        let cr: Vec<u64> = lines(&text.replace('\n', "\r"))
            .iter()
            .map(|(line, _)| *line)
            .collect();
        assert_eq!(cr, [1, 2, 6, 7]);
    }

    #[test]
    fn a_byte_order_mark_in_the_middle_belongs_to_its_cell_however_it_is_read() {
        let text = "a,b\n\u{FEFF}c,\"d\"\n\u{FEFF}e,f\n\u{FEFF}g,h";
        let cells: Vec<String> = lines(text).into_iter().map(|(_, cell)| cell).collect();
        assert_eq!(cells, ["a", "\u{FEFF}c", "\u{FEFF}e", "\u{FEFF}g"]);
        let file = records(text.as_bytes()).file;
        let mut single = Records::single(file, Layout::default(), 4, 2);
        let record = single.next_record().unwrap().unwrap();
        assert_eq!(record.text(0), Ok("\u{FEFF}c"));
    }

    #[test]
    fn an_open_quote_is_found_where_it_opens() {
        for (text, line) in [
            ("a,b\n1,\"2\n3,4\n5,6\n", 2),
            ("a,b\n\"1\n\n3\",\"4\n5,6", 4),
            ("a,b\n\n1,2\n\"", 4),
            ("a,b\n1,\"x\"\"\n", 2),
        ] {
            let mut records = records(text.as_bytes());
            let error = loop {
                match records.next_record() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{text:?} was read to its end"),
                    Err(error) => break error,
                }
            };
            assert!(
                matches!(error, RecordError::OpenQuote { line: found } if found == line),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn text_behind_a_closed_quote_is_told() {
        for (text, expected) in [
            ("a,b\n1,\"2\"x\n", Some(1)),
            ("a,b\n\"1\" ,2\n", Some(0)),
            ("a,b\n\"1\"\"x\",\"2\"3\"\n", Some(1)),
            ("a,b\n\"1\",\"2\"\n", None),
            ("a,b\r\n\"1\",\"2\"\r\n", None),
            ("a,b\n1,\"2\"", None),
            ("a,b\n\"1,\"\"2\"\"\",x\"y\"\n", None),
        ] {
            let mut records = records(text.as_bytes());
            records.next_record().unwrap().unwrap();
            let record = records.next_record().unwrap().unwrap();
            assert_eq!(record.stray_quote, expected, "{text:?}");
        }
    }

    #[test]
    fn a_closed_quote_at_the_very_end_is_fine() {
        for text in [
            "a\n\"x\"",
            "a\n\"x\"\"\"",
            "a\nx\"y",
            "a\n\"x\"y",
            "a\n\"\"",
        ] {
            let mut records = records(text.as_bytes());
            while records.next_record().unwrap().is_some() {}
        }
    }

    #[test]
    fn a_record_that_swallows_too_much_is_an_error_before_the_end() {
        let mut text = b"a,b\n1,\"2\n".to_vec();
        text.extend(b"3,4\n".repeat(100_000));
        text.extend(b"5,\"\n");
        let mut records = records(&text);
        assert!(records.next_record().unwrap().is_some());
        let error = records.next_record().unwrap_err();
        assert!(matches!(error, RecordError::TooLong { line: 2 }), "{error}");
    }

    proptest! {
        /// The same cells as the csv crate, and never a panic, whatever the bytes.
        #[test]
        fn reads_what_the_csv_crate_reads(text in "[a,\"\r\n é]{0,60}") {
            let mut ours = records(text.as_bytes());
            let mut theirs = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let mut expected = csv::ByteRecord::new();
            loop {
                let more = theirs.read_byte_record(&mut expected).unwrap();
                match ours.next_record() {
                    Ok(Some(record)) => {
                        prop_assert!(more);
                        prop_assert_eq!(record.to_cells(), expected.clone());
                    }
                    Ok(None) => {
                        prop_assert!(!more);
                        break;
                    }
                    // The csv crate can't tell.
                    Err(RecordError::OpenQuote { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}
