//! `plan` says what `apply` then does, and leaves no trace.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lcic_sync::simulator::faults::Entry;
use lcic_sync::simulator::{Config, Fault, Faults, Moment};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

use crate::support::{Bench, Done, unlimited, users};

const USERS: &str = "\
UserId,Nickname,Avatar
u1,Ann,
u2,Bob,https://x.example/2.png
u1,,https://x.example/1.png
u2,Bea,https://x.example/3.png
";

impl Bench {
    /// A plan with the flags of `apply`.
    fn plan(&self, args: &[&str]) -> Done {
        let mut line = self.line(args);
        line[0] = "plan".into();
        self.spawn(self.command(&line)).wait()
    }

    fn plan_json(&self, args: &[&str]) -> (i32, Value) {
        let done = self.plan(&[&["--json"], args].concat());
        let json = serde_json::from_str(&done.stdout);
        (
            done.code(),
            json.unwrap_or_else(|_| panic!("{}", done.stderr)),
        )
    }
}

/// Every file below `dir`, but for those that SQLite keeps beside a ledger while it is looked at.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            files.extend(self::files(&path));
        } else if !name.ends_with("-wal") && !name.ends_with("-shm") {
            files.insert(name, fs::read(&path).unwrap_or_default());
        }
    }
    files
}

/// The time at which it would end differs each time.
fn without_time(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| match line.split_once("that ends at ") {
            Some((before, _)) => format!("{before}that ends at TIME\n"),
            None => format!("{line}\n"),
        });
    lines.collect()
}

#[test]
fn without_keys_and_ledger_it_says_what_would_be_sent_and_leaves_nothing() {
    let mut bench = Bench::new(unlimited());
    bench.unset("TENCENTCLOUD_SECRET_ID");
    bench.unset("TENCENTCLOUD_SECRET_KEY");
    bench.write("users.csv", USERS);
    let done = bench.plan(&["users.csv"]);
    assert_eq!((done.code(), &*done.stderr), (0, ""));
    let plain = without_time(&bench.plain(&done.stdout));
    assert_eq!(
        plain,
        "no ledger yet (DIR/state/ledger.sqlite3): all rows would be sent\n\
         4 rows: 3 to send, 1 superseded\n\
         2 changes to send to http://127.0.0.1:PORT, at least 0.1 s at 20 a second\n\
         begun now, that ends at TIME\n\
         Nothing was sent. To do it:\n  \
           lcic-sync apply --endpoint http://127.0.0.1:PORT --state-dir state users.csv\n"
    );
    assert!(!bench.path("state").exists());
    fs::create_dir(bench.path("state")).unwrap();
    assert_eq!(bench.plan(&["users.csv"]).code(), 0);
    assert_eq!(fs::read_dir(bench.path("state")).unwrap().count(), 0);
    assert_eq!(bench.lcic.stats().calls, 0);
}

#[test]
fn it_says_what_apply_then_does_and_changes_nothing() {
    let mut bench = Bench::new(unlimited());
    bench.write("monday.csv", USERS);
    bench.write(
        "tuesday.csv",
        "UserId,Nickname,Avatar\nu1,Ann,\nu2,Ben,https://x.example/3.png\nu3,,\nu4,Cy,\nu5,Di,\n",
    );
    assert_eq!(bench.apply(&["monday.csv"]).checked_code(), 0);
    let before = files(&bench.path("state"));
    let with_keys = bench.plan(&["--limit", "2", "tuesday.csv"]);
    bench.unset("TENCENTCLOUD_SECRET_ID");
    bench.unset("TENCENTCLOUD_SECRET_KEY");
    let done = bench.plan(&["--limit", "2", "tuesday.csv"]);
    assert_eq!(done.code(), 3);
    assert_eq!(
        done.stderr,
        "1 invalid row will not be sent:\n  tuesday.csv: line 4: Nickname and Avatar are both blank\n"
    );
    let plain = without_time(&bench.plain(&done.stdout));
    assert_eq!(
        plain,
        "ledger DIR/state/ledger.sqlite3 of AKID…ATOR at 127.0.0.1:PORT\n\
         5 rows: 2 to send, 1 unchanged, 1 invalid, 1 beyond --limit\n\
         2 changes to send to http://127.0.0.1:PORT, at least 0.1 s at 20 a second\n\
         begun now, that ends at TIME\n\
         Nothing was sent. To do it:\n  \
           lcic-sync apply --endpoint http://127.0.0.1:PORT --limit 2 --state-dir state tuesday.csv\n"
    );
    assert_eq!(without_time(&with_keys.stdout), without_time(&done.stdout));
    let dry = bench.apply(&["--dry-run", "--limit", "2", "tuesday.csv"]);
    assert_eq!((dry.code(), &dry.stderr), (3, &done.stderr));
    assert_eq!(without_time(&dry.stdout), without_time(&done.stdout));

    let (code, json) = bench.plan_json(&["tuesday.csv"]);
    assert_eq!(code, 3);
    assert!(json["ends_at"].as_str().unwrap().ends_with('Z'), "{json}");
    let counts = serde_json::json!({
        "read": 5, "to_send": 3, "unchanged": 1, "invalid": 1, "superseded": 0, "pending": 0,
    });
    assert_eq!(json["counts"], counts);
    assert_eq!(json["invalid"], serde_json::json!({ "sets nothing": 1 }));
    assert_eq!((&json["calls"], &json["exit_code"]), (&3.into(), &3.into()));
    assert_eq!(json["ledger"]["new"], false);

    assert!(
        files(&bench.path("state")) == before,
        "the state directory is as it was"
    );
    assert_eq!(bench.lcic.stats().calls, 2);
    bench.set(
        "TENCENTCLOUD_SECRET_ID",
        lcic_sync::simulator::Key::LOCAL_ID,
    );
    bench.set(
        "TENCENTCLOUD_SECRET_KEY",
        lcic_sync::simulator::Key::LOCAL_SECRET,
    );
    let done = bench.apply(&["tuesday.csv"]);
    assert_eq!(done.counts(), "read 5, applied 3, unchanged 1, invalid 1");
    assert_eq!(done.calls(), 3);
}

#[test]
fn nothing_to_send_is_said_in_two_lines() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", USERS);
    assert_eq!(bench.apply(&["users.csv"]).checked_code(), 0);
    let done = bench.plan(&["-q", "users.csv"]);
    assert_eq!((done.code(), &*done.stderr), (0, ""));
    assert_eq!(
        bench.plain(&done.stdout),
        "ledger DIR/state/ledger.sqlite3 of AKID…ATOR at 127.0.0.1:PORT\n\
         4 rows: 3 unchanged, 1 superseded\n\
         0 changes to send\n"
    );
}

#[test]
fn what_apply_would_refuse_is_refused() {
    let mut bench = Bench::new(unlimited());
    bench.write("users.csv", USERS);
    bench.write("empty.csv", "");
    bench.write("header.csv", "UserId,Nickname\n");
    bench.write("open.csv", "UserId,Nickname\na,\"b\n");
    let header = bench.plan(&["header.csv"]);
    assert_eq!(
        (header.code(), &*header.stderr),
        (0, "warning: no rows behind the header\n")
    );
    for (file, told) in [
        ("empty.csv", "error: empty.csv: is empty, "),
        ("no-such.csv", "error: no-such.csv: "),
        ("open.csv", "error: open.csv: "),
    ] {
        let done = bench.plan(&["--json", file]);
        assert_eq!(done.code(), 4, "{file}: {}", done.stderr);
        assert_eq!(done.stdout, "");
        assert!(done.stderr.starts_with(told), "{file}: {}", done.stderr);
    }
    assert!(!bench.path("state").exists());

    assert_eq!(bench.apply(&["users.csv"]).checked_code(), 0);
    bench.set("TENCENTCLOUD_SECRET_ID", "AKIDfakeofanotherschool");
    let done = bench.plan(&["users.csv"]);
    assert_eq!(done.code(), 4, "{}", done.stderr);
    assert!(
        done.stderr.contains("belongs to AKID…ATOR at "),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr
            .ends_with("say so with: lcic-sync ledger adopt\n"),
        "{}",
        done.stderr
    );
    bench.unset("TENCENTCLOUD_SECRET_ID");
    bench.unset("TENCENTCLOUD_SECRET_KEY");
    let elsewhere = ["plan", "--state-dir", "state", "users.csv"];
    let done = bench.run(&elsewhere);
    assert_eq!(done.code(), 4, "{}", done.stderr);
    let told = "would act for an account at lcic.tencentcloudapi.com\n";
    assert!(done.stderr.contains(told), "{}", done.stderr);
}

#[test]
fn show_without_dry_run_sends_nothing() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", USERS);
    let done = bench.apply(&["--show", "5", "users.csv"]);
    assert_eq!(done.code(), 2);
    assert_eq!(
        done.stderr,
        "error: --show: shows what would be sent, and this would send it\n\
         hint: add --dry-run, or use lcic-sync plan\n"
    );
    assert_eq!(bench.lcic.stats().calls, 0);
}

#[test]
fn a_huge_file_is_counted_as_apply_counts_it() {
    let bench = Bench::new(unlimited());
    let mut text = users(200_000, "a");
    text += "u7,name again,\nu8,,\n,nobody,\n";
    bench.write("users.csv", text);
    let (code, json) = bench.plan_json(&["users.csv"]);
    assert_eq!(code, 3);
    let counts = serde_json::json!({
        "read": 200_003, "to_send": 200_000, "unchanged": 0, "invalid": 3, "superseded": 0, "pending": 0,
    });
    assert_eq!(json["counts"], counts);
    assert_eq!(
        (&json["calls"], &json["seconds"]),
        (&199_999.into(), &9999.95.into())
    );
    let invalid = serde_json::json!({
        "another row of the user is invalid": 1, "no UserId": 1, "sets nothing": 1,
    });
    assert_eq!(json["invalid"], invalid);
}

#[test]
fn while_a_run_is_at_work_it_is_neither_waited_for_nor_disturbed() {
    let bench = Bench::new(Config {
        answer_delay: Duration::from_millis(200),
        ..unlimited()
    });
    bench.write("users.csv", users(60, "a"));
    bench.write("others.csv", "UserId,Nickname\nx,X\n");
    let going = bench.start(&["--rate", "60", "users.csv"]);
    bench.until("calls in mid-run", |stats| stats.calls >= 20);
    let plan = bench.plan_json(&["users.csv"]).1;
    let run_id = plan["run_without_end"].as_str().unwrap().to_owned();
    let n_sent = plan["calls"].as_u64().unwrap();
    assert!((1..60).contains(&n_sent), "{plan}");
    // What it has under way and the file does not name is in doubt.
    let others = bench.plan_json(&["others.csv"]).1;
    assert!(
        others["in_doubt_elsewhere"].as_u64().unwrap() > 0,
        "{others}"
    );
    let done = going.wait();
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(done.counts(), "read 60, applied 60");
    assert_eq!(done.run().summary()["run_id"], run_id);
    assert_eq!(bench.plan_json(&["users.csv"]).1["calls"], 0);
}

#[test]
fn what_fits_before_the_time_is_up_is_what_it_reckons_with() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(200, "a"));
    let args = ["--rate", "20", "--max-duration", "2s", "users.csv"];
    let plan = bench.plan_json(&args).1;
    assert_eq!(plan["calls"], 200);
    let fits = plan["fits"].as_u64().unwrap();
    assert!((38..=40).contains(&fits), "{plan}");
    assert!(plan["seconds"].as_f64().unwrap() <= 2.0, "{plan}");
    let all = bench.plan_json(&["--rate", "20", "users.csv"]).1;
    assert_eq!((&all["fits"], &all["seconds"]), (&200.into(), &10.0.into()));
}

#[test]
fn after_a_kill_it_says_what_the_next_run_does() {
    let bench = Bench::new(Config {
        answer_delay: Duration::from_millis(200),
        ..unlimited()
    });
    bench.write("old.csv", users(60, "a"));
    bench.write("users.csv", users(60, "b"));
    assert_eq!(bench.apply(&["--rate", "1000", "old.csv"]).code(), 0);
    let going = bench.start(&["--rate", "60", "users.csv"]);
    bench.until("calls in mid-run", |stats| stats.calls >= 80);
    going.signal(Signal::KILL);
    assert_eq!(going.wait().code(), 137);
    let plan = bench.plan_json(&["users.csv"]).1;
    let again = bench.plan_json(&["users.csv"]).1;
    for told in ["calls", "counts", "run_without_end"] {
        assert_eq!(plan[told], again[told], "a plan recovers nothing");
    }
    // The way back is longer than what was settled: what was under way is in doubt.
    let back = bench.plan_json(&["old.csv"]).1["calls"].as_u64().unwrap();
    assert!(
        back > plan["counts"]["unchanged"].as_u64().unwrap(),
        "{plan}"
    );
    let done = bench.apply(&["--rate", "1000", "users.csv"]);
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(done.calls(), plan["calls"].as_u64().unwrap());
    assert_eq!(
        done.run().summary()["counts"]["unchanged"],
        plan["counts"]["unchanged"]
    );
}

/// Gives the program a terminal for its standard output; tells what was shown on it.
fn on_a_terminal(bench: &Bench, args: &[&str]) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let name = name.into_string().unwrap();
    let mut line = bench.line(args);
    line[0] = "plan".into();
    let mut command = bench.command(&line);
    let side = File::options().read(true).write(true).open(name).unwrap();
    command.stdout(Stdio::from(side)).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut shown = Vec::new();
    let mut chunk = [0; 1024];
    let mut terminal = File::from(terminal);
    // Reading fails when the last writer has gone.
    while let Ok(n @ 1..) = terminal.read(&mut chunk) {
        shown.extend(&chunk[..n]);
    }
    child.wait().unwrap();
    String::from_utf8(shown).unwrap().replace("\r\n", "\n")
}

#[test]
fn old_and_new_are_shown_on_a_terminal_only_and_never_steer_it() {
    let entry = Entry {
        user: Some("u3".into()),
        ..Entry::once(Fault::Reset {
            when: Moment::After,
        })
    };
    let bench = Bench::new(Config {
        faults: Faults {
            script: vec![entry],
            ..Faults::default()
        },
        ..unlimited()
    });
    bench.write(
        "old.csv",
        "UserId,Nickname,Avatar\nu1,A\x1b[31mnn,\nu2,Bob,https://x.example/2.png\nu3,Cy,\n",
    );
    bench.write(
        "new.csv",
        "UserId,Nickname,Avatar\nu1,Anne\u{9b}2J\u{202e},\nu2,Bob,https://x.example/3.png\nu3,Di,\nu4\x1b]0;x\x07,Ed,\nu5,Flo,\n",
    );
    // Such names are refused unless they are wished for.
    let wished = ["--allow", "control-character"];
    let old = bench.apply(&[&["--max-attempts", "1", "old.csv"], &wished[..]].concat());
    assert_eq!(old.checked_code(), 5, "{}", old.stderr);
    let show = [&["--show", "4", "new.csv"], &wished[..]].concat();
    let shown = on_a_terminal(&bench, &show);
    let (shown, rest) = shown.split_once("ledger ").unwrap();
    // In the order in which they would go: what is in doubt first.
    assert_eq!(
        shown,
        "new.csv:4  u3\n  \
           Nickname  (not known) or, in doubt, \"Cy\" → \"Di\"\n\
         new.csv:2  u1\n  \
           Nickname  \"A [31mnn\" → \"Anne 2J \"\n\
         new.csv:3  u2\n  \
           Avatar    \"https://x.example/2.png\" → \"https://x.example/3.png\"\n\
         new.csv:5  u4 ]0;x \n  \
           Nickname  (not known) → \"Ed\"\n"
    );
    assert!(rest.contains("\n5 rows: 5 to send\n"), "{rest}");

    let piped = bench.plan(&show);
    let warning = "warning: --show shows people's names, so it works on a terminal only\n";
    assert!(piped.stderr.ends_with(warning), "{}", piped.stderr);
    assert!(
        !piped.stdout.contains("Anne") && !piped.stdout.contains("u1"),
        "{}",
        piped.stdout
    );
}
