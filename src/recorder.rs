//! One record in two places (rule T7): result lines are appended and synced, then the ledger
//! commits, with the files' lengths. Whatever happens between the two, the next run can tell which
//! lines count.
//!
//! The recorder travels into a blocking thread with each batch and comes back: ownership is the
//! lock, and every batch is one commit.

use std::io;
use std::mem;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::engine::Mark;
use crate::ledger::write::{Progress, Records};
use crate::ledger::{Ledger, LedgerError};
use crate::model::{Change, Counts, Outcome};
use crate::plan::rows::SettledRow;
use crate::report::results::{ResultFiles, ResultLines, Settled};

/// Why a batch could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The result files.
    #[error("result files: {0}")]
    Files(#[from] io::Error),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What is to be recorded next. It is put into the words of both places as it comes in, so that
/// what it came from can go and a commit has little to read.
pub struct Draft {
    lines: ResultLines,
    records: Records,
    /// Of the rows that have their outcome in it.
    counts: Counts,
    n_outcomes: usize,
}

/// A draft, or the doubts of one, on its way to disk.
pub struct RecordBatch {
    lines: [Vec<u8>; 2],
    records: Records,
    counts: Counts,
}

impl Draft {
    /// Notes a change that may be sent once this is on disk. Marks come in their order.
    pub fn doubt(&mut self, mark: Mark, change: Arc<Change>) {
        self.records.doubt(mark, change);
    }

    /// Notes what became of a change. `now` is the wall clock's time.
    pub fn settle(&mut self, settled: &Settled, now: DateTime<Utc>) {
        let settlement = &settled.settlement;
        self.lines.add_settled(settled, now);
        let last_sent = settled.sent.map_or(now, |(_, last)| last);
        self.records.settle(settlement, last_sent);
        let rows = settlement.change.rows.len() as u64;
        self.counts.add(settlement.ending.outcome(), rows);
        self.n_outcomes += 1;
    }

    /// Notes a row with an outcome of its own, which the plan has counted.
    pub fn settle_row(&mut self, row: &SettledRow, now: DateTime<Utc>) {
        self.lines.add_row(row, now);
        if row.outcome == Outcome::Invalid
            && let Some(user) = &row.user
        {
            self.records.hold_back(user);
        }
        self.n_outcomes += 1;
    }

    /// How many changes may be sent once it is on disk.
    pub fn n_doubts(&self) -> usize {
        self.records.n_doubts()
    }

    /// How many changes and rows have their outcome in it.
    pub fn n_outcomes(&self) -> usize {
        self.n_outcomes
    }

    /// Whether there is nothing to record.
    pub fn is_empty(&self) -> bool {
        self.n_doubts() + self.n_outcomes() == 0
    }

    /// Takes out all of it.
    pub fn take(&mut self) -> RecordBatch {
        self.n_outcomes = 0;
        RecordBatch {
            lines: self.lines.take(),
            records: mem::take(&mut self.records),
            counts: mem::take(&mut self.counts),
        }
    }

    /// Takes out the doubts.
    pub fn take_doubts(&mut self) -> RecordBatch {
        RecordBatch {
            lines: Default::default(),
            records: self.records.take_doubts(),
            counts: Counts::default(),
        }
    }
}

impl RecordBatch {
    /// The last change that may be sent once it is on disk.
    pub fn last_doubt(&self) -> Option<Mark> {
        self.records.last_doubt()
    }
}

/// See the module.
#[derive(Debug)]
pub struct Recorder {
    ledger: Ledger,
    files: ResultFiles,
    counts: Counts,
}

impl Recorder {
    /// Records a run that has begun; `settled` is what the plan settled.
    pub fn new(ledger: Ledger, files: ResultFiles, settled: Counts) -> Self {
        Self {
            ledger,
            files,
            counts: settled,
        }
    }

    /// Where to gather what it shall record.
    pub fn draft(&self) -> Draft {
        Draft {
            lines: self.files.lines(),
            records: Records::default(),
            counts: Counts::default(),
            n_outcomes: 0,
        }
    }

    /// Records a batch.
    ///
    /// # Errors
    /// When either place does not take it. Then nothing may be recorded any more: which of it
    /// counts is for the next run to find out.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), RecordError> {
        for outcome in Outcome::ALL {
            self.counts.add(outcome, batch.counts.of(outcome));
        }
        let [results, failures] = &batch.lines;
        self.files.append(results, failures)?;
        let (results_bytes, failures_bytes) = self.files.lengths();
        let progress = Progress {
            counts: self.counts,
            results_bytes,
            failures_bytes,
        };
        self.ledger.write(&batch.records, &progress)?;
        Ok(())
    }

    /// Lets the disk of the result files be full from now on.
    #[cfg(test)]
    pub fn fill_disk(&mut self) {
        self.files.fill_disk();
    }

    /// Rows by outcome, as recorded.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The ledger, when the run is over.
    pub fn into_ledger(self) -> Ledger {
        self.ledger
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::engine::{Ending, Settlement};
    use crate::input::Source;
    use crate::input::header::OWN_COLUMNS;
    use crate::input::records::{Layout, Records};
    use crate::ledger::NewRun;
    use crate::ledger::recover::Killed;
    use crate::model::{Change, Fault, Fields, RowRef, SourceRow, UserId, Values};
    use crate::report::results::{FAILURES, RESULTS, cut};

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 500_000_000).unwrap()
    }

    /// A run that records, on files with these headers.
    struct Stage {
        dir: TempDir,
        recorder: Recorder,
    }

    impl Stage {
        fn new(headers: &[&str]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let sources: Vec<Source> = headers
                .iter()
                .enumerate()
                .map(|(n, header)| {
                    let path = dir.path().join(format!("{n}.csv"));
                    fs::write(&path, header).unwrap();
                    let mut source = Source::open(path.to_str().unwrap(), dir.path()).unwrap();
                    source.name = format!("{n}.csv");
                    source
                })
                .collect();
            let files = ResultFiles::create(dir.path(), &sources, "run-1").unwrap();
            let (mut ledger, _) = Ledger::open(&dir.path().join("ledger")).unwrap();
            let counts = Counts {
                read: 1000,
                ..Counts::default()
            };
            let new = NewRun {
                run_id: "run-1",
                started_at: now(),
                input: &[],
                report_dir: dir.path(),
                counts,
            };
            ledger.begin_run(&new, &[]).unwrap();
            let recorder = Recorder::new(ledger, files, counts);
            Self { dir, recorder }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn settle(&mut self, settlements: impl IntoIterator<Item = Settlement>) {
            let mut draft = self.recorder.draft();
            for settlement in settlements {
                let sent = Some((now(), now() + chrono::TimeDelta::milliseconds(1500)));
                draft.settle(&Settled { settlement, sent }, now());
            }
            self.recorder.write(&draft.take()).unwrap();
        }

        /// What the ledger says of the run, as the next run sees it.
        fn committed(&self) -> Killed {
            let (ledger, _) = Ledger::open(&self.path("ledger")).unwrap();
            ledger.find_killed().unwrap().unwrap()
        }

        fn read(&self, name: &str) -> (csv::StringRecord, Vec<csv::ByteRecord>) {
            let mut reader = csv::Reader::from_path(self.path(name)).unwrap();
            let header = reader.headers().unwrap().clone();
            (header, reader.byte_records().map(Result::unwrap).collect())
        }
    }

    fn row(file: u16, line: u64, cells: &[&[u8]]) -> SourceRow {
        SourceRow {
            at: RowRef { file, line },
            cells: cells.iter().collect(),
        }
    }

    fn settlement(rows: Vec<SourceRow>, ending: Ending) -> Settlement {
        Settlement {
            mark: 0,
            change: Arc::new(Change {
                user: UserId::new("a").unwrap(),
                send: Values {
                    nickname: Some("n".into()),
                    avatar: None,
                },
                rows,
                doubted_before: Fields::NONE,
                failed_before: false,
                not_before: None,
            }),
            ending,
            attempts: 3,
            sent: Some((Duration::ZERO, Duration::ZERO)),
            latency: Some(Duration::from_millis(31)),
            in_doubt: Fields::NONE,
            may_arrive_late: false,
        }
    }

    fn applied() -> Ending {
        Ending::Applied {
            request_id: "r-1".into(),
        }
    }

    fn failed() -> Ending {
        Ending::Failed(Fault {
            code: "InvalidParameter".into(),
            message: "no, \"never\"".into(),
            request_id: Some("r-2".into()),
        })
    }

    fn length(path: &Path) -> u64 {
        fs::metadata(path).unwrap().len()
    }

    #[test]
    fn t7_after_every_write_the_ledger_vouches_for_exactly_what_is_in_the_files() {
        let mut stage = Stage::new(&["UserId,Nickname\n"]);
        for n in 0..20 {
            let rows = || vec![row(0, n, &[b"a", b"n"])];
            let ending = if n % 3 == 0 { failed() } else { applied() };
            stage.settle([settlement(rows(), ending), settlement(rows(), applied())]);
            let committed = stage.committed();
            assert_eq!(committed.results_bytes, length(&stage.path(RESULTS)));
            assert_eq!(committed.failures_bytes, length(&stage.path(FAILURES)));
            let lines = stage.read(RESULTS).1.len() as u64;
            let counts = stage.recorder.counts();
            assert_eq!(counts.applied + counts.failed, lines);
            assert_eq!(committed.counts.applied, counts.applied);
            assert_eq!(committed.counts.failed, counts.failed);
            assert_eq!(stage.read(FAILURES).1.len() as u64, counts.failed);
        }
    }

    #[test]
    fn t7_doubts_that_go_first_leave_the_outcomes_for_the_next_commit() {
        let mut stage = Stage::new(&["UserId,Nickname\n"]);
        let mut draft = stage.recorder.draft();
        assert!(draft.is_empty());
        let sent = Some((now(), now()));
        let settlement = settlement(vec![row(0, 2, &[b"a", b"n"])], failed());
        let change = settlement.change.clone();
        draft.settle(&Settled { settlement, sent }, now());
        draft.doubt(7, change);
        let invalid = SettledRow {
            row: row(0, 3, &[b"b"]),
            user: None,
            outcome: Outcome::Invalid,
            code: "code",
            message: "message".into(),
            is_repeatable: true,
        };
        draft.settle_row(&invalid, now());
        assert_eq!((draft.n_doubts(), draft.n_outcomes()), (1, 2));

        let doubts = draft.take_doubts();
        assert_eq!(doubts.last_doubt(), Some(7));
        stage.recorder.write(&doubts).unwrap();
        assert_eq!((draft.n_doubts(), draft.n_outcomes()), (0, 2));
        assert!(!draft.is_empty());
        assert_eq!(stage.read(RESULTS).1.len(), 0);
        assert_eq!(stage.committed().counts.failed, 0);
        let count = |table: &str| {
            let db = rusqlite::Connection::open(stage.path("ledger")).unwrap();
            let count = format!("SELECT count(*) FROM {table}");
            db.query_row(&count, [], |row| row.get::<_, u32>(0))
                .unwrap()
        };
        assert_eq!((count("doubt"), count("user")), (1, 0));

        let rest = draft.take();
        assert_eq!(rest.last_doubt(), None);
        stage.recorder.write(&rest).unwrap();
        assert!(draft.is_empty());
        assert_eq!(stage.read(RESULTS).1.len(), 2);
        assert_eq!(stage.committed().counts.failed, 1);
    }

    #[test]
    fn t7_a_cut_after_a_torn_append_restores_exactly_the_committed_lines() {
        let mut stage = Stage::new(&["UserId,Nickname\n"]);
        stage.settle([settlement(vec![row(0, 2, &[b"a", b"n"])], failed())]);
        let committed = stage.committed();
        for (name, length) in [
            (RESULTS, committed.results_bytes),
            (FAILURES, committed.failures_bytes),
        ] {
            let path = stage.path(name);
            let whole = fs::read(&path).unwrap();
            let mut torn = whole.clone();
            torn.extend(b"a,\"torn \xE5");
            fs::write(&path, torn).unwrap();
            for _ in 0..2 {
                cut(&path, length).unwrap();
                assert_eq!(fs::read(&path).unwrap(), whole);
            }
            // Shorter than it should be: nothing is made up.
            fs::write(&path, b"short").unwrap();
            cut(&path, length).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"short");
        }
        cut(&stage.path("removed.csv"), 5).unwrap();
    }

    #[test]
    fn t7_a_cut_before_the_first_commit_leaves_the_headers() {
        let stage = Stage::new(&["UserId,Nickname\n"]);
        let committed = stage.committed();
        assert_eq!((committed.results_bytes, committed.failures_bytes), (0, 0));
        for name in [RESULTS, FAILURES] {
            let path = stage.path(name);
            let header = fs::read(&path).unwrap();
            fs::write(&path, [&header[..], b"a,n\nb"].concat()).unwrap();
            cut(&path, 0).unwrap();
            assert_eq!(fs::read(&path).unwrap(), header);
        }
    }

    #[test]
    fn t5_failures_have_all_contributing_rows_with_the_persons_own_columns_first() {
        let mut stage = Stage::new(&["Avatar,UserId\n", "Nickname,UserId\n"]);
        let rows = vec![row(0, 2, &[b"pic", b"a"]), row(1, 7, &[b"nick", b"a"])];
        let fine = vec![row(0, 3, &[b"pic", b"b"])];
        stage.settle([settlement(rows, failed()), settlement(fine, applied())]);
        let (header, lines) = stage.read(FAILURES);
        let own = ["Avatar", "UserId", "Nickname"];
        assert_eq!(header, [&own[..], &OWN_COLUMNS].concat());
        let at = "2027-01-15T08:00:00.500Z";
        let expected = |file, line, cells: [&str; 3]| {
            let message = "no, \"never\"";
            let ours = [
                "failed",
                "InvalidParameter",
                message,
                "r-2",
                file,
                line,
                "run-1",
                at,
                "",
            ];
            csv::ByteRecord::from([&cells[..], &ours].concat())
        };
        assert_eq!(
            lines,
            [
                expected("0.csv", "2", ["pic", "a", ""]),
                expected("1.csv", "7", ["", "a", "nick"]),
            ]
        );
        let (_, results) = stage.read(RESULTS);
        let expected = [
            "0.csv",
            "3",
            "b",
            "applied",
            "",
            "",
            "r-1",
            "3",
            at,
            "2027-01-15T08:00:02.000Z",
            "31",
        ];
        assert_eq!(results[2], csv::ByteRecord::from(expected.to_vec()));
    }

    #[test]
    fn t5_columns_of_an_earlier_failures_file_are_replaced() {
        let header = format!("UserId,Nickname,{}\n", OWN_COLUMNS.join(","));
        let mut stage = Stage::new(&[&header]);
        let mut cells: Vec<&[u8]> = vec![b"a", b"n"];
        cells.resize(10, b"old");
        cells.push(b"");
        stage.settle([settlement(vec![row(0, 2, &cells)], failed())]);
        let (header, lines) = stage.read(FAILURES);
        assert_eq!(header, [&["UserId", "Nickname"][..], &OWN_COLUMNS].concat());
        assert!(lines[0].iter().all(|cell| cell != b"old"), "{lines:?}");
        assert_eq!(&lines[0][8], b"run-1");
    }

    #[test]
    fn t1_a_row_with_other_cells_than_its_header_is_repeated_and_goes_on_holding_back() {
        let mut stage = Stage::new(&["UserId,Nickname\n"]);
        let invalid = |user: &str, is_repeatable| SettledRow {
            row: match is_repeatable {
                true => row(0, 5, &[user.as_bytes(), b"n"]),
                false => row(0, 5, &[user.as_bytes(), b"n", b"x,y", b"", b"z"]),
            },
            user: UserId::new(user),
            outcome: Outcome::Invalid,
            code: "code",
            message: "message".into(),
            is_repeatable,
        };
        let superseded = SettledRow {
            outcome: Outcome::Superseded,
            ..invalid("c", true)
        };
        let mut draft = stage.recorder.draft();
        for row in [
            invalid("a", false),
            invalid("b", true),
            invalid("", true),
            superseded,
        ] {
            draft.settle_row(&row, now());
        }
        stage.recorder.write(&draft.take()).unwrap();
        assert_eq!(stage.read(RESULTS).1.len(), 4);
        let failures = stage.read(FAILURES).1;
        let users: Vec<&[u8]> = failures.iter().map(|line| &line[0]).collect();
        assert_eq!(users, [&b"a"[..], b"b", b""]);
        assert_eq!((&failures[0][1], &failures[1][1]), (&b"n"[..], &b"n"[..]));
        let cells = (&failures[0][10], &failures[1][10]);
        assert_eq!(cells, (&b"5 of 2: \"x,y\",,z"[..], &b""[..]));
        let mut open = Vec::new();
        let (ledger, _) = Ledger::open(&stage.path("ledger")).unwrap();
        ledger
            .scan(&mut |user| {
                assert!(user.open.is_some());
                open.push(user.user.to_owned());
            })
            .unwrap();
        open.sort();
        assert_eq!(open, ["a", "b"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        /// Whatever stands in a cell stands in `failures.csv`, for the csv crate and for us.
        #[test]
        fn cells_are_repeated_byte_by_byte(
            cells in prop::collection::vec(("[a-c]", "[a,\"'= \r\n\t;é😀]{0,8}"), 1..6),
            odd in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            let mut stage = Stage::new(&["UserId,Nickname\n"]);
            let cells: Vec<[Vec<u8>; 2]> = cells
                .into_iter()
                .map(|(user, text)| [user.into_bytes(), [text.as_bytes(), &odd].concat()])
                .collect();
            let rows = cells
                .iter()
                .map(|[user, nickname]| row(0, 2, &[user.as_slice(), nickname.as_slice()]));
            stage.settle([settlement(rows.collect(), failed())]);
            let (_, lines) = stage.read(FAILURES);
            let file = Arc::new(fs::File::open(stage.path(FAILURES)).unwrap());
            let mut records = Records::new(file, Layout::default());
            records.next_record().unwrap();
            prop_assert_eq!(lines.len(), cells.len());
            for (line, [user, nickname]) in lines.iter().zip(&cells) {
                prop_assert_eq!(&line[0], user.as_slice());
                let nickname = String::from_utf8_lossy(nickname);
                prop_assert_eq!(&line[1], nickname.as_bytes());
                let ours = records.next_record().unwrap().unwrap().to_cells();
                prop_assert_eq!(&ours, line);
            }
        }
    }
}
