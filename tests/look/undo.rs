//! `ledger undo`: a run is taken back, exactly as far as the ledger knows what was before it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use lcic_sync::simulator::faults::{Chance, Entry};
use lcic_sync::simulator::{Config, Fault, Faults, Moment};

use crate::support::{Bench, Done, rows, unlimited, users};

impl Bench {
    fn undo(&self, run: &str, out: &str) -> Done {
        self.look(&["ledger", "undo", run, "--out", out])
    }
}

/// Users of whom the first run gives one field or both, and what the second makes of them.
fn files(n: usize) -> (String, String) {
    let mut first = "UserId,Nickname,Avatar\n".to_owned();
    let mut second = first.clone();
    for n in 0..n {
        let (nickname, avatar) = (n % 3 != 1, n % 3 != 2);
        let cell = |is_given: bool, text: String| if is_given { text } else { String::new() };
        let old =
            cell(nickname, format!("\"old, {n}\"")) + "," + &cell(avatar, format!("https://o/{n}"));
        writeln!(first, "u{n},{old}").unwrap();
        match n % 4 {
            // The same fields, all fields, the same values, and some that are not named at all.
            0 => writeln!(
                second,
                "u{n},{}",
                old.replace("ol", "ne").replace("/o/", "/n/")
            )
            .unwrap(),
            1 => writeln!(second, "u{n},new {n},https://n/{n}").unwrap(),
            2 => writeln!(second, "u{n},{old}").unwrap(),
            _ => writeln!(second, "fresh{n},new {n},").unwrap(),
        }
    }
    (first, second)
}

#[test]
fn an_undone_run_leaves_the_service_as_it_was_for_all_that_the_ledger_knew() {
    let bench = Bench::new(Config {
        faults: Faults {
            chance: vec![Chance {
                probability: 0.03,
                fault: Fault::error("InvalidParameter.Content"),
            }],
            ..Faults::default()
        },
        ..unlimited()
    });
    let (first, second) = files(300);
    bench.write("first.csv", first);
    bench.write("second.csv", second);
    let rate = ["--rate", "2000"];
    // Until all is as the file says.
    while bench
        .apply(&[&rate[..], &["first.csv"]].concat())
        .checked_code()
        != 0
    {}
    let before = bench.held();
    let n_before = bench.run_ids().len();
    let run = bench.apply(&[&rate[..], &["--seed", "3", "second.csv"]].concat());
    assert!([0, 3].contains(&run.checked_code()), "{}", run.stderr);
    assert_ne!(bench.held(), before);

    let number = run.run().summary()["run"].to_string();
    let done = bench.undo(&number, "undo.csv");
    assert_eq!(done.code(), 3, "{}", done.stderr);
    while bench
        .apply(&[&rate[..], &["undo.csv"]].concat())
        .checked_code()
        != 0
    {}
    assert!(bench.run_ids().len() > n_before);

    // What was never given can't be given back, and is named.
    let named = rows(&bench.path("undo-not-known.csv"));
    let mut after = bench.held();
    let mut n_named = 0;
    for row in &named {
        let (user, column) = (&row["UserId"], &row["column"]);
        let profile = after.get_mut(user).unwrap();
        let value = match column.as_str() {
            "Nickname" => &mut profile.0,
            _ => &mut profile.1,
        };
        let was = before.get(user);
        let was = was.and_then(|was| {
            if column == "Nickname" {
                was.0.clone()
            } else {
                was.1.clone()
            }
        });
        assert!(was.is_none() && value.take().is_some(), "{user} {column}");
        n_named += 1;
    }
    assert!(n_named > 80, "{n_named}");
    after.retain(|_, profile| *profile != (None, None));
    assert!(after == before, "the service is as it was");
}

#[test]
fn the_files_are_private_and_never_written_over() {
    let bench = Bench::new(unlimited());
    bench.write("one.csv", users(2, "a"));
    bench.write("two.csv", users(3, "b"));
    for file in ["one.csv", "two.csv"] {
        assert_eq!(bench.apply(&[file]).checked_code(), 0);
    }
    let done = bench.undo("2", "undo.csv");
    assert_eq!((done.code(), &*done.stdout), (3, ""));
    assert_eq!(
        done.stderr,
        "undo.csv: 2 users, as they were before run 2\n\
         undo-not-known.csv: 1 user whose earlier value this ledger never knew; they stay as they are\n\
         Nothing was sent. Look at it, then:\n  \
           lcic-sync apply --state-dir state undo.csv\n"
    );
    let mut lines: Vec<String> = fs::read_to_string(bench.path("undo.csv"))
        .unwrap()
        .lines()
        .map(Into::into)
        .collect();
    lines[1..].sort();
    assert_eq!(
        lines,
        [
            "UserId,Nickname,Avatar",
            "u0,name 0 a,https://a.example/0/a.png",
            "u1,name 1 a,https://a.example/1/a.png",
        ]
    );
    let not_known = fs::read_to_string(bench.path("undo-not-known.csv")).unwrap();
    assert_eq!(not_known, "UserId,column\nu2,Nickname\nu2,Avatar\n");
    let before: BTreeMap<_, _> = ["undo.csv", "undo-not-known.csv"]
        .map(|file| {
            let path = bench.path(file);
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
            (file, fs::read(path).unwrap())
        })
        .into();
    for (out, there) in [
        ("undo.csv", "undo.csv"),
        ("undo-not-known.csv", "undo-not-known.csv"),
    ] {
        let again = bench.undo("1", out);
        assert_eq!(again.code(), 2);
        assert_eq!(
            again.stderr,
            format!("error: {there}: is there already, and is not written over\n")
        );
    }
    fs::rename(bench.path("undo.csv"), bench.path("kept.csv")).unwrap();
    assert_eq!(
        bench.undo("1", "undo.csv").code(),
        2,
        "the second file is there"
    );
    assert!(!bench.path("undo.csv").exists());
    assert_eq!(
        fs::read(bench.path("kept.csv")).unwrap(),
        before["undo.csv"]
    );
}

#[test]
fn a_run_is_named_by_number_or_id_and_later_ones_keep_what_they_made() {
    let bench = Bench::new(unlimited());
    for tag in ["a", "b", "c"] {
        // u0 is changed once, the others again and again.
        bench.write(
            "users.csv",
            users(3, tag)
                .replace(&format!("0 {tag}"), "0 a")
                .replace(&format!("0/{tag}"), "0/a"),
        );
        assert_eq!(bench.apply(&["users.csv"]).checked_code(), 0);
    }
    let ids: Vec<String> = bench.run_ids().into_iter().collect();
    let done = bench.undo("2", "two.csv");
    assert_eq!(done.code(), 0);
    assert_eq!(
        done.stderr,
        "run 2 changed nobody whose earlier profile is known: no two.csv\n\
         1 run since then: what they changed again is not in the file\n"
    );
    assert!(!bench.path("two.csv").exists() && !bench.path("two-not-known.csv").exists());
    let runs = bench.look(&["runs", "--last", "1", "--json"]);
    let newest = ids.iter().find(|id| runs.stdout.contains(*id)).unwrap();
    let done = bench.undo(newest, "three.csv");
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert_eq!(rows(&bench.path("three.csv")).len(), 2);

    for unknown in ["9", "20200101T000000Z-abcd"] {
        let done = bench.undo(unknown, "nine.csv");
        assert_eq!(done.code(), 2);
        let told = format!(
            "error: run {unknown}: is not in this ledger\nhint: lcic-sync runs lists them\n"
        );
        assert_eq!(done.stderr, told);
    }
}

#[test]
fn what_is_in_doubt_is_undone_as_well() {
    let script = vec![Entry {
        user: Some("u1".into()),
        call: Some(5),
        ..Entry::once(Fault::Reset {
            when: Moment::After,
        })
    }];
    let bench = Bench::new(Config {
        faults: Faults {
            script,
            ..Faults::default()
        },
        ..unlimited()
    });
    bench.write("one.csv", users(3, "a"));
    bench.write("two.csv", users(3, "b"));
    assert_eq!(bench.apply(&["one.csv"]).checked_code(), 0);
    let two = bench.apply(&["--max-attempts", "1", "--concurrency", "1", "two.csv"]);
    assert_eq!(two.checked_code(), 5, "{}", two.stderr);
    assert_eq!(bench.lcic.user("u1").unwrap().nickname.unwrap(), "name 1 b");
    assert_eq!(bench.undo("2", "undo.csv").code(), 0);
    let undone = rows(&bench.path("undo.csv"));
    let one = undone.iter().find(|row| row["UserId"] == "u1").unwrap();
    assert_eq!(one["Nickname"], "name 1 a");
    assert_eq!(undone.len(), 3);
}

#[test]
fn a_huge_run_is_undone_as_well() {
    let bench = Bench::new(unlimited());
    bench.write("one.csv", users(20_000, "a"));
    bench.write("two.csv", users(20_000, "b"));
    for file in ["one.csv", "two.csv"] {
        let done = bench.apply(&["--rate", "1000000", "-q", file]);
        assert_eq!(done.code(), 0, "{}", done.stderr);
    }
    let done = bench.undo("2", "undo.csv");
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let undone = rows(&bench.path("undo.csv"));
    assert_eq!(undone.len(), 20_000);
    assert!(undone.iter().all(|row| row["Nickname"].ends_with(" a")));
}

/// An empty cell would leave a value as it is, so one that was cleared needs a word for that.
#[test]
fn what_was_cleared_is_cleared_again_by_the_command_that_is_told() {
    let bench = Bench::new(unlimited());
    bench.write("one.csv", users(2, "a"));
    assert_eq!(bench.apply(&["one.csv"]).checked_code(), 0);
    let ledger = rusqlite::Connection::open(bench.path("state/ledger.sqlite3")).unwrap();
    let cleared = "UPDATE user SET nickname_before = '', avatar_before = 'https://x.example/1' WHERE user_id = 'u1'";
    assert_eq!(ledger.execute(cleared, []).unwrap(), 1);
    let done = bench.undo("1", "undo.csv");
    let undone = fs::read_to_string(bench.path("undo.csv")).unwrap();
    assert_eq!(
        undone,
        "UserId,Nickname,Avatar\nu1,NULL,https://x.example/1\n"
    );
    let told = "\n  lcic-sync apply --state-dir state --clear-token NULL undo.csv\n";
    assert!(done.stderr.ends_with(told), "{}", done.stderr);
    let shown = bench.look(&["ledger", "show", "u1"]).stdout;
    assert!(shown.contains("before that run: (cleared)\n"), "{shown}");
    // Without the token the word is a finding, and nobody is called NULL.
    let bare = bench.apply(&["undo.csv"]);
    assert_eq!(bare.counts(), "read 1, invalid 1", "{}", bare.stderr);
    let told = bench.apply(&["--clear-token", "NULL", "undo.csv"]);
    assert_eq!(told.counts(), "read 1, applied 1", "{}", told.stderr);
    assert_eq!(bench.held()["u1"].0.as_deref(), Some(""));
}
