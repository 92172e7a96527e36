//! How fast calls leave, and what the service makes of it.

use lcic_sync::simulator::{Config, Window};

use crate::support::{Bench, users};

#[test]
fn p2_twenty_a_second_and_never_more_in_any_second() {
    let bench = Bench::new(Config {
        record_arrivals: true,
        quota: None,
        ..Config::default()
    });
    bench.write("users.csv", users(160, "a"));
    let done = bench.apply(&["users.csv"]);
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(done.calls(), 160);
    let pace = &done.run().summary()["pace"];
    assert_eq!(pace["rate"], 20.0);
    assert!(pace["max_in_any_second"].as_u64().unwrap() <= 20, "{pace}");
    assert!(pace["mean_per_s"].as_f64().unwrap() >= 19.5, "{pace}");

    // The receiver, whose clock knows nothing of the sender's, saw it take as long as it must:
    // 159 gaps of a twentieth of a second.
    let arrivals = bench.lcic.stats().arrivals;
    let took = (arrivals[159] - arrivals[0]).as_secs_f64();
    assert!(took >= 159.0 / 20.0 - 0.05, "{took}");
}

#[test]
fn nothing_fails_whatever_the_service_takes_for_a_second() {
    for window in [
        Window::FixedSecond,
        Window::SlidingSecond,
        Window::TokenBucket,
    ] {
        let bench = Bench::new(Config {
            window,
            ..Config::default()
        });
        bench.write("users.csv", users(50, "a"));
        let done = bench.apply(&["users.csv"]);
        assert_eq!(done.checked_code(), 0, "{window:?}: {}", done.stderr);
        assert_eq!(done.counts(), "read 50, applied 50");
        // Throttled calls cost calls, never rows (rule P6).
        let summary = done.run().summary();
        let stats = bench.lcic.stats();
        assert_eq!(stats.applied, 50);
        assert_eq!(summary["calls"]["throttled"], stats.throttled);
        assert_eq!(stats.calls, 50 + stats.throttled);
    }
}

#[test]
fn p6_a_quota_of_others_costs_calls_and_never_rows() {
    // Half of the quota is somebody else's: every other call is refused at first.
    let bench = Bench::new(Config {
        quota: std::num::NonZeroU32::new(10),
        refused_count: false,
        ..Config::default()
    });
    bench.write("users.csv", users(40, "a"));
    let done = bench.apply(&["--max-attempts", "1", "users.csv"]);
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(done.counts(), "read 40, applied 40");
    assert!(bench.lcic.stats().throttled > 0);
}

#[test]
fn p3_a_quota_below_the_rate_is_learned_and_remembered_for_the_next_run() {
    let bench = Bench::new(Config {
        quota: std::num::NonZeroU32::new(10),
        ..Config::default()
    });
    bench.write("users.csv", users(80, "a"));
    let first = bench.apply(&["users.csv"]);
    assert_eq!(first.checked_code(), 0, "{}", first.stderr);
    assert_eq!(first.counts(), "read 80, applied 80");
    let pace = &first.run().summary()["pace"];
    assert_eq!(pace["limit"], 10.0);
    assert!(pace["lowest"].as_f64().unwrap() <= 10.0, "{pace}");
    // At twenty a second every other call would come back: the 80 rows would cost 80 refusals.
    let throttled = bench.lcic.stats().throttled;
    assert!((1..30).contains(&throttled), "{throttled}");

    bench.write("users.csv", users(30, "b"));
    let second = bench.apply(&["users.csv"]);
    assert_eq!(second.checked_code(), 0, "{}", second.stderr);
    assert!(second.stderr.contains("allowed 10 calls a second"));
    let pace = &second.run().summary()["pace"];
    assert!(pace["max_in_any_second"].as_u64().unwrap() <= 10, "{pace}");
}
