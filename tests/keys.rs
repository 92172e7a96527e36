//! Whole runs whose keys end, are refused and are renewed on the way, with a metadata service and
//! an LCIC on this machine; and what `whoami` says about such keys. At trace level, nothing tells
//! them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use chrono::Utc;
use clap::Parser;
use lcic_sync::cli::args::{ApplyArgs, Cli, Command};
use lcic_sync::cli::commands::apply::{self, Done};
use lcic_sync::cli::commands::whoami::{self, Whoami};
use lcic_sync::cli::exit::Exit;
use lcic_sync::cli::printer::Printer;
use lcic_sync::cli::settings::{Environment, Settings};
use lcic_sync::simulator::{Config, Faults, Key, Simulator};
use lcic_sync::tencent::credentials::{Found, Issuers, Provider};
use tempfile::TempDir;
use tracing_subscriber::filter::LevelFilter;

#[path = "../src/tencent/credentials/doubles.rs"]
#[allow(dead_code)]
mod doubles;

use doubles::{Answer, Double, machine_keys, metadata};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_its_keys_and_traces_tell_none() {
    let heard = Heard::default();
    let writer = heard.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .init();
    log::set_boxed_logger(Box::new(heard.clone())).unwrap();
    log::set_max_level(log::LevelFilter::Trace);

    // The first keys live for four seconds, the run for six.
    let issuer = metadata(|n| {
        let life = if n == 0 { 4 } else { 7200 };
        Answer::Text(200, machine_keys(NAMES[n], Utc::now().timestamp() + life))
    });
    let world = World::new(120);
    let done = world.apply(&issuer, Faults::default()).await;
    let (summary, _) = done.summary.expect("it ran");
    assert_eq!(done.exit, Exit::Done, "{:?}", summary.message);
    assert_eq!(summary.counts.applied, 120);
    assert_eq!(
        summary.account.unwrap().split(" at ").next(),
        Some("cvm-role:sync")
    );
    assert_eq!(given(&issuer), 2, "renewed once");

    let heard = String::from_utf8_lossy(&heard.0.lock().unwrap()).into_owned();
    assert!(heard.contains("keys renewed"), "{heard}");
    assert!(heard.contains("reqwest"), "log was heard: {heard}");
    for secret in ["hush", "AKID", "Signature="] {
        assert!(!heard.contains(secret), "{secret} in: {heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_renewed_and_no_row_notices() {
    let issuer = machine();
    let faults =
        r#"{"script":[{"call":5,"fault":{"kind":"error","code":"AuthFailure.TokenFailure"}}]}"#;
    let world = World::new(20);
    let done = world
        .apply(&issuer, serde_json::from_str(faults).unwrap())
        .await;
    assert_eq!(done.exit, Exit::Done);
    assert_eq!(done.summary.unwrap().0.counts.applied, 20);
    assert_eq!(given(&issuer), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_again_stops_the_run() {
    let issuer = machine();
    let faults = r#"{"script":[{"times":"forever","fault":{"kind":"error","code":"AuthFailure.TokenFailure"}}]}"#;
    let world = World::new(20);
    let done = world
        .apply(&issuer, serde_json::from_str(faults).unwrap())
        .await;
    assert_eq!(done.exit, Exit::Key);
    let (summary, _) = done.summary.unwrap();
    assert_eq!((summary.counts.pending, summary.calls.total), (20, 2));
    assert_eq!(given(&issuer), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoami_says_which_keys_and_whose_and_how_long() {
    let issuer =
        metadata(|_| Answer::Text(200, machine_keys("one", Utc::now().timestamp() + 4350)));
    let world = World::new(1);
    let look = async || -> (Whoami, serde_json::Value) {
        let settings = world.settings("https://lcic.tencentcloudapi.com");
        let whoami = whoami::look(&settings, found(&issuer)).await.unwrap();
        let json = serde_json::from_str(&whoami.to_json()).unwrap();
        (whoami, json)
    };
    let (whoami, json) = look().await;
    let words = whoami.in_words();
    for expected in [
        "keys from  the role of this machine (CVM role)\n",
        "account    cvm-role:sync\n",
        "endpoint   https://lcic.tencentcloudapi.com\n",
        "(in 1 h 12 min); a run renews them in time\n",
        "ledger     none yet (",
    ] {
        assert!(words.contains(expected), "{expected} in: {words}");
    }
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["account"], "cvm-role:sync");
    assert_eq!(json["ledger"]["state"], "none");
    assert!(!world.dir.path().join("state").exists(), "it makes nothing");

    // A ledger of the same role at another host is another account's.
    world.apply(&issuer, Faults::default()).await;
    let (whoami, json) = look().await;
    assert_eq!(json["ledger"]["state"], "other_account");
    let words = whoami.in_words();
    assert!(
        words.contains("of another account: cvm-role:sync at 127.0.0.1:"),
        "{words}"
    );
    for secret in ["hush", "AKID"] {
        assert!(
            !format!("{words}{json}{whoami:?}").contains(secret),
            "{words}"
        );
    }
}

const NAMES: [&str; 2] = ["one", "two"];

fn machine() -> Double {
    metadata(|n| Answer::Text(200, machine_keys(NAMES[n], Utc::now().timestamp() + 7200)))
}

/// How often keys were asked for.
fn given(issuer: &Double) -> usize {
    let asked = issuer.asked();
    asked
        .iter()
        .filter(|asked| asked.line.contains("/sync "))
        .count()
}

fn found(issuer: &Double) -> Found {
    let issuers = Issuers {
        metadata: issuer.url().parse().unwrap(),
        ..Issuers::default()
    };
    Found::of(Provider::of_this_machine(), issuers)
}

/// A directory with a file of users, and a service that knows both generations of keys.
struct World {
    dir: TempDir,
}

impl World {
    fn new(n_users: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rows: String = (0..n_users).map(|n| format!("u{n},name {n}\n")).collect();
        std::fs::write(
            dir.path().join("users.csv"),
            format!("UserId,Nickname\n{rows}"),
        )
        .unwrap();
        Self { dir }
    }

    fn settings(&self, endpoint: &str) -> Settings {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        let (users, state) = (path("users.csv"), path("state"));
        let line = [
            "lcic-sync",
            "apply",
            &users,
            "--state-dir",
            &state,
            "--endpoint",
            endpoint,
        ];
        let args: Box<ApplyArgs> = match Cli::try_parse_from(line).unwrap().command {
            Command::Apply(args) => args,
            other => panic!("{other:?}"),
        };
        Settings::resolve(&args, &Nothing).unwrap()
    }

    async fn apply(&self, issuer: &Double, faults: Faults) -> Done {
        let keys = NAMES.map(|name| Key {
            secret_id: format!("AKID{name}"),
            secret_key: format!("hush-key-{name}"),
            token: Some(format!("hush-token-{name}")),
            account: "school".into(),
        });
        let service = Simulator::start(Config {
            keys: keys.into(),
            faults,
            ..Config::default()
        })
        .await
        .unwrap();
        let settings = self.settings(&service.url());
        let printer = Printer::new(true, 0);
        let done = apply::run(&settings, found(issuer), &printer).await;
        service.shutdown().await;
        done.map_err(|(_, error)| error).unwrap()
    }
}

/// Surroundings without anything.
struct Nothing;

impl Environment for Nothing {
    fn var(&self, name: &str) -> Option<OsString> {
        let held = BTreeMap::from([("HOME", "/nowhere")]);
        held.get(name).map(OsString::from)
    }

    fn current_dir(&self) -> io::Result<PathBuf> {
        Ok(Path::new("/").into())
    }

    fn passwd(&self) -> Option<String> {
        None
    }

    fn uid(&self) -> u32 {
        1
    }

    fn entropy(&self) -> u64 {
        7
    }
}

/// Everything that was logged.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl log::Log for Heard {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}\n", record.target(), record.args());
        self.0.lock().unwrap().extend_from_slice(line.as_bytes());
    }

    fn flush(&self) {}
}
