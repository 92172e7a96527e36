//! A service that is away, or is not the service at all (rules P5, P7, P8).

use std::net::TcpListener;

use lcic_sync::simulator::faults::{Entry, Outage, OutageKind, Times};
use lcic_sync::simulator::{Config, Fault, Faults, Moment};

use serde_json::Value;

use crate::support::{Bench, expected, unlimited, users};

fn outage(from: f64, to: f64, how: OutageKind) -> Config {
    Config {
        faults: Faults {
            outages: vec![Outage { from, to, how }],
            ..Faults::default()
        },
        ..unlimited()
    }
}

fn always(fault: Fault) -> Config {
    Config {
        faults: Faults {
            script: vec![Entry {
                times: Times::FOREVER,
                ..Entry::once(fault)
            }],
            ..Faults::default()
        },
        ..unlimited()
    }
}

#[test]
fn p7_an_outage_costs_no_row() {
    // At its start, where one probe at a time goes out; and in the middle, where many calls are
    // hit before anybody knows.
    for (from, to, how) in [(0.0, 2.0, OutageKind::Page), (1.0, 3.0, OutageKind::Reset)] {
        let bench = Bench::new(outage(from, to, how));
        let goal = users(400, "a");
        bench.write("users.csv", &goal);
        let done = bench.apply(&["--rate", "100", "--max-attempts", "2", "users.csv"]);
        assert_eq!(done.checked_code(), 0, "{}", done.stderr);
        assert_eq!(done.counts(), "read 400, applied 400");
        assert_eq!(bench.held(), expected(goal.as_bytes()));
        let stats = bench.lcic.stats();
        let met: u64 = stats.faults.values().sum();
        assert!(met > 0, "the outage was met");
        assert_eq!(stats.calls, 400 + met, "no call was needless");
        assert!(met < 64, "{met} calls: they were probes, not hammering");
        assert!(done.stderr.contains("warning: "), "{}", done.stderr);
    }
}

#[test]
fn p7_an_outage_without_end_stops_the_run_and_nothing_has_failed() {
    let bench = Bench::new(outage(0.0, 1e9, OutageKind::Page));
    let goal = users(200, "a");
    bench.write("users.csv", &goal);
    let done = bench.apply(&["--max-outage", "2s", "users.csv"]);
    assert_eq!(done.checked_code(), 5, "{}", done.stderr);
    let summary = done.run().summary();
    assert_eq!(summary["stopped_by"], "outage");
    assert_eq!(
        (&summary["counts"]["failed"], &summary["counts"]["applied"]),
        (&0.into(), &0.into())
    );
    // Those that were probed may have been heard (rule T4); the rest was never sent.
    let calls = bench.lcic.stats().calls;
    let (unknown, pending) = (&summary["counts"]["unknown"], &summary["counts"]["pending"]);
    assert!(unknown.as_u64().unwrap() <= calls, "{summary:#}");
    assert_eq!(unknown.as_u64().unwrap() + pending.as_u64().unwrap(), 200);
    assert!(calls < 20, "{calls} calls");
    assert!(
        done.stderr
            .contains("Stopped: the service accepted nothing for too long")
    );
}

#[test]
fn p7_when_nobody_is_there_everything_stays_pending() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(200, "a"));
    // A port where nobody listens: it was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let endpoint = format!("http://{free}");
    let line = [
        "apply",
        "--state-dir",
        "state",
        "--max-outage",
        "1s",
        "--endpoint",
    ];
    let done = bench.run(&[&line[..], &[&endpoint, "users.csv"]].concat());
    assert_eq!(done.checked_code(), 5, "{}", done.stderr);
    assert_eq!(done.counts(), "read 200, pending 200");
    assert!(done.calls() < 20);
    let summary = done.run().summary();
    assert_eq!(summary["stopped_by"], "outage");
    assert!(
        summary["message"]
            .as_str()
            .unwrap()
            .starts_with("connection failed: "),
        "{summary:#}"
    );
}

#[test]
fn p7_a_name_that_nobody_knows_is_told_and_nothing_has_failed() {
    let mut bench = Bench::new(unlimited());
    // Where no server answers, it shall not be asked for long.
    bench.set("RES_OPTIONS", "attempts:1 timeout:1");
    bench.write("users.csv", users(200, "a"));
    let done = bench.run(&[
        "apply",
        "--state-dir",
        "state",
        "--max-outage",
        "1s",
        "--endpoint",
        "https://lcic.invalid",
        "users.csv",
    ]);
    assert_eq!(done.checked_code(), 5, "{}", done.stderr);
    assert_eq!(done.counts(), "read 200, pending 200");
    assert_eq!(done.run().summary()["stopped_by"], "outage");
    let told = "Stopped: the service accepted nothing for too long\n  name not found: ";
    assert!(done.stderr.contains(told), "{}", done.stderr);
}

/// Something else answers: no row is taken for applied, and it is found out soon.
fn assert_not_the_service(fault: Fault, at_most: u64) -> Value {
    let bench = Bench::new(always(fault));
    bench.write("users.csv", users(200, "a"));
    let done = bench.apply(&["--rate", "100", "users.csv"]);
    assert_eq!(done.checked_code(), 5, "{}", done.stderr);
    let summary = done.run().summary();
    assert_eq!(summary["stopped_by"], "service", "{summary:#}");
    for outcome in ["applied", "failed", "unchanged"] {
        assert_eq!(summary["counts"][outcome], 0, "{summary:#}");
    }
    let calls = bench.lcic.stats().calls;
    assert!((1..=at_most).contains(&calls), "{calls} calls");
    assert_eq!(done.calls(), calls);
    assert!(bench.held().is_empty());
    summary
}

#[test]
fn a_redirect_is_not_followed_and_stops_the_run() {
    for status in [301, 302, 307, 308] {
        let elsewhere = Bench::new(unlimited());
        let location = elsewhere.lcic.url();
        assert_not_the_service(Fault::Redirect { status, location }, 5);
        assert_eq!(elsewhere.lcic.stats().connections, 0);
    }
}

#[test]
fn a_proxy_that_wants_a_password_stops_the_run() {
    let fault = Fault::Status {
        status: 407,
        retry_after: None,
        when: Moment::Before,
    };
    assert_not_the_service(fault, 5);
}

#[test]
fn a_captive_portal_is_not_taken_for_success() {
    let fault = Fault::Garbage {
        when: Moment::Before,
    };
    let summary = assert_not_the_service(fault, 5);
    assert!(
        summary["message"]
            .as_str()
            .unwrap()
            .starts_with("not the service"),
        "{summary:#}"
    );
}

#[test]
fn t4_answers_that_say_nothing_are_unknown_and_sent_again() {
    // Ten good answers first: from then on, garbage is a fault of one row and not a portal.
    for fault in [
        Fault::NoRequestId,
        Fault::Truncated,
        Fault::Reset {
            when: Moment::After,
        },
    ] {
        let entry = Entry {
            user: Some("u9".into()),
            times: Times::N(2),
            ..Entry::once(fault.clone())
        };
        let bench = Bench::new(Config {
            faults: Faults {
                script: vec![entry],
                ..Faults::default()
            },
            ..unlimited()
        });
        let goal = users(10, "a");
        bench.write("users.csv", &goal);
        let line = ["--rate", "100", "--max-attempts", "2", "users.csv"];
        let done = bench.apply(&line);
        assert_eq!(done.checked_code(), 5, "{fault:?}: {}", done.stderr);
        assert_eq!(done.counts(), "read 10, applied 9, unknown 1");
        let next = bench.apply(&line);
        assert_eq!(next.checked_code(), 0, "{}", next.stderr);
        assert_eq!(next.counts(), "read 10, applied 1, unchanged 9");
        assert_eq!(bench.held(), expected(goal.as_bytes()));
        assert_eq!(bench.lcic.user("u9").unwrap().writes, 3);
    }
}
