//! Reports feed back (rule T5): what failed is mended in `failures.csv` and applied as it is.

use std::fs;

use lcic_sync::simulator::faults::{Entry, Moment, Times};
use lcic_sync::simulator::{Config, Fault, Faults};

use crate::support::{Bench, column, unlimited};

/// Refuses the nicknames of these users, always.
fn refusing(ids: &[&str], times: Times) -> Config {
    let entry = |id: &&str| Entry {
        user: Some((*id).into()),
        times,
        ..Entry::once(Fault::error("InvalidParameter.Content"))
    };
    Config {
        faults: Faults {
            script: ids.iter().map(entry).collect(),
            ..Faults::default()
        },
        ..unlimited()
    }
}

const USERS: &str = "Avatar,UserId,Nickname\n\
    https://x.example/1,a,Ann\n\
    https://x.example/2,b,Bob\n\
    https://x.example/3,c,rude\n\
    ,d,\n\
    https://x.example/5,e,Eve\n\
    ,c,ruder\n";

/// Writes `text` to `mended.csv` as a person would have changed `failures.csv`.
fn mend(bench: &Bench, failures: &std::path::Path, changes: &[(&str, &str)]) {
    let mut text = fs::read_to_string(failures).unwrap();
    for (from, to) in changes {
        assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
        text = text.replace(from, to);
    }
    bench.write("mended.csv", text);
}

#[test]
fn t5_failures_are_mended_applied_and_then_superseded() {
    let bench = Bench::new(refusing(&["c"], Times::default()));
    bench.write("users.csv", USERS);
    let first = bench.apply(&["--concurrency", "1", "users.csv"]);
    assert_eq!(first.checked_code(), 3, "{}", first.stderr);
    assert_eq!(first.counts(), "read 6, applied 3, failed 2, invalid 1");

    // All rows that took part, the person's own columns first and in their order.
    let path = first.run().file("failures.csv");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(
        text.lines().next().unwrap(),
        "Avatar,UserId,Nickname,_outcome,_code,_message,_request_id,_file,_line,_run,_at,_cells"
    );
    let failures = first.run().failures();
    let told: Vec<[&str; 6]> = failures
        .iter()
        .map(|row| {
            ["Avatar", "UserId", "Nickname", "_outcome", "_code", "_line"].map(|name| &*row[name])
        })
        .collect();
    let refused = "InvalidParameter.Content";
    assert_eq!(
        told,
        [
            ["", "d", "", "invalid", "sets nothing", "5"],
            ["https://x.example/3", "c", "rude", "failed", refused, "4"],
            ["", "c", "ruder", "failed", refused, "7"],
        ]
    );
    let run_id = first.run().0.file_name().unwrap().to_str().unwrap();
    assert!(column(&failures, "_run").iter().all(|run| *run == run_id));
    let mend_line = format!(
        "  lcic-sync apply --endpoint {} --concurrency 1 --state-dir state {}\n",
        bench.lcic.url(),
        path.display()
    );
    assert!(first.stderr.contains(&mend_line), "{}", first.stderr);

    mend(
        &bench,
        &path,
        &[
            ("https://x.example/3,c,rude,", "https://x.example/3,c,Cid,"),
            (",c,ruder,", ",c,Carl,"),
            (",d,,", "https://x.example/4,d,,"),
        ],
    );
    let mended = bench.apply(&["mended.csv"]);
    assert_eq!(mended.checked_code(), 0, "{}", mended.stderr);
    assert_eq!(mended.counts(), "read 3, applied 3");
    let held = bench.held();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(held["c"], (text("Carl"), text("https://x.example/3")));
    assert_eq!(held["d"], (None, text("https://x.example/4")));

    // The old file again, mended or not: somebody has taken care of these users since.
    let calls = bench.lcic.stats().calls;
    for file in ["mended.csv", path.to_str().unwrap()] {
        let again = bench.apply(&[file]);
        assert_eq!(again.calls(), 0, "{}", again.stderr);
        let results = again.run().results();
        for row in results.iter().filter(|row| row["UserId"] == "c") {
            assert_eq!(
                (&*row["outcome"], &*row["code"]),
                ("superseded", "newer run")
            );
            assert_eq!(
                row["message"],
                "run 2 has dealt with this user since; what it left to do is in its failures.csv"
            );
        }
    }
    assert_eq!(bench.lcic.stats().calls, calls);
    assert_eq!(bench.held(), held);
}

#[test]
fn t5_a_row_with_other_cells_than_its_header_keeps_them_and_is_held_until_it_is_mended() {
    let bench = Bench::new(unlimited());
    bench.write(
        "users.csv",
        "UserId,Nickname,Avatar\na,Ann,Smith,https://x.example/1\nb,https://x.example/2\n\
         b,,https://x.example/3\nc,Cid,\n",
    );
    let first = bench.apply(&["users.csv"]);
    assert_eq!(first.counts(), "read 4, applied 1, invalid 3");
    let path = first.run().file("failures.csv");
    let own = |run: &crate::support::RunDir| -> Vec<[String; 4]> {
        let rows = run.failures();
        let own = ["UserId", "Nickname", "Avatar", "_cells"];
        rows.iter()
            .map(|row| own.map(|name| row[name].clone()))
            .collect()
    };
    let told = [
        ["a", "Ann", "Smith", "4 of 3: https://x.example/1"],
        ["b", "https://x.example/2", "", "2 of 3"],
        ["b", "", "https://x.example/3", ""],
    ];
    assert_eq!(own(first.run()), told);

    // As it is, nothing of it is sent, however often.
    let again = bench.apply(&[path.to_str().unwrap()]);
    assert_eq!(again.counts(), "read 3, invalid 3", "{}", again.stderr);
    assert!(
        again.stderr.contains("column _cells tells of missing"),
        "{}",
        again.stderr
    );
    assert_eq!(own(again.run()), told);

    let path = again.run().file("failures.csv");
    let changes = [
        ("a,Ann,Smith,", "a,Ann Smith,https://x.example/1,"),
        (",4 of 3: https://x.example/1\n", ",\n"),
        ("b,https://x.example/2,,", "b,Bob,https://x.example/2,"),
        (",2 of 3\n", ",\n"),
    ];
    mend(&bench, &path, &changes);
    let mended = bench.apply(&["mended.csv"]);
    assert_eq!(mended.counts(), "read 3, applied 3", "{}", mended.stderr);
    let held = bench.held();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(held["a"], (text("Ann Smith"), text("https://x.example/1")));
    assert_eq!(held["b"], (text("Bob"), text("https://x.example/3")));
}

#[test]
fn t5_old_columns_are_replaced_when_a_row_fails_again() {
    let bench = Bench::new(refusing(&["a"], Times::FOREVER));
    bench.write("users.csv", "UserId,Nickname\na,Ann\n");
    let first = bench.apply(&["users.csv"]);
    assert_eq!(first.checked_code(), 3);
    let path = first.run().file("failures.csv");
    let second = bench.apply(&[path.to_str().unwrap()]);
    assert_eq!(second.checked_code(), 3, "{}", second.stderr);
    assert_eq!(second.counts(), "read 1, failed 1");
    let text = fs::read_to_string(second.run().file("failures.csv")).unwrap();
    assert_eq!(text.matches("_run").count(), 1, "{text}");
    let failures = second.run().failures();
    let run_id = second.run().0.file_name().unwrap().to_str().unwrap();
    assert_eq!(column(&failures, "_run"), [run_id]);
    assert_eq!(column(&failures, "_file"), [path.to_str().unwrap()]);

    // The first file is history now.
    let third = bench.apply(&[path.to_str().unwrap()]);
    assert_eq!(third.checked_code(), 0, "{}", third.stderr);
    assert_eq!(third.counts(), "read 1, superseded 1");
}

#[test]
fn t5_a_run_in_between_supersedes_an_old_failures_file() {
    let bench = Bench::new(refusing(&["a", "b"], Times::default()));
    bench.write("users.csv", "UserId,Nickname\na,Ann\nb,Bob\n");
    let first = bench.apply(&["users.csv"]);
    assert_eq!(first.counts(), "read 2, failed 2");
    bench.write("newer.csv", "UserId,Nickname\na,Anna\n");
    assert_eq!(bench.apply(&["newer.csv"]).checked_code(), 0);

    let path = first.run().file("failures.csv");
    let old = bench.apply(&[path.to_str().unwrap()]);
    assert_eq!(old.checked_code(), 0, "{}", old.stderr);
    assert_eq!(old.counts(), "read 2, applied 1, superseded 1");
    assert_eq!(bench.lcic.user("a").unwrap().nickname.unwrap(), "Anna");
    assert_eq!(bench.lcic.user("b").unwrap().nickname.unwrap(), "Bob");
}

#[test]
fn t5_a_run_that_finds_a_failed_user_unchanged_closes_its_record() {
    let bench = Bench::new(refusing(&["a"], Times::default()));
    bench.write(
        "old.csv",
        "UserId,Nickname,Avatar\na,,https://x.example/1\n",
    );
    bench.write("users.csv", "UserId,Nickname,Avatar\na,rude,\n");
    // The refusal is for whichever call comes first.
    let first = bench.apply(&["users.csv"]);
    assert_eq!(first.counts(), "read 1, failed 1");
    assert_eq!(bench.apply(&["old.csv"]).counts(), "read 1, applied 1");
    assert_eq!(bench.apply(&["old.csv"]).counts(), "read 1, unchanged 1");
    let path = first.run().file("failures.csv");
    let old = bench.apply(&[path.to_str().unwrap()]);
    assert_eq!(old.counts(), "read 1, superseded 1", "{}", old.stderr);
}

#[test]
fn t5_a_failures_file_is_the_only_input_of_its_run() {
    let bench = Bench::new(refusing(&["a"], Times::default()));
    bench.write("users.csv", "UserId,Nickname\na,Ann\n");
    let first = bench.apply(&["users.csv"]);
    let path = first.run().file("failures.csv");
    for files in [
        ["users.csv", path.to_str().unwrap()],
        [path.to_str().unwrap(), "users.csv"],
    ] {
        let done = bench.apply(&files);
        assert_eq!(done.checked_code(), 4, "{}", done.stderr);
        assert!(
            done.stderr.contains("must be the only file of its run"),
            "{}",
            done.stderr
        );
    }
    assert_eq!(bench.lcic.stats().calls, 1);
}

#[test]
fn t5_a_failures_file_of_another_ledger_is_refused() {
    let bench = Bench::new(refusing(&["a"], Times::default()));
    bench.write("users.csv", "UserId,Nickname\na,Ann\n");
    let first = bench.apply(&["users.csv"]);
    let path = first.run().file("failures.csv");
    let url = bench.lcic.url();
    let reports = bench.path("state/reports");
    let done = bench.run(&[
        "apply",
        "--endpoint",
        &url,
        "--state-dir",
        "other",
        "--report-dir",
        reports.to_str().unwrap(),
        path.to_str().unwrap(),
    ]);
    assert_eq!(done.checked_code(), 4, "{}", done.stderr);
    assert!(
        done.stderr.contains("which this ledger does not know"),
        "{}",
        done.stderr
    );
    assert_eq!(bench.lcic.stats().calls, 1);
}

/// `latest` moves when a run begins; the command that resumes it must not mean another file then.
#[test]
fn t5_a_failures_file_given_through_latest_is_resumed_as_the_file_it_was() {
    let refused: Vec<String> = (0..30).map(|n| format!("u{n}")).collect();
    let refused: Vec<&str> = refused.iter().map(String::as_str).collect();
    let bench = Bench::new(refusing(&refused, Times::default()));
    let mut text = "UserId,Nickname\n".to_owned();
    for user in &refused {
        text += &format!("{user},name of {user}\n");
    }
    bench.write("users.csv", &text);
    assert_eq!(bench.apply(&["users.csv"]).checked_code(), 3);

    let latest = bench.path("state/reports/latest/failures.csv");
    let latest = latest.to_str().unwrap();
    let stopped = bench.apply(&["--limit", "10", latest]);
    assert_eq!(stopped.checked_code(), 5, "{}", stopped.stderr);
    let told = stopped.stderr.lines();
    let again = told
        .into_iter()
        .find(|line| line.contains("lcic-sync apply"));
    let again = again.expect("the command that goes on");
    assert!(!again.contains("latest"), "{again}");
    let file = again.rsplit(' ').next().unwrap();
    let rest = bench.apply(&[file]);
    assert_eq!(rest.counts(), "read 30, applied 20, superseded 10");
    assert_eq!(bench.held().len(), 30);
}

/// A newer run that left a row in doubt has not taken care of it: T4 is stronger than T5.
#[test]
fn t4_a_fed_back_row_that_ends_in_doubt_is_sent_again_by_the_same_command() {
    let mut config = unlimited();
    let reset = Fault::Reset {
        when: Moment::After,
    };
    for (call, fault) in [(2, Fault::error("InvalidParameter.Content")), (3, reset)] {
        config.faults.script.push(Entry {
            call: Some(call),
            ..Entry::once(fault)
        });
    }
    let bench = Bench::new(config);
    // The avatar is held since before: only the nickname is in doubt.
    bench.write("held.csv", "UserId,Avatar\nc,https://x/1.png\n");
    assert_eq!(bench.apply(&["held.csv"]).counts(), "read 1, applied 1");
    bench.write(
        "users.csv",
        "UserId,Nickname,Avatar\nc,Cho,https://x/1.png\n",
    );
    let first = bench.apply(&["users.csv"]);
    assert_eq!(first.counts(), "read 1, failed 1");
    let failures = first.run().file("failures.csv");
    let failures = failures.to_str().unwrap();
    let lost = bench.apply(&["--max-attempts", "1", failures]);
    assert_eq!(lost.counts(), "read 1, unknown 1", "{}", lost.stderr);
    assert_eq!(lost.checked_code(), 5);
    let again = bench.apply(&[failures]);
    assert_eq!(again.counts(), "read 1, applied 1", "{}", again.stderr);
    assert_eq!(bench.apply(&[failures]).counts(), "read 1, superseded 1");
}
