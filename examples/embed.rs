//! Another program that uses this one as a library: it plans, applies and watches, against the
//! built-in local LCIC. `cargo run --example embed`

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use lcic_sync::clock::Clock;
use lcic_sync::engine::pacer::Rate;
use lcic_sync::engine::{Engine, Limits};
use lcic_sync::event::{Event, Observer};
use lcic_sync::ledger::{Account, NewRun};
use lcic_sync::model::Counts;
use lcic_sync::plan::rows::Rows;
use lcic_sync::plan::{Plan, Wishes};
use lcic_sync::prepare::{make_plan, open_ledger};
use lcic_sync::recorder::Recorder;
use lcic_sync::report::results::ResultFiles;
use lcic_sync::run::Run;
use lcic_sync::simulator::{Config, Key, Running, Simulator};
use lcic_sync::state::StateDir;
use lcic_sync::tencent::client::{HttpSettings, HttpTransport};
use lcic_sync::tencent::credentials::{Credentials, Found, ReachSettings, Source};
use lcic_sync::tencent::endpoint::Endpoint;

const USERS: &str = "\
UserId,Nickname,Avatar
3091,李娜,https://cdn.example.com/a/17.png
3092,Zhang Wei,
3093,,
";

/// Hands on what happens; here it could draw, count or page somebody.
struct Watcher(Sender<String>);

impl Observer for Watcher {
    fn on(&mut self, at: Duration, event: &Event) {
        let told = match event {
            Event::RunStarted { changes, .. } => format!("{changes} changes"),
            Event::CallAnswered { answer, .. } => format!("a call was {answer:?}"),
            Event::RowsSettled { outcome, rows, .. } => format!("{rows} {}", outcome.name()),
            _ => return,
        };
        // Nobody listening is no reason to stop.
        let _ = self.0.send(format!("{:>5} ms  {told}", at.as_millis()));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    for line in run(dir.path()).await? {
        println!("{line}");
    }
    Ok(())
}

/// Applies a file in `dir` twice, and tells what happened.
pub async fn run(dir: &Path) -> anyhow::Result<Vec<String>> {
    std::fs::write(dir.join("users.csv"), USERS)?;
    let lcic = Simulator::start(Config::default()).await?;
    let (watcher, watched) = channel();
    for number in 1..=2 {
        let counts = apply(dir, &lcic, &format!("run-{number}"), watcher.clone()).await?;
        let told = format!(
            "run {number}: {} applied, {} unchanged",
            counts.applied, counts.unchanged
        );
        watcher.send(told)?;
    }
    drop(watcher);
    lcic.shutdown().await;
    Ok(watched.iter().collect())
}

async fn apply(
    dir: &Path,
    lcic: &Running,
    run_id: &str,
    watcher: Sender<String>,
) -> anyhow::Result<Counts> {
    // Who runs, and where to.
    let endpoint = Endpoint::parse(&lcic.url())?;
    let account = Account {
        host: endpoint.host_header().into(),
        identity: "label:example".into(),
        label: "example".into(),
    };

    // Everything before the first call: what is to be sent, and how much that is.
    let state = StateDir::lock(&dir.join("state"))?;
    let started_at = Utc::now();
    let opened = open_ledger(&state.ledger(), &account, &endpoint.to_string(), started_at)?;
    let inputs = [dir.join("users.csv").to_string_lossy().into_owned()];
    let wishes = Wishes::default();
    let (signals_in, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let (rules, ledger) = (Arc::default(), opened.ledger);
    let planned = make_plan(&inputs, &rules, wishes, state.spool(), ledger, &mut signals);
    let (mut ledger, plan) = planned.await?;
    watcher.send(in_words(&plan))?;

    // The run: it is on record before its first call, and until it has ended.
    let files = ResultFiles::create(dir, &plan.survey().sources, run_id)?;
    let begins = NewRun {
        run_id,
        started_at,
        input: &inputs,
        report_dir: dir,
        counts: plan.settled,
    };
    let number = ledger.begin_run(&begins, &plan.closes)?;
    let run = Run {
        engine: Engine::new(limits()),
        recorder: Recorder::new(ledger, files, plan.settled),
        rows: Rows::new(plan),
        transport: Arc::new(transport(endpoint).await?),
        clock: Clock::start(),
        until: None,
        observers: Box::new(Watcher(watcher)),
        canary: None,
    };
    let ended = run.go(signals).await;
    // Until here a number sent would have stopped it, like a signal.
    drop(signals_in);
    let recorder = ended.recorder.context("the record could not be written")?;
    let stopped_by = ended.stopped.map(|cause| cause.name());
    let mut ledger = recorder.into_ledger();
    ledger.end_run(number, Utc::now(), ended.counts, stopped_by, 0)?;
    // The next one makes files of the same names.
    std::fs::remove_file(dir.join("results.csv"))?;
    std::fs::remove_file(dir.join("failures.csv"))?;
    Ok(ended.counts)
}

fn in_words(plan: &Plan) -> String {
    let (read, changes) = (plan.settled.read, plan.changes);
    format!("the plan: {read} rows, {changes} changes to send")
}

fn limits() -> Limits {
    Limits {
        rate: Rate::per_second(20.0).expect("in range"),
        concurrency: 8,
        max_attempts: 5,
        max_outage: Duration::from_secs(60),
        window: 256,
        runway: 16,
        seed: 1,
    }
}

async fn transport(endpoint: Endpoint) -> anyhow::Result<HttpTransport> {
    let key = Key::local();
    let credentials = Credentials::new(&key.secret_id, &key.secret_key, None)?;
    let reach = ReachSettings {
        extra_ca: None,
        wall_clock: Arc::new(Utc::now),
    };
    let keys = Found::fixed(credentials, Source::Environment)
        .open(reach)
        .await?;
    Ok(HttpTransport::new(HttpSettings {
        endpoint,
        keys,
        timeout: Duration::from_secs(15),
        concurrency: 8,
        extra_ca: None,
        wall_clock: Arc::new(Utc::now),
    })?)
}
