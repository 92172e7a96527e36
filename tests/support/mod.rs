//! A bench for the real binary: a directory of its own, a simulated LCIC, and whole outcomes (exit
//! code, both streams, the files of the run, what the service holds).

#![allow(dead_code, reason = "each test file uses its own part of the bench")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lcic_sync::simulator::{Config, Key, Running, Simulator, Stats};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Long enough for the slowest machine; only a broken program ever takes so long.
const DEADLINE: Duration = Duration::from_secs(60);

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lcic-sync");

/// A row of a CSV file, by column.
pub type Row = BTreeMap<String, String>;

/// A user's nickname and avatar; `None` where it was never set.
pub type Profile = (Option<String>, Option<String>);

/// A service without a quota, for tests of anything but the quota.
pub fn unlimited() -> Config {
    Config {
        quota: None,
        ..Config::default()
    }
}

/// See the module.
pub struct Bench {
    dir: TempDir,
    /// The service.
    pub lcic: Running,
    environment: BTreeMap<String, OsString>,
}

impl Bench {
    /// A bench with this service, and the key that it knows in the environment.
    pub fn new(config: Config) -> Self {
        let mut bench = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
            lcic: Simulator::start_on_thread(config).expect("a free port"),
            environment: BTreeMap::new(),
        };
        bench.set("PATH", std::env::var_os("PATH").unwrap_or_default());
        bench.set("HOME", bench.dir.path().join("home"));
        bench.set("TENCENTCLOUD_SECRET_ID", Key::LOCAL_ID);
        bench.set("TENCENTCLOUD_SECRET_KEY", Key::LOCAL_SECRET);
        bench
    }

    /// Sets a variable for the runs that follow.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.insert(name.into(), value.into());
    }

    /// Unsets a variable for the runs that follow.
    pub fn unset(&mut self, name: &str) {
        self.environment.remove(name);
    }

    /// A place in the bench's directory, which is the runs' current directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file there.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).expect("the bench's directory takes files");
    }

    /// The arguments of an `apply` to the bench's service and state directory.
    pub fn line(&self, args: &[&str]) -> Vec<String> {
        let url = self.lcic.url();
        let first = ["apply", "--endpoint", &url, "--state-dir", "state"];
        let all = first.iter().chain(args);
        all.map(|arg| (*arg).to_owned()).collect()
    }

    /// Applies, to the end.
    pub fn apply(&self, args: &[&str]) -> Done {
        self.start(args).wait()
    }

    /// Begins to apply.
    pub fn start(&self, args: &[&str]) -> Going<'_> {
        self.spawn(self.command(&self.line(args)))
    }

    /// Gives these arguments to the program, to the end.
    pub fn run(&self, args: &[&str]) -> Done {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        self.spawn(self.command(&args)).wait()
    }

    /// Gives a line that the program printed to a shell, to the end.
    pub fn shell(&self, line: &str) -> Done {
        let program = Path::new(PROGRAM).parent().expect("it lies somewhere");
        let path = std::env::join_paths([program, Path::new("/usr/bin"), Path::new("/bin")]);
        let mut command = self.command_of("sh");
        command
            .args(["-c", line])
            .env("PATH", path.expect("paths without colons"));
        self.spawn(command).wait()
    }

    /// The program with these arguments, in the bench's surroundings.
    pub fn command(&self, args: &[String]) -> Command {
        let mut command = self.command_of(PROGRAM);
        command.args(args);
        command
    }

    /// Any program in the bench's surroundings.
    pub fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Begins to run `command` as a run of this bench.
    pub fn spawn(&self, mut command: Command) -> Going<'_> {
        let before = self.run_ids();
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("the program starts");
        Going {
            stdout: Listener::to(child.stdout.take()),
            stderr: Listener::to(child.stderr.take()),
            child,
            bench: self,
            before,
        }
    }

    /// Waits until the service has seen enough.
    pub fn until(&self, what: &str, enough: impl Fn(&Stats) -> bool) {
        wait_for(what, || enough(&self.lcic.stats()));
    }

    /// What the service holds.
    pub fn held(&self) -> BTreeMap<String, Profile> {
        let users = self.lcic.users().into_iter();
        users
            .map(|(user, profile)| (user, (profile.nickname, profile.avatar)))
            .collect()
    }

    /// Directories of runs.
    pub fn run_ids(&self) -> BTreeSet<String> {
        let Ok(entries) = fs::read_dir(self.path("state/reports")) else {
            return BTreeSet::new();
        };
        let names = entries.map(|entry| entry.expect("readable").file_name());
        names
            .map(|name| name.into_string().expect("run ids are ASCII"))
            .filter(|name| !name.contains("latest"))
            .collect()
    }

    /// A run's files.
    pub fn run_of(&self, run_id: &str) -> RunDir {
        RunDir(self.path("state/reports").join(run_id))
    }

    /// `text` with what differs from run to run replaced by words.
    pub fn plain(&self, text: &str) -> String {
        let dir = self.dir.path().to_str().expect("a temporary path is text");
        let port = self.lcic.addr().port().to_string();
        let mut text = text.replace(dir, "DIR").replace(&port, "PORT");
        for run_id in self.run_ids() {
            text = text.replace(&run_id, "RUN");
        }
        let lines = text.lines().map(|line| {
            let mut line = line.to_owned();
            if line.contains("calls in ") || line.contains("call in ") {
                let (calls, _) = line.split_once(" in ").expect("just found");
                line = format!("{calls} in TIME");
            }
            line + "\n"
        });
        lines.collect()
    }
}

/// What a file comes to when it is applied to an empty service: computed here with the csv crate,
/// by the rules as they are told to people.
pub fn expected(text: &[u8]) -> BTreeMap<String, Profile> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
    let mut users: BTreeMap<String, Profile> = BTreeMap::new();
    let mut held_back = BTreeSet::new();
    for record in reader.byte_records() {
        let record = record.expect("memory is readable");
        let Ok(user) = std::str::from_utf8(&record[0]) else {
            continue;
        };
        if user.is_empty() {
            continue;
        }
        let cells: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
        match cells.as_deref() {
            Ok([_, nickname, avatar]) if !(nickname.is_empty() && avatar.is_empty()) => {
                let profile = users.entry(user.into()).or_default();
                if !nickname.is_empty() {
                    profile.0 = Some((*nickname).into());
                }
                if !avatar.is_empty() {
                    profile.1 = Some((*avatar).into());
                }
            }
            _ => {
                held_back.insert(user.to_owned());
            }
        }
    }
    users.retain(|user, _| !held_back.contains(user));
    users
}

/// A file of `n` users, `u0` onwards, whose values end in `tag`.
pub fn users(n: usize, tag: &str) -> String {
    let rows = (0..n).map(|n| format!("u{n},name {n} {tag},https://a.example/{n}/{tag}.png\n"));
    format!("UserId,Nickname,Avatar\n{}", rows.collect::<String>())
}

/// Waits for a condition.
pub fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < DEADLINE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Takes down what a stream says.
struct Listener {
    heard: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Listener {
    fn to(stream: Option<impl Read + Send + 'static>) -> Self {
        let mut stream = stream.expect("it is piped");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = heard.clone();
        let thread = thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                match stream.read(&mut chunk).expect("pipes are readable") {
                    0 => return,
                    n => notes.lock().expect("unharmed").extend(&chunk[..n]),
                }
            }
        });
        Self { heard, thread }
    }

    /// What was said so far.
    fn so_far(&self) -> String {
        let heard = self.heard.lock().expect("unharmed");
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// All that was said.
    fn all(self) -> String {
        self.thread.join().expect("the listener lives");
        let heard = std::mem::take(&mut *self.heard.lock().expect("unharmed"));
        String::from_utf8(heard).expect("the program speaks UTF-8")
    }
}

/// A run under way.
pub struct Going<'b> {
    bench: &'b Bench,
    child: Child,
    stdout: Listener,
    stderr: Listener,
    before: BTreeSet<String>,
}

impl Going<'_> {
    /// Its number in the system.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, where it is piped.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child
            .stdin
            .take()
            .expect("it is piped, and taken once")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the child was not waited for");
    }

    /// Waits until it has said something on standard error.
    pub fn until_it_says(&self, words: &str) {
        wait_for(words, || self.stderr.so_far().contains(words));
    }

    /// Waits until it has its directory.
    pub fn until_it_has_a_directory(&self) {
        wait_for("the run's directory", || {
            self.bench.run_ids().len() > self.before.len()
        });
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Done {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if began.elapsed() > DEADLINE {
                self.child.kill().expect("a child can be killed");
                let told = self.stderr.all();
                panic!("the program did not end; it said:\n{told}");
            }
            thread::sleep(Duration::from_millis(2));
        };
        let after = self.bench.run_ids();
        let mut fresh = after.difference(&self.before);
        let run_id = fresh.next().cloned();
        assert_eq!(fresh.next(), None, "a run has one directory");
        Done {
            status,
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
            run: run_id.as_deref().map(|run_id| self.bench.run_of(run_id)),
        }
    }
}

/// A whole outcome.
pub struct Done {
    status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    run: Option<RunDir>,
}

impl Done {
    /// The exit code; for a process that a signal ended, what a shell makes of it.
    pub fn code(&self) -> i32 {
        let by_signal = || 128 + self.status.signal().expect("ended somehow");
        self.status.code().unwrap_or_else(by_signal)
    }

    /// Whether the run has a directory.
    pub fn has_run(&self) -> bool {
        self.run.is_some()
    }

    /// The files of the run.
    pub fn run(&self) -> &RunDir {
        let told = &self.stderr;
        self.run
            .as_ref()
            .unwrap_or_else(|| panic!("no run: {told}"))
    }

    /// What every run must hold to that got as far as a summary, then its exit code: the counts
    /// add up, the exit code is the one in the summary, every row that was not unchanged has one
    /// line, and no line is there twice.
    pub fn checked_code(&self) -> i32 {
        let told = &self.stderr;
        assert!(self.run().file("summary.json").exists(), "{told}");
        let summary = self.run().summary();
        assert_eq!(summary["exit_code"], self.code(), "{summary:#} {told}");
        assert_adds_up(&summary);
        let results = self.run().results();
        let places: BTreeSet<(&str, &str)> = results
            .iter()
            .map(|row| (row["file"].as_str(), row["line"].as_str()))
            .collect();
        assert_eq!(places.len(), results.len(), "a row has two lines");
        let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
        for row in &results {
            *outcomes.entry(&row["outcome"]).or_default() += 1;
        }
        for outcome in ["applied", "failed", "invalid", "superseded", "unknown"] {
            let lines = outcomes.get(outcome).copied().unwrap_or(0);
            assert_eq!(summary["counts"][outcome], lines, "{outcome}: {summary:#}");
        }
        assert!(!outcomes.contains_key("unchanged"));
        self.code()
    }

    /// Rows by outcome, those that there are: `read 3, applied 2, failed 1`.
    pub fn counts(&self) -> String {
        counts(&self.run().summary())
    }

    /// Calls that were made.
    pub fn calls(&self) -> u64 {
        self.run().summary()["calls"]["total"]
            .as_u64()
            .expect("a number")
    }
}

/// The counts of a summary, those that are not 0: `read 3, applied 2, failed 1`.
pub fn counts(summary: &Value) -> String {
    let counts = summary["counts"].as_object().expect("an object");
    let order = [
        "read",
        "applied",
        "unchanged",
        "failed",
        "invalid",
        "superseded",
        "unknown",
        "pending",
    ];
    assert_eq!(counts.len(), order.len());
    let counts = order.iter().filter(|name| counts[**name] != 0);
    let counts: Vec<String> = counts
        .map(|name| format!("{name} {}", summary["counts"][name]))
        .collect();
    counts.join(", ")
}

/// Every row read has one outcome.
pub fn assert_adds_up(summary: &Value) {
    let counts = summary["counts"].as_object().expect("an object");
    let outcomes = counts.iter().filter(|(name, _)| *name != "read");
    let sum: u64 = outcomes.map(|(_, n)| n.as_u64().expect("a number")).sum();
    assert_eq!(counts["read"], sum, "the counts add up: {summary:#}");
}

/// The directory of a run.
pub struct RunDir(pub PathBuf);

impl RunDir {
    /// One of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Its summary.
    pub fn summary(&self) -> Value {
        let path = self.file("summary.json");
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).expect("a summary is JSON")
    }

    /// The lines of `results.csv`; none where the run did not get so far.
    pub fn results(&self) -> Vec<Row> {
        rows(&self.file("results.csv"))
    }

    /// The lines of `failures.csv`.
    pub fn failures(&self) -> Vec<Row> {
        rows(&self.file("failures.csv"))
    }
}

/// The rows of a CSV file, each by its columns; none if it is not there.
pub fn rows(path: &Path) -> Vec<Row> {
    let Ok(bytes) = fs::read(path) else {
        return Vec::new();
    };
    assert!(bytes.ends_with(b"\n"), "whole lines: {}", path.display());
    let mut reader = csv::Reader::from_reader(&*bytes);
    let rows = reader.byte_records().map(|row| row.expect("one width"));
    let rows: Vec<csv::ByteRecord> = rows.collect();
    let names = reader.headers().expect("a header").clone();
    let text = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
    let named = |row: &csv::ByteRecord| {
        let cells = names.iter().zip(row.iter());
        cells
            .map(|(name, cell)| (name.to_owned(), text(cell)))
            .collect()
    };
    rows.iter().map(named).collect()
}

/// One column of rows, in their order.
pub fn column<'r>(rows: &'r [Row], name: &str) -> Vec<&'r str> {
    rows.iter().map(|row| row[name].as_str()).collect()
}
