//! A run that was cut anywhere, and every way to go on: the same file, another file, the failures
//! fed back. Whatever comes, the service ends up as the file says, every row is accounted for, and
//! nobody is sent twice without a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use lcic_sync::simulator::faults::{Chance, Entry, Times};
use lcic_sync::simulator::{Config, Fault, Faults, Moment, OnCall};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Bench, Done, assert_adds_up, column, expected, unlimited, users};

/// Kills whoever makes the chosen call, just before or just after it is carried out.
#[derive(Clone, Default)]
struct Killer(Arc<Mutex<Target>>);

#[derive(Default)]
struct Target {
    at: Option<(u64, Moment)>,
    pid: Option<u32>,
}

impl Killer {
    fn hook(&self) -> OnCall {
        let killer = self.clone();
        Arc::new(move |call, moment| {
            while killer.target().at == Some((call, moment)) {
                let pid = killer.target().pid.take();
                if let Some(pid) = pid.and_then(|pid| Pid::from_raw(pid.cast_signed())) {
                    kill_process(pid, Signal::KILL).expect("it waits for its answer");
                    killer.target().at = None;
                }
                thread::sleep(Duration::from_millis(1));
            }
        })
    }

    fn target(&self) -> std::sync::MutexGuard<'_, Target> {
        self.0.lock().expect("unharmed")
    }

    /// A run that is killed at its `n`-th call.
    fn run(&self, bench: &Bench, n: u64, moment: Moment, line: &[&str]) -> String {
        let before = bench.run_ids();
        self.target().at = Some((bench.lcic.stats().calls + n, moment));
        let going = bench.start(line);
        self.target().pid = Some(going.pid());
        let done = going.wait();
        assert_eq!(done.code(), 137, "it makes {n} calls: {}", done.stderr);
        let mut fresh = bench
            .run_ids()
            .difference(&before)
            .cloned()
            .collect::<Vec<_>>();
        fresh.pop().expect("a run has a directory")
    }
}

/// Lets a minute pass for everything that is in doubt.
fn let_a_minute_pass(bench: &Bench) {
    let db = Connection::open(bench.path("state/ledger.sqlite3")).unwrap();
    db.execute_batch(
        "UPDATE user SET nickname_doubt_at = nickname_doubt_at - 61000,
                         nickname_late_at = nickname_late_at - 61000,
                         avatar_doubt_at = avatar_doubt_at - 61000,
                         avatar_late_at = avatar_late_at - 61000",
    )
    .unwrap();
}

/// Finishes what a killed run left, and sends nothing.
fn recover(bench: &Bench, killed: &str) -> Done {
    bench.write("nobody.csv", "UserId,Nickname,Avatar\n");
    let done = bench.apply(&["nobody.csv"]);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert!(done.stderr.contains(" was cut off after ") && done.stderr.contains(killed));
    assert_adds_up(&bench.run_of(killed).summary());
    done
}

const LINE: [&str; 5] = ["--rate", "200", "--concurrency", "4", "users.csv"];

/// A service that refuses some names, the first time or for good.
fn choosy(killer: &Killer, times: Times) -> Config {
    let refuse = |user: &str| Entry {
        user: Some(user.into()),
        times,
        ..Entry::once(Fault::error("InvalidParameter.Content"))
    };
    Config {
        faults: Faults {
            script: vec![refuse("u2"), refuse("u7"), refuse("u9")],
            ..Faults::default()
        },
        on_call: Some(killer.hook()),
        ..unlimited()
    }
}

/// Twelve users, two of them in two rows, and a row that is invalid.
fn a_file() -> String {
    users(12, "a") + "u3,again,\nu5,,https://a.example/again.png\nbad,,\n"
}

#[test]
fn wherever_it_is_killed_the_same_file_finishes_the_job() {
    for n in [1, 2, 4, 7, 11, 12] {
        for moment in [Moment::Before, Moment::After] {
            let killer = Killer::default();
            let bench = Bench::new(choosy(&killer, Times::N(0)));
            bench.write("users.csv", a_file());
            let killed = killer.run(&bench, n, moment, &LINE);
            // And once more, while it goes on: at the first call, which is one in doubt.
            let again = killer.run(&bench, 1, moment, &LINE);
            let done = bench.apply(&LINE);
            assert_eq!(done.checked_code(), 3, "{n} {moment:?}: {}", done.stderr);
            assert_eq!(
                bench.held(),
                expected(a_file().as_bytes()),
                "{n} {moment:?}"
            );
            let mut n_applied = done.run().summary()["counts"]["applied"].as_u64().unwrap();
            for killed in [killed, again] {
                let summary = bench.run_of(&killed).summary();
                assert_adds_up(&summary);
                n_applied += summary["counts"]["applied"].as_u64().unwrap();
            }
            assert_eq!(
                n_applied, 14,
                "{n} {moment:?}: each row was applied in one run"
            );
            assert_eq!(bench.apply(&LINE).calls(), 0);
        }
    }
}

#[test]
fn wherever_it_is_killed_another_file_can_follow() {
    for n in [1, 3, 8, 12] {
        for moment in [Moment::Before, Moment::After] {
            let killer = Killer::default();
            let bench = Bench::new(choosy(&killer, Times::N(0)));
            bench.write("users.csv", a_file());
            let killed = killer.run(&bench, n, moment, &LINE);
            recover(&bench, &killed);
            let_a_minute_pass(&bench);
            // Turned around, longer, and with other values for two.
            let mut rows: Vec<String> = users(14, "a").lines().skip(1).map(Into::into).collect();
            rows.reverse();
            for user in ["u4,", "u10,"] {
                let row = rows.iter_mut().find(|row| row.starts_with(user)).unwrap();
                *row = format!("{user}changed,https://a.example/changed.png");
            }
            let goal = format!("UserId,Nickname,Avatar\n{}\n", rows.join("\n"));
            bench.write("users.csv", &goal);
            let done = bench.apply(&LINE);
            assert_eq!(done.checked_code(), 0, "{n} {moment:?}: {}", done.stderr);
            assert_eq!(bench.held(), expected(goal.as_bytes()), "{n} {moment:?}");
            assert_eq!(bench.apply(&LINE).calls(), 0);
        }
    }
}

#[test]
fn wherever_it_is_killed_failures_can_be_fed_back_again() {
    for n in 1..=3 {
        for moment in [Moment::Before, Moment::After] {
            let killer = Killer::default();
            let bench = Bench::new(choosy(&killer, Times::N(1)));
            let goal = users(12, "a");
            bench.write("users.csv", &goal);
            let first = bench.apply(&LINE);
            assert_eq!(
                first.counts(),
                "read 12, applied 9, failed 3",
                "{}",
                first.stderr
            );
            let failures = first.run().file("failures.csv");
            let line = ["--concurrency", "1", failures.to_str().unwrap()];
            killer.run(&bench, n, moment, &line);
            let done = bench.apply(&line);
            assert_eq!(done.checked_code(), 0, "{n} {moment:?}: {}", done.stderr);
            assert_eq!(bench.held(), expected(goal.as_bytes()), "{n} {moment:?}");
            // Also the whole file finds nothing left to do.
            assert_eq!(bench.apply(&LINE).calls(), 0);
        }
    }
}

#[test]
fn a_row_inserted_above_a_failed_one_sends_these_two_and_the_failed_one_last() {
    let killer = Killer::default();
    let bench = Bench::new(choosy(&killer, Times::FOREVER));
    bench.write("users.csv", users(12, "a"));
    let first = bench.apply(&LINE);
    assert_eq!(
        first.counts(),
        "read 12, applied 9, failed 3",
        "{}",
        first.stderr
    );
    let rows = "u1,name 1 a,https://a.example/1/a.png\nu2,name 2 a,\nnew,New,\n";
    bench.write("users.csv", format!("UserId,Nickname,Avatar\n{rows}"));
    let next = bench.apply(&["--concurrency", "1", "users.csv"]);
    assert_eq!(next.checked_code(), 3, "{}", next.stderr);
    assert_eq!(next.counts(), "read 3, applied 1, unchanged 1, failed 1");
    assert_eq!(next.calls(), 2);
    let results = next.run().results();
    assert_eq!(column(&results, "UserId"), ["new", "u2"]);
}

#[test]
fn what_is_in_doubt_goes_first() {
    let silent = Entry {
        user: Some("u8".into()),
        ..Entry::once(Fault::Reset {
            when: Moment::After,
        })
    };
    let bench = Bench::new(Config {
        faults: Faults {
            script: vec![silent],
            ..Faults::default()
        },
        ..unlimited()
    });
    bench.write("users.csv", users(9, "a"));
    let line = ["--concurrency", "1", "--max-attempts", "1", "users.csv"];
    let first = bench.apply(&line);
    assert_eq!(
        first.counts(),
        "read 9, applied 8, unknown 1",
        "{}",
        first.stderr
    );
    bench.write("users.csv", users(20, "a"));
    let next = bench.apply(&["--limit", "3", "--concurrency", "1", "users.csv"]);
    let results = next.run().results();
    let sent = results.iter().filter(|row| row["outcome"] == "applied");
    let sent: Vec<&str> = sent.map(|row| row["UserId"].as_str()).collect();
    assert_eq!(sent, ["u8", "u9", "u10"], "{}", next.stderr);
}

#[test]
fn t3_doubt_that_is_stale_keeps_nobody_waiting() {
    let killer = Killer::default();
    let bench = Bench::new(choosy(&killer, Times::N(0)));
    bench.write("users.csv", "UserId,Nickname\nu,Ann\n");
    let killed = killer.run(&bench, 1, Moment::After, &["users.csv"]);
    recover(&bench, &killed);
    bench.write("users.csv", "UserId,Nickname\nu,Bea\n");
    // At first it waits for Ann to be too late; the time budget says how long is too long.
    let done = bench.apply(&["--max-duration", "1s", "users.csv"]);
    assert_eq!(done.counts(), "read 1, pending 1", "{}", done.stderr);
    assert_eq!(bench.lcic.stats().calls, 1);
    let_a_minute_pass(&bench);
    let done = bench.apply(&["--max-duration", "50s", "users.csv"]);
    assert_eq!(done.counts(), "read 1, applied 1", "{}", done.stderr);
    assert_eq!(bench.lcic.user("u").unwrap().nickname.unwrap(), "Bea");
}

#[test]
fn a_ledger_of_a_newer_version_or_a_damaged_one_is_refused_and_left_alone() {
    let killer = Killer::default();
    let bench = Bench::new(choosy(&killer, Times::N(0)));
    bench.write("users.csv", users(300, "a"));
    killer.run(&bench, 250, Moment::After, &["--rate", "2000", "users.csv"]);
    let ledger = bench.path("state/ledger.sqlite3");
    let db = Connection::open(&ledger).unwrap();
    db.pragma_update(None, "wal_checkpoint", "TRUNCATE")
        .unwrap();
    db.pragma_update(None, "user_version", 2).unwrap();
    drop(db);
    let newer = bench.apply(&["users.csv"]);
    assert_eq!(newer.code(), 4, "{}", newer.stderr);
    assert!(
        newer
            .stderr
            .contains("has version 2, this lcic-sync knows up to 1")
    );
    let db = Connection::open(&ledger).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    let root: u64 = db
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'user'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let size: u64 = db
        .pragma_query_value(None, "page_size", |row| row.get(0))
        .unwrap();
    drop(db);
    // The page of users, as a failing disk leaves it.
    let mut bytes = fs::read(&ledger).unwrap();
    let at = ((root - 1) * size) as usize;
    bytes[at..at + 64].fill(0xA5);
    fs::write(&ledger, &bytes).unwrap();
    let calls = bench.lcic.stats().calls;
    let damaged = bench.apply(&["users.csv"]);
    assert_eq!(damaged.code(), 4, "{}", damaged.stderr);
    assert!(
        damaged.stderr.contains("hint: move it away and run again"),
        "{}",
        damaged.stderr
    );
    assert_eq!(bench.lcic.stats().calls, calls);
}

fn chance(probability: f64, fault: Fault) -> Chance {
    Chance { probability, fault }
}

/// The proof of all of this: one migration, cut off thirty times.
#[test]
fn thirty_kills_in_one_migration_cost_only_what_was_on_its_way() {
    const ROWS: usize = 3000;
    let reset = |when| Fault::Reset { when };
    let bench = Bench::new(Config {
        faults: Faults {
            chance: vec![
                chance(0.01, Fault::error("InternalError")),
                chance(0.01, reset(Moment::Before)),
                chance(0.01, reset(Moment::After)),
            ],
            ..Faults::default()
        },
        seed: 30,
        ..unlimited()
    });
    let mut random = ChaCha8Rng::seed_from_u64(30);
    let goal = users(ROWS, "a");
    bench.write("users.csv", &goal);
    let line = ["--rate", "400", "users.csv"];
    let n_writes = || -> BTreeMap<String, u64> {
        let users = bench.lcic.users().into_iter();
        users
            .map(|(user, profile)| (user, profile.writes))
            .collect()
    };

    // Of each run that was killed, the users whose calls arrived.
    let mut called: Vec<(Option<String>, BTreeSet<String>)> = Vec::new();
    for kill in 0..30 {
        let before = (bench.lcic.stats().calls, n_writes(), bench.run_ids());
        let going = bench.start(&line);
        // At any moment of its life, and surely at one in mid-run.
        if kill % 2 == 0 {
            let n_calls = random.random_range(1..90);
            bench.until("calls", |stats| stats.calls >= before.0 + n_calls);
        }
        thread::sleep(Duration::from_millis(random.random_range(0..150)));
        going.signal(Signal::KILL);
        assert_eq!(going.wait().code(), 137);
        // What had arrived is still carried out.
        thread::sleep(Duration::from_millis(20));
        let writes = n_writes().into_iter();
        let users = writes.filter(|(user, n)| before.1.get(user) < Some(n));
        let run_id = bench.run_ids().difference(&before.2).next().cloned();
        called.push((run_id, users.map(|(user, _)| user).collect()));
    }
    let done = bench.apply(&["--rate", "2000", "users.csv"]);

    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(bench.held(), expected(goal.as_bytes()));
    let stats = bench.lcic.stats();
    // Those without a line on record were in flight, or their answer was not yet committed.
    let mut n_on_their_way = 0;
    for (run_id, users) in called {
        let results = run_id.map_or(Vec::new(), |run_id| bench.run_of(&run_id).results());
        let applied = results.iter().filter(|row| row["outcome"] == "applied");
        let applied: BTreeSet<&str> = applied.map(|row| row["UserId"].as_str()).collect();
        let left = users.iter().filter(|user| !applied.contains(user.as_str()));
        n_on_their_way += left.count() as u64;
    }
    let n_faults: u64 = stats.faults.values().sum::<u64>() + stats.by_code.values().sum::<u64>();
    assert!(
        n_faults > 30 && n_on_their_way > 30,
        "{n_faults} {n_on_their_way}"
    );
    let most = ROWS as u64 + n_on_their_way + n_faults;
    assert!(
        stats.calls <= most,
        "{} calls, at most {most}: {stats:?}",
        stats.calls
    );

    assert_eq!(bench.apply(&line).calls(), 0);
    // One in a hundred is edited, and nobody stands where he stood.
    let mut rows: Vec<String> = goal.lines().skip(1).map(Into::into).collect();
    for row in rows.iter_mut().step_by(100) {
        *row = row.replace("/a.png", "/b.png");
    }
    rows.shuffle(&mut random);
    let goal = format!("UserId,Nickname,Avatar\n{}\n", rows.join("\n"));
    bench.write("users.csv", &goal);
    // Else a call that was never answered might land after the new value, and keep it waiting.
    let_a_minute_pass(&bench);
    let writes = n_writes();
    let edited = bench.apply(&line);
    assert_eq!(edited.checked_code(), 0, "{}", edited.stderr);
    assert_eq!(edited.counts(), "read 3000, applied 30, unchanged 2970");
    assert_eq!(bench.held(), expected(goal.as_bytes()));
    let again: BTreeSet<String> = n_writes()
        .into_iter()
        .filter(|(user, n)| writes[user] < *n)
        .map(|(user, _)| user)
        .collect();
    let meant = (0..ROWS).step_by(100).map(|n| format!("u{n}"));
    assert_eq!(again, meant.collect());
}
