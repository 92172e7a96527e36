//! The main job: a large file with everything in it, through a service that fails now and then.

use std::collections::BTreeMap;
use std::fmt::Write;

use lcic_sync::simulator::faults::Chance;
use lcic_sync::simulator::{Config, Fault, Faults, Moment};

use crate::support::{Bench, expected, unlimited};

/// 2,000 rows: one in seven repeats a user, one in a hundred is wrong in one of four ways.
fn a_real_file() -> Vec<u8> {
    let mut text = b"UserId,Nickname,Avatar\n".to_vec();
    for n in 0..2000_usize {
        // A step that is no divisor: repetitions are far apart.
        let user = if n % 7 == 6 { (n * 31) % 1500 } else { n };
        let mut row = String::new();
        match n {
            _ if n % 400 == 50 => writeln!(row, "u{user},,"),
            _ if n % 400 == 150 => writeln!(row, ",name {n},"),
            _ if n % 400 == 250 => writeln!(row, "u{user},\"a, b\""),
            _ if n % 5 == 0 => writeln!(row, "u{user},\"名字 \"\"{n}\"\" 👋\","),
            _ if n % 5 == 1 => writeln!(row, "u{user},,\"https://a.example/?a={n},b\""),
            _ => writeln!(row, "u{user},name {n},https://a.example/{n}.png"),
        }
        .expect("memory takes text");
        if n % 400 == 350 {
            text.extend(format!("u{user},").bytes());
            text.extend(b"\xD5\xC5\xCE\xB0,\n");
        } else {
            text.extend(row.bytes());
        }
    }
    text
}

fn chance(probability: f64, fault: Fault) -> Chance {
    Chance { probability, fault }
}

#[test]
fn two_thousand_rows_through_a_service_that_fails_now_and_then() {
    let reset = |when| Fault::Reset { when };
    let bad_gateway = Fault::Status {
        status: 502,
        retry_after: None,
        when: Moment::Before,
    };
    let garbage = Fault::Garbage {
        when: Moment::Before,
    };
    let bench = Bench::new(Config {
        faults: Faults {
            chance: vec![
                chance(0.01, Fault::error("InternalError")),
                chance(0.005, reset(Moment::Before)),
                chance(0.005, reset(Moment::After)),
                chance(0.01, bad_gateway),
                chance(0.003, garbage),
            ],
            ..Faults::default()
        },
        ..unlimited()
    });
    let text = a_real_file();
    let goal = expected(&text);
    bench.write("users.csv", &text);

    let done = bench.apply(&["--rate", "1500", "--seed", "1", "users.csv"]);

    assert_eq!(done.checked_code(), 3, "{}", done.stderr);
    assert_eq!(bench.held(), goal);
    let summary = done.run().summary();
    let results = done.run().results();
    let stats = bench.lcic.stats();
    let (counts, calls) = (&summary["counts"], &summary["calls"]);
    let n_invalid = counts["invalid"].as_u64().unwrap();
    assert!(n_invalid >= 20 && counts["superseded"].as_u64().unwrap() > 50);
    assert_eq!(
        (&counts["read"], &counts["unchanged"]),
        (&2000.into(), &0.into())
    );
    assert_eq!(results.len(), 2000, "every row is accounted for");

    // No needless call: one for each user, and one more for each that failed.
    let n_faults: u64 = stats.faults.values().sum();
    assert!(n_faults > 40, "{:?}", stats.faults);
    assert_eq!(stats.calls, goal.len() as u64 + n_faults);
    assert_eq!(calls["total"], stats.calls);
    assert_eq!(calls["retried"], n_faults);
    assert_eq!(calls["accepted"], goal.len());
    assert_eq!(stats.overlaps, 0, "calls of one user never overlap");

    // Each user is written once, and again only where a reset hid that it had been.
    let attempts: BTreeMap<&str, u64> = results
        .iter()
        .filter(|row| row["outcome"] == "applied")
        .map(|row| (&*row["UserId"], row["attempts"].parse().unwrap()))
        .collect();
    assert_eq!(attempts.values().sum::<u64>(), stats.calls);
    let users = bench.lcic.users();
    let n_again: u64 = users.values().map(|user| user.writes - 1).sum();
    for (user, profile) in &users {
        assert!(profile.writes <= attempts[user.as_str()], "{profile:?}");
    }
    assert!((1..=stats.faults["reset"]).contains(&n_again), "{n_again}");

    // The same command again has nothing to send.
    let again = bench.apply(&["--rate", "1500", "users.csv"]);
    assert_eq!(again.checked_code(), 3);
    assert_eq!(again.calls(), 0);
    assert_eq!(bench.lcic.stats().calls, stats.calls);
    let counted = again.run().summary();
    assert_eq!(counted["counts"]["unchanged"], counts["applied"]);
    assert_eq!(counted["counts"]["invalid"], n_invalid);
}

#[test]
fn a_small_run_and_the_same_again_word_for_word() {
    let bench = Bench::new(Config::default());
    bench.write(
        "users.csv",
        "UserId,Nickname,Avatar\n\
         u1,Ann,\n\
         u2,Bob,https://x.example/2.png\n\
         u1,,https://x.example/1.png\n\
         u2,Bea,https://x.example/3.png\n",
    );
    let done = bench.apply(&["users.csv"]);
    assert_eq!(done.checked_code(), 0);
    assert_eq!(done.stdout, "");
    assert_eq!(
        bench.plain(&done.stderr),
        "new ledger DIR/state/ledger.sqlite3: all rows will be sent\n\
         4 rows: 2 changes to send to http://127.0.0.1:PORT, at least 0.1 s at 20 a second\n\
         4 rows: 3 applied, 1 superseded\n\
         2 calls in TIME\n\
         Row by row: DIR/state/reports/RUN/results.csv\n\
         As a page: DIR/state/reports/RUN/report.html\n"
    );
    let again = bench.apply(&["users.csv"]);
    assert_eq!(again.checked_code(), 0);
    assert_eq!(
        bench.plain(&again.stderr),
        "4 rows: 0 changes to send\n\
         4 rows: 3 unchanged, 1 superseded\n\
         Nothing was sent.\n\
         Row by row: DIR/state/reports/RUN/results.csv\n\
         As a page: DIR/state/reports/RUN/report.html\n"
    );
}

#[test]
fn t2_only_what_differs_is_sent() {
    let bench = Bench::new(unlimited());
    bench.write(
        "monday.csv",
        "UserId,Nickname,Avatar\na,Ann,https://x.example/1\nb,Bob,https://x.example/2\n",
    );
    bench.write(
        "tuesday.csv",
        "UserId,Nickname,Avatar\na,Ann,https://x.example/1\nb,Bea,https://x.example/2\nc,,https://x.example/3\n",
    );
    assert_eq!(bench.apply(&["monday.csv"]).checked_code(), 0);
    let tuesday = bench.apply(&["tuesday.csv"]);
    assert_eq!(tuesday.checked_code(), 0);
    assert_eq!(tuesday.counts(), "read 3, applied 2, unchanged 1");
    assert_eq!(tuesday.calls(), 2);
    assert_eq!(
        bench.held(),
        expected(b"UserId,Nickname,Avatar\na,Ann,https://x.example/1\nb,Bea,https://x.example/2\nc,,https://x.example/3\n")
    );

    // And back again: what the ledger holds is the last, not the first.
    let back = bench.apply(&["monday.csv"]);
    assert_eq!(back.counts(), "read 2, applied 1, unchanged 1");
    assert_eq!(bench.lcic.user("b").unwrap().nickname.unwrap(), "Bob");
}

#[test]
fn the_demo_shows_what_it_promises() {
    let bench = Bench::new(Config::default());
    let done = bench.run(&["demo", "--no-progress", "--dir", "shown"]);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let dir = bench.path("shown");
    let told = format!("Everything this demo writes is in {}\n", dir.display());
    assert!(done.stderr.contains(&told), "{}", done.stderr);
    assert!(done.stderr.contains("\nAs expected: "), "{}", done.stderr);
    let latest = dir.join("state/reports/latest");
    for file in ["results.csv", "failures.csv", "summary.json"] {
        assert!(latest.join(file).is_file(), "{file}");
    }
    assert_eq!(
        bench.lcic.stats().calls,
        0,
        "it brings a service of its own"
    );
}
