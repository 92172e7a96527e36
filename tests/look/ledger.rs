//! `ledger show`, `stats`, `forget`, `adopt` and `runs`: what is kept, and how it is mended.

use std::fs;
use std::time::Duration;

use lcic_sync::simulator::faults::Entry;
use lcic_sync::simulator::{Config, Fault, Faults, Key, Moment};
use serde_json::{Value, json};

use crate::support::{Bench, Done, unlimited, users};

impl Bench {
    /// `lcic-sync ledger …` or another command on the bench's state directory.
    pub fn look(&self, args: &[&str]) -> Done {
        self.run(&[args, &["--state-dir", "state"]].concat())
    }

    fn look_json(&self, args: &[&str]) -> Value {
        let done = self.look(&[args, &["--json"]].concat());
        let json = serde_json::from_str(&done.stdout);
        json.unwrap_or_else(|_| panic!("{}{}", done.stdout, done.stderr))
    }
}

/// Dates and lengths of time as words.
fn timeless(text: &str) -> String {
    let is_date = |word: &str| word.len() == 10 && word.as_bytes()[4] == b'-';
    let lines = text.lines().map(|line| {
        let mut words: Vec<&str> = line.split(' ').collect();
        for at in 0..words.len() {
            if is_date(words[at]) {
                words.splice(at..(at + 3).min(words.len()), ["DATE"]);
                break;
            }
        }
        words.join(" ") + "\n"
    });
    lines.collect()
}

/// u1 and u2 hold something, u3 is in doubt, u4 was refused and mended.
fn with_a_past() -> Bench {
    let fault = |user: &str, fault| Entry {
        user: Some(user.into()),
        ..Entry::once(fault)
    };
    let bench = Bench::new(Config {
        faults: Faults {
            script: vec![
                fault(
                    "u3",
                    Fault::Reset {
                        when: Moment::After,
                    },
                ),
                fault("u4", Fault::error("InvalidParameter.Content")),
            ],
            ..Faults::default()
        },
        ..unlimited()
    });
    bench.write(
        "one.csv",
        "UserId,Nickname,Avatar\nu1,Ann,\nu2,Bob,https://x.example/2.png\nu3,Cy,\nu4,Di,\n",
    );
    bench.write("two.csv", "UserId,Nickname\nu1,Anne\nu4,Dina\n");
    let one = bench.apply(&["--max-attempts", "1", "one.csv"]);
    assert_eq!(one.checked_code(), 5, "{}", one.stderr);
    let two = bench.apply(&["two.csv"]);
    assert_eq!(two.checked_code(), 0, "{}", two.stderr);
    bench
}

#[test]
fn a_user_is_shown_with_what_it_holds_and_why() {
    let bench = with_a_past();
    let before = fs::read(bench.path("state/ledger.sqlite3")).unwrap();
    let done = bench.look(&["ledger", "show", "u1", "u2", "u3", "u4"]);
    assert_eq!((done.code(), &*done.stderr), (0, ""));
    assert_eq!(
        timeless(&done.stdout),
        "u1\n  \
           Nickname  \"Anne\" from run 2, confirmed DATE\n            \
                     before that run: \"Ann\"\n  \
           Avatar    never given\n\
         u2\n  \
           Nickname  \"Bob\" from run 1, confirmed DATE\n            \
                     before that run: not known\n  \
           Avatar    \"https://x.example/2.png\" from run 1, confirmed DATE\n            \
                     before that run: not known\n\
         u3\n  \
           Nickname  never given\n            \
                     in doubt: \"Cy\", sent by run 1 at DATE or before\n  \
           Avatar    never given\n  \
           invalid or without an answer in run 1, and no run has taken care of it since\n\
         u4\n  \
           Nickname  \"Dina\" from run 2, confirmed DATE\n            \
                     before that run: not known\n  \
           Avatar    never given\n  \
           refused in run 1, taken care of by run 2\n"
    );
    let unknown = bench.look(&["ledger", "show", "nobody\x1b[2J"]);
    assert_eq!(unknown.code(), 3);
    assert_eq!(unknown.stdout, "nobody [2J\n  not known to this ledger\n");

    let json = bench.look_json(&["ledger", "show", "u1", "u3", "nobody"]);
    let users = json["users"].as_array().unwrap();
    assert_eq!(users[0]["nickname"]["held"], "Anne");
    assert_eq!(users[0]["nickname"]["before"], "Ann");
    assert_eq!(users[0]["avatar"]["held"], Value::Null);
    assert_eq!(users[1]["nickname"]["doubt"], "Cy");
    assert_eq!(users[1]["nickname"]["doubt_run"], 1);
    assert_eq!(users[1]["failed_in_run"], 1);
    assert_eq!(users[2], json!({ "user_id": "nobody", "known": false }));
    assert!(fs::read(bench.path("state/ledger.sqlite3")).unwrap() == before);
}

#[test]
fn the_ledger_in_figures() {
    let bench = with_a_past();
    let done = bench.look(&["ledger", "stats"]);
    assert_eq!((done.code(), &*done.stderr), (0, ""));
    assert_eq!(
        timeless(&bench.plain(&done.stdout)),
        "ledger    DIR/state/ledger.sqlite3\n\
         account   AKID…ATOR at 127.0.0.1:PORT, since DATE\n\
         users     4\n\
         hold      3 nicknames, 1 avatar\n\
         in doubt  1 user\n\
         open      1 user in a failures.csv, and no run has taken care of it since\n\
         runs      2\n"
    );
    let stats = json!({
        "users": 4, "nicknames": 3, "avatars": 1, "in_doubt": 1, "open": 1, "runs": 2,
    });
    assert_eq!(bench.look_json(&["ledger", "stats"])["stats"], stats);
}

#[test]
fn past_runs_are_listed_with_their_outcome_and_reports() {
    let bench = with_a_past();
    // Ids of one second are in no order.
    let of_one = |id: &String| bench.run_of(id).summary()["input"][0]["name"] == "one.csv";
    let gone = bench.run_ids().into_iter().find(of_one).unwrap();
    fs::remove_dir_all(bench.run_of(&gone).0).unwrap();
    let done = bench.look(&["runs"]);
    assert_eq!((done.code(), &*done.stderr), (0, ""));
    let without_took = |line: &str| match line.split_once(" took ").or(line.split_once(" stopped "))
    {
        Some((before, after)) => {
            let (_, exit) = after.split_once(", exit ").unwrap();
            format!("{before} TOOK, exit {exit}\n")
        }
        None => format!("{line}\n"),
    };
    let told: String = timeless(&bench.plain(&done.stdout))
        .lines()
        .map(without_took)
        .collect();
    let told = told.replace(&gone, "GONE");
    assert_eq!(
        told,
        "run 2  DATE  TOOK, exit 0\n  \
           of       two.csv\n  \
           rows     2 rows: 2 applied\n  \
           reports  DIR/state/reports/RUN\n\
         run 1  DATE  TOOK, exit 5\n  \
           of       one.csv\n  \
           rows     4 rows: 2 applied, 1 failed, 1 unknown\n  \
           reports  DIR/state/reports/GONE (gone)\n"
    );
    let json = bench.look_json(&["runs", "--last", "1"]);
    let runs = json["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(
        (&runs[0]["run"], &runs[0]["exit_code"]),
        (&2.into(), &0.into())
    );
    assert_eq!(runs[0]["counts"]["applied"], 2);
    assert!(
        runs[0]["seconds"].is_number() && runs[0]["stopped_by"].is_null(),
        "{json}"
    );
}

#[test]
fn without_a_ledger_there_is_nothing_to_look_at_and_none_is_made() {
    let bench = Bench::new(unlimited());
    for line in [
        &["runs"][..],
        &["ledger", "stats"],
        &["ledger", "show", "u1"],
        &["ledger", "forget", "u1"],
        &["ledger", "adopt"],
        &["ledger", "undo", "1", "--out", "undo.csv"],
    ] {
        let done = bench.look(line);
        assert_eq!(done.code(), 4, "{line:?}: {}", done.stderr);
        assert_eq!(
            bench.plain(&done.stderr),
            "error: DIR/state/ledger.sqlite3: there is no ledger yet\n\
             hint: the first apply makes it; is it in another --state-dir?\n"
        );
    }
    assert!(!bench.path("state").exists());
    bench.write("users.csv", "UserId,Nickname\n");
    assert_eq!(bench.apply(&["users.csv"]).checked_code(), 0);
    assert_eq!(bench.look(&["ledger", "stats"]).code(), 0);
    fs::write(bench.path("state/ledger.sqlite3"), "no ledger\n").unwrap();
    for line in [
        &["runs"][..],
        &["ledger", "show", "u1"],
        &["ledger", "forget", "u1"],
    ] {
        let done = bench.look(line);
        assert_eq!(done.code(), 4, "{line:?}: {}", done.stderr);
        assert!(
            done.stderr.ends_with("is not a ledger of lcic-sync\n"),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn a_forgotten_user_is_sent_again_in_full() {
    let bench = with_a_past();
    let done = bench.look(&["ledger", "forget", "u2", "u3", "nobody"]);
    assert_eq!(done.code(), 3);
    assert_eq!(
        done.stderr,
        "u2: forgotten, the next file that names it is sent in full\n\
         u3: not forgotten, a call for it may still arrive; try again in a minute\n\
         nobody: not known to this ledger\n"
    );
    assert_eq!(bench.look(&["ledger", "forget", "u1"]).code(), 0);
    bench.write(
        "same.csv",
        "UserId,Nickname,Avatar\nu1,Anne,\nu2,Bob,https://x.example/2.png\nu4,Dina,\n",
    );
    let again = bench.apply(&["same.csv"]);
    assert_eq!(again.counts(), "read 3, applied 2, unchanged 1");
}

#[test]
fn while_a_run_is_at_work_the_ledger_is_only_looked_at() {
    let bench = Bench::new(Config {
        answer_delay: Duration::from_secs(1),
        ..unlimited()
    });
    bench.write("users.csv", users(3, "a"));
    let going = bench.start(&["users.csv"]);
    bench.until("the first call", |stats| stats.calls >= 1);
    for line in [
        &["ledger", "forget", "u0"][..],
        &["ledger", "adopt", "--endpoint", &bench.lcic.url()],
    ] {
        let done = bench.look(line);
        assert_eq!(done.code(), 11, "{line:?}: {}", done.stderr);
    }
    let shown = bench.look_json(&["ledger", "show", "u0"]);
    assert_eq!(shown["users"][0]["nickname"]["doubt"], "name 0 a");
    let runs = bench.look(&["runs"]);
    assert!(
        runs.stdout
            .contains("no end: it is at work, or it was killed"),
        "{}",
        runs.stdout
    );
    assert_eq!(going.wait().checked_code(), 0);
}

#[test]
fn t8_a_new_key_of_the_same_account_is_adopted() {
    let new = Key {
        secret_id: "AKIDfakenewkeyofschool".into(),
        ..Key::local()
    };
    let mut bench = Bench::new(Config {
        keys: vec![Key::local(), new],
        ..unlimited()
    });
    bench.write("users.csv", users(5, "a"));
    assert_eq!(bench.apply(&["users.csv"]).checked_code(), 0);
    bench.set("TENCENTCLOUD_SECRET_ID", "AKIDfakenewkeyofschool");
    assert_eq!(bench.apply(&["users.csv"]).checked_code(), 4);

    let url = bench.lcic.url();
    let adopt = ["ledger", "adopt", "--endpoint", &url];
    let done = bench.look(&adopt);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert_eq!(
        bench.plain(&done.stderr),
        "ledger DIR/state/ledger.sqlite3: belongs to AKID…ATOR at 127.0.0.1:PORT, and from now on to AKID…hool at 127.0.0.1:PORT, too\n"
    );
    let again = bench.look(&adopt);
    assert_eq!(
        bench.plain(&again.stderr),
        "ledger DIR/state/ledger.sqlite3: belongs to AKID…hool at 127.0.0.1:PORT already\n"
    );
    // While keys are being replaced, both are in use.
    for id in ["AKIDfakenewkeyofschool", Key::LOCAL_ID] {
        bench.set("TENCENTCLOUD_SECRET_ID", id);
        let done = bench.apply(&["users.csv"]);
        assert_eq!(done.counts(), "read 5, unchanged 5", "{}", done.stderr);
    }
    let accounts = &bench.look_json(&["ledger", "stats"])["accounts"];
    assert_eq!(accounts.as_array().unwrap().len(), 2);
    assert_eq!(
        accounts[1]["account"],
        format!("AKID…hool at {}", bench.lcic.addr())
    );
}
