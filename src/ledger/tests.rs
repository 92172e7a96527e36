//! The ledger as its readers see it: what a scan returns after each ending, over several runs,
//! and after a kill.

mod looks;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::recover::Killed;
use super::write::{Progress, Records};
use super::*;
use crate::engine::{Ending, Mark, Settlement};
use crate::model::{
    Cells, Change, Fault, Field, Fields, Outcome, RowRef, SourceRow, UserId, Values,
};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// A ledger in a directory, and the runs on it.
struct Stage {
    dir: TempDir,
    ledger: Ledger,
    counts: Counts,
    n_runs: u32,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, is_new) = Ledger::open(&dir.path().join("ledger")).unwrap();
        assert!(is_new);
        Self {
            dir,
            ledger,
            counts: Counts::default(),
            n_runs: 0,
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }

    /// Begins a run over so many rows.
    fn begin(&mut self, rows: u64, closes: &[&str]) -> u32 {
        self.n_runs += 1;
        self.counts = Counts {
            read: rows,
            ..Counts::default()
        };
        let closes: Vec<Box<str>> = closes.iter().map(|user| (*user).into()).collect();
        let run = NewRun {
            run_id: &format!("run-{}", self.n_runs),
            started_at: at(0),
            input: &["users.csv".to_owned()],
            report_dir: Path::new("/reports/x"),
            counts: self.counts,
        };
        self.ledger.begin_run(&run, &closes).unwrap()
    }

    fn end(&mut self, run: u32) {
        let counts = self.counts;
        self.ledger.end_run(run, at(9), counts, None, 0).unwrap();
    }

    fn write(&mut self, records: &Records) {
        let progress = Progress {
            counts: self.counts,
            results_bytes: 100,
            failures_bytes: 50,
        };
        self.ledger.write(records, &progress).unwrap();
    }

    fn mark(&mut self, doubts: &[(Mark, &Arc<Change>)]) {
        let mut records = Records::default();
        for (mark, change) in doubts {
            records.doubt(*mark, Arc::clone(change));
        }
        self.write(&records);
    }

    fn settle(&mut self, settlements: Vec<Settlement>, sent: DateTime<Utc>) {
        let mut records = Records::default();
        for settlement in &settlements {
            let rows = settlement.change.rows.len() as u64;
            self.counts.add(settlement.ending.outcome(), rows);
            records.settle(settlement, sent);
        }
        self.write(&records);
    }

    /// A whole run that settles each change in its way.
    fn run(&mut self, settlements: Vec<Settlement>, sent: DateTime<Utc>) -> u32 {
        let run = self.begin(settlements.len() as u64, &[]);
        let changes: Vec<Arc<Change>> = settlements.iter().map(|s| s.change.clone()).collect();
        let marks: Vec<(Mark, &Arc<Change>)> = (0..).zip(&changes).collect();
        self.mark(&marks);
        self.settle(settlements, sent);
        self.end(run);
        run
    }

    /// What a kill leaves, found by whoever opens the ledger next.
    fn kill(&mut self) {
        let (ledger, is_new) = Ledger::open(&self.path()).unwrap();
        assert!(!is_new);
        drop(std::mem::replace(&mut self.ledger, ledger));
    }

    fn recover(&mut self, now: DateTime<Utc>) -> Killed {
        let killed = self.ledger.find_killed().unwrap().expect("a killed run");
        self.ledger.close_killed(&killed, now).unwrap();
        assert!(self.ledger.find_killed().unwrap().is_none());
        killed
    }

    fn n_doubt_rows(&self) -> u32 {
        let count = "SELECT count(*) FROM doubt";
        self.ledger
            .db
            .query_row(count, [], |row| row.get(0))
            .unwrap()
    }

    /// What the ledger knows, a line for each user.
    fn known(&self) -> BTreeMap<String, String> {
        let mut known = BTreeMap::new();
        self.ledger
            .scan(&mut |user| {
                known.insert(user.user.to_owned(), shown(user));
            })
            .unwrap();
        known
    }

    fn of(&self, user: &str) -> String {
        self.known()
            .remove(user)
            .unwrap_or_else(|| "nothing".into())
    }
}

fn shown(known: &Known<'_>) -> String {
    let mut shown = String::new();
    for field in Field::ALL {
        let name = field.name();
        if let Some(held) = known.held[field] {
            write!(shown, "{name}={held:?} ").unwrap();
        }
        if let Some(doubt) = known.doubt[field] {
            let seconds = (doubt.last_attempt - at(0)).num_seconds();
            write!(shown, "{name}?={:?}@{seconds} ", doubt.value).unwrap();
        }
        if let Some(late) = known.late[field] {
            let seconds = (late - at(0)).num_seconds();
            write!(shown, "{name} late@{seconds} ").unwrap();
        }
    }
    if let Some(open) = known.open {
        match open.closed_by {
            None => write!(shown, "open from {} ", open.run).unwrap(),
            Some(by) => write!(shown, "open from {} closed by {by} ", open.run).unwrap(),
        }
    }
    shown + &format!("newest {}", known.newest_run)
}

fn change(user: &str, nickname: Option<&str>, avatar: Option<&str>) -> Arc<Change> {
    Arc::new(Change {
        user: UserId::new(user).unwrap(),
        send: Values {
            nickname: nickname.map(Into::into),
            avatar: avatar.map(Into::into),
        },
        rows: vec![SourceRow {
            at: RowRef { file: 0, line: 2 },
            cells: Cells::default(),
        }],
        doubted_before: Fields::NONE,
        failed_before: false,
        not_before: None,
    })
}

fn named(user: &str, nickname: &str) -> Arc<Change> {
    change(user, Some(nickname), None)
}

fn settlement(mark: Mark, change: &Arc<Change>, ending: Ending, in_doubt: bool) -> Settlement {
    let sent = change.send.fields();
    Settlement {
        mark,
        change: change.clone(),
        attempts: 1,
        sent: Some((Duration::ZERO, Duration::ZERO)),
        latency: None,
        in_doubt: if in_doubt { sent } else { Fields::NONE },
        may_arrive_late: false,
        ending,
    }
}

fn applied(mark: Mark, change: &Arc<Change>) -> Settlement {
    let request_id = "r".into();
    settlement(mark, change, Ending::Applied { request_id }, false)
}

fn failed(mark: Mark, change: &Arc<Change>) -> Settlement {
    let fault = Fault::ours("no", "as scripted");
    settlement(mark, change, Ending::Failed(fault), false)
}

fn failed_in_doubt(mark: Mark, change: &Arc<Change>) -> Settlement {
    let fault = Fault::ours("no", "as scripted");
    settlement(mark, change, Ending::Failed(fault), true)
}

fn unknown(mark: Mark, change: &Arc<Change>) -> Settlement {
    let fault = Fault::ours("no answer", "as scripted");
    settlement(mark, change, Ending::Unknown(fault), true)
}

fn pending(mark: Mark, change: &Arc<Change>) -> Settlement {
    settlement(mark, change, Ending::Pending, false)
}

fn account(identity: &str) -> Account {
    Account {
        host: "lcic.tencentcloudapi.com".into(),
        identity: identity.into(),
        label: format!("label of {identity}"),
    }
}

#[test]
fn a_new_ledger_is_private_and_is_found_again() {
    let mut stage = Stage::new();
    let mode = std::fs::metadata(stage.path())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let run = stage.run(vec![applied(0, &named("a", "n"))], at(1));
    let key = stage.ledger.keys().user("a");
    // What SQLite puts beside it is as private.
    for entry in std::fs::read_dir(stage.dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
    }
    stage.kill();
    assert_eq!(stage.of("a"), "Nickname=\"n\" newest 1");
    assert_eq!(stage.ledger.keys().user("a"), key, "the key is kept");
    assert_eq!(stage.ledger.run_number("run-1").unwrap(), Some(run));
    assert_eq!(stage.ledger.run_number("run-2").unwrap(), None);
}

#[test]
fn a_newer_ledger_is_refused() {
    let stage = Stage::new();
    let newer = schema::VERSION + 1;
    let db = &stage.ledger.db;
    db.pragma_update(None, "user_version", newer).unwrap();
    match Ledger::open(&stage.path()).unwrap_err() {
        LedgerError::Newer { found, .. } => assert_eq!(found, newer),
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_no_ledger_is_refused_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text");
    std::fs::write(&text, "UserId,Nickname\na,b\n".repeat(100)).unwrap();
    let other = dir.path().join("other");
    let db = Connection::open(&other).unwrap();
    db.execute_batch("CREATE TABLE user (id)").unwrap();
    drop(db);
    // Another program's, that has nothing in it yet.
    let blank = dir.path().join("blank");
    let db = Connection::open(&blank).unwrap();
    db.pragma_update(None, "application_id", 99).unwrap();
    drop(db);
    for path in [&text, &other, &blank] {
        let before = std::fs::read(path).unwrap();
        let error = Ledger::open(path).unwrap_err();
        assert!(matches!(error, LedgerError::NotALedger { .. }), "{error}");
        let error = Ledger::look(path).unwrap_err();
        assert!(matches!(error, LedgerError::NotALedger { .. }), "{error}");
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
    let directory = dir.path();
    for error in [Ledger::open(directory).err(), Ledger::look(directory).err()] {
        assert!(
            matches!(error, Some(LedgerError::NotALedger { .. })),
            "{error:?}"
        );
    }
    let error = Ledger::open(&dir.path().join("no/such")).unwrap_err();
    assert!(matches!(error, LedgerError::Io { .. }), "{error}");
}

#[test]
fn t8_a_ledger_belongs_to_one_account() {
    let mut stage = Stage::new();
    // A key that was mistyped, with which nothing was ever sent, is no account.
    stage.ledger.pin(&account("typo")).unwrap();
    stage.ledger.pin(&account("one")).unwrap();
    stage.begin(1, &[]);
    stage.mark(&[(0, &change("a", Some("A"), None))]);
    stage.kill();
    stage.ledger.pin(&account("one")).unwrap();
    let mut elsewhere = account("one");
    elsewhere.host = "127.0.0.1:9".into();
    for other in [account("two"), elsewhere] {
        let error = stage.ledger.pin(&other).unwrap_err();
        let LedgerError::OtherAccount { pinned, found, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(pinned, &account("one").shown());
        assert_eq!(found, &other.shown());
    }
    stage.ledger.pin(&account("one")).unwrap();
}

#[test]
fn t2_each_ending_leaves_what_the_service_is_known_to_hold() {
    let mut stage = Stage::new();
    let users = ["applied", "failed", "doubtful", "unknown", "pending"];
    let changes: Vec<Arc<Change>> = users
        .iter()
        .map(|user| change(user, Some("n"), Some("a")))
        .collect();
    let settlements = vec![
        applied(0, &changes[0]),
        failed(1, &changes[1]),
        failed_in_doubt(2, &changes[2]),
        unknown(3, &changes[3]),
        pending(4, &changes[4]),
    ];
    stage.run(settlements, at(5));
    let in_doubt = "Nickname?=\"n\"@5 Avatar?=\"a\"@5 open from 1 newest 1";
    assert_eq!(stage.of("applied"), "Nickname=\"n\" Avatar=\"a\" newest 1");
    assert_eq!(stage.of("failed"), "open from 1 newest 1");
    assert_eq!(stage.of("doubtful"), in_doubt);
    assert_eq!(stage.of("unknown"), in_doubt);
    assert_eq!(stage.of("pending"), "nothing");
    assert_eq!(stage.n_doubt_rows(), 0);
}

#[test]
fn t2_a_field_that_was_not_sent_is_left_as_it_is() {
    let mut stage = Stage::new();
    let both = change("a", Some("n"), Some("x"));
    stage.run(vec![applied(0, &both)], at(1));
    stage.run(vec![applied(0, &change("a", None, Some("")))], at(2));
    assert_eq!(stage.of("a"), "Nickname=\"n\" Avatar=\"\" newest 2");
    stage.run(vec![unknown(0, &named("a", "m"))], at(3));
    let expected = "Nickname=\"n\" Nickname?=\"m\"@3 Avatar=\"\" open from 3 newest 3";
    assert_eq!(stage.of("a"), expected);
    stage.run(vec![failed(0, &change("a", None, Some("y")))], at(4));
    let expected = "Nickname=\"n\" Nickname?=\"m\"@3 Avatar=\"\" open from 4 newest 4";
    assert_eq!(stage.of("a"), expected);
}

#[test]
fn t3_doubt_of_a_field_ends_only_with_an_answer_for_that_field() {
    let mut stage = Stage::new();
    stage.run(vec![applied(0, &named("a", "old"))], at(1));
    stage.run(vec![unknown(0, &named("a", "n"))], at(2));
    // An answer for the other field, a refusal that leaves doubt, a run that stops first.
    stage.run(vec![applied(0, &change("a", None, Some("x")))], at(3));
    stage.run(vec![failed_in_doubt(0, &named("a", "m"))], at(4));
    stage.run(vec![pending(0, &named("a", "m"))], at(5));
    let expected = "Nickname=\"old\" Nickname?=\"m\"@4 Avatar=\"x\" open from 4 newest 4";
    assert_eq!(stage.of("a"), expected);
    stage.run(vec![applied(0, &named("a", "m"))], at(6));
    let expected = "Nickname=\"m\" Nickname late@4 Avatar=\"x\" open from 4 closed by 6 newest 6";
    assert_eq!(stage.of("a"), expected);
}

#[test]
fn t3_what_may_arrive_late_is_kept_beside_what_is_held() {
    let mut stage = Stage::new();
    let late = |change: &Arc<Change>| Settlement {
        may_arrive_late: true,
        ..applied(0, change)
    };
    // New, then known; a later one without loss does not make the earlier one arrive sooner.
    stage.run(vec![late(&named("a", "n"))], at(1));
    assert_eq!(stage.of("a"), "Nickname=\"n\" Nickname late@1 newest 1");
    stage.run(vec![late(&change("a", Some("m"), Some("x")))], at(2));
    stage.run(vec![applied(0, &change("a", Some("l"), None))], at(3));
    let expected = "Nickname=\"l\" Nickname late@2 Avatar=\"x\" Avatar late@2 newest 3";
    assert_eq!(stage.of("a"), expected);
    // A doubt that ends with an answer leaves its unanswered call on its way.
    stage.run(vec![unknown(0, &named("b", "n"))], at(4));
    stage.run(vec![applied(0, &named("b", "n"))], at(5));
    assert!(stage.of("b").starts_with("Nickname=\"n\" Nickname late@4 "));
}

/// The killed run may have been waiting for the earlier value to be too late.
#[test]
fn t3_a_kill_does_not_hide_an_earlier_doubt_of_another_value() {
    for (value, expected) in [
        (
            "m",
            "Nickname?=\"m\"@7 Nickname late@1 open from 1 newest 1",
        ),
        ("n", "Nickname?=\"n\"@7 open from 1 newest 1"),
    ] {
        let mut stage = Stage::new();
        stage.run(vec![unknown(0, &named("a", "n"))], at(1));
        stage.begin(1, &[]);
        stage.mark(&[(0, &named("a", value))]);
        stage.kill();
        stage.recover(at(7));
        assert_eq!(stage.of("a"), expected);
    }
}

#[test]
fn t3_a_doubt_row_stands_until_all_of_its_changes_are_settled() {
    let mut stage = Stage::new();
    stage.begin(5, &[]);
    let users: Vec<Arc<Change>> = ["a", "b", "c", "d", "e"].map(|u| named(u, "n")).into();
    stage.mark(&[(0, &users[0]), (1, &users[1])]);
    stage.mark(&[(2, &users[2])]);
    stage.mark(&[(3, &users[3]), (4, &users[4])]);
    assert_eq!(stage.n_doubt_rows(), 3);
    stage.settle(vec![applied(2, &users[2])], at(1));
    assert_eq!(stage.n_doubt_rows(), 2);
    stage.settle(vec![failed(4, &users[4]), pending(1, &users[1])], at(1));
    assert_eq!(stage.n_doubt_rows(), 2);
    stage.settle(vec![unknown(0, &users[0])], at(1));
    assert_eq!(stage.n_doubt_rows(), 1);
    stage.settle(vec![pending(3, &users[3])], at(1));
    assert_eq!(stage.n_doubt_rows(), 0);
}

/// While a run stops, changes are settled that it never meant to send.
#[test]
fn t3_a_change_without_a_doubt_row_settles_without_touching_those_of_others() {
    let mut stage = Stage::new();
    stage.begin(3, &[]);
    let users: Vec<Arc<Change>> = ["a", "b", "c"].map(|user| named(user, "n")).into();
    stage.mark(&[(0, &users[0])]);
    stage.settle(vec![pending(1, &users[1]), pending(2, &users[2])], at(1));
    assert_eq!(stage.n_doubt_rows(), 1);
    let touched: Vec<String> = stage.known().into_keys().collect();
    assert_eq!(touched, ["a"], "it is under way");
}

#[test]
fn t5_a_record_is_open_until_a_later_run_names_its_user() {
    let mut stage = Stage::new();
    let users: Vec<Arc<Change>> = ["a", "b", "c"].map(|user| named(user, "n")).into();
    let failures = vec![
        failed(0, &users[0]),
        unknown(1, &users[1]),
        failed(2, &users[2]),
    ];
    stage.run(failures, at(1));
    // A plain run names b, whatever comes of it; a run on failures.csv settles c.
    let run = stage.begin(2, &["b"]);
    assert!(stage.of("b").ends_with("open from 1 closed by 2 newest 2"));
    stage.mark(&[(0, &users[1]), (1, &users[2])]);
    stage.settle(vec![pending(0, &users[1]), applied(1, &users[2])], at(2));
    stage.end(run);
    assert_eq!(stage.of("a"), "open from 1 newest 1");
    assert!(stage.of("b").ends_with("open from 1 closed by 2 newest 2"));
    assert_eq!(
        stage.of("c"),
        "Nickname=\"n\" open from 1 closed by 2 newest 2"
    );
    // What is closed stays closed by whom it was, until it fails again.
    stage.run(vec![applied(0, &users[2])], at(3));
    assert!(stage.of("c").ends_with("open from 1 closed by 2 newest 3"));
    stage.run(vec![failed(0, &users[2])], at(4));
    assert!(stage.of("c").ends_with("open from 4 newest 4"));
    // Nobody is closed twice, nor opened by closing.
    stage.begin(2, &["b", "stranger"]);
    assert!(stage.of("b").ends_with("open from 1 closed by 2 newest 2"));
    assert_eq!(stage.of("stranger"), "nothing");
}

#[test]
fn t5_users_of_invalid_rows_have_an_open_record() {
    let mut stage = Stage::new();
    stage.run(vec![applied(0, &named("a", "n"))], at(1));
    stage.run(vec![unknown(0, &named("b", "n"))], at(1));
    let run = stage.begin(3, &["b"]);
    let mut records = Records::default();
    for user in ["a", "b", "c", "a"] {
        records.hold_back(&UserId::new(user).unwrap());
    }
    stage.write(&records);
    stage.end(run);
    assert_eq!(stage.of("a"), "Nickname=\"n\" open from 3 newest 3");
    assert_eq!(stage.of("b"), "Nickname?=\"n\"@1 open from 3 newest 3");
    assert_eq!(stage.of("c"), "open from 3 newest 3");
}

#[test]
fn after_a_kill_exactly_the_unsettled_users_are_in_doubt() {
    let mut stage = Stage::new();
    stage.run(
        vec![
            failed(0, &named("b", "old")),
            applied(1, &named("c", "old")),
        ],
        at(1),
    );
    let run = stage.begin(9, &[]);
    let users: Vec<Arc<Change>> = ["a", "b", "c", "d", "e"].map(|u| named(u, "n")).into();
    stage.mark(&[(0, &users[0]), (1, &users[1]), (2, &users[2])]);
    stage.mark(&[(3, &users[3]), (4, &users[4])]);
    stage.settle(vec![applied(0, &users[0]), failed(3, &users[3])], at(2));
    stage.kill();
    let killed = stage.ledger.find_killed().unwrap().unwrap();
    assert_eq!(Some(killed.clone()), stage.ledger.find_killed().unwrap());
    assert_eq!((killed.run, killed.run_id.as_str()), (run, "run-2"));
    assert_eq!(killed.users_in_doubt, 3);
    assert_eq!((killed.results_bytes, killed.failures_bytes), (100, 50));
    assert_eq!(killed.input, ["users.csv"]);
    assert_eq!(killed.report_dir, Path::new("/reports/x"));
    let expected = Counts {
        read: 9,
        applied: 1,
        failed: 1,
        unknown: 3,
        pending: 4,
        ..Counts::default()
    };
    assert_eq!(killed.counts, expected);
    assert!(killed.counts.add_up());
    stage.recover(at(7));
    let after: Vec<String> = stage.known().into_values().collect();
    let expected = [
        "Nickname=\"n\" newest 2",
        // Its record is as open as it was: this run has not taken care of it.
        "Nickname?=\"n\"@7 open from 1 newest 1",
        "Nickname=\"old\" Nickname?=\"n\"@7 newest 1",
        "open from 2 newest 2",
        "Nickname?=\"n\"@7 newest 0",
    ];
    assert_eq!(after, expected);
    // A second time changes nothing.
    stage.ledger.close_killed(&killed, at(8)).unwrap();
    assert_eq!(stage.known().into_values().collect::<Vec<_>>(), expected);
    assert_eq!(stage.n_doubt_rows(), 0);
}

#[test]
fn a_run_that_was_killed_before_its_first_record_leaves_everything_pending() {
    let mut stage = Stage::new();
    stage.begin(3, &[]);
    stage.kill();
    let killed = stage.recover(at(1));
    assert_eq!((killed.counts.pending, killed.users_in_doubt), (3, 0));
    assert!(stage.known().is_empty());
}

/// A run that stops settles what it has not sent as pending, then waits for the calls in flight;
/// if it is killed in that time, the pending ones are as little in doubt as they were.
#[test]
fn t4_a_kill_while_stopping_leaves_pending_changes_pending() {
    let mut stage = Stage::new();
    stage.run(vec![unknown(0, &named("b", "old"))], at(1));
    stage.begin(3, &[]);
    let users: Vec<Arc<Change>> = ["a", "b", "c"].map(|user| named(user, "n")).into();
    stage.mark(&[(0, &users[0]), (1, &users[1]), (2, &users[2])]);
    stage.settle(vec![pending(1, &users[1]), pending(2, &users[2])], at(2));
    stage.kill();
    let killed = stage.recover(at(7));
    assert_eq!(killed.users_in_doubt, 1);
    assert_eq!((killed.counts.unknown, killed.counts.pending), (1, 2));
    assert!(killed.counts.add_up(), "{:?}", killed.counts);
    assert_eq!(stage.of("a"), "Nickname?=\"n\"@7 newest 0");
    assert_eq!(stage.of("b"), "Nickname?=\"old\"@1 open from 1 newest 1");
    assert!(!stage.of("c").contains("?="), "{}", stage.of("c"));
}

#[test]
fn a_kill_after_a_kill_finds_only_its_own_run() {
    let mut stage = Stage::new();
    for n in 1..4 {
        stage.begin(1, &[]);
        stage.mark(&[(0, &named("a", "n"))]);
        stage.kill();
        let killed = stage.recover(at(n));
        assert_eq!(killed.run, n as u32);
        assert_eq!(stage.of("a"), format!("Nickname?=\"n\"@{n} newest 0"));
    }
    stage.run(vec![applied(0, &named("a", "n"))], at(9));
    assert_eq!(stage.of("a"), "Nickname=\"n\" Nickname late@3 newest 4");
}

/// Two users whose keys are alike: the second stands in the next free place, and each is found by
/// all who look for it.
#[test]
fn users_whose_place_is_taken_stand_beside() {
    let mut stage = Stage::new();
    stage.ledger.keys = Keys::colliding(0);
    let names = ["a", "b", "c", "d"];
    let users: Vec<Arc<Change>> = names.map(|user| named(user, user)).into();
    stage.run(
        (0..)
            .zip(&users)
            .map(|(mark, user)| failed(mark, user))
            .collect(),
        at(1),
    );
    let run = stage.begin(4, &["c"]);
    assert_eq!(stage.of("c"), "open from 1 closed by 2 newest 2");
    assert_eq!(stage.of("b"), "open from 1 newest 1");
    stage.mark(&[
        (0, &users[0]),
        (1, &users[1]),
        (2, &users[2]),
        (3, &users[3]),
    ]);
    stage.settle(vec![applied(1, &users[1]), applied(3, &users[3])], at(2));
    stage.kill();
    stage.ledger.keys = Keys::colliding(0);
    assert_eq!(stage.recover(at(3)).run, run);
    let expected = [
        "Nickname?=\"a\"@3 open from 1 newest 1",
        "Nickname=\"b\" open from 1 closed by 2 newest 2",
        "Nickname?=\"c\"@3 open from 1 closed by 2 newest 2",
        "Nickname=\"d\" open from 1 closed by 2 newest 2",
    ];
    assert_eq!(stage.known().into_values().collect::<Vec<_>>(), expected);
}

#[test]
fn the_scan_goes_in_the_order_of_keys() {
    let mut stage = Stage::new();
    let users: Vec<Arc<Change>> = (0..200).map(|n| named(&format!("user{n}"), "n")).collect();
    stage.run(
        (0..)
            .zip(&users)
            .map(|(mark, user)| applied(mark, user))
            .collect(),
        at(1),
    );
    let mut keys = Vec::new();
    stage
        .ledger
        .scan(&mut |known| keys.push(stage.ledger.keys().user(known.user).key))
        .unwrap();
    assert_eq!(keys.len(), 200);
    assert!(keys.is_sorted());
}

#[test]
fn a_write_that_fails_leaves_nothing_of_it() {
    let mut stage = Stage::new();
    stage.begin(2, &[]);
    let db = Connection::open(stage.path()).unwrap();
    // The last statement of the commit is the one that can't be carried out.
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON run
                  BEGIN SELECT raise(FAIL, 'the disk is full'); END";
    db.execute_batch(refuse).unwrap();
    let a = named("a", "n");
    let mut records = Records::default();
    records.doubt(0, a.clone());
    records.doubt(1, named("b", "n"));
    records.settle(&applied(0, &a), at(1));
    let progress = Progress {
        counts: stage.counts,
        results_bytes: 1,
        failures_bytes: 1,
    };
    let error = stage.ledger.write(&records, &progress).unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
    stage.kill();
    assert_eq!(stage.n_doubt_rows(), 0);
    assert!(stage.known().is_empty());
}

#[test]
fn the_end_of_a_run_is_noted_with_its_counts() {
    let mut stage = Stage::new();
    let run = stage.begin(2, &[]);
    assert!(
        stage.ledger.find_killed().unwrap().is_some(),
        "it has not ended"
    );
    let mut counts = stage.counts;
    counts.add(Outcome::Pending, 2);
    let ledger = &mut stage.ledger;
    ledger
        .end_run(run, at(3), counts, Some("signal"), 143)
        .unwrap();
    assert!(ledger.find_killed().unwrap().is_none());
    let (kept, by, exit): (String, String, u8) = ledger
        .db
        .query_row("SELECT counts, stopped_by, exit_code FROM run", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(serde_json::from_str::<Counts>(&kept).unwrap(), counts);
    assert_eq!((by.as_str(), exit), ("signal", 143));
}

#[test]
fn p3_a_limit_that_the_service_named_is_remembered_for_a_week() {
    let mut stage = Stage::new();
    assert_eq!(stage.ledger.limit(at(0)).unwrap(), None);
    stage.ledger.note_limit(Some(10.0), at(0)).unwrap();
    stage.ledger.note_limit(Some(12.5), at(100)).unwrap();
    let (ledger, _) = Ledger::open(&stage.path()).unwrap();
    let week = 7 * 24 * 3600;
    assert_eq!(ledger.limit(at(99 + week)).unwrap(), Some(12.5));
    assert_eq!(ledger.limit(at(100 + week)).unwrap(), None);
    stage.ledger.note_limit(None, at(200)).unwrap();
    assert_eq!(stage.ledger.limit(at(200)).unwrap(), None);
}
