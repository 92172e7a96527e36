//! Opens a FILE argument: finds out what it is, and writes what is not CSV in UTF-8 as that into a
//! nameless file, which is gone when the program is, however it ends.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use encoding_rs::{Encoding, GB18030, UTF_8};
use flate2::read::MultiGzDecoder;

use super::encoding::{At, Census, Magic, Verdict, is_utf8, magic, transcode};
use super::header::{Header, OWN_COLUMNS};
use super::lint::id::Habits;
use super::records::{Layout, Records};
use super::rules::Rules;
use super::workbook::{self, WorkbookError};
use super::{InputError, Source};

/// What is looked at to find out what a file is. Bytes.
const HEAD: u64 = 64 * 1024;

/// More than this does not come out of a compressed file that somebody means to apply: 2²⁸ rows of
/// 128 bytes. Bytes.
const MOST_UNPACKED: u64 = 32 << 30;

/// Nor more than so many times as long as the file: rows that differ in nothing but a running number
/// come to 5.
const MOST_TIMES: u64 = 256;

/// A file that unpacks to no more than this may be as dense as it is. Bytes.
const ANY_TIMES: u64 = 64 << 20;

const SAVE_AS_CSV: &str = "in Excel: Save As, \"CSV UTF-8 (Comma delimited)\"";

const OPEN_DOCUMENT: &[u8] = b"mimetypeapplication/vnd.oasis.opendocument";

const SAVE_AS_OTHER: &str =
    "save it as .xlsx, or as CSV with the character set UTF-8 (LibreOffice: Save As, Text CSV)";

/// What else decodes as GB18030.
const OTHERS: &str = "save it as UTF-8, or say which it is: --encoding big5, shift_jis, euc-kr or windows-1252 (Western Europe); or gb18030, if check with it shows no wrong name";

impl Source {
    /// Opens a FILE argument that is as the documentation says.
    ///
    /// # Errors
    /// When it can't be read, is not text, or its header does not fit.
    pub fn open(name: &str, spool: &Path) -> Result<Self, InputError> {
        Self::open_by(name, spool, &Arc::default())
    }

    /// Opens a FILE argument by these rules. What can't be read twice, or is not CSV in UTF-8, is
    /// written as that to a nameless file under `spool` first.
    ///
    /// # Errors
    /// When it can't be read, is not text, or its header does not fit.
    pub fn open_by(name: &str, spool: &Path, rules: &Arc<Rules>) -> Result<Self, InputError> {
        let io_error = |error| InputError::Io {
            name: name.into(),
            error,
        };
        let mut file = if name == "-" {
            spooled(spool, |to| io::copy(&mut io::stdin().lock(), to))
                .map_err(io_error)?
                .0
        } else {
            File::open(name).map_err(io_error)?
        };
        let kind = file.metadata().map_err(io_error)?.file_type();
        if kind.is_dir() {
            return Err(InputError::Directory { name: name.into() });
        }
        if !kind.is_file() {
            file = spooled(spool, |to| io::copy(&mut file, to))
                .map_err(io_error)?
                .0;
        }
        Self::from_file(name, file, spool, rules)
    }

    /// The same for a file that is open, and can be read by position.
    pub(super) fn from_file(
        name: &str,
        file: File,
        spool: &Path,
        rules: &Arc<Rules>,
    ) -> Result<Self, InputError> {
        let mut opening = Opening {
            name,
            spool,
            rules,
            read_as: Vec::new(),
        };
        let length = file.metadata().map_err(|error| opening.io(error))?.len();
        let (text, layout) = opening.as_text(file)?;
        let is_original = opening.read_as.is_empty();
        let layout = opening.layout(&text, layout)?;
        let file = Arc::new(text);
        let mut records = Records::new(file.clone(), layout);
        let name = name.to_owned();
        let first = match records.next_record() {
            Err(error) => return Err(InputError::Records { name, error }),
            Ok(None) => return Err(InputError::Empty { name }),
            Ok(Some(record)) => record,
        };
        let header = match Header::parse(&first.to_cells(), rules) {
            Err(error) => {
                let line = first.line;
                return Err(InputError::Header { name, line, error });
            }
            Ok(header) => header,
        };
        let read_as = opening.read_as;
        let read_as = (!read_as.is_empty()).then(|| read_as.join(rules.lang.comma()));
        Ok(Self {
            name,
            file,
            layout,
            header,
            rules: rules.clone(),
            habits: Habits::default(),
            read_as,
            length: is_original.then_some(length),
        })
    }
}

/// A file being opened.
struct Opening<'o> {
    name: &'o str,
    spool: &'o Path,
    rules: &'o Rules,
    /// What it turned out to be.
    read_as: Vec<String>,
}

impl Opening<'_> {
    fn io(&self, error: io::Error) -> InputError {
        let name = self.name.into();
        InputError::Io { name, error }
    }

    fn is(&self, is: impl Into<String>, hint: &'static str) -> InputError {
        InputError::Encoding {
            name: self.name.into(),
            is: is.into(),
            hint,
        }
    }

    /// The file, or a copy of it, as text in UTF-8.
    fn as_text(&mut self, mut file: File) -> Result<(File, Layout), InputError> {
        let mut start = self.head(&file, 0)?;
        if magic(&start) == Magic::Gzip {
            file = self.unpacked(&file)?;
            start = self.head(&file, 0)?;
        }
        let layout = |begins, is_sheet| Layout {
            begins,
            is_sheet,
            ..Layout::default()
        };
        // A failures.csv is what this program writes, whatever is said of other files.
        let is_ours = start
            .windows(OWN_COLUMNS[3].len())
            .any(|part| part == OWN_COLUMNS[3].as_bytes());
        let said = self.rules.encoding.filter(|_| !is_ours);
        match (magic(&start), said) {
            // By the format's rules this stands in front.
            (Magic::Zip, _) if memchr::memmem::find(&start, OPEN_DOCUMENT).is_some() => {
                Err(self.is("is an OpenDocument file", SAVE_AS_OTHER))
            }
            (Magic::Zip, _) => Ok((self.workbook_as_csv(&file)?, layout(0, true))),
            (Magic::OldWorkbook, _) => Err(self.is(
                "is an old Excel workbook, or one with a password",
                SAVE_AS_CSV,
            )),
            (Magic::Gzip, _) => Err(self.is("is compressed twice", "unpack it first")),
            (Magic::Marked(found, mark), None) if found == UTF_8 => Ok((file, layout(mark, false))),
            (Magic::Marked(found, mark), None) => {
                let told = self.rules.lang.by_mark(found.name());
                self.read_as.push(told);
                Ok((self.decoded(&file, mark, found)?.0, layout(0, false)))
            }
            (marked, Some(said)) => {
                let mark = match marked {
                    Magic::Marked(found, mark) if found == said => mark,
                    _ => 0,
                };
                if said == UTF_8 {
                    return Ok((file, layout(mark, false)));
                }
                self.read_as.push(self.rules.lang.as_told(said.name()));
                Ok((self.decoded(&file, mark, said)?.0, layout(0, false)))
            }
            (Magic::Unmarked, None) => {
                let copy = self.decided(&file, &start)?;
                Ok((copy.unwrap_or(file), layout(0, false)))
            }
        }
    }

    /// Decides what a file without a mark is; a copy of what is not UTF-8.
    fn decided(&mut self, file: &File, head: &[u8]) -> Result<Option<File>, InputError> {
        let n_zeros = memchr::memchr_iter(0, head).count();
        // In UTF-16 far more than a tenth; a few in UTF-8 are for their rows alone to be told.
        let is_utf8 = is_utf8(file, 0).map_err(|error| self.io(error))?;
        let is_text = n_zeros * 10 < head.len() && is_utf8;
        if let Some(at) = memchr::memchr(0, head).filter(|_| !is_text) {
            let hint = match at % 2 {
                0 => "if it is UTF-16 without a byte order mark: --encoding utf-16be",
                _ => "if it is UTF-16 without a byte order mark: --encoding utf-16le",
            };
            return Err(self.is("holds bytes that are no text", hint));
        }
        if is_utf8 {
            return Ok(None);
        }
        let census = Census::of(file, 0).map_err(|error| self.io(error))?;
        let Census { lines, utf8, .. } = census;
        let mixed = || {
            format!(
                "mixes encodings: of {lines} lines with other than ASCII {utf8} are valid UTF-8, the first of them line {}; the first of the others is line {}",
                census.first_utf8, census.first_other
            )
        };
        let override_it = "save all of it in one encoding, or say which it is: --encoding utf-8 or --encoding gb18030";
        match census.verdict() {
            Verdict::Utf8 => Ok(None),
            Verdict::Gb18030 => {
                let (copy, had_errors) = self.decoded(file, 0, GB18030)?;
                if had_errors && utf8 > 0 {
                    return Err(self.is(mixed(), override_it));
                }
                if had_errors {
                    let is = format!(
                        "is neither UTF-8 nor GB18030, the first time on line {}",
                        census.first_other
                    );
                    return Err(self.is(is, override_it));
                }
                if !census.pairs.are_chinese() {
                    let is = format!(
                        "decodes as GB18030, but into characters that Chinese names are not made of; the first is on line {}",
                        census.first_other
                    );
                    return Err(self.is(is, OTHERS));
                }
                let told = self.rules.lang.by_lines("GB18030", lines, utf8);
                self.read_as.push(told);
                Ok(Some(copy))
            }
            Verdict::Mixed => Err(self.is(mixed(), override_it)),
        }
    }

    fn decoded(
        &self,
        file: &File,
        begins: u64,
        from: &'static Encoding,
    ) -> Result<(File, bool), InputError> {
        spooled(self.spool, |to| transcode(file, begins, from, to)).map_err(|error| self.io(error))
    }

    fn unpacked(&mut self, file: &File) -> Result<File, InputError> {
        let length = file.metadata().map_err(|error| self.io(error))?.len();
        let most = length
            .saturating_mul(MOST_TIMES)
            .clamp(ANY_TIMES, MOST_UNPACKED);
        let packed = At { file, at: 0 };
        let copied = spooled(self.spool, |to| {
            io::copy(&mut MultiGzDecoder::new(packed).take(most + 1), to)
        });
        self.read_as.push("gzip".into());
        match copied {
            Ok((_, copied)) if copied > most => {
                let is = format!(
                    "is gzip of {length} bytes that unpacks to more than {most} (expected at most {MOST_TIMES} times as many, and {} GB)",
                    MOST_UNPACKED >> 30
                );
                Err(self.is(is, "unpack it, and look into it"))
            }
            Ok((copy, _)) => Ok(copy),
            // What the disk says has a number.
            Err(error) if error.raw_os_error().is_some() => Err(self.io(error)),
            Err(error) => Err(self.is(
                format!("is gzip, and broken: {error}"),
                "copy it once more: it may have been cut, or something stands behind its end",
            )),
        }
    }

    fn workbook_as_csv(&mut self, file: &File) -> Result<File, InputError> {
        let read = spooled(self.spool, |to| {
            // On some broken workbooks who reads them gives up like this, and no other way.
            let read = || workbook::to_csv(file, self.rules, to);
            let read = catch_unwind(AssertUnwindSafe(read));
            read.unwrap_or(Err(WorkbookError::Broken))
                .map_err(io::Error::other)
        });
        match read {
            Ok((copy, told)) => {
                self.read_as.push(told);
                Ok(copy)
            }
            Err(error) => match error.downcast::<WorkbookError>() {
                Ok(error) => Err(self.is(error.to_string(), SAVE_AS_CSV)),
                Err(error) => Err(self.io(error)),
            },
        }
    }

    /// Where the header is, and what stands between its cells.
    fn layout(&mut self, text: &File, mut layout: Layout) -> Result<Layout, InputError> {
        if layout.is_sheet {
            return Ok(layout);
        }
        let mut head = self.head(text, layout.begins)?;
        // Programs put a mark before one that was there.
        let marks = head.chunks(3).take_while(|bytes| *bytes == b"\xEF\xBB\xBF");
        let marks = marks.count() * 3;
        layout.begins += marks as u64;
        head.drain(..marks);
        if let Some((is, hint)) = other_text(&head) {
            return Err(self.is(is, hint));
        }
        // Windows PowerShell writes such a line of its own accord.
        if head.starts_with(b"#TYPE ") {
            let line = first_line(&head).len();
            let line = line + 1 + usize::from(head[line..].starts_with(b"\r\n"));
            let line = line.min(head.len());
            head.drain(..line);
            layout.begins += line as u64;
            layout.line += 1;
            self.read_as.push(self.rules.lang.powershell().into());
        }
        let mut first = first_line(&head);
        // Excel's own way to say it, on a line of its own.
        let said = first.trim_ascii().to_ascii_lowercase();
        let said = said
            .strip_prefix(b"sep=")
            .or(said.strip_prefix(b"\"sep="))
            .map(<[u8]>::to_owned);
        if let Some(delimiter) = &said {
            let ends = &head[first.len()..];
            let n_ends = match ends {
                [b'\r', b'\n', ..] => 2,
                [] => 0,
                _ => 1,
            };
            layout.begins += (first.len() + n_ends) as u64;
            layout.line += 1;
            layout.delimiter = delimiter.first().copied().unwrap_or(b',');
            first = first_line(&head[first.len() + n_ends..]);
        }
        let is_ours = first
            .windows(OWN_COLUMNS[3].len())
            .any(|part| part == OWN_COLUMNS[3].as_bytes());
        match self.rules.delimiter.filter(|_| !is_ours) {
            Some(delimiter) => layout.delimiter = delimiter,
            None if said.is_none() => layout.delimiter = guessed(first),
            None => {}
        }
        let lang = self.rules.lang;
        match layout.delimiter {
            b',' => {}
            b'\t' => self.read_as.push(lang.separated_by_tab().into()),
            other => {
                let delimiter = char::from(other).escape_default();
                self.read_as.push(lang.separated_by(delimiter));
            }
        }
        Ok(layout)
    }

    fn head(&self, file: &File, at: u64) -> Result<Vec<u8>, InputError> {
        let mut head = Vec::new();
        let read = At { file, at }.take(HEAD).read_to_end(&mut head);
        read.map_err(|error| self.io(error))?;
        Ok(head)
    }
}

/// What a text is that begins as no header does, and what to do about it.
fn other_text(head: &[u8]) -> Option<(&'static str, &'static str)> {
    match head.trim_ascii_start() {
        [b'<', ..] => Some(("is HTML or XML, whatever its name", SAVE_AS_CSV)),
        [b'{', ..] | [b'[', b'{', ..] => Some(("is JSON", "write it as CSV")),
        _ => None,
    }
}

/// Up to the first end of a line that is not blank.
fn first_line(head: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let begins = head
        .iter()
        .position(|byte| !is_end(byte))
        .unwrap_or(head.len());
    let end = head[begins..].iter().position(is_end);
    &head[..end.map_or(head.len(), |end| begins + end)]
}

/// What stands between the cells of a header: whatever of the usual ones stands there most, outside
/// of quotes.
fn guessed(header: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(0, b'|'), (0, b'\t'), (0, b';'), (0, b',')];
    for byte in header {
        quoted ^= *byte == b'"';
        for (count, delimiter) in &mut counts {
            *count += usize::from(!quoted && byte == delimiter);
        }
    }
    // Of several that stand there as often, the last: the comma.
    let most = counts.iter().max_by_key(|(count, _)| *count);
    most.map_or(b',', |(_, delimiter)| *delimiter)
}

/// A nameless file with what `write` writes.
fn spooled<T>(
    spool: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>,
) -> io::Result<(File, T)> {
    let mut to = BufWriter::with_capacity(1 << 18, tempfile::tempfile_in(spool)?);
    let done = write(&mut to)?;
    let mut file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok((file, done))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// In builds that look for overflows it is one in the parser that ends it, in others the width.
    #[test]
    fn a_workbook_that_nobody_can_read_is_refused_and_ends_nothing_else() {
        let place = "C".repeat(40);
        let rows = format!("<row r=\"1\"><c r=\"{place}1\"><v>1</v></c></row>");
        let file = workbook::tests::book(&rows);
        let opened = Source::from_file("a.xlsx", file, &std::env::temp_dir(), &Arc::default());
        let told = opened.unwrap_err().to_string();
        assert!(told.starts_with("a.xlsx: "), "{told}");
    }

    #[test]
    fn a_file_that_unpacks_to_far_more_than_it_is_is_refused() {
        let mut packed = GzEncoder::new(tempfile::tempfile().unwrap(), Compression::best());
        let block = vec![b'\n'; 1 << 20];
        for _ in 0..65 {
            packed.write_all(&block).unwrap();
        }
        let file = packed.finish().unwrap();
        let opened = Source::from_file("a.gz", file, &std::env::temp_dir(), &Arc::default());
        let told = opened.unwrap_err().to_string();
        assert!(
            told.contains("unpacks to more than 67108864 (expected"),
            "{told}"
        );
        assert!(told.contains("hint: unpack it"), "{told}");
    }
}
