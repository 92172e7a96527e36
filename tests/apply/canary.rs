//! `--canary`: a few changes first, and a look with the service's own eyes before the rest.

use lcic_sync::simulator::faults::{Calls, Entry, Times};
use lcic_sync::simulator::{Config, Fault, Faults};

use crate::support::{Bench, column, expected, unlimited, users};

fn with(script: Vec<Entry>) -> Config {
    let faults = Faults {
        script,
        ..Faults::default()
    };
    Config {
        faults,
        ..unlimited()
    }
}

fn refused(user: &str) -> Entry {
    Entry {
        user: Some(user.into()),
        times: Times::FOREVER,
        ..Entry::once(Fault::error("InvalidParameter"))
    }
}

#[test]
fn a_canary_that_holds_is_read_back_once_and_the_rest_follows() {
    let bench = Bench::new(unlimited());
    let goal = users(40, "a");
    bench.write("users.csv", &goal);
    let done = bench.apply(&["--rate", "1000", "--canary", "5", "users.csv"]);
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(done.counts(), "read 40, applied 40");
    assert!(
        done.stderr
            .contains("canary: 5 users read back, all as sent\n"),
        "{}",
        done.stderr
    );
    assert_eq!(bench.held(), expected(goal.as_bytes()));
    assert_eq!(bench.lcic.stats().calls, 45, "40 changes and 5 reads");
    // Of the next run nothing is left to go first.
    let again = bench.apply(&["--canary", "5", "users.csv"]);
    assert_eq!(again.checked_code(), 0, "{}", again.stderr);
    assert_eq!(bench.lcic.stats().calls, 45);
}

#[test]
fn a_mismatch_stops_puts_what_is_disproved_in_doubt_and_says_what_was_sent() {
    let lies_once = Entry {
        user: Some("u1".into()),
        calls: Some(Calls {
            from: Some(4),
            to: None,
        }),
        ..Entry::once(Fault::NotApplied)
    };
    let bench = Bench::new(with(vec![lies_once]));
    bench.write("users.csv", users(3, "a"));
    let first = bench.apply(&["users.csv"]);
    assert_eq!(first.checked_code(), 0);

    bench.write("users.csv", users(40, "b"));
    let done = bench.apply(&["--rate", "1000", "--canary", "5", "users.csv"]);
    assert_eq!(done.checked_code(), 4, "{}", done.stderr);
    assert_eq!(done.counts(), "read 40, applied 4, unknown 1, pending 35");
    for told in [
        "Stopped by the canary\n",
        "of 5 users read back, the service does not show what it accepted of 1, the first in line 3 of FILE 1; beyond the canary nothing was sent",
        "40 rows: 4 applied, 1 unknown, 35 pending\n5 calls",
        "give the same command again",
    ] {
        assert!(done.stderr.contains(told), "{told}: {}", done.stderr);
    }
    let summary = done.run().summary();
    assert_eq!(summary["stopped_by"], "canary");
    let failures = done.run().failures();
    assert_eq!(column(&failures, "UserId"), ["u1"]);
    assert_eq!(column(&failures, "_outcome"), ["unknown"]);
    assert_eq!(column(&failures, "_code"), ["not shown"]);

    // The service still holds the value of the first run. Had the ledger believed the answer, the
    // next run would send nothing for this user; had it kept to the first run, a file that says so
    // would.
    let goal = users(40, "b");
    let next = bench.apply(&["--rate", "1000", "--canary", "5", "users.csv"]);
    assert_eq!(next.checked_code(), 0, "{}", next.stderr);
    assert_eq!(next.counts(), "read 40, applied 36, unchanged 4");
    assert_eq!(bench.held(), expected(goal.as_bytes()));
}

#[test]
fn without_the_permission_to_read_nothing_can_be_verified() {
    let denied = Fault::error("AuthFailure.UnauthorizedOperation");
    let bench = Bench::new(with(vec![Entry {
        calls: Some(Calls {
            from: Some(3),
            to: None,
        }),
        ..Entry::once(denied)
    }]));
    bench.write("users.csv", users(10, "a"));
    let done = bench.apply(&["--canary", "2", "users.csv"]);
    assert_eq!(done.checked_code(), 4, "{}", done.stderr);
    // They were accepted, and nothing speaks against that.
    assert_eq!(done.counts(), "read 10, applied 2, pending 8");
    assert!(
        done.stderr
            .contains("can't verify: AuthFailure.UnauthorizedOperation"),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("lcic:DescribeUser"), "{}", done.stderr);
}

#[test]
fn a_refusal_is_the_rows_own_matter_and_who_was_refused_before_is_no_canary() {
    let bench = Bench::new(with(vec![refused("u1"), refused("u4")]));
    bench.write("users.csv", users(8, "a"));
    let first = bench.apply(&["--canary", "3", "users.csv"]);
    assert_eq!(first.checked_code(), 3, "{}", first.stderr);
    assert_eq!(first.counts(), "read 8, applied 6, failed 2");
    assert!(first.stderr.contains("canary: 2 users read back"));

    // All but the two that were refused are held: there is no canary, and nobody to protect.
    let second = bench.apply(&["--canary", "3", "users.csv"]);
    assert_eq!(second.checked_code(), 3, "{}", second.stderr);
    assert_eq!(second.counts(), "read 8, unchanged 6, failed 2");
    assert!(!second.stderr.contains("canary"), "{}", second.stderr);
    assert_eq!(second.calls(), 2);
}

#[test]
fn a_canary_of_which_none_is_accepted_lets_nobody_follow() {
    let bench = Bench::new(with(vec![refused("u0"), refused("u1")]));
    bench.write("users.csv", users(8, "a"));
    let done = bench.apply(&["--canary", "2", "users.csv"]);
    assert_eq!(done.checked_code(), 4, "{}", done.stderr);
    assert_eq!(done.counts(), "read 8, failed 2, pending 6");
    let told = "can't verify: of 2 changes none was accepted";
    assert!(done.stderr.contains(told), "{}", done.stderr);
}
