//! What a nightly run costs when nothing has changed: a file whose every row the ledger holds
//! already, next to the csv crate reading the same file. Each in a process of its own, so that
//! its peak of memory can be told. `cargo bench --bench nightly [ROWS]`

use std::env::{args, current_exe};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use chrono::Utc;
use lcic_sync::engine::{Ending, Settlement};
use lcic_sync::input::Source;
use lcic_sync::input::survey::Survey;
use lcic_sync::ledger::write::{Progress, Records};
use lcic_sync::ledger::{Ledger, NewRun};
use lcic_sync::model::{Cells, Change, Counts, Fields, RowRef, SourceRow, UserId, Values};
use lcic_sync::plan::{self, Wishes};

const ROUNDS: usize = 5;
/// Names the directory and what is to be measured there, in the process that is measured.
const MEASURED: &str = "--measured";

fn main() {
    let words: Vec<String> = args().collect();
    if let Some(at) = words.iter().position(|word| word == MEASURED) {
        return measure(Path::new(&words[at + 1]), &words[at + 2]);
    }
    let rows: u64 = words
        .iter()
        .filter_map(|word| word.parse().ok())
        .next_back()
        .unwrap_or(1_000_000);
    let dir = tempfile::tempdir().expect("a temporary directory");
    make(dir.path(), rows);
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(measured(dir.path(), "csv"));
        ours.push(measured(dir.path(), "nightly"));
    }
    let median = |measured: &mut Vec<(f64, f64)>| {
        measured.sort_by(|one, other| one.0.total_cmp(&other.0));
        measured[measured.len() / 2]
    };
    let best = |measured: &[(f64, f64)]| {
        measured
            .iter()
            .map(|one| one.0)
            .fold(f64::INFINITY, f64::min)
    };
    let best_ratio = best(&ours) / best(&theirs);
    let ((csv, _), (nightly, kilobytes)) = (median(&mut theirs), median(&mut ours));
    println!("{rows} rows");
    println!("csv crate  {csv:.3} s of processor");
    println!(
        "nightly    {nightly:.3} s of processor, {:.1} times as long (best rounds {best_ratio:.1})",
        nightly / csv
    );
    let per_row = (kilobytes * 1024.0 - 24.0 * 1024.0 * 1024.0) / rows as f64;
    println!(
        "peak       {:.1} MB: 24 MB and {per_row:.1} bytes a row",
        kilobytes / 1024.0
    );
}

/// Seconds of processor, and the peak of memory in kilobytes, as a process of its own tells them.
fn measured(dir: &Path, what: &str) -> (f64, f64) {
    let exe = current_exe().expect("a path");
    let output = Command::new(exe)
        .arg(MEASURED)
        .arg(dir)
        .arg(what)
        .output()
        .expect("a process");
    let told = String::from_utf8(output.stdout).expect("numbers");
    let mut numbers = told
        .split_whitespace()
        .map(|number| number.parse().expect("a number"));
    (
        numbers.next().expect("seconds"),
        numbers.next().expect("kilobytes"),
    )
}

fn measure(dir: &Path, what: &str) {
    let file = dir.join("users.csv");
    let began = Instant::now();
    match what {
        "csv" => {
            let mut reader = csv::Reader::from_path(file).expect("a file");
            let mut record = csv::ByteRecord::new();
            while reader.read_byte_record(&mut record).expect("CSV") {}
        }
        _ => {
            let (ledger, _) = Ledger::open(&dir.join("ledger")).expect("a ledger");
            let source = Source::open(file.to_str().expect("a plain path"), dir).expect("CSV");
            let stop = AtomicBool::new(false);
            let survey = Survey::take(vec![source], ledger.keys().clone(), &stop).expect("CSV");
            let plan = plan::make(
                survey,
                Wishes::default(),
                Utc::now(),
                |_| None,
                |each| ledger.scan(each),
            );
            assert_eq!(plan.expect("a plan").changes, 0);
        }
    }
    let wall = began.elapsed();
    let schedstat = fs::read_to_string("/proc/self/schedstat").expect("Linux");
    let nanos: u64 = schedstat
        .split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number");
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a peak");
    let peak: u64 = peak
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number");
    // Of a machine that is busy the processor's time says more than the clock's.
    let seconds = Duration::from_nanos(nanos).min(wall).as_secs_f64();
    println!("{seconds} {peak}");
}

/// The file, and a ledger that holds all of it.
fn make(dir: &Path, rows: u64) {
    let file = File::create(dir.join("users.csv")).expect("a file");
    let mut file = BufWriter::new(file);
    writeln!(file, "UserId,Nickname,Avatar").expect("room on the disk");
    let (mut ledger, _) = Ledger::open(&dir.join("ledger")).expect("a new ledger");
    let counts = Counts {
        read: rows,
        ..Counts::default()
    };
    let run = NewRun {
        run_id: "bench",
        started_at: Utc::now(),
        input: &[],
        report_dir: dir,
        counts,
    };
    ledger.begin_run(&run, &[]).expect("a ledger");
    let mut records = Records::default();
    for n in 0..rows {
        let user = format!("2kJJBH6G1dfBFUJqX{n:010}");
        let nickname = format!("张伟{n}");
        let avatar = format!("https://cdn.example.com/avatars/school7/2026/{n:08x}{n:08x}.png?v=3");
        writeln!(file, "{user},{nickname},{avatar}").expect("room on the disk");
        records.settle(&applied(n, &user, nickname, avatar), Utc::now());
        if (n + 1) % 65_536 == 0 || n + 1 == rows {
            let progress = Progress {
                counts,
                results_bytes: 0,
                failures_bytes: 0,
            };
            ledger.write(&records, &progress).expect("room on the disk");
            records = Records::default();
        }
    }
    file.flush().expect("room on the disk");
}

fn applied(mark: u64, user: &str, nickname: String, avatar: String) -> Settlement {
    Settlement {
        mark,
        change: Arc::new(Change {
            user: UserId::new(user).expect("not empty"),
            send: Values {
                nickname: Some(nickname.into()),
                avatar: Some(avatar.into()),
            },
            rows: vec![SourceRow {
                at: RowRef {
                    file: 0,
                    line: mark + 2,
                },
                cells: Cells::default(),
            }],
            doubted_before: Fields::NONE,
            failed_before: false,
            not_before: None,
        }),
        ending: Ending::Applied {
            request_id: String::new(),
        },
        attempts: 1,
        sent: None,
        latency: None,
        in_doubt: Fields::NONE,
        may_arrive_late: false,
    }
}
