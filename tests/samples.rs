//! The samples are what `samples/README.md` says of them.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use chrono::Utc;
use clap::Parser;
use lcic_sync::cli::args::{Cli, Command};
use lcic_sync::input::Source;
use lcic_sync::input::survey::Survey;
use lcic_sync::keys::Keys;
use lcic_sync::plan::{self, UnknownRun, Wishes};
use rusqlite::fallible_iterator::FallibleIterator;

#[test]
fn the_invented_school_holds_what_its_list_says() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/users.csv");
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();

    let source = Source::open(file, Path::new("/tmp")).unwrap();
    let stop = AtomicBool::new(false);
    let survey = Survey::take(vec![source], Keys::new([7; 16]), &stop).unwrap();
    let invalid: Vec<(u64, &str)> = survey
        .findings
        .in_order()
        .iter()
        .map(|(kind, finding)| (finding.at.line, kind.code))
        .collect();
    let plan =
        plan::make::<UnknownRun>(survey, Wishes::default(), Utc::now(), |_| None, |_| Ok(()))
            .unwrap();

    assert_eq!(plan.settled.read, 200);
    assert_eq!((plan.settled.invalid, plan.settled.superseded), (2, 1));
    assert_eq!((plan.rows_to_send(), plan.changes), (197, 195));
    assert_eq!(invalid.len(), 2);
    for (line, code) in invalid {
        let listed = format!("| {line} | **invalid**: {code} |");
        assert!(readme.contains(&listed), "{listed}");
    }
    let told = "2 are invalid and 1 is superseded; the other 197 make 195 calls, one for each user";
    assert!(readme.contains(told));
}

/// The questions fit the tables as they are; `sqlite3` would only tell when somebody needs them.
#[test]
fn the_sample_questions_can_be_asked_of_a_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.sqlite3");
    drop(lcic_sync::ledger::Ledger::open(&path).unwrap());
    let questions = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/ledger.sql");
    let questions = std::fs::read_to_string(questions).unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    let mut rest = rusqlite::Batch::new(&db, &questions);
    let mut asked = 0;
    while let Some(mut question) = rest.next().unwrap() {
        let mut rows = question.query([]).unwrap();
        while rows.next().unwrap().is_some() {}
        asked += 1;
    }
    assert_eq!(asked, 5);
}

const INSTALLED: &str = "/usr/local/bin/lcic-sync";

fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    std::fs::read_to_string(path.join(name)).unwrap()
}

#[test]
fn what_the_samples_have_run_at_night_is_a_line_that_the_program_takes() {
    for (name, how) in [
        ("crontab", "7 2 * * *  "),
        ("lcic-sync.service", "ExecStart="),
    ] {
        let text = sample(name);
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(how))
            .unwrap();
        let cli = Cli::try_parse_from(line.split_ascii_whitespace()).unwrap();
        let Command::Apply(args) = cli.command else {
            panic!("{line}");
        };
        assert!(args.cron && args.keep_runs.is_some(), "{line}");
        assert!(line.starts_with(INSTALLED), "{line}");
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["lcic-sync.service", "lcic-sync.timer"] {
        // It looks whether the program is there.
        let text = sample(name).replace(INSTALLED, env!("CARGO_BIN_EXE_lcic-sync"));
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let mut verify = std::process::Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "lcic-sync.service", "lcic-sync.timer"]);
    let output = match verify.current_dir(dir.path()).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED: the units are not verified: systemd-analyze: {error}");
            return;
        }
    };
    let told = String::from_utf8_lossy(&output.stderr);
    // What it says of other units of the machine is not about these.
    let about_ours = told.lines().filter(|line| line.contains("lcic-sync"));
    assert_eq!(about_ours.collect::<Vec<_>>(), Vec::<&str>::new());
    assert!(output.status.success(), "{told}");
}
