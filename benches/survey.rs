//! How fast the first pass is, next to the csv crate reading the same bytes and doing nothing with
//! them. `cargo bench --bench survey [ROWS]`

use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use lcic_sync::input::Source;
use lcic_sync::input::survey::Survey;
use lcic_sync::keys::Keys;

const ROUNDS: usize = 5;

fn main() {
    let rows: u32 = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next_back()
        .unwrap_or(1_000_000);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("users.csv");
    let bytes = write_file(&path, rows);
    println!("{rows} rows, {} bytes each", bytes / u64::from(rows));
    // By turns, so that both see the same noise of the machine; the median of each.
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..ROUNDS {
        theirs.push(timed(|| read_with_csv(&path)));
        ours.push(timed(|| survey(&path)));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let per_second = |time: Duration| f64::from(rows) / time.as_secs_f64() / 1e6;
    println!("csv crate  {:5.2} M rows/s", per_second(theirs));
    println!("survey     {:5.2} M rows/s", per_second(ours));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("the survey takes {ratio:.1} times as long");
}

fn write_file(path: &Path, rows: u32) -> u64 {
    let file = std::fs::File::create(path).expect("a file");
    let mut file = BufWriter::new(file);
    writeln!(file, "UserId,Nickname,Avatar").expect("room on the disk");
    for n in 0..rows {
        writeln!(
            file,
            "2kJJBH6G1dfBFUJqX{n:010},张伟{n},https://cdn.example.com/avatars/school7/2026/{n:08x}{n:08x}.png?v=3"
        )
        .expect("room on the disk");
    }
    file.into_inner().expect("room on the disk");
    std::fs::metadata(path).expect("just written").len()
}

fn read_with_csv(path: &Path) {
    let mut reader = csv::Reader::from_path(path).expect("a file");
    let mut record = csv::ByteRecord::new();
    let mut cells = 0;
    while reader.read_byte_record(&mut record).expect("CSV") {
        cells += record.len();
    }
    black_box(cells);
}

fn survey(path: &Path) {
    let source = Source::open(path.to_str().expect("a plain path"), Path::new("/")).expect("CSV");
    let stop = AtomicBool::new(false);
    let survey = Survey::take(vec![source], Keys::new([7; 16]), &stop).expect("CSV");
    black_box(survey.n_rows());
}

fn timed(what: impl FnOnce()) -> Duration {
    let began = Instant::now();
    what();
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
