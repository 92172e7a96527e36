//! Whatever the bytes of a file, and whatever is said of it: no panic, no memory without bound, the
//! same survey each time, and a second pass that hands out each row of the plan once.
//!
//! The first byte is what a person says ([`said`]), the others are the file.

#![no_main]

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::AtomicBool;

use chrono::DateTime;
use encoding_rs::{GB18030, UTF_8, UTF_16LE};
use lcic_sync::input::Source;
use lcic_sync::input::findings::Findings;
use lcic_sync::input::rules::Rules;
use lcic_sync::input::survey::Survey;
use lcic_sync::keys::Keys;
use lcic_sync::plan::rows::{Batch, Rows};
use lcic_sync::plan::{self, UnknownRun, Wishes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((options, bytes)) = bytes.split_first() else {
        return;
    };
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("room for it");
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
    hand_out(first);
});

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

fn survey(source: Source) -> Result<Survey, String> {
    let survey = Survey::new(vec![source], Keys::new([7; 16]), Findings::with_cells(20));
    let mut survey = survey.expect("one file goes with itself");
    let read = survey.read_all(&AtomicBool::new(false));
    read.map(|()| survey).map_err(|error| error.to_string())
}

/// Plans it for a service that holds nothing, and reads the plan off the file.
fn hand_out(survey: Survey) {
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
    assert_eq!(batch.changes.len() as u64, plan.changes);
    assert_eq!(batch.settled.len() as u64, plan.settled.settled());
    let sent: Vec<_> = batch
        .changes
        .iter()
        .flat_map(|change| &change.rows)
        .collect();
    let settled = batch.settled.iter().map(|settled| &settled.row);
    let places: Vec<_> = sent.into_iter().chain(settled).map(|row| row.at).collect();
    assert_eq!(places.len() as u64, plan.survey().n_rows());
    let lines: BTreeSet<u64> = places.iter().map(|at| at.line).collect();
    let mut expected = BTreeSet::new();
    expected.extend((0..places.len() as u32).map(|row| plan.survey().at(row).line));
    assert_eq!(lines, expected);
}
