//! Copies of the result files for people who open them in a spreadsheet: a byte order mark, so that
//! it reads UTF-8, and `'` before what it would run as a formula. The files themselves stay exact,
//! so that `failures.csv` can be fed back.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::input::lint::FORMULA;

/// Copies the CSV file `from` to a new file `to`.
///
/// # Errors
/// When one can't be read or the other written.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_path(from)?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let mut file = BufWriter::new(file);
    file.write_all("\u{FEFF}".as_bytes())?;
    let mut lines = csv::WriterBuilder::new()
        .flexible(true)
        .terminator(csv::Terminator::CRLF)
        .from_writer(file);
    let mut row = csv::ByteRecord::new();
    while rows.read_byte_record(&mut row)? {
        let cells = row.iter().map(|cell| match cell.first() {
            Some(first) if FORMULA.contains(&char::from(*first)) => [b"'", cell].concat(),
            _ => cell.to_vec(),
        });
        lines.write_byte_record(&cells.collect())?;
    }
    lines.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_copy_is_run_by_a_spreadsheet() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a.csv"), dir.path().join("b.csv"));
        let text = "UserId,Nickname\n1,\"=HYPERLINK(\"\"x\"\")\"\n2,+1\n3,-1\n4,@x\n5,\"\tx\"\n6,\"\rx\"\n7,a=b\n8,\n";
        std::fs::write(&from, text).unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(
            std::fs::read_to_string(&to).unwrap(),
            "\u{FEFF}UserId,Nickname\r\n1,\"'=HYPERLINK(\"\"x\"\")\"\r\n2,'+1\r\n3,'-1\r\n4,'@x\r\n5,'\tx\r\n6,\"'\rx\"\r\n7,a=b\r\n8,\r\n"
        );
        assert!(copy(&from, &to).is_err(), "nothing is written over");
    }
}
