//! What a person sets beforehand: how long a run may take, how much it may change, and whom it
//! waits for.

use std::fs;

use chrono::{TimeDelta, Utc};
use lcic_sync::simulator::Config;
use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::{Bench, expected, unlimited, users};

#[test]
fn when_the_time_is_up_no_call_begins_and_the_next_run_goes_on() {
    let bench = Bench::new(unlimited());
    let goal = users(200, "a");
    bench.write("users.csv", &goal);
    let line = ["--rate", "50", "--max-duration", "2s", "users.csv"];
    let first = bench.apply(&line);
    assert_eq!(first.checked_code(), 5, "{}", first.stderr);
    let summary = first.run().summary();
    assert_eq!(summary["stopped_by"], "time", "{summary:#}");
    let counts = &summary["counts"];
    assert_eq!(
        (&counts["unknown"], &counts["failed"]),
        (&0.into(), &0.into())
    );
    let applied = counts["applied"].as_u64().unwrap();
    assert!(applied <= 100, "{applied} fit into two seconds");
    let plan = first
        .stderr
        .lines()
        .find(|line| line.contains(" of 200 fit before "));
    let plan = plan.unwrap_or_else(|| panic!("{}", first.stderr));
    let (fit, _) = plan.split_once(' ').unwrap();
    assert!(fit.parse::<u64>().unwrap() <= 100, "{plan}");
    assert!(plan.ends_with(", the next run goes on"), "{plan}");
    assert!(
        first
            .stderr
            .contains("Stopped because its time is up\n  no new call after ")
    );
    assert!(
        first.stderr.contains("--max-duration 2s"),
        "{}",
        first.stderr
    );

    let mut codes = Vec::new();
    while codes.last() != Some(&0) {
        let next = bench.apply(&line);
        codes.push(next.checked_code());
        assert!(
            codes.len() < 50 && [0, 5].contains(&next.code()),
            "{}",
            next.stderr
        );
    }
    assert_eq!(bench.held(), expected(goal.as_bytes()));
    assert_eq!(bench.lcic.stats().calls, 200, "no call was needless");
}

#[test]
fn a_time_of_day_is_local_and_one_that_has_passed_sends_nothing() {
    let mut bench = Bench::new(unlimited());
    // Not this machine's own, whatever that is.
    bench.set("TZ", "XST-05:45");
    let local = |minutes: i64| {
        let then = Utc::now() + TimeDelta::minutes(5 * 60 + 45 + minutes);
        then.format("%H:%M").to_string()
    };
    bench.write("users.csv", users(1000, "a"));
    let passed = bench.apply(&["--until", &local(-2), "users.csv"]);
    assert_eq!(passed.checked_code(), 5, "{}", passed.stderr);
    assert_eq!(passed.run().summary()["stopped_by"], "time");
    assert!(
        passed
            .stderr
            .contains("Nothing was sent: the time for it is over\n  the next such time is ")
    );
    assert!(
        passed.stderr.contains("+05:45, more than 12 h away\n"),
        "{}",
        passed.stderr
    );
    assert_eq!(bench.lcic.stats().calls, 0);

    let until = local(120);
    let going = bench.start(&["--rate", "0.1", "--until", &until, "users.csv"]);
    going.until_it_says(&format!(
        " of 1,000 fit before {until} +05:45, the next run goes on\n"
    ));
    going.signal(Signal::INT);
    assert_eq!(going.wait().checked_code(), 130);
}

#[test]
fn too_many_changes_or_too_few_rows_are_refused_before_anything_is_sent() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(100, "a"));
    let line = |flags: &[&'static str]| [&["--rate", "1000"], flags, &["users.csv"]].concat();
    // A share of nobody is no limit: the first run may send everything.
    let first = bench.apply(&line(&["--max-changes", "5%", "--min-rows", "100"]));
    assert_eq!(first.checked_code(), 0, "{}", first.stderr);

    bench.write("users.csv", users(60, "b"));
    for (flags, says) in [
        (
            ["--max-changes", "59"],
            "60 changes, and --max-changes 59 allows 59\n",
        ),
        (
            ["--max-changes", "50%"],
            "60 changes, and --max-changes 50% allows 50 (of 100 users in the ledger)\n",
        ),
        (
            ["--min-rows", "61"],
            "60 rows in the input, and --min-rows wants 61\n",
        ),
    ] {
        let done = bench.apply(&line(&flags));
        assert_eq!(done.checked_code(), 4, "{}", done.stderr);
        assert!(done.stderr.contains(says), "{}", done.stderr);
        assert_eq!(done.run().summary()["stopped_by"], "refused");
        // And a plan says so beforehand.
        let plan = bench.apply(&line(&[&flags[..], &["--dry-run"]].concat()));
        assert_eq!(plan.code(), 4, "{}", plan.stderr);
        assert!(plan.stderr.contains(says), "{}", plan.stderr);
    }
    assert_eq!(bench.lcic.stats().calls, 100);
    let done = bench.apply(&line(&["--max-changes", "60%", "--min-rows", "60"]));
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert!(!done.stderr.contains("warning: "), "{}", done.stderr);

    bench.write("users.csv", users(30, "b"));
    let shrunk = bench.apply(&line(&[]));
    assert_eq!(shrunk.checked_code(), 0);
    let warning = "warning: 30 rows, and 60 in the last run of this input: is the export complete?";
    assert!(shrunk.stderr.contains(warning), "{}", shrunk.stderr);
    bench.write("other.csv", users(3, "b"));
    let other = bench.apply(&["other.csv"]);
    assert!(!other.stderr.contains("warning: "), "{}", other.stderr);
}

#[test]
fn an_input_that_is_also_an_output_is_refused_and_unharmed() {
    let bench = Bench::new(unlimited());
    let text = users(3, "a");
    bench.write("users.csv", &text);
    fs::create_dir(bench.path("state")).unwrap();
    fs::hard_link(bench.path("users.csv"), bench.path("state/lock")).unwrap();
    let done = bench.apply(&["users.csv"]);
    assert_eq!(done.code(), 2, "{}", done.stderr);
    assert!(
        done.stderr.contains("users.csv: is the same file as "),
        "{}",
        done.stderr
    );
    assert_eq!(fs::read_to_string(bench.path("users.csv")).unwrap(), text);
    fs::remove_file(bench.path("state/lock")).unwrap();

    // The shell has put the summary where the rows come from.
    let line = bench.line(&["--json", "users.csv"]).join("' '");
    let done = bench.shell(&format!("lcic-sync '{line}' >> users.csv"));
    assert_eq!(done.code(), 2, "{}", done.stderr);
    assert!(
        done.stderr
            .contains("users.csv: is the same file as /dev/stdout")
    );
    assert_eq!(fs::read_to_string(bench.path("users.csv")).unwrap(), text);
    assert_eq!(bench.lcic.stats().calls, 0);
}

#[test]
fn what_was_given_long_ago_is_sent_again_when_it_is_asked_for() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(40, "a"));
    let line = ["--rate", "1000", "--max-age", "30d", "users.csv"];
    assert_eq!(bench.apply(&line).counts(), "read 40, applied 40");
    assert_eq!(bench.apply(&line).counts(), "read 40, unchanged 40");
    let days_pass = |days: i64| {
        let db = Connection::open(bench.path("state/ledger.sqlite3")).unwrap();
        let pass = "UPDATE user SET nickname_at = nickname_at - ?1, avatar_at = avatar_at - ?1";
        db.execute(pass, [days * 86_400_000]).unwrap();
    };
    days_pass(26);
    let some = bench.apply(&line).calls();
    assert!(
        (1..40).contains(&some),
        "{some} of 40 are due after 26 days"
    );
    days_pass(5);
    assert_eq!(bench.apply(&line).calls(), 40 - some);
    assert_eq!(bench.apply(&["users.csv"]).calls(), 0);
}

#[test]
fn a_run_waits_for_another_one_as_long_as_it_is_told() {
    let bench = Bench::new(Config::default());
    bench.write("users.csv", users(1000, "a"));
    let first = bench.start(&["users.csv"]);
    bench.until("calls", |stats| stats.calls >= 1);

    let impatient = bench.apply(&["--wait-lock", "1s", "users.csv"]);
    assert_eq!(impatient.code(), 11, "{}", impatient.stderr);
    let waits = format!(
        "waiting up to 1.0 s for another run (pid {}, run ",
        first.pid()
    );
    assert!(impatient.stderr.contains(&waits), "{}", impatient.stderr);

    let line = ["--wait-lock", "10m", "--limit", "5", "users.csv"];
    let stopped = bench.start(&line);
    stopped.until_it_says("waiting up to 10 min for another run");
    stopped.signal(Signal::TERM);
    let stopped = stopped.wait();
    assert_eq!(stopped.code(), 143, "{}", stopped.stderr);
    assert!(!stopped.has_run());

    let patient = bench.start(&line);
    patient.until_it_says("waiting up to 10 min for another run");
    first.signal(Signal::INT);
    let patient = patient.wait();
    assert_eq!(patient.checked_code(), 5, "{}", patient.stderr);
    assert_eq!(patient.run().summary()["counts"]["applied"], 5);
}
