//! Runs that end before their end: signals, kills, locks, full disks, inputs that change. Whatever
//! stops a run, the same command again finishes the job, and the books say what was left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lcic_sync::simulator::faults::{Calls, Entry, Times};
use lcic_sync::simulator::{Config, Fault, Faults, Moment};
use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::{
    Bench, Done, PROGRAM, Row, assert_adds_up, column, counts, expected, unlimited, users, wait_for,
};

/// The command that the program printed as the one to go on with.
fn printed_command(done: &Done) -> &str {
    let (_, rest) = done
        .stderr
        .split_once("To go on, give the same command again:\n  ")
        .unwrap();
    rest.lines().next().unwrap()
}

/// Nothing is sent twice for nothing: what the ledger holds is not sent again.
fn assert_finishes(bench: &Bench, stopped: &Done, goal: &str) {
    let summary = stopped.run().summary();
    let applied = summary["counts"]["applied"].as_u64().unwrap();
    let rest = bench.shell(printed_command(stopped));
    assert_eq!(rest.checked_code(), 0, "{}", rest.stderr);
    assert_eq!(rest.run().summary()["counts"]["unchanged"], applied);
    assert_eq!(bench.held(), expected(goal.as_bytes()));
}

#[test]
fn a_signal_stops_in_an_orderly_way_and_the_printed_command_goes_on() {
    for (signal, code, name) in [
        (Signal::INT, 130, "SIGINT (Ctrl-C)"),
        (Signal::TERM, 143, "SIGTERM"),
        (Signal::HUP, 143, "SIGHUP"),
    ] {
        if signal == Signal::HUP && ignores_hang_up() {
            eprintln!("SKIPPED for SIGHUP: this test runs under nohup, and so would the program");
            continue;
        }
        let bench = Bench::new(Config {
            answer_delay: Duration::from_millis(300),
            ..unlimited()
        });
        let goal = users(200, "a");
        bench.write("users of 1a.csv", &goal);
        let going = bench.start(&["--rate", "100", "users of 1a.csv"]);
        bench.until("calls in mid-run", |stats| stats.calls >= 20);
        going.signal(signal);
        let done = going.wait();

        assert_eq!(done.checked_code(), code, "{}", done.stderr);
        assert_eq!(done.stdout, "");
        // What was in flight was waited for: nothing is in doubt, and the books agree.
        let summary = done.run().summary();
        let stats = bench.lcic.stats();
        assert_eq!(summary["counts"]["unknown"], 0, "{summary:#}");
        assert_eq!(summary["counts"]["applied"], stats.applied);
        assert!(summary["counts"]["pending"].as_u64().unwrap() > 0);
        assert_eq!(summary["stopped_by"], "signal");
        assert_eq!(summary["message"], name);
        assert_finishes(&bench, &done, &goal);
        assert_eq!(bench.lcic.stats().calls, 200, "no call was needless");
    }
}

fn ignores_hang_up() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.is_some_and(|mask| {
        mask.trim()
            .ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f'])
    })
}

#[test]
fn a_run_under_nohup_is_not_stopped_by_a_hang_up() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(60, "a"));
    let mut command = bench.command_of("/bin/sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", PROGRAM]);
    command.args(bench.line(&["--rate", "50", "users.csv"]));
    let going = bench.spawn(command);
    bench.until("calls in mid-run", |stats| stats.calls >= 10);
    going.signal(Signal::HUP);
    let done = going.wait();
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(done.counts(), "read 60, applied 60");
}

#[test]
fn a_second_signal_stops_at_once_and_what_was_in_flight_is_unknown() {
    let silence = Fault::Silence {
        when: Moment::After,
    };
    let bench = Bench::new(Config {
        faults: Faults {
            script: vec![Entry {
                calls: Some(Calls {
                    from: Some(11),
                    to: Some(15),
                }),
                times: Times::FOREVER,
                ..Entry::once(silence)
            }],
            ..Faults::default()
        },
        ..unlimited()
    });
    let goal = users(100, "a");
    bench.write("users.csv", &goal);
    // Nothing but the second signal can end it in time: the service is silent for a minute.
    let going = bench.start(&["--timeout", "60", "--concurrency", "5", "users.csv"]);
    bench.until("silence", |stats| stats.calls >= 15);
    going.signal(Signal::INT);
    going.until_it_says(
        "stopping: SIGINT (Ctrl-C); waiting for 5 answers (a second signal does not wait)\n",
    );
    going.signal(Signal::INT);
    let done = going.wait();

    assert_eq!(done.checked_code(), 130, "{}", done.stderr);
    assert_eq!(done.counts(), "read 100, applied 10, unknown 5, pending 85");
    let failures = done.run().failures();
    assert_eq!(
        failures.len(),
        5,
        "T5: unknown rows are listed, pending ones are not"
    );
    assert!(
        column(&failures, "_outcome")
            .iter()
            .all(|outcome| *outcome == "unknown")
    );

    // The next run sends them again, because nobody can know.
    let next = bench.shell(printed_command(&done));
    assert_eq!(next.checked_code(), 0, "{}", next.stderr);
    assert_eq!(next.counts(), "read 100, applied 90, unchanged 10");
    assert_eq!(bench.held(), expected(goal.as_bytes()));
    assert_eq!(bench.lcic.stats().calls, 105);
}

#[test]
fn a_signal_while_standard_input_does_not_end_stops_promptly_and_sends_nothing() {
    let bench = Bench::new(unlimited());
    let mut command = bench.command(&bench.line(&["-"]));
    command.stdin(Stdio::piped());
    let mut going = bench.spawn(command);
    let mut stdin = going.stdin();
    stdin.write_all(b"UserId,Nickname\na,Ann\n").unwrap();
    going.until_it_has_a_directory();
    going.signal(Signal::INT);
    let done = going.wait();
    drop(stdin);

    assert_eq!(done.code(), 130, "{}", done.stderr);
    let summary = done.run().summary();
    assert_eq!(
        (&summary["exit_code"], &summary["stopped_by"]),
        (&130.into(), &"signal".into())
    );
    assert_adds_up(&summary);
    assert!(
        done.stderr.contains("with the same text on standard input"),
        "{}",
        done.stderr
    );
    assert_eq!(bench.lcic.stats().calls, 0);
}

/// The summary that the next run writes for a killed one, and its result lines.
fn assert_told_as_killed(bench: &Bench, run_id: &str) -> Vec<Row> {
    let run = bench.run_of(run_id);
    let summary = run.summary();
    assert_eq!(summary["stopped_by"], "killed", "{summary:#}");
    assert_eq!(summary["run_id"], run_id);
    assert_eq!(summary["exit_code"], 137);
    assert_adds_up(&summary);
    let results = run.results();
    for outcome in ["applied", "failed"] {
        let lines = column(&results, "outcome");
        let lines = lines.iter().filter(|line| **line == outcome).count();
        assert_eq!(summary["counts"][outcome], lines, "{summary:#}");
    }
    // A change of several rows is one call.
    let applied = results.iter().filter(|row| row["outcome"] == "applied");
    let calls: BTreeSet<&str> = applied.map(|row| row["RequestId"].as_str()).collect();
    assert_eq!(summary["calls"]["accepted"], calls.len(), "{summary:#}");
    assert!(calls.is_empty() || run.file("timeline.json").exists());
    results
}

#[test]
fn t7_runs_that_are_killed_lose_nothing() {
    let bench = Bench::new(Config {
        latency: lcic_sync::simulator::Latency {
            base: Duration::from_millis(5),
            median: Duration::from_millis(10),
            sigma: 1.0,
        },
        seed: 7,
        ..unlimited()
    });
    let mut text = users(600, "a").into_bytes();
    text.extend_from_slice(b"u3,again,\nbad,,\n");
    bench.write("users.csv", &text);
    let mut killed = Vec::new();
    // Early, late, and where a commit is likely under way.
    for n_calls in [1, 3, 60, 25, 111] {
        let before = bench.lcic.stats().calls;
        let runs = bench.run_ids();
        let going = bench.start(&["--rate", "300", "users.csv"]);
        bench.until("calls in mid-run", |stats| stats.calls >= before + n_calls);
        going.signal(Signal::KILL);
        assert_eq!(going.wait().code(), 137);
        let fresh = bench.run_ids();
        killed.extend(fresh.difference(&runs).cloned());
    }
    // As if the last had been killed while it appended.
    let last = bench.run_of(&killed[4]);
    for name in ["results.csv", "failures.csv"] {
        let mut file = OpenOptions::new()
            .append(true)
            .open(last.file(name))
            .unwrap();
        file.write_all(b"users.csv,999,u99,appl").unwrap();
    }

    let done = bench.apply(&["--rate", "1000", "users.csv"]);
    assert_eq!(done.checked_code(), 3, "{}", done.stderr);
    assert!(
        done.stderr
            .contains(&format!(" where this input names them ({})\n", killed[4]))
    );
    assert_eq!(bench.held(), expected(&text));

    // Each row was applied in one run, and only what a kill left in doubt was sent again.
    let mut applied: BTreeMap<String, u64> = BTreeMap::new();
    let results = killed
        .iter()
        .flat_map(|run_id| assert_told_as_killed(&bench, run_id));
    for row in results.chain(done.run().results()) {
        *applied.entry(row["line"].clone()).or_default() += u64::from(row["outcome"] == "applied");
    }
    assert_eq!(applied.values().sum::<u64>(), 601);
    assert!(applied.values().all(|times| *times <= 1));
    let n_again: u64 = bench
        .lcic
        .users()
        .values()
        .map(|user| user.writes - 1)
        .sum();
    assert!(n_again < 5 * 64 * 2, "{n_again}");

    let again = bench.apply(&["users.csv"]);
    assert_eq!(again.calls(), 0);
}

#[test]
fn t3_what_a_kill_left_in_doubt_is_not_taken_for_what_it_was_before() {
    let silence = Fault::Silence {
        when: Moment::After,
    };
    let bench = Bench::new(Config {
        faults: Faults {
            script: vec![Entry {
                call: Some(2),
                ..Entry::once(silence)
            }],
            ..Faults::default()
        },
        ..unlimited()
    });
    bench.write("a.csv", "UserId,Nickname\nu,Ann\n");
    bench.write("b.csv", "UserId,Nickname\nu,Bea\n");
    assert_eq!(bench.apply(&["a.csv"]).checked_code(), 0);
    let going = bench.start(&["b.csv"]);
    bench.until("silence", |stats| stats.calls >= 2);
    going.signal(Signal::KILL);
    assert_eq!(going.wait().code(), 137);
    assert_eq!(bench.lcic.user("u").unwrap().nickname.unwrap(), "Bea");

    // The ledger holds Ann, and yet Ann is to be sent: once Bea can't come in late any more.
    let going = bench.start(&["a.csv"]);
    going.until_it_says("1 row: 1 change to send");
    going.signal(Signal::INT);
    let done = going.wait();
    assert_eq!(done.checked_code(), 130, "{}", done.stderr);
    assert_eq!(done.counts(), "read 1, pending 1");
    assert_eq!(bench.lcic.stats().calls, 2);
    // What is in doubt itself may be sent again at any time.
    let done = bench.apply(&["b.csv"]);
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(done.counts(), "read 1, applied 1");
}

#[test]
fn t7_a_run_that_is_killed_while_it_stops_adds_up() {
    let bench = Bench::new(Config {
        faults: Faults {
            script: vec![Entry {
                call: Some(6),
                ..Entry::once(Fault::Silence {
                    when: Moment::After,
                })
            }],
            ..Faults::default()
        },
        ..unlimited()
    });
    let goal = users(50, "a");
    bench.write("users.csv", &goal);
    let going = bench.start(&["--timeout", "60", "--concurrency", "1", "users.csv"]);
    bench.until("silence", |stats| stats.calls >= 6);
    let results = bench.run_ids().pop_first().unwrap();
    let results = bench.run_of(&results).file("results.csv");
    going.signal(Signal::INT);
    // The stop settles what waited for its turn; a record of that must not count twice.
    wait_for("the record of the stop", || {
        let text = fs::read_to_string(&results).unwrap_or_default();
        text.contains(",pending,")
    });
    std::thread::sleep(Duration::from_millis(300));
    going.signal(Signal::KILL);
    assert_eq!(going.wait().code(), 137);
    let run_id = bench.run_ids().pop_first().unwrap();

    let done = bench.apply(&["--rate", "1000", "users.csv"]);
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_told_as_killed(&bench, &run_id);
    let summary = bench.run_of(&run_id).summary();
    assert_eq!(
        counts(&summary),
        "read 50, applied 5, unknown 1, pending 44"
    );
    assert_eq!(bench.held(), expected(goal.as_bytes()));
}

#[test]
fn a_second_run_is_told_who_is_at_work() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(100, "a"));
    let going = bench.start(&["users.csv"]);
    bench.until("calls", |stats| stats.calls >= 1);
    let runs = bench.run_ids();
    let second = bench.apply(&["--json", "users.csv"]);

    assert_eq!(second.code(), 11);
    assert!(!second.has_run());
    assert_eq!(second.stdout, "");
    let (run_id, pid) = (runs.first().unwrap(), going.pid());
    let (told, hint) = second.stderr.split_once('\n').unwrap();
    let expected = format!(
        "error: another run holds the lock of {} (pid {pid}, run {run_id}, since ",
        bench.path("state").display()
    );
    assert!(told.starts_with(&expected), "{told}");
    assert_eq!(
        hint,
        "hint: wait for it (--wait-lock 5m), or give each account its own --state-dir\n"
    );
    going.signal(Signal::INT);
    assert_eq!(going.wait().checked_code(), 130);
    // The lock went with its holder.
    let third = bench.apply(&["--limit", "1", "users.csv"]);
    assert_eq!(third.checked_code(), 5, "{}", third.stderr);
}

#[test]
fn t7_a_full_disk_stops_the_run_and_nothing_is_lost() {
    // Before anything can be sent, and twice in mid-run.
    for blocks in [120, 250, 400] {
        a_full_disk_loses_nothing(blocks);
    }
}

fn a_full_disk_loses_nothing(blocks: u32) {
    let bench = Bench::new(unlimited());
    let goal = users(2000, "a");
    bench.write("users.csv", &goal);
    // No file may grow beyond this many blocks, which is how a disk is full to a process.
    let mut command = bench.command_of("sh");
    let script = format!(r#"ulimit -f {blocks}; exec "$0" "$@""#);
    command.args(["-c", &script, PROGRAM]);
    command.args(bench.line(&["--rate", "1000", "users.csv"]));
    let done = bench.spawn(command).wait();

    assert_eq!(done.code(), 5, "{}", done.stderr);
    let summary = done.run().summary();
    assert_adds_up(&summary);
    assert_eq!(summary["exit_code"], 5);
    assert_eq!(summary["stopped_by"], "not-recorded");
    assert!(
        done.stderr.contains("The record could not be written")
            || done.stderr.contains("the record could not be written"),
        "{}",
        done.stderr
    );
    // What was in flight was waited for.
    assert_eq!(summary["calls"]["total"], bench.lcic.stats().calls);
    assert_eq!(summary["calls"]["accepted"], bench.lcic.stats().applied);
    assert!(bench.lcic.stats().calls < 2000);

    let next = bench.apply(&["--rate", "2000", "users.csv"]);
    assert_eq!(next.checked_code(), 0, "{}", next.stderr);
    assert_eq!(bench.held(), expected(goal.as_bytes()));
    // It was not killed, and its summary still says so; its rows are those on record.
    let stopped = done.run().summary();
    assert_adds_up(&stopped);
    assert_eq!(stopped["calls"], summary["calls"]);
    assert_eq!(stopped["exit_code"], 5);
    assert_eq!(stopped["stopped_by"], "not-recorded");
    let message = stopped["message"].as_str().unwrap();
    assert!(
        message.ends_with("as far as they are on record"),
        "{message}"
    );
    let ledger = Connection::open(bench.path("state/ledger.sqlite3")).unwrap();
    let ended = "SELECT stopped_by, exit_code FROM run WHERE run = 1";
    let ended: (String, u8) = ledger
        .query_row(ended, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(ended, ("not-recorded".into(), 5));
    let results = done.run().results();
    assert_eq!(stopped["counts"]["applied"], results.len());
}

#[test]
fn t7_a_full_disk_leaves_no_half_of_a_line() {
    let bench = Bench::new(unlimited());
    // Nearly all superseded: they stand in the results, and the ledger is small.
    let input = format!("{}.csv", "long".repeat(50));
    let rows: String = (0..20_000).map(|n| format!("u{},n{n}\n", n % 10)).collect();
    bench.write(&input, format!("UserId,Nickname\n{rows}"));
    let mut command = bench.command_of("sh");
    command.args(["-c", r#"ulimit -f 2000; exec "$0" "$@""#, PROGRAM]);
    command.args(bench.line(&["--rate", "1000", &input]));
    let done = bench.spawn(command).wait();
    assert_eq!(done.code(), 5, "{}", done.stderr);
    let results = fs::read(done.run().file("results.csv")).unwrap();
    assert!(results.ends_with(b"\n"));
    // What it says of the rows to mend is of the rows on record.
    assert!(!done.stderr.contains("failures.csv"), "{}", done.stderr);
}

#[test]
fn a_run_that_could_not_begin_was_not_cut_off() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(3, "a"));
    fs::create_dir_all(bench.path("state/reports/latest")).unwrap();
    let done = bench.apply(&["users.csv"]);
    assert_eq!(done.code(), 4, "{}", done.stderr);
    assert!(
        done.stderr.contains("state/reports/latest: Is a directory"),
        "{}",
        done.stderr
    );
    fs::remove_dir(bench.path("state/reports/latest")).unwrap();
    let done = bench.apply(&["users.csv"]);
    assert_eq!(done.checked_code(), 0);
    assert!(!done.stderr.contains("cut off"), "{}", done.stderr);
    assert_eq!(done.run().summary()["run"], 1);
}

#[test]
fn t7_reports_that_are_gone_do_not_keep_the_next_run() {
    let bench = Bench::new(unlimited());
    let goal = users(100, "a");
    bench.write("users.csv", &goal);
    let going = bench.start(&["users.csv"]);
    bench.until("calls", |stats| stats.calls >= 3);
    going.signal(Signal::KILL);
    assert_eq!(going.wait().code(), 137);
    fs::remove_dir_all(bench.path("state/reports")).unwrap();
    let done = bench.apply(&["--rate", "1000", "users.csv"]);
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(bench.held(), expected(goal.as_bytes()));
}

#[test]
fn t5_a_run_on_failures_that_is_killed_goes_on_with_the_same_command() {
    let refuse = Entry {
        times: Times::N(30),
        ..Entry::once(Fault::error("InvalidParameter.Content"))
    };
    let bench = Bench::new(Config {
        faults: Faults {
            script: vec![refuse],
            ..Faults::default()
        },
        ..unlimited()
    });
    let goal = users(30, "a");
    bench.write("users.csv", &goal);
    let first = bench.apply(&["--rate", "1000", "users.csv"]);
    assert_eq!(first.counts(), "read 30, failed 30");
    let failures = first.run().file("failures.csv");
    let line = [failures.to_str().unwrap()];
    for signal in [Signal::KILL, Signal::INT] {
        let calls = bench.lcic.stats().calls;
        let going = bench.start(&line);
        bench.until("calls", |stats| stats.calls >= calls + 8);
        going.signal(signal);
        going.wait();
    }
    let last = bench.apply(&line);
    assert_eq!(last.checked_code(), 0, "{}", last.stderr);
    assert_eq!(bench.held(), expected(goal.as_bytes()));
}

#[test]
fn a_run_does_not_need_anybody_to_listen() {
    let bench = Bench::new(unlimited());
    let goal = users(30, "a");
    bench.write("users.csv", &goal);
    for redirection in [">&- 2>&-", ">/dev/full 2>/dev/full"] {
        if redirection.contains("/dev/full") && !Path::new("/dev/full").exists() {
            eprintln!("skipped: a full disk to write to, because there is no /dev/full");
            continue;
        }
        let script = format!(r#"exec "$0" "$@" {redirection}"#);
        let mut command = bench.command_of("sh");
        command.args(["-c", &script, PROGRAM]);
        command.args(bench.line(&["--all", "--json", "-vv", "--rate", "1000", "users.csv"]));
        let done = bench.spawn(command).wait();
        assert_eq!(done.checked_code(), 0, "{redirection}");
        assert_eq!(done.counts(), "read 30, applied 30");
    }
    assert_eq!(bench.held(), expected(goal.as_bytes()));
}

/// Enough rows that the second pass reads the last of them from the disk, not from memory.
fn long_rows() -> String {
    let picture = "p".repeat(3000);
    let row = |n| format!("u{n},name {n},https://a.example/{n}/{picture}\n");
    let rows: String = (0..400).map(row).collect();
    format!("UserId,Nickname,Avatar\n{rows}")
}

#[test]
fn t6_a_line_that_changes_during_the_run_stops_it_there() {
    let bench = Bench::new(unlimited());
    let text = long_rows();
    bench.write("users.csv", &text);
    let going = bench.start(&["--rate", "200", "users.csv"]);
    bench.until("calls", |stats| stats.calls >= 1);
    let at = text.find("u300,name").unwrap() as u64;
    let file = OpenOptions::new()
        .write(true)
        .open(bench.path("users.csv"))
        .unwrap();
    file.write_all_at(b"u300,NAME", at).unwrap();
    let done = going.wait();

    assert_eq!(done.checked_code(), 5, "{}", done.stderr);
    let summary = done.run().summary();
    let applied = summary["counts"]["applied"].as_u64().unwrap();
    // Behind the header, the row of u300 stands on line 302. What was read before it and not yet
    // sent is left for the next run, too.
    assert!((1..=300).contains(&applied), "{}", done.counts());
    assert_eq!(summary["counts"]["pending"], 400 - applied);
    assert_eq!(summary["stopped_by"], "input-changed");
    assert!(
        done.stderr
            .contains("\n  users.csv: line 302: the input changed while it was read\n"),
        "{}",
        done.stderr
    );
    assert!(bench.lcic.user("u300").is_none());
    // The file as it is now is a file like any other.
    let next = bench.apply(&["--rate", "1000", "users.csv"]);
    assert_eq!(next.checked_code(), 0);
    assert_eq!(next.run().summary()["counts"]["unchanged"], applied);
    assert_eq!(
        bench.lcic.user("u300").unwrap().nickname.unwrap(),
        "NAME 300"
    );
    assert_eq!(bench.lcic.stats().calls, 400);
}

#[test]
fn t6_a_file_that_is_cut_during_the_run_stops_it_there() {
    let bench = Bench::new(unlimited());
    let text = long_rows();
    bench.write("users.csv", &text);
    let going = bench.start(&["--rate", "200", "users.csv"]);
    bench.until("calls", |stats| stats.calls >= 1);
    let file = OpenOptions::new()
        .write(true)
        .open(bench.path("users.csv"))
        .unwrap();
    file.set_len(text.find("u300,name").unwrap() as u64)
        .unwrap();
    let done = going.wait();
    assert_eq!(done.checked_code(), 5, "{}", done.stderr);
    let summary = done.run().summary();
    assert_eq!(summary["stopped_by"], "input-changed");
    assert_eq!(summary["counts"]["unknown"], 0);
    assert!(summary["counts"]["pending"].as_u64().unwrap() >= 100);
}

#[test]
fn t6_a_rename_over_the_input_is_harmless() {
    let bench = Bench::new(unlimited());
    let text = long_rows();
    bench.write("users.csv", &text);
    let going = bench.start(&["--rate", "200", "users.csv"]);
    bench.until("calls", |stats| stats.calls >= 1);
    bench.write("fresh.csv", users(3, "fresh"));
    fs::rename(bench.path("fresh.csv"), bench.path("users.csv")).unwrap();
    let done = going.wait();
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(done.counts(), "read 400, applied 400");
    assert_eq!(bench.held(), expected(text.as_bytes()));
}
