//! Files that are packed, broken or meant to do harm: each is told clearly, none takes more memory
//! than a program may have here.

use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// What a process may take of addresses, in KB; it takes 5,000 for a small file.
const MOST_MEMORY: u32 = 256 * 1024;

const ROWS: &[u8] = b"UserId,Nickname\nu1,Ann\nu2,Bob\n";

/// What `check` says of `bytes`, and its exit code.
fn told_of(name: &str, bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(name), bytes).unwrap();
    let script = format!(r#"ulimit -v {MOST_MEMORY}; exec "$0" check "$1""#);
    let output = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_lcic-sync"), name])
        .current_dir(directory.path())
        .env_clear()
        // Room for the copy.
        .env("TMPDIR", directory.path())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code();
    format!(
        "{}{}exit {code:?}",
        text(output.stderr),
        text(output.stdout)
    )
}

fn assert_refused(name: &str, bytes: &[u8], why: &str) {
    let told = told_of(name, bytes);
    assert!(
        told.starts_with(&format!("error: {name}: {why}")),
        "{name}: {told}"
    );
    assert!(told.ends_with("exit Some(4)"), "{name}: {told}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A workbook of the corpus, with another part instead of one: so many blocks.
fn book_with(name: &str, n_blocks: usize, block: &[u8]) -> Vec<u8> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let file = File::open(corpus.join("18-blank-last.xlsx")).unwrap();
    let mut book = ZipArchive::new(file).unwrap();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let packed = SimpleFileOptions::default();
    for part in 0..book.len() {
        let mut part = book.by_index(part).unwrap();
        let part_name = part.name().unwrap().into_owned();
        if part_name != name {
            zip.start_file(part_name, packed).unwrap();
            let mut bytes = Vec::new();
            part.read_to_end(&mut bytes).unwrap();
            zip.write_all(&bytes).unwrap();
        }
    }
    if n_blocks > 0 {
        zip.start_file(name, packed).unwrap();
    }
    for _ in 0..n_blocks {
        zip.write_all(block).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn gzip_is_read_or_told_to_be_broken() {
    let (first, second) = ROWS.split_at(23);
    let told = told_of("two.csv.gz", &[gzip(first), gzip(second)].concat());
    assert!(told.contains("2 rows: 0 errors"), "{told}");
    assert!(told.ends_with("exit Some(0)"), "{told}");

    let packed = gzip(ROWS);
    let cut = &packed[..packed.len() - 4];
    assert_refused("cut.csv.gz", cut, "is gzip, and broken: ");
    assert_refused("cut.csv.gz", &packed[..30], "is gzip, and broken: ");
    let behind = [&packed[..], b"more"].concat();
    assert_refused("behind.csv.gz", &behind, "is gzip, and broken: ");
    let mut wrong = packed.clone();
    let at = wrong.len() - 6;
    wrong[at] ^= 1;
    assert_refused("wrong.csv.gz", &wrong, "is gzip, and broken: ");
    assert_refused("twice.csv.gz", &gzip(&packed), "is compressed twice");
}

#[test]
fn what_unpacks_without_end_is_refused() {
    let bomb = gzip(&vec![b'\n'; 80 << 20]);
    assert!(bomb.len() < 100_000);
    assert_refused(
        "bomb.csv.gz",
        &bomb,
        &format!("is gzip of {} bytes that unpacks to more", bomb.len()),
    );
    let sheet = book_with("xl/worksheets/sheet1.xml", 600, &vec![b' '; 1 << 20]);
    assert!(sheet.len() < 1_000_000);
    assert_refused("bomb.xlsx", &sheet, "unpacks to more than 512 MB");
    let texts = br#"<sst count="1" uniqueCount="4000000000"><si><t>a</t></si></sst>"#;
    let texts = book_with("xl/sharedStrings.xml", 1, texts);
    assert_refused(
        "texts.xlsx",
        &texts,
        "says that it holds 4000000000 different texts",
    );
    // One text in very many cells of one row.
    let row = br#"<worksheet><sheetData><row r="1">"#;
    let cell = r#"<c t="str"><v>0123456789012345678901234567890123456789</v></c>"#.repeat(20_000);
    let wide = book_with(
        "xl/worksheets/sheet1.xml",
        1,
        &[row, cell.as_bytes()].concat(),
    );
    assert_refused("wide.xlsx", &wide, "has cells beyond column 256");
}

#[test]
fn other_kinds_of_workbooks_are_read_or_refused_by_name() {
    let usual = book_with("", 0, b"");
    let told = told_of("book.xlsm", &usual);
    assert!(told.contains("0 errors"), "{told}");
    // With macros.
    let macros = book_with("xl/vbaProject.bin", 1, b"\xD0\xCF\x11\xE0");
    assert_eq!(told_of("book.xlsm", &macros), told);
    // What Excel makes of a workbook with a password.
    let ole = [b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".as_slice(), &[0; 1016]].concat();
    assert_refused(
        "secret.xlsx",
        &ole,
        "is an old Excel workbook, or one with a password",
    );
    assert_refused(
        "cut.xlsx",
        &usual[..2000],
        "looks like an Excel workbook or another zip",
    );
    let none = book_with("xl/worksheets/sheet1.xml", 0, b"");
    assert_refused(
        "none.xlsx",
        &none,
        "looks like an Excel workbook or another zip",
    );
    let cut = book_with(
        "xl/worksheets/sheet1.xml",
        1,
        b"<worksheet><sheetData><row r=\"1\"><c r=\"A1",
    );
    assert_refused(
        "half.xlsx",
        &cut,
        "looks like an Excel workbook or another zip",
    );
}
