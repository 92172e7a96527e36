//! Flags and variables, what they print and where things are put.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::{Bench, expected, unlimited, users};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn limit_sends_the_first_ones_and_the_same_command_the_next() {
    let bench = Bench::new(unlimited());
    let goal = users(25, "a");
    bench.write("users.csv", &goal);
    let line = ["--rate", "1000", "--limit", "10", "users.csv"];
    for (code, told) in [
        (5, "read 25, applied 10, pending 15"),
        (5, "read 25, applied 10, unchanged 10, pending 5"),
        (0, "read 25, applied 5, unchanged 20"),
    ] {
        let done = bench.apply(&line);
        assert_eq!(done.checked_code(), code, "{}", done.stderr);
        assert_eq!(done.counts(), told);
        let stopped_by = &done.run().summary()["stopped_by"];
        assert_eq!(*stopped_by == "limit", code == 5, "{stopped_by}");
    }
    assert_eq!(bench.held(), expected(goal.as_bytes()));
    assert_eq!(bench.lcic.stats().calls, 25);
}

#[test]
fn all_sends_again_what_the_ledger_holds() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(5, "a"));
    assert_eq!(bench.apply(&["users.csv"]).calls(), 5);
    assert_eq!(bench.apply(&["users.csv"]).calls(), 0);
    let done = bench.apply(&["--all", "users.csv"]);
    assert_eq!(done.checked_code(), 0);
    assert_eq!(done.counts(), "read 5, applied 5");
}

#[test]
fn json_prints_the_summary_and_nothing_else() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(5, "a"));
    bench.write("bad.csv", "UserId,Klasse\n");
    for (file, code) in [("users.csv", 0), ("bad.csv", 4)] {
        let done = bench.apply(&["--json", file]);
        assert_eq!(done.checked_code(), code, "{}", done.stderr);
        let printed: Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!(printed, done.run().summary());
        assert!(done.stdout.ends_with("}\n"));
    }
}

#[test]
fn the_summary_has_the_fields_that_programs_rely_on() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(5, "a"));
    let summary = bench.apply(&["users.csv"]).run().summary();
    let names =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let mut expected = [
        "schema_version",
        "run_id",
        "run",
        "input",
        "account",
        "endpoint",
        "ledger",
        "started_at",
        "ended_at",
        "seconds",
        "counts",
        "calls",
        "pace",
        "stopped_by",
        "message",
        "failures",
        "exit_code",
    ];
    expected.sort_unstable();
    assert_eq!(names(&summary), expected);
    assert_eq!(
        names(&summary["calls"]),
        ["accepted", "by_code", "retried", "throttled", "total"]
    );
    assert_eq!(
        names(&summary["pace"]),
        [
            "late_wakeups",
            "limit",
            "lowest",
            "max_in_any_second",
            "mean_per_s",
            "rate"
        ]
    );
    assert_eq!(summary["ledger"]["new"], true);
    assert_eq!(summary["endpoint"], bench.lcic.url());
    assert_eq!(summary["input"][0]["name"], "users.csv");
}

#[test]
fn quiet_is_silent_unless_a_person_is_needed() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(5, "a"));
    let done = bench.apply(&["-q", "users.csv"]);
    assert_eq!(done.checked_code(), 0);
    assert_eq!((&*done.stdout, &*done.stderr), ("", ""));

    bench.write("users.csv", "UserId,Nickname\nz,\n");
    let done = bench.apply(&["-q", "users.csv"]);
    assert_eq!(done.checked_code(), 3);
    assert!(
        done.stderr
            .starts_with("1 row: 1 invalid\nNothing was sent.\n"),
        "{}",
        done.stderr
    );
}

#[test]
fn variables_stand_for_flags_and_flags_win() {
    let mut bench = Bench::new(unlimited());
    bench.write("users.csv", users(5, "a"));
    bench.set("LCIC_SYNC_ENDPOINT", bench.lcic.url());
    bench.set("LCIC_SYNC_STATE_DIR", "state");
    bench.set("LCIC_SYNC_LIMIT", "2");
    bench.set("LCIC_SYNC_JSON", "1");
    bench.set("LCIC_SYNC_QUIET", "yes");
    let done = bench.run(&["apply", "users.csv"]);
    assert_eq!(done.checked_code(), 5, "{}", done.stderr);
    assert_eq!(done.counts(), "read 5, applied 2, pending 3");
    assert!(serde_json::from_str::<Value>(&done.stdout).is_ok());
    // What is printed to go on with needs no flags: the variables will say them again.
    assert!(
        done.stderr.contains("\n  lcic-sync apply users.csv\n"),
        "{}",
        done.stderr
    );

    let done = bench.run(&["apply", "--limit", "3", "users.csv"]);
    assert_eq!(done.checked_code(), 0);
    assert_eq!(done.counts(), "read 5, applied 3, unchanged 2");

    bench.set("LCIC_SYNC_LIMIT", "many");
    let done = bench.run(&["apply", "users.csv"]);
    assert_eq!((done.code(), done.has_run()), (2, false));
    assert_eq!(
        done.stderr,
        "error: LCIC_SYNC_LIMIT: found \"many\", expected a whole number from 1\n"
    );
}

#[test]
fn values_that_do_not_fit_are_told_before_anything_is_made() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(5, "a"));
    for args in [
        ["--rate", "0", "users.csv"],
        ["--concurrency", "0", "users.csv"],
        ["--max-outage", "5", "users.csv"],
        ["--endpoint", "http://lcic.example.com", "users.csv"],
        ["--ca-file", "missing.pem", "users.csv"],
    ] {
        let url = bench.lcic.url();
        let mut line = vec!["apply", "--state-dir", "state"];
        if args[0] != "--endpoint" {
            line.extend(["--endpoint", &url]);
        }
        line.extend(args);
        let done = bench.run(&line);
        assert_eq!(done.code(), 2, "{args:?}: {}", done.stderr);
        assert!(done.stderr.starts_with("error: "), "{}", done.stderr);
        assert!(!bench.path("state").exists(), "{args:?}");
    }
}

#[test]
fn the_state_directory_is_found_where_the_system_says() {
    let mut bench = Bench::new(unlimited());
    bench.write("users.csv", users(2, "a"));
    let url = bench.lcic.url();
    let line = ["apply", "--endpoint", &url, "users.csv"];
    let apply = |bench: &Bench, place: &str| {
        let done = bench.run(&line);
        assert_eq!(done.code(), 0, "{}", done.stderr);
        let place = bench.path(place);
        assert!(
            place.join("ledger.sqlite3").is_file(),
            "{place:?}: {}",
            done.stderr
        );
        assert!(place.join("reports/latest/summary.json").is_file());
    };
    apply(&bench, "home/.local/state/lcic-sync");
    bench.set("XDG_STATE_HOME", bench.path("xdg"));
    apply(&bench, "xdg/lcic-sync");
    bench.set("STATE_DIRECTORY", bench.path("systemd"));
    apply(&bench, "systemd");
    bench.set("LCIC_SYNC_STATE_DIR", "by-variable");
    apply(&bench, "by-variable");
    assert_eq!(
        bench.lcic.stats().calls,
        4 * 2,
        "each has a ledger of its own"
    );
}

#[test]
fn files_are_for_their_owner_only_and_latest_is_the_last_run() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(2, "a"));
    // A careless mask must not open anything.
    let script = r#"umask 000; exec "$0" "$@""#;
    let mut command = bench.command_of("sh");
    command.args(["-c", script, crate::support::PROGRAM]);
    command.args(bench.line(&["users.csv"]));
    let done = bench.spawn(command).wait();
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    for directory in [
        &bench.path("state"),
        &bench.path("state/reports"),
        &done.run().0,
    ] {
        assert_eq!(mode(directory), 0o700, "{directory:?}");
    }
    let files = ["results.csv", "failures.csv", "summary.json"].map(|name| done.run().file(name));
    let state = ["state/ledger.sqlite3", "state/lock"].map(|name| bench.path(name));
    for file in files.iter().chain(&state) {
        assert_eq!(mode(file), 0o600, "{file:?}");
    }

    let latest = bench.path("state/reports/latest");
    for _ in 0..2 {
        let done = bench.apply(&["users.csv"]);
        let name = done.run().0.file_name().unwrap().to_owned();
        assert_eq!(fs::read_link(&latest).unwrap().as_os_str(), name);
    }
}

#[test]
fn reports_may_be_put_elsewhere() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(2, "a"));
    let done = bench.apply(&["--report-dir", "elsewhere", "users.csv"]);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert!(bench.path("elsewhere/latest/summary.json").is_file());
    assert!(!bench.path("state/reports").exists());
    let again = bench.apply(&["--report-dir", "elsewhere", "users.csv"]);
    assert!(again.stderr.contains("Nothing was sent."));
}

#[test]
fn verbose_says_more_and_no_more_than_asked_for() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(3, "a"));
    let quiet = bench.apply(&["users.csv"]).stderr;
    assert!(!quiet.contains("INFO") && !quiet.contains("DEBUG"));
    let info = bench.apply(&["--all", "-v", "users.csv"]).stderr;
    assert!(
        info.contains("INFO lcic_sync") && !info.contains("DEBUG"),
        "{info}"
    );
    let debug = bench.apply(&["--all", "-vv", "users.csv"]).stderr;
    assert!(debug.contains("DEBUG lcic_sync"), "{debug}");
}
