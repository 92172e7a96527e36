//! Whatever the bytes of a file, and whatever is said of it: no panic, no memory without bound, the
//! same survey each time, no row lost, and a second pass that hands out each row of the plan once,
//! with what a plain reader of CSV finds in it.
//!
//! The first byte is what a person says ([`said`]), the second how the others are packed
//! ([`packed`]): checksums would keep a fuzzer out of gzip and workbooks otherwise.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read, Seek, Write};
use std::sync::atomic::AtomicBool;

use chrono::DateTime;
use csv::ByteRecord;
use encoding_rs::{GB18030, UTF_8, UTF_16LE};
use flate2::{Compression, write::GzEncoder};
use lcic_sync::input::Source;
use lcic_sync::input::findings::Findings;
use lcic_sync::input::rules::Rules;
use lcic_sync::input::survey::Survey;
use lcic_sync::keys::Keys;
use lcic_sync::model::{Field, SourceRow};
use lcic_sync::plan::rows::{Batch, Rows};
use lcic_sync::plan::{self, UnknownRun, Wishes};
use libfuzzer_sys::fuzz_target;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

fuzz_target!(init: spare_others(), |bytes: &[u8]| {
    let [options, packing, bytes @ ..] = bytes else {
        return;
    };
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let bytes = packed(*packing, bytes);
    file.write_all(&bytes).expect("room for it");
    let name = file.path().to_str().expect("a name of ASCII");
    let spool = std::env::temp_dir();
    let Ok(source) = Source::open_by(name, &spool, &said(*options).into()) else {
        return;
    };
    let (first, second) = (survey(source.clone()), survey(source));
    let (first, second) = match (first, second) {
        (Ok(first), Ok(second)) => (first, second),
        (Err(first), Err(second)) => return assert_eq!(first, second),
        (first, second) => panic!("{:?}, then {:?}", first.err(), second.err()),
    };
    assert!(first.entries == second.entries);
    assert_eq!(first.invalid, second.invalid);
    assert!(first.findings.groups().eq(second.findings.groups()));
    let rows = plain_rows(&first);
    loses_nothing(&first, &rows);
    hand_out(first, &rows);
});

/// What panics in the reader of workbooks is caught where it is called, and is no crash of ours.
fn spare_others() {
    let ends_it = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map_or("", |place| place.file());
        if !place.contains("/calamine-") {
            ends_it(info);
        }
    }));
}

/// What a person may say of a file; nothing for 0.
fn said(options: u8) -> Rules {
    let has = |bit: u8| options & 1 << bit != 0;
    Rules {
        encoding: [None, Some(UTF_8), Some(GB18030), Some(UTF_16LE)][usize::from(options & 3)],
        delimiter: has(2).then_some(b';'),
        ignored: vec![if has(3) { "Note" } else { "*" }.into()],
        clear_token: has(4).then(|| "-".into()),
        excel_text: has(5),
        encode_urls: has(6),
        refuse_duplicates: has(7),
        ..Rules::default()
    }
}

/// The file: gzip for 1, a workbook for 2, whose parts stand one behind the other with a NUL
/// between, which no XML has; else the bytes as they are.
fn packed(packing: u8, bytes: &[u8]) -> Vec<u8> {
    match packing {
        1 => {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(bytes).expect("memory takes all");
            gzip.finish().expect("memory takes all")
        }
        2 => {
            const NAMES: [&str; 4] = [
                "xl/worksheets/sheet1.xml",
                "xl/sharedStrings.xml",
                "xl/styles.xml",
                "xl/workbook.xml",
            ];
            let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
            let parts = bytes.split(|byte| *byte == 0);
            let usual = [
                ("_rels/.rels", ROOT),
                ("xl/_rels/workbook.xml.rels", RELATIONS),
                ("xl/workbook.xml", BOOK),
            ];
            let mut parts: Vec<(&str, &[u8])> = NAMES.into_iter().zip(parts).collect();
            for part in usual {
                if parts.iter().all(|(name, _)| *name != part.0) {
                    parts.push((part.0, part.1.as_bytes()));
                }
            }
            let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            for (name, part) in parts {
                zip.start_file(name, stored).expect("memory takes all");
                zip.write_all(part).expect("memory takes all");
            }
            zip.finish().expect("memory takes all").into_inner()
        }
        _ => bytes.into(),
    }
}

const ROOT: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/><Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#;
const BOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>"#;

fn survey(source: Source) -> Result<Survey, String> {
    let survey = Survey::new(vec![source], Keys::new([7; 16]), Findings::with_cells(20));
    let mut survey = survey.expect("one file goes with itself");
    let read = survey.read_all(&AtomicBool::new(false));
    read.map(|()| survey).map_err(|error| error.to_string())
}

/// The records behind the header, as the csv crate reads them.
fn plain_rows(survey: &Survey) -> Vec<ByteRecord> {
    let source = &survey.sources[0];
    let mut text = Vec::new();
    let mut file = &*source.file;
    file.rewind().expect("it is a file");
    file.read_to_end(&mut text).expect("it can be read");
    // What would be taken off as a mark behind the mark is not one.
    let begins = source.layout.begins as usize;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(source.layout.delimiter)
        .flexible(true)
        .from_reader(&text[begins..]);
    let rows = reader.byte_records();
    rows.map(|row| row.expect("bytes are always a record"))
        .collect()
}

/// Each record is a row, blank, or the header again; each row is invalid or sets something.
fn loses_nothing(survey: &Survey, rows: &[ByteRecord]) {
    let left_out = survey.blank_rows + survey.repeated_headers;
    assert_eq!(rows.len() as u64, survey.n_rows() + left_out);
    let invalid = survey.entries.iter().filter(|entry| entry.is_invalid());
    assert_eq!(invalid.count() as u64, survey.invalid.values().sum::<u64>());
    let errors = survey.findings.count(lcic_sync::input::lint::Level::Error);
    assert!(errors >= survey.invalid.values().sum());
}

/// Plans it for a service that holds nothing, and reads the plan off the file.
fn hand_out(survey: Survey, plain: &[ByteRecord]) {
    let now = DateTime::UNIX_EPOCH;
    let run = |_: &str| Some(1);
    let plan = plan::make(survey, Wishes::default(), now, run, |_| {
        Ok::<_, UnknownRun>(())
    });
    let mut rows = Rows::new(plan.expect("every run is known"));
    let mut batch = Batch::default();
    while !batch.ended {
        let read = rows.next_batch(usize::MAX, now, &mut batch);
        read.expect("the file is as it was");
    }
    let plan = rows.plan();
    let survey = plan.survey();
    assert_eq!(batch.changes.len() as u64, plan.changes);
    assert_eq!(batch.settled.len() as u64, plan.settled.settled());
    let changes = batch.changes.iter();
    let sent: Vec<_> = changes.clone().flat_map(|change| &change.rows).collect();
    let settled = batch.settled.iter().map(|settled| &settled.row);
    let all: Vec<&SourceRow> = sent.into_iter().chain(settled).collect();
    assert_eq!(all.len() as u64, survey.n_rows());
    let lines: BTreeSet<u64> = all.iter().map(|row| row.at.line).collect();
    let expected = (0..all.len() as u32).map(|row| survey.at(row).line);
    assert_eq!(lines, expected.collect());

    // Two rows on one line (a CR within quotes ends it for nobody) come in the order of the file.
    let mut by_cells: BTreeMap<Vec<&[u8]>, i64> = BTreeMap::new();
    for row in &all {
        *by_cells.entry(row.cells.iter().collect()).or_default() += 1;
    }
    for row in plain {
        *by_cells.entry(row.iter().collect()).or_default() -= 1;
    }
    // Left over are the blank rows and the headers, which only the plain reader has.
    assert!(by_cells.values().all(|n| *n <= 0));

    // What is sent stands in the cells of its rows, unless somebody asked to have it changed.
    let source = &survey.sources[0];
    let is_changed = source.rules.excel_text || source.rules.encode_urls;
    for change in changes.filter(|_| !is_changed) {
        for field in Field::ALL {
            let Some(text) = change.send[field].as_deref() else {
                continue;
            };
            let is_it = |row: &SourceRow| {
                let cell = |at| {
                    let cell = row.cells.get(at).unwrap_or_default();
                    std::str::from_utf8(cell)
                        .expect("what is sent is text")
                        .trim()
                };
                let user = cell(source.header.user);
                let said = source.header.column(field).map(cell);
                user == change.user.as_str()
                    && said.is_some_and(|said| said == text || (text.is_empty() && said == "-"))
            };
            assert!(change.rows.iter().any(is_it));
        }
    }
}
