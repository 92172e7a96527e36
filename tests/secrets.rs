//! Everything at its loudest, over every kind of ending: no key, no token and no pupil is told
//! where it has no business. Ids and names stand in the result files and the ledger, which are for
//! their owner only, and nowhere else.

mod support;

use std::fs;

use lcic_sync::simulator::faults::{Entry, Times};
use lcic_sync::simulator::{Config, Fault, Faults, Key, Moment};
use rustix::process::Signal;
use support::{Bench, Done, unlimited};

const ID: &str = "AKIDhushhushhushhush0001";
const SECRET: &str = "hush-secret-key-0002";
const TOKEN: &str = "hush-token-0003";
/// What no key looks like, so that it can't be found by chance.
const PEOPLE: [&str; 6] = [
    "hush-user-0004",
    "hush-refused-0005",
    "hush-invalid-0006",
    "hush-name-0007",
    "hush-avatar-0008",
    // A name in another script, and how escapes may write it.
    "悄悄话",
];

const USERS: &str = "UserId,Nickname,Avatar\n\
    hush-user-0004,hush-name-0007,https://a.example/hush-avatar-0008.png\n\
    hush-refused-0005,悄悄话,\n\
    hush-invalid-0006,,\n\
    hush-invalid-0006-ragged,hush-name-0007\n\
    hush-user-0004-twice,hush-name-0007,\n\
    hush-user-0004-twice,悄悄话,\n";

fn service(faults: Faults) -> Config {
    let key = |token: Option<&str>| Key {
        secret_id: ID.into(),
        secret_key: SECRET.into(),
        token: token.map(Into::into),
        account: "school".into(),
    };
    Config {
        keys: vec![key(Some(TOKEN))],
        faults,
        ..unlimited()
    }
}

/// A refusal that repeats, in its message, what was sent; the service's messages may do that.
fn telltale() -> Faults {
    let entry = |user: &str, fault| Entry {
        user: Some(user.into()),
        times: Times::FOREVER,
        ..Entry::once(fault)
    };
    let refusal = Fault::Error {
        code: "InvalidParameter.Content".into(),
        message: Some("the nickname 悄悄话 of hush-refused-0005 is rude".into()),
        when: Moment::Before,
    };
    let no_answer = Fault::Reset {
        when: Moment::After,
    };
    Faults {
        script: vec![
            entry("hush-refused-0005", refusal),
            entry("hush-user-0004-twice", no_answer),
        ],
        ..Faults::default()
    }
}

/// How loud, in every way there is: a flag, a variable and its value.
const LOUD: [(&str, &str, &str); 4] = [
    ("-vvv", "", ""),
    ("--no-progress", "LCIC_SYNC_LOG", "trace"),
    ("--no-progress", "RUST_LOG", "trace"),
    ("--json", "LCIC_SYNC_VERBOSE", "3"),
];

fn assert_discreet(bench: &Bench, done: &Done) {
    let mut told = vec![
        ("standard output", done.stdout.clone()),
        ("standard error", done.stderr.clone()),
        (
            "lock",
            fs::read_to_string(bench.path("state/lock")).unwrap_or_default(),
        ),
    ];
    let mut private = Vec::new();
    if done.has_run() {
        let text = |name| {
            let bytes = fs::read(done.run().file(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        told.push(("summary.json", text("summary.json")));
        private.push(("results.csv", text("results.csv")));
        private.push(("failures.csv", text("failures.csv")));
    }
    for name in ["ledger.sqlite3", "ledger.sqlite3-wal"] {
        let bytes = fs::read(bench.path("state").join(name)).unwrap_or_default();
        private.push((name, String::from_utf8_lossy(&bytes).into_owned()));
    }
    for (place, text) in &told {
        for secret in PEOPLE {
            assert!(!text.contains(secret), "{secret} in {place}:\n{text}");
            let escaped: String = secret.escape_unicode().collect();
            assert!(!text.contains(&escaped), "{secret} in {place}:\n{text}");
        }
    }
    for (place, text) in told.iter().chain(&private) {
        for secret in [ID, SECRET, TOKEN, "Signature="] {
            assert!(!text.contains(secret), "{secret} in {place}");
        }
    }
}

/// Applies in every loud way, each time with a state directory of its own.
fn assert_discreet_at_any_loudness(bench: &mut Bench, args: &[&str], code: i32) {
    for (flag, variable, value) in LOUD {
        let _ = fs::remove_dir_all(bench.path("state"));
        if !variable.is_empty() {
            bench.set(variable, value);
        }
        let done = bench.apply(&[&["--account", "school", flag], args].concat());
        bench.unset(variable);
        assert_eq!(done.code(), code, "{}", done.stderr);
        assert_discreet(bench, &done);
        if code != 2 && code != 4 {
            let is_loud = done.stderr.contains(" lcic_sync::");
            assert!(is_loud, "{}", done.stderr);
        }
    }
}

fn with_keys(faults: Faults) -> Bench {
    let mut bench = Bench::new(service(faults));
    bench.set("TENCENTCLOUD_SECRET_ID", ID);
    bench.set("TENCENTCLOUD_SECRET_KEY", SECRET);
    bench.set("TENCENTCLOUD_TOKEN", TOKEN);
    bench.write("users.csv", USERS);
    bench
}

#[test]
fn success_refusal_and_doubt_are_told_without_names() {
    let mut bench = with_keys(telltale());
    assert_discreet_at_any_loudness(&mut bench, &["--max-attempts", "2", "users.csv"], 5);
    // It did travel, and it does stand where it belongs.
    assert!(bench.lcic.user("hush-user-0004").is_some());
    let run_id = bench.run_ids().pop_last().unwrap();
    let failures = fs::read_to_string(bench.run_of(&run_id).file("failures.csv")).unwrap();
    assert!(failures.contains("hush-refused-0005") && failures.contains("悄悄话"));
    assert!(failures.contains("is rude"));
}

#[test]
fn a_wrong_key_is_not_repeated() {
    let mut bench = with_keys(Faults::default());
    bench.set("TENCENTCLOUD_SECRET_KEY", "hush-secret-key-0002-wrong");
    assert_discreet_at_any_loudness(&mut bench, &["users.csv"], 7);
    bench.set("TENCENTCLOUD_SECRET_KEY", SECRET);
    bench.set("TENCENTCLOUD_TOKEN", "hush-token-0003-wrong");
    assert_discreet_at_any_loudness(&mut bench, &["users.csv"], 7);
    assert!(bench.held().is_empty());
}

#[test]
fn keys_that_can_not_be_used_are_not_repeated() {
    let mut bench = with_keys(Faults::default());
    bench.set(
        "TENCENTCLOUD_SECRET_KEY",
        "hush-secret-key-0002 # of the school",
    );
    assert_discreet_at_any_loudness(&mut bench, &["users.csv"], 2);
    bench.set("TENCENTCLOUD_SECRET_KEY", SECRET);
    bench.set("TENCENTCLOUD_SESSION_TOKEN", "hush-token-0003-other");
    assert_discreet_at_any_loudness(&mut bench, &["users.csv"], 2);
}

#[test]
fn keys_in_a_file_are_as_safe() {
    let mut bench = with_keys(telltale());
    for name in [
        "TENCENTCLOUD_SECRET_ID",
        "TENCENTCLOUD_SECRET_KEY",
        "TENCENTCLOUD_TOKEN",
    ] {
        bench.unset(name);
    }
    bench.set("TENCENTCLOUD_CREDENTIALS_FILE", bench.path("keys"));
    bench.write(
        "keys",
        format!("[default]\nsecret_id={ID}\nsecret_key={SECRET}\ntoken={TOKEN}\n"),
    );
    assert_discreet_at_any_loudness(&mut bench, &["--max-attempts", "2", "users.csv"], 5);
    for broken in [
        format!("[default]\nsecret_id={ID}\nsecret_key {SECRET}\n"),
        format!("[default]\nsecret_id={ID}\nsecret_key={SECRET} # ours\n"),
        format!("{ID}\n{SECRET}\n"),
    ] {
        bench.write("keys", broken);
        assert_discreet_at_any_loudness(&mut bench, &["users.csv"], 2);
    }
}

#[test]
fn files_that_are_refused_are_not_quoted() {
    let mut bench = with_keys(Faults::default());
    for text in [
        // No header: the first row is somebody.
        "hush-user-0004-a,b\n".replace("hush-user-0004", "UserId"),
        format!("{USERS}hush-user-0004,\"悄悄话,x\n"),
    ] {
        bench.write("users.csv", text);
        assert_discreet_at_any_loudness(&mut bench, &["users.csv"], 4);
    }
}

#[test]
fn a_run_that_is_cut_off_tells_no_more_and_neither_does_the_next() {
    let silence = Fault::Silence {
        when: Moment::After,
    };
    let entry = Entry {
        user: Some("hush-refused-0005".into()),
        times: Times::N(2),
        ..Entry::once(silence)
    };
    let mut bench = with_keys(Faults {
        script: vec![entry],
        ..Faults::default()
    });
    bench.set("RUST_LOG", "trace");
    let line = [
        "--account",
        "school",
        "--timeout",
        "60",
        "--concurrency",
        "1",
        "users.csv",
    ];
    for signal in [Signal::INT, Signal::KILL] {
        let silent = bench.lcic.stats().faults.get("silence").copied();
        let going = bench.start(&line);
        bench.until("silence", |stats| {
            stats.faults.get("silence").copied() > silent
        });
        if signal != Signal::KILL {
            going.signal(signal);
            going.until_it_says("stopping: ");
        }
        going.signal(signal);
        assert_discreet(&bench, &going.wait());
    }
    let done = bench.apply(&line);
    assert_eq!(done.code(), 3, "{}", done.stderr);
    assert_discreet(&bench, &done);
}

/// The first call of a run may be anybody's, so its failure is told as an outage: still without
/// what the service says of that row.
#[test]
fn an_outage_is_told_without_the_row_that_ran_into_it() {
    for code in [
        "InternalError",
        "ResourceUnavailable",
        "UnauthorizedOperation",
    ] {
        let fault = Fault::Error {
            code: code.into(),
            message: Some("could not set 悄悄话 for hush-user-0004".into()),
            when: Moment::Before,
        };
        let mut bench = with_keys(Faults {
            script: vec![Entry {
                times: Times::FOREVER,
                ..Entry::once(fault)
            }],
            ..Faults::default()
        });
        let exit = if code == "UnauthorizedOperation" {
            7
        } else {
            5
        };
        let args = ["--max-outage", "1s", "--max-attempts", "1000", "users.csv"];
        assert_discreet_at_any_loudness(&mut bench, &args, exit);
    }
}

#[test]
fn a_file_without_a_header_is_refused_without_repeating_its_first_row() {
    let mut bench = with_keys(Faults::default());
    let (_, rows) = USERS.split_once('\n').unwrap();
    bench.write("users.csv", rows);
    assert_discreet_at_any_loudness(&mut bench, &["users.csv"], 4);
    // Two equal cells are told as a column that stands there twice, in a header.
    bench.write(
        "users.csv",
        "hush-user-0004,hush-name-0007,hush-name-0007\n",
    );
    assert_discreet_at_any_loudness(&mut bench, &["users.csv"], 4);
}
