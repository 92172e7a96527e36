//! Whom a run acts for: keys that are wrong, clocks that are wrong, ledgers of another account.

use std::fs;
use std::time::Duration;

use chrono::TimeDelta;
use lcic_sync::simulator::{Config, Key};

use crate::support::{Bench, column, expected, unlimited, users};

/// A service that takes its time to answer: who does not wait for the first answer is found out.
fn slow() -> Config {
    Config {
        answer_delay: Duration::from_millis(200),
        ..unlimited()
    }
}

/// One call, exit 7, and everything is left for when the key is put right.
fn assert_stopped_by_the_key(bench: &Bench, code: &str) {
    let done = bench.apply(&["--rate", "1000", "users.csv"]);
    assert_eq!(done.checked_code(), 7, "{}", done.stderr);
    assert_eq!(bench.lcic.stats().calls, 1, "P5: the first call goes alone");
    assert_eq!(done.calls(), 1);
    assert_eq!(done.counts(), "read 100, pending 100");
    let summary = done.run().summary();
    assert_eq!(summary["stopped_by"], "key");
    let message = summary["message"].as_str().unwrap();
    assert!(message.starts_with(code), "{message}");
    assert_eq!(done.run().failures(), [], "pending rows are not failures");
    assert!(bench.held().is_empty());
    let told = bench.plain(&done.stderr);
    let (_, told) = told.split_once("Stopped: ").unwrap();
    assert!(told.contains(code), "{told}");
    assert!(told.contains("When the key is put right, give the same command again:\n  lcic-sync apply --endpoint http://127.0.0.1:PORT --rate 1000 --state-dir state users.csv\n"), "{told}");
}

#[test]
fn p8_a_wrong_key_costs_one_call_and_everything_stays_pending() {
    let mut bench = Bench::new(slow());
    bench.write("users.csv", users(100, "a"));
    bench.set("TENCENTCLOUD_SECRET_KEY", "fake-and-wrong");
    assert_stopped_by_the_key(&bench, "AuthFailure.SignatureFailure");

    bench.set("TENCENTCLOUD_SECRET_KEY", Key::LOCAL_SECRET);
    let done = bench.apply(&["--rate", "1000", "users.csv"]);
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(done.counts(), "read 100, applied 100");
    assert_eq!(bench.held(), expected(users(100, "a").as_bytes()));
}

#[test]
fn p8_a_key_that_nobody_knows_costs_one_call() {
    let mut bench = Bench::new(slow());
    bench.write("users.csv", users(100, "a"));
    bench.set("TENCENTCLOUD_SECRET_ID", "AKIDfakeandunknown0000");
    assert_stopped_by_the_key(&bench, "AuthFailure.SecretIdNotFound");

    // Nothing was sent under the mistyped key, so the ledger is not its own.
    bench.set("TENCENTCLOUD_SECRET_ID", Key::LOCAL_ID);
    let done = bench.apply(&["--rate", "1000", "users.csv"]);
    assert_eq!(done.counts(), "read 100, applied 100", "{}", done.stderr);
}

#[test]
fn p8_a_missing_permission_costs_one_call() {
    let bench = Bench::new(Config {
        denied: true,
        ..slow()
    });
    bench.write("users.csv", users(100, "a"));
    assert_stopped_by_the_key(&bench, "AuthFailure.UnauthorizedOperation");
}

fn with_token() -> Config {
    Config {
        keys: vec![Key {
            token: Some("fake-token".into()),
            ..Key::local()
        }],
        ..slow()
    }
}

#[test]
fn p8_a_missing_token_costs_one_call() {
    let bench = Bench::new(with_token());
    bench.write("users.csv", users(100, "a"));
    assert_stopped_by_the_key(&bench, "AuthFailure.");
}

#[test]
fn p8_a_wrong_token_costs_one_call_and_a_right_one_works_under_either_name() {
    let mut bench = Bench::new(with_token());
    bench.write("users.csv", users(10, "a"));
    let mut calls = 0;
    for (name, token, code) in [
        ("TENCENTCLOUD_TOKEN", "fake-and-wrong", 7),
        ("TENCENTCLOUD_SESSION_TOKEN", "fake-and-wrong", 7),
        ("TENCENTCLOUD_TOKEN", "fake-token", 0),
        ("TENCENTCLOUD_SESSION_TOKEN", "fake-token", 0),
    ] {
        bench.set(name, token);
        let done = bench.apply(&["--account", "school", "--all", "users.csv"]);
        assert_eq!(done.checked_code(), code, "{}", done.stderr);
        calls += if code == 0 { 10 } else { 1 };
        assert_eq!(bench.lcic.stats().calls, calls);
        bench.unset(name);
    }
}

#[test]
fn a_clock_that_is_an_hour_off_is_corrected_once_and_said() {
    for minutes in [-60, 60] {
        let bench = Bench::new(Config {
            clock_skew: TimeDelta::minutes(minutes),
            ..unlimited()
        });
        bench.write("users.csv", users(50, "a"));
        let done = bench.apply(&["--rate", "1000", "users.csv"]);
        assert_eq!(done.checked_code(), 0, "{}", done.stderr);
        assert_eq!(done.counts(), "read 50, applied 50");
        let stats = bench.lcic.stats();
        assert_eq!(stats.calls, 51, "one call found it out");
        assert_eq!(stats.by_code["AuthFailure.SignatureExpire"], 1);
        let said = done.stderr.lines().filter(|line| line.contains("clock"));
        assert_eq!(said.count(), 1, "{}", done.stderr);
    }
}

#[test]
fn t8_another_key_is_refused_and_the_ledger_stays_as_it_is() {
    let mut bench = Bench::new(unlimited());
    bench.write("users.csv", users(5, "a"));
    bench.write("more.csv", users(9, "b"));
    assert_eq!(bench.apply(&["users.csv"]).checked_code(), 0);
    let ledger = fs::read(bench.path("state/ledger.sqlite3")).unwrap();

    bench.set("TENCENTCLOUD_SECRET_ID", "AKIDfakeofanotherschool");
    let done = bench.apply(&["more.csv"]);
    assert_eq!(done.checked_code(), 4, "{}", done.stderr);
    assert_eq!(done.stdout, "");
    assert_eq!(
        bench.plain(&done.stderr),
        "Refused before anything was sent\n  \
           ledger DIR/state/ledger.sqlite3: belongs to AKID…ATOR at 127.0.0.1:PORT, and this run would act for AKID…hool at 127.0.0.1:PORT\n  \
           hint: each account has its own ledger: choose another --state-dir\n  \
           hint: if it is the same account with a new key, say so with: lcic-sync ledger adopt\n\
         When that is put right, give the same command again:\n  \
           lcic-sync apply --endpoint http://127.0.0.1:PORT --state-dir state more.csv\n"
    );
    let now = fs::read(bench.path("state/ledger.sqlite3")).unwrap();
    assert!(now == ledger, "the ledger is untouched");
    assert_eq!(bench.lcic.stats().calls, 5);
    assert_eq!(done.run().summary()["counts"]["read"], 0);
}

#[test]
fn t8_another_endpoint_is_another_account() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(5, "a"));
    assert_eq!(bench.apply(&["users.csv"]).checked_code(), 0);
    let other = bench.lcic.url().replace("127.0.0.1", "localhost");
    let line = ["apply", "--state-dir", "state", "--endpoint", &other];
    let done = bench.run(&[&line[..], &["users.csv"]].concat());
    assert_eq!(done.checked_code(), 4, "{}", done.stderr);
    assert_eq!(bench.lcic.stats().calls, 5);
}

#[test]
fn t8_temporary_keys_need_a_name_for_the_account_and_keep_to_it() {
    let mut bench = Bench::new(with_token());
    bench.write("users.csv", users(5, "a"));
    bench.set("TENCENTCLOUD_TOKEN", "fake-token");
    let done = bench.apply(&["users.csv"]);
    assert_eq!(done.code(), 2);
    assert!(!done.has_run());
    assert_eq!(
        done.stderr,
        "error: temporary keys (with a token) don't say whose they are, and each account has its own ledger\n\
         hint: name the account with --account LABEL, always the same for the same account\n"
    );
    assert!(!bench.path("state").exists());

    let done = bench.apply(&["--account", "school", "users.csv"]);
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    let account = &done.run().summary()["account"];
    assert!(
        account.as_str().unwrap().starts_with("school at "),
        "{account}"
    );

    let other = bench.apply(&["--account", "kindergarten", "users.csv"]);
    assert_eq!(other.checked_code(), 4, "{}", other.stderr);
    let same = bench.apply(&["--account", "school", "users.csv"]);
    assert_eq!(same.checked_code(), 0);
    assert_eq!(same.counts(), "read 5, unchanged 5");
}

#[test]
fn p8_the_same_refusal_for_row_after_row_stops_the_run() {
    let bench = Bench::new(Config {
        users: lcic_sync::simulator::Table::Closed(vec!["somebody-else".into()]),
        ..unlimited()
    });
    bench.write("users.csv", users(500, "a"));
    let done = bench.apply(&["--rate", "100", "--concurrency", "1", "users.csv"]);
    assert_eq!(done.checked_code(), 5, "{}", done.stderr);
    assert_eq!(done.run().summary()["stopped_by"], "same-refusal");
    assert_eq!(bench.lcic.stats().calls, 50);
    assert_eq!(done.counts(), "read 500, failed 50, pending 450");
    let failures = done.run().failures();
    assert_eq!(failures.len(), 50);
    assert!(
        column(&failures, "_code")
            .iter()
            .all(|code| code.starts_with("ResourceNotFound"))
    );
}

#[test]
fn without_keys_nothing_begins() {
    let mut bench = Bench::new(unlimited());
    bench.write("users.csv", users(5, "a"));
    bench.unset("TENCENTCLOUD_SECRET_KEY");
    let done = bench.apply(&["users.csv"]);
    assert_eq!(done.code(), 2);
    assert_eq!(
        done.stderr,
        "error: TENCENTCLOUD_SECRET_ID is set, but TENCENTCLOUD_SECRET_KEY is not (or is empty)\n"
    );
    assert!(!bench.path("state").exists() && !done.has_run());
}

#[test]
fn keys_may_stand_in_a_file_that_a_variable_names() {
    let mut bench = Bench::new(unlimited());
    bench.write("users.csv", users(5, "a"));
    let (id, key) = (Key::LOCAL_ID, Key::LOCAL_SECRET);
    bench.write(
        "keys",
        format!("[default]\nsecret_id = {id}\nsecret_key = {key}\n"),
    );
    bench.unset("TENCENTCLOUD_SECRET_ID");
    bench.unset("TENCENTCLOUD_SECRET_KEY");
    bench.set("TENCENTCLOUD_CREDENTIALS_FILE", bench.path("keys"));
    let done = bench.apply(&["users.csv"]);
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(done.counts(), "read 5, applied 5");
}
