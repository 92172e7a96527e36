//! The loop with a scripted service, in virtual time, on a real ledger and real files; then the
//! whole against a model of the service through many runs, lost answers and kills.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use chrono::TimeDelta;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep};

use super::*;
use crate::clock::Wall;
use crate::engine::Limits;
use crate::engine::pacer::Rate;
use crate::input::Source;
use crate::input::header::OWN_COLUMNS;
use crate::input::lint::Lint;
use crate::input::rules::{Allowed, Rules};
use crate::input::survey::Survey;
use crate::ledger::recover::Killed;
use crate::ledger::{Ledger, NewRun};
use crate::model::{Field, PerField, UserId, Values};
use crate::plan::{self, Plan, Wishes};
use crate::report::results::{FAILURES, RESULTS, ResultFiles, cut};
use crate::tencent::answer::{CallError, CallErrorKind, Reply};

const MS: Duration = Duration::from_millis(1);
/// A call's time-out.
const TIMEOUT: Duration = Duration::from_secs(15);

fn limits() -> Limits {
    Limits {
        rate: Rate::per_second(20.0).unwrap(),
        concurrency: 8,
        max_attempts: 3,
        max_outage: Duration::from_secs(1800),
        window: 256,
        runway: 32,
        seed: 7,
    }
}

fn start_of_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// How the scripted service answers a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Say {
    Accepted,
    Failed(&'static str),
    NotSent,
    NoAnswer,
}

const REFUSED: Say = Say::Failed("InvalidParameter");
const INTERNAL: Say = Say::Failed("InternalError");
const THROTTLED: Say = Say::Failed("RequestLimitExceeded");
const BUSY: Say = Say::Failed("ResourceUnavailable");
const WRONG_KEY: Say = Say::Failed("AuthFailure.SecretIdNotFound");

impl Say {
    async fn say(self) -> Result<Reply, CallError> {
        match self {
            Self::NoAnswer => sleep(TIMEOUT).await,
            _ => sleep(30 * MS).await,
        }
        match self {
            Self::Accepted => Ok(Reply::new(200, r#"{"Response":{"RequestId":"r-ok"}}"#)),
            Self::Failed(code) => Ok(Reply::new(
                200,
                format!(
                    r#"{{"Response":{{"Error":{{"Code":"{code}","Message":"as scripted"}},"RequestId":"r-no"}}}}"#
                ),
            )),
            Self::NotSent => Err(CallError::new(CallErrorKind::ConnectionFailed, "scripted")),
            Self::NoAnswer => Err(CallError::new(CallErrorKind::NoAnswer, "scripted")),
        }
    }
}

/// A service that does what a closure says; the closure sees the number of the call, from 1, and
/// may look around.
struct Scripted<F> {
    script: F,
    calls: Mutex<Vec<(String, String)>>,
}

impl<F> Scripted<F> {
    fn new(script: F) -> Arc<Self> {
        Arc::new(Self {
            script,
            calls: Mutex::default(),
        })
    }

    /// Users and what was sent for them, in the order of the calls.
    fn calls(&self) -> Vec<(String, String)> {
        self.calls.lock().unwrap().clone()
    }

    fn n_calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

impl<F: Fn(usize, &str, &Values) -> Say + Send + Sync + 'static> Transport for Scripted<F> {
    async fn modify(&self, user: &UserId, send: &Values) -> Result<Reply, CallError> {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((user.as_str().to_owned(), shown(send)));
            calls.len()
        };
        (self.script)(number, user.as_str(), send).say().await
    }

    async fn describe(&self, _: &UserId) -> Result<Reply, CallError> {
        unreachable!("no script has a canary")
    }
}

fn shown(send: &Values) -> String {
    let of = |field| send[field].as_deref().unwrap_or("-");
    format!("{} {}", of(Field::Nickname), of(Field::Avatar))
}

/// Keeps what it is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Event>>>);

impl Observer for Told {
    fn on(&mut self, _: Duration, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Told {
    fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    /// Rows by outcome, as told.
    fn counts(&self, read: u64) -> Counts {
        let mut counts = Counts {
            read,
            ..Counts::default()
        };
        for event in self.events() {
            if let Event::RowsSettled { outcome, rows, .. } = event {
                counts.add(outcome, rows);
            }
        }
        counts
    }
}

/// A state directory through several runs.
struct Stage {
    dir: TempDir,
    n_runs: u32,
    wall: Wall,
}

/// A run that can go.
struct Ready<T> {
    run: Run<T>,
    number: u32,
    dir: PathBuf,
    told: Told,
    read: u64,
}

/// A run that went.
struct Went {
    ended: Ended,
    dir: PathBuf,
    told: Told,
}

impl Stage {
    fn new() -> Self {
        let began = Instant::now();
        let passed = move || TimeDelta::from_std(began.elapsed()).unwrap();
        Self::with_wall(Arc::new(move || start_of_time() + passed()))
    }

    fn with_wall(wall: Wall) -> Self {
        // No power fails here, so where there is a disk in memory its syncs cost nothing.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self {
            dir: dir.unwrap(),
            n_runs: 0,
            wall,
        }
    }

    fn ledger_path(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.ledger_path()).unwrap().0
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn run_dir(&self, number: u32) -> PathBuf {
        self.dir.path().join(format!("run-{number}"))
    }

    fn plan(&self, ledger: &Ledger, path: &Path) -> Plan {
        // Short avatars are easier to read here.
        let rules = Rules {
            allowed: Allowed::default().and(Lint::NotAnAddress),
            ..Rules::default()
        };
        let path = path.to_str().unwrap();
        let source = Source::open_by(path, self.dir.path(), &rules.into()).unwrap();
        let never = AtomicBool::new(false);
        let survey = Survey::take(vec![source], ledger.keys().clone(), &never).unwrap();
        let run_number = |id: &str| ledger.run_number(id).unwrap();
        let now = (self.wall)();
        plan::make(survey, Wishes::default(), now, run_number, |each| {
            ledger.scan(each)
        })
        .unwrap()
    }

    /// Finishes what a killed run left, as the next run does.
    fn recover(&self, ledger: &mut Ledger) -> Option<Killed> {
        let killed = ledger.find_killed().unwrap()?;
        cut(&killed.report_dir.join(RESULTS), killed.results_bytes).unwrap();
        cut(&killed.report_dir.join(FAILURES), killed.failures_bytes).unwrap();
        ledger.close_killed(&killed, (self.wall)()).unwrap();
        assert_eq!(ledger.find_killed().unwrap(), None);
        Some(killed)
    }

    fn ready<T>(&mut self, path: &Path, limits: Limits, transport: Arc<T>) -> Ready<T> {
        let mut ledger = self.open();
        self.recover(&mut ledger);
        let plan = self.plan(&ledger, path);
        self.n_runs += 1;
        let dir = self.run_dir(self.n_runs);
        fs::create_dir(&dir).unwrap();
        let run_id = format!("run-{}", self.n_runs);
        let files = ResultFiles::create(&dir, &plan.survey().sources, &run_id).unwrap();
        let new = NewRun {
            run_id: &run_id,
            started_at: (self.wall)(),
            input: &[path.to_str().unwrap().to_owned()],
            report_dir: &dir,
            counts: plan.settled,
        };
        let number = ledger.begin_run(&new, &plan.closes).unwrap();
        assert_eq!(number, self.n_runs);
        let told = Told::default();
        Ready {
            number,
            read: plan.settled.read,
            run: Run {
                engine: Engine::new(limits),
                recorder: Recorder::new(ledger, files, plan.settled),
                rows: Rows::new(plan),
                transport,
                clock: Clock::start_with(self.wall.clone()),
                until: None,
                observers: Box::new(told.clone()),
                canary: None,
            },
            dir,
            told,
        }
    }

    async fn run<T: Transport>(&mut self, text: &str, transport: &Arc<T>) -> Went {
        let path = self.file("users.csv", text);
        self.ready(&path, limits(), transport.clone()).go().await
    }

    /// What the ledger knows, a line for each user: held values, `?` where in doubt.
    fn known(&self) -> BTreeMap<String, String> {
        let mut known = BTreeMap::new();
        self.open()
            .scan(&mut |user| {
                let of = |field: Field| {
                    let held = user.held[field].unwrap_or("-");
                    match user.doubt[field] {
                        Some(doubt) => format!("{held}|{}?", doubt.value),
                        None => held.to_owned(),
                    }
                };
                let line = format!("{} {}", of(Field::Nickname), of(Field::Avatar));
                known.insert(user.user.to_owned(), line);
            })
            .unwrap();
        known
    }
}

impl<T: Transport> Ready<T> {
    async fn go(self) -> Went {
        let (_sender, signals) = unbounded_channel();
        self.go_with(signals).await
    }

    fn signalled(self) -> (UnboundedSender<i32>, impl Future<Output = Went>) {
        let (sender, signals) = unbounded_channel();
        (sender, self.go_with(signals))
    }

    /// Runs to the end and holds what holds for every run.
    async fn go_with(self, signals: UnboundedReceiver<i32>) -> Went {
        let mut ended = self.run.go(signals).await;
        let counts = ended.counts;
        assert!(counts.add_up(), "{counts:?}");
        assert_eq!(counts.read, self.read);
        assert_eq!(self.told.counts(self.read), counts);
        assert!(ended.agrees);
        if let Some(recorder) = ended.recorder.take() {
            let recorded = recorder.counts();
            let mut ledger = recorder.into_ledger();
            let stopped = ended.stopped.as_ref().map(StopCause::name);
            ledger
                .end_run(self.number, start_of_time(), counts, stopped, 0)
                .unwrap();
            if ended.stopped.is_none() {
                assert_eq!(recorded, counts);
                assert_eq!(counts.pending, 0);
            }
        }
        Went {
            ended,
            dir: self.dir,
            told: self.told,
        }
    }
}

impl Went {
    fn results(&self) -> Vec<csv::StringRecord> {
        records(&self.dir.join(RESULTS))
    }

    fn failures(&self) -> Vec<csv::StringRecord> {
        records(&self.dir.join(FAILURES))
    }

    /// Outcome and code of each line, by user.
    fn outcomes(&self) -> BTreeMap<String, String> {
        let lines = self.results().into_iter();
        lines
            .map(|line| (line[2].to_owned(), format!("{} {}", &line[3], &line[4])))
            .collect()
    }
}

fn records(path: &Path) -> Vec<csv::StringRecord> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.records().map(Result::unwrap).collect()
}

fn users(n: usize) -> String {
    let rows = (0..n).map(|n| format!("user{n},name{n}\n"));
    format!("UserId,Nickname\n{}", rows.collect::<String>())
}

fn counts(pairs: &[(Outcome, u64)]) -> Counts {
    let mut counts = Counts::default();
    for (outcome, rows) in pairs {
        counts.add(*outcome, *rows);
        counts.read += rows;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn a_clean_run_applies_everything_and_the_next_has_nothing_to_send() {
    let mut stage = Stage::new();
    let service = Scripted::new(|_, _: &str, _: &Values| Say::Accepted);
    let began = Instant::now();
    let went = stage.run(&users(100), &service).await;
    assert!(
        began.elapsed() >= Duration::from_millis(4900),
        "at 20 a second"
    );
    assert_eq!(went.ended.counts, counts(&[(Outcome::Applied, 100)]));
    assert_eq!(went.ended.stopped, None);
    assert_eq!(service.n_calls(), 100);
    assert_eq!(went.results().len(), 100);
    assert_eq!(went.results()[7][6], *"r-ok");
    assert_eq!(went.failures().len(), 0);
    let known = stage.known();
    assert!((0..100).all(|n| known[&format!("user{n}")] == format!("name{n} -")));

    let went = stage.run(&users(100), &service).await;
    assert_eq!(went.ended.counts, counts(&[(Outcome::Unchanged, 100)]));
    assert_eq!(service.n_calls(), 100);
    assert_eq!(went.results().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_verdict_leads_to_its_outcome_in_counts_files_and_ledger() {
    let mut stage = Stage::new();
    let tries = Mutex::new(BTreeMap::<String, u32>::new());
    let service = Scripted::new(move |_, user: &str, _: &Values| {
        let mut tries = tries.lock().unwrap();
        let tried = tries.entry(user.to_owned()).or_default();
        *tried += 1;
        match (user, *tried) {
            ("refused", _) | ("lost then refused", 2) => REFUSED,
            ("lost", _) | ("lost then refused" | "lost then fine", 1) => Say::NoAnswer,
            ("broken", _) => INTERNAL,
            ("busy", _) => BUSY,
            ("throttled", ..6) => THROTTLED,
            ("unreachable", ..6) => Say::NotSent,
            _ => Say::Accepted,
        }
    });
    let names = [
        "fine",
        "refused",
        "lost",
        "lost then refused",
        "lost then fine",
        "broken",
        "busy",
        "throttled",
        "unreachable",
    ];
    let mut text = "UserId,Nickname,Avatar\n".to_owned();
    for name in names {
        writeln!(text, "{name},n,a").unwrap();
    }
    text += "blank,,\ntwice,n,\ntwice,n,a\nhalf,n,\nhalf,,a\n";
    let went = stage.run(&text, &service).await;
    let expected = counts(&[
        (Outcome::Applied, 7),
        (Outcome::Failed, 4),
        (Outcome::Unknown, 1),
        (Outcome::Invalid, 1),
        (Outcome::Superseded, 1),
    ]);
    assert_eq!(went.ended.counts, expected);
    let outcomes = went.outcomes();
    for (user, outcome) in [
        ("fine", "applied "),
        ("refused", "failed InvalidParameter"),
        ("lost", "unknown no answer"),
        ("lost then refused", "failed InvalidParameter"),
        ("lost then fine", "applied "),
        ("broken", "failed InternalError"),
        ("busy", "failed ResourceUnavailable"),
        ("throttled", "applied "),
        ("unreachable", "applied "),
        ("blank", "invalid sets nothing"),
        ("half", "applied "),
    ] {
        assert_eq!(outcomes[user], outcome, "{user}");
    }
    assert_eq!(went.results().len() as u64, expected.read);
    let failed: BTreeSet<String> = went.failures().iter().map(|row| row[0].into()).collect();
    let names = [
        "refused",
        "lost",
        "lost then refused",
        "broken",
        "busy",
        "blank",
    ];
    assert_eq!(failed, names.map(Into::into).into());
    let known = stage.known();
    for (user, expected) in [
        ("fine", "n a"),
        ("refused", "- -"),
        ("lost", "-|n? -|a?"),
        ("lost then refused", "-|n? -|a?"),
        ("lost then fine", "n a"),
        ("broken", "-|n? -|a?"),
        ("busy", "- -"),
        ("blank", "- -"),
        ("half", "n a"),
    ] {
        assert_eq!(known[user], expected, "{user}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_need_no_call_are_all_recorded() {
    let mut stage = Stage::new();
    let service = Scripted::new(|_, _: &str, _: &Values| Say::Accepted);
    let blank = (0..20_000).map(|n| format!("user{n},\n"));
    let text = format!("UserId,Nickname\n{}z,n\n", blank.collect::<String>());
    let went = stage.run(&text, &service).await;
    let expected = [(Outcome::Applied, 1), (Outcome::Invalid, 20_000)];
    assert_eq!(went.ended.counts, counts(&expected));
    assert_eq!(went.results().len(), 20_001);
    let failures = went.failures();
    assert_eq!(failures.len(), 20_000);
    // As of when they were come to.
    let today = start_of_time().format("%F").to_string();
    assert!(failures.iter().all(|line| line[9].starts_with(&today)));
}

/// Whether the ledger on disk has `user` and what is sent in a doubt row, as somebody else sees it.
fn is_doubted(ledger: &Path, user: &str, send: &Values) -> bool {
    let db = Connection::open_with_flags(ledger, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut select = db.prepare("SELECT changes FROM doubt").unwrap();
    let rows = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(Result::unwrap).any(|changes| {
        let changes: Vec<(String, Option<String>, Option<String>, usize)> =
            serde_json::from_str(&changes).unwrap();
        let of = |field: Field| send[field].as_deref().map(str::to_owned);
        let nickname = of(Field::Nickname);
        let avatar = of(Field::Avatar);
        changes
            .iter()
            .any(|change| change.0 == user && change.1 == nickname && change.2 == avatar)
    })
}

#[tokio::test(start_paused = true)]
async fn t3_doubt_is_on_disk_before_each_call_leaves() {
    let mut stage = Stage::new();
    let ledger = stage.ledger_path();
    let service = Scripted::new(move |number, user: &str, send: &Values| {
        assert!(
            is_doubted(&ledger, user, send),
            "call {number} left without doubt"
        );
        match number % 5 {
            0 => BUSY,
            1 => Say::NoAnswer,
            _ => Say::Accepted,
        }
    });
    let went = stage.run(&users(120), &service).await;
    assert!(service.n_calls() > 120);
    assert_eq!(went.ended.counts.read, 120);
    let left: u32 = Connection::open(stage.ledger_path())
        .unwrap()
        .query_row("SELECT count(*) FROM doubt", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0, "a run that ended has no doubt rows");
}

/// However often doubts go to disk without them, because the calls are few that may be sent.
#[tokio::test(start_paused = true)]
async fn t7_an_outcome_waits_for_its_commit_no_longer_than_a_moment() {
    let mut stage = Stage::new();
    let results = stage.run_dir(1).join(RESULTS);
    let service = Scripted::new(move |number, _: &str, _: &Values| {
        let recorded = records(&results).len();
        assert!(recorded + 10 >= number, "{recorded} at call {number}");
        Say::Accepted
    });
    let path = stage.file("users.csv", &users(100));
    let few = Limits {
        runway: 2,
        ..limits()
    };
    let went = stage.ready(&path, few, service.clone()).go().await;
    assert_eq!(went.ended.counts, counts(&[(Outcome::Applied, 100)]));
}

#[tokio::test(start_paused = true)]
async fn a_result_tells_when_its_first_and_last_call_left() {
    let mut stage = Stage::new();
    let service = Scripted::new(|number, _: &str, _: &Values| match number {
        1 => BUSY,
        _ => Say::Accepted,
    });
    let went = stage.run(&users(1), &service).await;
    let results = went.results();
    let [first, last] = [8, 9].map(|at| {
        let at = DateTime::parse_from_rfc3339(&results[0][at]).unwrap();
        at.to_utc() - start_of_time()
    });
    assert!(first < TimeDelta::milliseconds(100), "{first}");
    assert!(last > first + TimeDelta::milliseconds(100), "{last}");
    assert!(last < TimeDelta::seconds(10), "{last}");
}

#[tokio::test(start_paused = true)]
async fn t3_another_value_for_a_field_in_doubt_waits_until_the_first_is_too_late() {
    let mut stage = Stage::new();
    let lost = Scripted::new(|_, _: &str, _: &Values| Say::NoAnswer);
    let went = stage.run("UserId,Nickname\na,b\n", &lost).await;
    assert_eq!(went.ended.counts, counts(&[(Outcome::Unknown, 1)]));
    let fine = Scripted::new(|_, _: &str, _: &Values| Say::Accepted);
    let last_attempt = Instant::now() - TIMEOUT;
    let went = stage.run("UserId,Nickname\na,c\n", &fine).await;
    assert_eq!(went.ended.counts, counts(&[(Outcome::Applied, 1)]));
    assert!(last_attempt.elapsed() >= Duration::from_secs(60));
    let waits = went.told.events().into_iter();
    let waits: Vec<Event> = waits
        .filter(|e| matches!(e, Event::Waiting { .. }))
        .collect();
    let why = Why::Cooldown;
    assert!(matches!(waits[..], [Event::Waiting { why: seen, .. }] if seen == why));
}

#[tokio::test(start_paused = true)]
async fn t5_a_failures_file_sends_what_is_still_open_and_nothing_else() {
    let mut stage = Stage::new();
    let refusing = Scripted::new(|_, _: &str, _: &Values| REFUSED);
    let first = stage.run(&users(3), &refusing).await;
    assert_eq!(first.ended.counts, counts(&[(Outcome::Failed, 3)]));
    let failures = fs::read_to_string(first.dir.join(FAILURES)).unwrap();
    let fine = Scripted::new(|_, _: &str, _: &Values| Say::Accepted);
    stage.run("UserId,Nickname\nuser1,new\n", &fine).await;
    let third = stage.run(&failures, &fine).await;
    let expected = counts(&[(Outcome::Applied, 2), (Outcome::Superseded, 1)]);
    assert_eq!(third.ended.counts, expected);
    assert_eq!(stage.known()["user1"], "new -");
    let again = stage.run(&failures, &fine).await;
    assert_eq!(again.ended.counts, counts(&[(Outcome::Superseded, 3)]));
    assert_eq!(fine.n_calls(), 3);
}

/// A run on `failures.csv` that is cut short leaves the rest open: the same command goes on.
#[tokio::test(start_paused = true)]
async fn t5_a_fed_back_run_that_stops_is_resumed_by_the_same_command() {
    let mut stage = Stage::new();
    let refusing = Scripted::new(|_, _: &str, _: &Values| REFUSED);
    let first = stage.run(&users(30), &refusing).await;
    let failures = first.dir.join(FAILURES);
    let fine = Scripted::new(|_, _: &str, _: &Values| Say::Accepted);
    let (signals, going) = stage.ready(&failures, limits(), fine.clone()).signalled();
    let stop = async {
        sleep(300 * MS).await;
        signals.send(15).unwrap();
    };
    let (stopped, ()) = tokio::join!(going, stop);
    let applied = stopped.ended.counts.applied;
    assert!(applied > 1 && applied < 30, "{:?}", stopped.ended.counts);
    let rest = stage.ready(&failures, limits(), fine.clone()).go().await;
    let expected = [
        (Outcome::Applied, 30 - applied),
        (Outcome::Superseded, applied),
    ];
    assert_eq!(rest.ended.counts, counts(&expected));
}

#[tokio::test(start_paused = true)]
async fn the_first_signal_waits_for_calls_in_flight_and_sends_nothing_new() {
    let mut stage = Stage::new();
    let slow = Scripted::new(|number, _: &str, _: &Values| match number {
        1..=3 => Say::Accepted,
        _ => Say::NoAnswer,
    });
    let path = stage.file("users.csv", &users(500));
    let (signals, going) = stage.ready(&path, limits(), slow.clone()).signalled();
    let at_signal = async {
        sleep(Duration::from_millis(500)).await;
        signals.send(2).unwrap();
        slow.n_calls()
    };
    let (went, n_calls) = tokio::join!(going, at_signal);
    assert_eq!(slow.n_calls(), n_calls);
    assert_eq!(went.ended.stopped, Some(StopCause::Signal(2)));
    let unknown = n_calls as u64 - 3;
    assert!(unknown > 1);
    let expected = [
        (Outcome::Applied, 3),
        (Outcome::Unknown, unknown),
        (Outcome::Pending, 497 - unknown),
    ];
    assert_eq!(went.ended.counts, counts(&expected));
    assert_eq!(went.failures().len() as u64, unknown);
    let in_doubt = stage
        .known()
        .into_values()
        .filter(|line| line.contains('?'));
    assert_eq!(in_doubt.count() as u64, unknown);
}

#[tokio::test(start_paused = true)]
async fn the_second_signal_leaves_calls_in_flight_unknown_at_once() {
    let mut stage = Stage::new();
    let slow = Scripted::new(|number, _: &str, _: &Values| match number {
        1..=3 => Say::Accepted,
        _ => Say::NoAnswer,
    });
    let path = stage.file("users.csv", &users(500));
    let (signals, going) = stage.ready(&path, limits(), slow.clone()).signalled();
    let began = Instant::now();
    let twice = async {
        sleep(Duration::from_millis(500)).await;
        signals.send(2).unwrap();
        sleep(Duration::from_millis(500)).await;
        signals.send(15).unwrap();
    };
    let (went, ()) = tokio::join!(going, twice);
    assert!(began.elapsed() < TIMEOUT);
    // The first is the reason.
    assert_eq!(went.ended.stopped, Some(StopCause::Signal(2)));
    let unknown = slow.n_calls() as u64 - 3;
    assert_eq!(went.ended.counts.unknown, unknown);
    assert_eq!(went.ended.counts.applied, 3);
    let in_doubt = stage
        .known()
        .into_values()
        .filter(|line| line.contains('?'));
    assert_eq!(in_doubt.count() as u64, unknown);
}

/// A time budget that is over when the wall clock says `seconds` after the start of time.
fn until(seconds: i64) -> Option<Deadline> {
    let at = start_of_time() + TimeDelta::seconds(seconds);
    Some(Deadline::new(at, &at))
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_was_suspended_beyond_its_time_sends_nothing_more() {
    let slept = Arc::new(AtomicI64::new(0));
    let began = Instant::now();
    let wall = slept.clone();
    let mut stage = Stage::with_wall(Arc::new(move || {
        let slept = TimeDelta::seconds(wall.load(Ordering::Relaxed));
        start_of_time() + TimeDelta::from_std(began.elapsed()).unwrap() + slept
    }));
    let service = Scripted::new(move |number, _: &str, _: &Values| {
        if number == 10 {
            slept.store(8 * 3600, Ordering::Relaxed);
        }
        Say::Accepted
    });
    let path = stage.file("users.csv", &users(100));
    let mut ready = stage.ready(&path, limits(), service.clone());
    ready.run.until = until(4 * 3600);
    let went = ready.go().await;
    assert_eq!(service.n_calls(), 10);
    let expected = [(Outcome::Applied, 10), (Outcome::Pending, 90)];
    assert_eq!(went.ended.counts, counts(&expected));
    let told = "no new call after 12:00 +00:00".to_owned();
    assert_eq!(went.ended.stopped, Some(StopCause::TimeUp(told)));
}

#[tokio::test(start_paused = true)]
async fn time_that_is_up_ends_a_wait_and_calls_in_flight_get_their_time_out() {
    let mut stage = Stage::new();
    let began = Instant::now();
    let lost = Scripted::new(|_, _: &str, _: &Values| Say::NoAnswer);
    let path = stage.file("users.csv", &users(30));
    let mut ready = stage.ready(&path, limits(), lost.clone());
    ready.run.until = until(10);
    let went = ready.go().await;
    // The first call goes alone, and is given up at its time-out.
    assert_eq!(lost.n_calls(), 1);
    assert!(began.elapsed() >= TIMEOUT);
    let expected = [(Outcome::Unknown, 1), (Outcome::Pending, 29)];
    assert_eq!(went.ended.counts, counts(&expected));

    // Another value has to wait for a minute, which is too long.
    let waits = Instant::now();
    let path = stage.file("users.csv", &users(1).replace(",name", ",other"));
    let mut ready = stage.ready(&path, limits(), lost.clone());
    let seconds = ((stage.wall)() - start_of_time()).num_seconds() + 10;
    ready.run.until = until(seconds);
    let went = ready.go().await;
    assert_eq!(went.ended.counts, counts(&[(Outcome::Pending, 1)]));
    assert!(
        waits.elapsed() < Duration::from_secs(12),
        "{:?}",
        waits.elapsed()
    );
    assert_eq!(lost.n_calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn t6_input_that_changed_stops_the_run_before_the_changed_row() {
    let mut stage = Stage::new();
    let service = Scripted::new(|_, _: &str, _: &Values| Say::Accepted);
    let path = stage.file("users.csv", &users(300));
    let ready = stage.ready(&path, limits(), service.clone());
    fs::write(&path, users(300).replace("user200,", "user999,")).unwrap();
    let went = ready.go().await;
    let at = format!("{}: line 202", path.display());
    assert_eq!(went.ended.stopped, Some(StopCause::InputChanged(at)));
    let sent = went.ended.counts.applied;
    assert!(sent > 100 && sent <= 200, "{sent}");
    let expected = [(Outcome::Applied, sent), (Outcome::Pending, 300 - sent)];
    assert_eq!(went.ended.counts, counts(&expected));
    assert!(service.calls().iter().all(|(user, _)| user != "user999"));
}

#[tokio::test(start_paused = true)]
async fn p8_a_wrong_key_costs_one_call_and_leaves_all_pending() {
    let mut stage = Stage::new();
    let service = Scripted::new(|_, _: &str, _: &Values| WRONG_KEY);
    let went = stage.run(&users(40), &service).await;
    assert_eq!(service.n_calls(), 1);
    assert_eq!(went.ended.counts, counts(&[(Outcome::Pending, 40)]));
    let Some(StopCause::Fatal { cause, fault }) = &went.ended.stopped else {
        panic!("{:?}", went.ended.stopped);
    };
    assert_eq!(*cause, crate::model::FatalCause::Key);
    assert_eq!(fault.code, "AuthFailure.SecretIdNotFound");
    assert!(stage.known().values().all(|line| line == "- -"));
}

/// Lets no commit of a run pass.
const REFUSE: &str = "CREATE TRIGGER refuse BEFORE UPDATE ON run
                      BEGIN SELECT raise(FAIL, 'the disk is full'); END";

/// Refusals that are on record say nothing about the account; rows that were never answered do.
#[tokio::test(start_paused = true)]
async fn p8_only_who_was_refused_before_is_left_out_of_the_fifty() {
    let mut stage = Stage::new();
    let service = Scripted::new(|_, user: &str, _: &Values| match user {
        "refused" => REFUSED,
        _ => Say::NoAnswer,
    });
    let text = "UserId,Nickname\nrefused,n\nlost,n\ninvalid,\n";
    let went = stage.run(text, &service).await;
    assert_eq!(went.ended.counts.unknown, 1);
    let mut refused = BTreeMap::new();
    let ledger = stage.open();
    let scanned = ledger.scan(&mut |known| {
        refused.insert(known.user.to_owned(), known.open.unwrap().refused);
    });
    scanned.unwrap();
    let expected = [("invalid", false), ("lost", false), ("refused", true)];
    assert_eq!(
        refused,
        expected.map(|(user, is)| (user.to_owned(), is)).into()
    );
}

/// A run whose record fails from its 40th call on.
async fn run_that_can_not_record(
    stage: &mut Stage,
    spoil: impl Fn() + Send + Sync + 'static,
    prepare: impl FnOnce(&mut Run<Scripted<Script>>),
) -> (Went, Arc<Scripted<Script>>) {
    let service = Scripted::new(Box::new(move |number: usize, _: &str, _: &Values| {
        if number == 40 {
            spoil();
        }
        Say::Accepted
    }) as Script);
    let path = stage.file("users.csv", &users(300));
    let mut ready = stage.ready(&path, limits(), service.clone());
    prepare(&mut ready.run);
    let went = ready.go().await;
    (went, service)
}

type Script = Box<dyn Fn(usize, &str, &Values) -> Say + Send + Sync>;

#[tokio::test(start_paused = true)]
async fn t7_when_the_ledger_can_not_record_nothing_new_is_sent_and_calls_in_flight_are_awaited() {
    let mut stage = Stage::new();
    let ledger = stage.ledger_path();
    let spoil = move || {
        let db = Connection::open(&ledger).unwrap();
        db.execute_batch(REFUSE).unwrap();
    };
    let (went, service) = run_that_can_not_record(&mut stage, spoil, |_| ()).await;
    let Some(StopCause::NotRecorded(why)) = &went.ended.stopped else {
        panic!("{:?}", went.ended.stopped);
    };
    assert!(why.contains("the disk is full"), "{why}");
    let n_calls = service.n_calls() as u64;
    assert!((40..80).contains(&n_calls), "{n_calls}");
    let expected = [
        (Outcome::Applied, n_calls),
        (Outcome::Pending, 300 - n_calls),
    ];
    assert_eq!(went.ended.counts, counts(&expected));
    // What was answered after the last record is in doubt, and nothing else is lost.
    let db = Connection::open(stage.ledger_path()).unwrap();
    db.execute_batch("DROP TRIGGER refuse").unwrap();
    let killed = stage.recover(&mut stage.open()).expect("it did not end");
    assert!(killed.counts.add_up());
    let known = stage.known();
    for (user, _) in service.calls() {
        let line = &known[&user];
        assert!(line.contains("name"), "{user} was called and is {line}");
    }
    let on_disk = records(&went.dir.join(RESULTS)).len() as u64;
    assert_eq!(on_disk, killed.counts.applied);
    let fine = Scripted::new(|_, _: &str, _: &Values| Say::Accepted);
    let rest = stage.run(&users(300), &fine).await;
    assert_eq!(rest.ended.counts.unchanged, killed.counts.applied);
    assert_eq!(rest.ended.counts.applied, 300 - killed.counts.applied);
}

#[tokio::test(start_paused = true)]
async fn t7_when_the_files_can_not_be_written_nothing_of_the_batch_counts() {
    let mut stage = Stage::new();
    let full = |run: &mut Run<Scripted<Script>>| run.recorder.fill_disk();
    let (went, service) = run_that_can_not_record(&mut stage, || (), full).await;
    assert!(matches!(
        went.ended.stopped,
        Some(StopCause::NotRecorded(_))
    ));
    let n_calls = service.n_calls() as u64;
    assert!(n_calls < 40, "{n_calls}");
    assert_eq!(went.ended.counts.applied, n_calls);
    let killed = stage.recover(&mut stage.open()).expect("it did not end");
    assert_eq!(
        killed.counts.applied, 0,
        "no outcome was committed without its line"
    );
    assert!(killed.users_in_doubt >= n_calls);
    assert_eq!(went.results().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn t7_a_record_that_fails_after_a_signal_is_told_and_is_no_success() {
    let mut stage = Stage::new();
    let service = Scripted::new(|_, _: &str, _: &Values| Say::NoAnswer);
    let path = stage.file("users.csv", &users(2));
    let (signals, going) = stage.ready(&path, limits(), service.clone()).signalled();
    let ledger = stage.ledger_path();
    let spoiled = async {
        sleep(Duration::from_millis(500)).await;
        signals.send(2).unwrap();
        let db = Connection::open(ledger).unwrap();
        db.execute_batch(REFUSE).unwrap();
    };
    let (went, ()) = tokio::join!(going, spoiled);
    let ended = &went.ended;
    assert_eq!(ended.stopped, Some(StopCause::Signal(2)));
    assert!(
        ended
            .not_recorded
            .as_ref()
            .unwrap()
            .contains("the disk is full")
    );
    // What is left speaks for the signal; with nothing left the record would be the cause.
    assert_eq!(ended.cause(), Some(StopCause::Signal(2)));
    let settled = Ended {
        counts: counts(&[(Outcome::Applied, 2)]),
        stopped: ended.stopped.clone(),
        not_recorded: ended.not_recorded.clone(),
        recorder: None,
        agrees: true,
    };
    assert!(matches!(settled.cause(), Some(StopCause::NotRecorded(_))));
}

// ---- The whole against a model of the service. ----

const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
const TEXTS: [&str; 3] = ["x", "y", "z"];

type Profile = PerField<Option<String>>;

/// The service as it is, with calls that are still on their way to it.
struct Model {
    profiles: BTreeMap<String, Profile>,
    /// Calls that land late: when, in milliseconds of the wall.
    on_their_way: Vec<(i64, String, Values)>,
    random: ChaCha8Rng,
    calm: bool,
    n_calls: usize,
    /// When the run's time is up, in milliseconds of the wall.
    until: Option<i64>,
    called: BTreeSet<String>,
    trace: String,
}

/// [`Model`] behind the seam.
struct Service {
    model: Mutex<Model>,
    wall: Arc<WallTime>,
}

/// A wall clock that goes with the virtual time of the run at hand.
#[derive(Default)]
struct WallTime {
    /// Milliseconds since the start of time at which the run at hand began.
    base: AtomicI64,
    began: Mutex<Option<Instant>>,
}

impl WallTime {
    fn now(&self) -> i64 {
        let began = *self.began.lock().unwrap();
        let run = began.map_or(0, |began| began.elapsed().as_millis() as i64);
        self.base.load(Ordering::Relaxed) + run
    }

    fn wall(self: &Arc<Self>) -> Wall {
        let time = self.clone();
        Arc::new(move || start_of_time() + TimeDelta::milliseconds(time.now()))
    }

    fn begin(&self) {
        *self.began.lock().unwrap() = Some(Instant::now());
    }

    fn end(&self) {
        let now = self.now();
        self.base.store(now, Ordering::Relaxed);
        *self.began.lock().unwrap() = None;
    }

    fn pass(&self, ms: i64) {
        self.base.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Model {
    /// Lets land what is due.
    fn land(&mut self, now: i64) {
        self.on_their_way.sort_by_key(|(due, ..)| *due);
        while self
            .on_their_way
            .first()
            .is_some_and(|(due, ..)| *due <= now)
        {
            let (due, user, send) = self.on_their_way.remove(0);
            writeln!(self.trace, "{due}: late {user} {}", shown(&send)).unwrap();
            self.set(&user, &send);
        }
    }

    fn set(&mut self, user: &str, send: &Values) {
        let profile = self.profiles.entry(user.to_owned()).or_default();
        for field in Field::ALL {
            if let Some(value) = &send[field] {
                profile[field] = Some(value.to_string());
            }
        }
    }

    /// What happens to a call that leaves now.
    fn decide(&mut self, now: i64, user: &str, send: &Values) -> Say {
        self.n_calls += 1;
        let in_time = self.until.is_none_or(|until| now < until);
        assert!(
            in_time,
            "{now}: {user} after the time was up:\n{}",
            self.trace
        );
        self.called.insert(user.to_owned());
        let chance = if self.calm {
            0
        } else {
            self.random.random_range(0..20)
        };
        let say = match chance {
            8 | 9 => REFUSED,
            10..=13 => Say::NoAnswer,
            14 | 15 => INTERNAL,
            16 => THROTTLED,
            17 => BUSY,
            18 => Say::NotSent,
            _ => Say::Accepted,
        };
        let lands = match chance {
            // Lost on its way back; within its time-out or long after.
            10 => Some(0),
            11 | 12 => Some(self.random.random_range(1..58_000)),
            14 => Some(0),
            _ => (say == Say::Accepted).then_some(0),
        };
        writeln!(
            self.trace,
            "{now}: {user} {} {say:?} lands {lands:?}",
            shown(send)
        )
        .unwrap();
        match lands {
            Some(0) => self.set(user, send),
            Some(after) => self
                .on_their_way
                .push((now + after, user.into(), send.clone())),
            None => {}
        }
        say
    }
}

impl Transport for Service {
    async fn modify(&self, user: &UserId, send: &Values) -> Result<Reply, CallError> {
        let say = {
            let now = self.wall.now();
            let mut model = self.model.lock().unwrap();
            model.land(now);
            model.decide(now, user.as_str(), send)
        };
        say.say().await
    }

    async fn describe(&self, _: &UserId) -> Result<Reply, CallError> {
        unreachable!("no life has a canary")
    }
}

/// Many runs on one ledger, each in a runtime of its own, so that a kill takes everything with it.
struct Life {
    stage: Stage,
    service: Arc<Service>,
    time: Arc<WallTime>,
    random: ChaCha8Rng,
    /// The last plain run that named a user in a valid row.
    named: BTreeMap<String, u32>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let time = Arc::new(WallTime::default());
        Self {
            stage: Stage::with_wall(time.wall()),
            service: Arc::new(Service {
                model: Mutex::new(Model {
                    profiles: BTreeMap::new(),
                    on_their_way: Vec::new(),
                    random: ChaCha8Rng::seed_from_u64(seed ^ 1),
                    calm: false,
                    n_calls: 0,
                    until: None,
                    called: BTreeSet::new(),
                    trace: String::new(),
                }),
                wall: time.clone(),
            }),
            time,
            random: ChaCha8Rng::seed_from_u64(seed),
            named: BTreeMap::new(),
        }
    }

    fn some_file(&mut self) -> String {
        let mut text = "UserId,Nickname,Avatar\n".to_owned();
        let mut invalid = BTreeSet::new();
        let mut valid = BTreeSet::new();
        for _ in 0..self.random.random_range(0..10) {
            let user = NAMES[self.random.random_range(0..NAMES.len())];
            let mut value = || match self.random.random_range(0..5) {
                at @ 0..3 => TEXTS[at],
                _ => "",
            };
            let (nickname, avatar) = (value(), value());
            writeln!(text, "{user},{nickname},{avatar}").unwrap();
            if nickname.is_empty() && avatar.is_empty() {
                invalid.insert(user);
            } else {
                valid.insert(user);
            }
        }
        for user in valid.difference(&invalid) {
            self.named.insert((*user).into(), self.stage.n_runs + 1);
        }
        text
    }

    fn trace(&self, what: &str) {
        let now = self.time.now();
        let mut model = self.service.model.lock().unwrap();
        writeln!(model.trace, "{now}: {what}").unwrap();
    }

    /// A run, killed after `kill` of virtual time if it lasts that long, asked to stop after
    /// `signal`, and with time until `until`.
    fn run(
        &mut self,
        path: &Path,
        kill: Option<Duration>,
        signal: Option<Duration>,
        until: Option<Duration>,
    ) -> Option<Went> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let went = runtime.block_on(async {
            self.time.begin();
            let mut ready = self.stage.ready(path, limits(), self.service.clone());
            let until = until.map(|until| self.time.now() + until.as_millis() as i64);
            self.service.model.lock().unwrap().until = until;
            ready.run.until = until.map(|until| {
                let at = start_of_time() + TimeDelta::milliseconds(until);
                Deadline::new(at, &at)
            });
            let (sender, signals) = unbounded_channel();
            if let Some(after) = signal {
                let sender = sender.clone();
                tokio::spawn(async move {
                    sleep(after).await;
                    sender.send(15).ok();
                    sleep(after).await;
                    sender.send(15).ok();
                });
            }
            let going = ready.go_with(signals);
            let went = match kill {
                Some(after) => tokio::time::timeout(after, going).await.ok(),
                None => Some(going.await),
            };
            self.time.end();
            drop(sender);
            went
        });
        // Waits for blocking work that has begun: a kill finds it done or not begun.
        drop(runtime);
        went
    }

    /// What holds between any two runs: what the ledger says is held, is.
    fn hold(&self) {
        let mut model = self.service.model.lock().unwrap();
        model.land(self.time.now());
        self.stage
            .open()
            .scan(&mut |known| {
                for field in Field::ALL {
                    if known.doubt[field].is_none()
                        && let Some(held) = known.held[field]
                    {
                        let profile = &model.profiles[known.user];
                        let trace = &model.trace;
                        assert_eq!(
                            profile[field].as_deref(),
                            Some(held),
                            "{field:?} of {}:\n{trace}",
                            known.user
                        );
                    }
                }
            })
            .unwrap();
    }

    /// A run of any kind, with whatever may happen to it.
    fn some_run(&mut self) {
        let earlier = self.random.random_range(0..=self.stage.n_runs);
        let failures = self.stage.run_dir(earlier).join(FAILURES);
        let fed_back = self.random.random_range(0..4) == 0 && failures.exists();
        let path = if fed_back {
            failures
        } else {
            let text = self.some_file();
            self.stage.file("users.csv", &text)
        };
        let within = |random: &mut ChaCha8Rng, of: u32| {
            let longest = [300, 2000, 80_000][random.random_range(0..3_usize)];
            (random.random_range(0..of) == 0)
                .then(|| Duration::from_millis(random.random_range(0..longest)))
        };
        let kill = within(&mut self.random, 3);
        let signal = within(&mut self.random, 6);
        let until = within(&mut self.random, 6);
        let text = fs::read_to_string(&path).unwrap();
        self.trace(&format!(
            "run on {text:?}, kill {kill:?}, signal {signal:?}, until {until:?}"
        ));
        self.service.model.lock().unwrap().called.clear();
        let went = self.run(&path, kill, signal, until);
        let number = self.stage.n_runs;
        if fed_back {
            let model = self.service.model.lock().unwrap();
            for user in &model.called {
                let named = self.named.get(user).copied().unwrap_or_default();
                assert!(named <= earlier, "T5: {user}\n{}", model.trace);
            }
        }
        match &went {
            Some(went) if went.ended.stopped.is_none() => {
                let counts = went.ended.counts;
                let lines = went.results().len() as u64;
                assert_eq!(lines, counts.read - counts.unchanged);
            }
            Some(_) => {}
            None => self.check_killed(number),
        }
        self.trace("it is over");
        if self.random.random_range(0..3) == 0 {
            let pause = self.random.random_range(0..70_000);
            self.time.pass(pause);
        }
        self.hold();
    }

    /// After a kill, lines and ledger agree about every outcome (T7).
    fn check_killed(&self, number: u32) {
        let dir = self.stage.run_dir(number);
        for name in [RESULTS, FAILURES] {
            let path = dir.join(name);
            let mut torn = fs::read(&path).unwrap();
            torn.extend(b"users.csv,2,torn");
            fs::write(&path, torn).unwrap();
        }
        let killed = self
            .stage
            .recover(&mut self.stage.open())
            .expect("it was killed");
        assert_eq!(killed.run, number);
        assert!(killed.counts.add_up(), "{:?}", killed.counts);
        let results = records(&dir.join(RESULTS));
        for (outcome, counted) in [
            ("applied", killed.counts.applied),
            ("failed", killed.counts.failed),
        ] {
            let lines = results.iter().filter(|line| line[3] == *outcome).count();
            assert_eq!(lines as u64, counted, "{outcome} lines");
        }
        let failures = records(&dir.join(FAILURES));
        assert!(
            failures
                .iter()
                .all(|line| line.len() == 3 + OWN_COLUMNS.len())
        );
    }
}

fn a_life(seed: u64) {
    let mut life = Life::new(seed);
    for _ in 0..8 {
        life.some_run();
    }
    // A clean run over everybody.
    life.service.model.lock().unwrap().calm = true;
    let mut text = "UserId,Nickname,Avatar\n".to_owned();
    let mut wanted = BTreeMap::new();
    for user in NAMES {
        let mut value = || TEXTS[life.random.random_range(0..3)].to_owned();
        let profile = PerField::from_fn(|_| Some(value()));
        let of = |field: Field| profile[field].as_deref().unwrap_or_default();
        writeln!(text, "{user},{},{}", of(Field::Nickname), of(Field::Avatar)).unwrap();
        wanted.insert(user.to_owned(), profile.clone());
    }
    let path = life.stage.file("all.csv", &text);
    life.trace("the last");
    let went = life.run(&path, None, None, None).expect("nobody kills it");
    let settled = went.ended.counts.applied + went.ended.counts.unchanged;
    assert_eq!(settled, NAMES.len() as u64);
    life.time.pass(120_000);
    life.hold();
    {
        let model = life.service.model.lock().unwrap();
        let equal = NAMES
            .iter()
            .all(|user| model.profiles.get(*user) == wanted.get(*user));
        assert!(equal, "seed {seed}:\n{}", model.trace);
    }
    let n_calls = life.service.model.lock().unwrap().n_calls;
    let went = life.run(&path, None, None, None).expect("nobody kills it");
    assert_eq!(
        went.ended.counts,
        counts(&[(Outcome::Unchanged, NAMES.len() as u64)])
    );
    assert_eq!(life.service.model.lock().unwrap().n_calls, n_calls);
}

#[test]
fn t3_t4_after_any_history_the_service_holds_what_the_file_says() {
    for seed in 0..n_lives() {
        a_life(seed);
    }
}

/// More of them where somebody asks.
fn n_lives() -> u64 {
    let asked = std::env::var("LCIC_TEST_LIVES").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(40)
}
