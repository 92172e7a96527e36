//! How many calls a second a whole run makes, next to a bare reqwest loop that only signs and
//! sends: ledger, result files and pacing at a million a second on our side, a service that checks
//! every signature on the other; a processor for each side. `cargo bench --bench calls [CALLS]`
//!
//! By turns, so that both see the same noise of the machine. Of each round the ratio is taken;
//! shown are the medians and quartiles.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use chrono::Utc;
use lcic_sync::cli::log::Log;
use lcic_sync::clock::Clock;
use lcic_sync::engine::pacer::Rate;
use lcic_sync::engine::{Engine, Limits};
use lcic_sync::event::Fanout;
use lcic_sync::input::Source;
use lcic_sync::input::survey::Survey;
use lcic_sync::ledger::{Ledger, NewRun};
use lcic_sync::plan::rows::Rows;
use lcic_sync::plan::{self, Wishes};
use lcic_sync::recorder::Recorder;
use lcic_sync::report::results::ResultFiles;
use lcic_sync::report::tally::Tally;
use lcic_sync::run::Run;
use lcic_sync::simulator::{Config, Key, Running, Simulator};
use lcic_sync::tencent::client::{HttpSettings, HttpTransport};
use lcic_sync::tencent::credentials::{Credentials, Keyring};
use lcic_sync::tencent::endpoint::Endpoint;
use lcic_sync::tencent::sign::{Payload, Signer, Unsigned};
use tempfile::NamedTempFile;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use url::Url;

const CONCURRENCY: usize = 64;
const ROUNDS: usize = 15;

fn main() {
    let calls: u64 = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next_back()
        .unwrap_or(50_000);
    // A thread inherits where it may run from the one that starts it.
    run_on(1);
    let service = Simulator::start_on_thread(Config {
        quota: None,
        ..Config::default()
    })
    .expect("a free port");
    run_on(0);
    let ours = std::process::id().to_string();
    let theirs: Vec<String> = threads().filter(|thread| *thread != ours).collect();
    let runtime = Builder::new_current_thread()
        .enable_all()
        // Threads that end take what they used with them.
        .thread_keep_alive(Duration::from_secs(3600))
        .build()
        .expect("a runtime");
    let input = write_input(calls);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let bare = measured(&theirs, || bare_loop(&runtime, &service, calls));
        // To remove what a run leaves behind is no part of it.
        let dir = tempfile::tempdir().expect("a temporary directory");
        let whole = measured(&theirs, || {
            whole_run(&runtime, &service, &input, dir.path(), calls);
        });
        rounds.push([bare, whole]);
    }
    let per_call = |cost: Duration| cost.as_secs_f64() * 1e6 / calls as f64;
    for (name, which) in [("bare loop", 0), ("whole run", 1)] {
        let [_, time, _] = quartiles(rounds.iter().map(|round| per_call(round[which].time)));
        let [_, cpu, _] = quartiles(rounds.iter().map(|round| per_call(round[which].cpu)));
        let speed = 1e6 / time;
        println!("{name}  {speed:8.0} calls/s, {cpu:5.1} µs of processor a call");
    }
    let ratios = |of: fn(&Cost) -> Duration| {
        let ratio =
            move |[bare, whole]: &[Cost; 2]| of(whole).as_secs_f64() / of(bare).as_secs_f64();
        quartiles(rounds.iter().map(ratio))
    };
    let [fast, median, slow] = ratios(|cost| cost.time).map(|ratio| 100.0 / ratio);
    println!(
        "a whole run makes {median:.1} % of the bare loop's calls (quartiles {slow:.1} and {fast:.1})"
    );
    let [low, median, high] = ratios(|cost| cost.cpu);
    println!("and takes {median:.2} times its processor a call (quartiles {low:.2} and {high:.2})");
}

/// What something took.
struct Cost {
    time: Duration,
    /// Of all our threads together.
    cpu: Duration,
}

fn measured(theirs: &[String], what: impl FnOnce()) -> Cost {
    let (began, used) = (Instant::now(), used(theirs));
    what();
    Cost {
        time: began.elapsed(),
        cpu: self::used(theirs).saturating_sub(used),
    }
}

/// The processor time of all threads but these.
fn used(but: &[String]) -> Duration {
    let ours = threads().filter(|thread| !but.contains(thread));
    let nanos = ours.filter_map(|thread| {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

fn threads() -> impl Iterator<Item = String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    tasks.map(|task| {
        let name = task.expect("a thread").file_name();
        name.into_string().expect("a number")
    })
}

/// Lets this thread, and those that it starts, run on this processor only, if there is such a one.
fn run_on(processor: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(processor);
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

fn quartiles(figures: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| figures[figures.len() * quarter / 4])
}

fn transport(service: &Running) -> Arc<HttpTransport> {
    let key = Key::local();
    let settings = HttpSettings {
        endpoint: Endpoint::parse(&service.url()).expect("a local endpoint"),
        keys: Keyring::fixed(
            Credentials::new(&key.secret_id, &key.secret_key, None).expect("a key"),
        ),
        timeout: Duration::from_secs(15),
        concurrency: CONCURRENCY,
        extra_ca: None,
        wall_clock: Arc::new(Utc::now),
    };
    Arc::new(HttpTransport::new(settings).expect("a client"))
}

/// Signs and sends with what a careful person would write in an afternoon: reqwest, and the
/// signer with its day's key.
fn bare_loop(runtime: &Runtime, service: &Running, calls: u64) {
    let key = Key::local();
    let signer = Arc::new(Signer::new(&key.secret_id, key.secret_key.into(), "lcic"));
    let url: Url = service.url().parse().expect("a local URL");
    let host = format!("127.0.0.1:{}", url.port().expect("a port"));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .expect("a client");
    runtime.block_on(async {
        let mut under_way = JoinSet::new();
        for n in 0..calls {
            if under_way.len() >= CONCURRENCY {
                under_way.join_next().await;
            }
            let (client, signer) = (client.clone(), signer.clone());
            let (url, host) = (url.clone(), host.clone());
            under_way.spawn(async move {
                let body = format!(
                    r#"{{"UserId":"bare{n}","Nickname":"张伟{n}","Avatar":"https://cdn.example.com/a/{n}.png"}}"#
                );
                let json = "application/json";
                let now = Utc::now();
                let unsigned = Unsigned {
                    method: "POST",
                    path: "/",
                    query: "",
                    headers: &[("content-type", json), ("host", &host)],
                    payload: Payload::Signed(body.as_bytes()),
                };
                let authorization = signer.authorization(&unsigned, now);
                let sent = client
                    .post(url)
                    .header("content-type", json)
                    .header("x-tc-action", "ModifyUserProfile")
                    .header("x-tc-version", "2022-08-17")
                    .header("x-tc-timestamp", now.timestamp())
                    .header("authorization", authorization)
                    .body(body)
                    .send();
                let answer = sent.await.expect("an answer").bytes().await.expect("a body");
                assert!(!answer.windows(7).any(|word| word == b"\"Error\""));
            });
        }
        while let Some(call) = under_way.join_next().await {
            call.expect("accepted");
        }
    });
}

fn write_input(calls: u64) -> NamedTempFile {
    let mut text = "UserId,Nickname,Avatar\n".to_owned();
    for n in 0..calls {
        text += &format!("whole{n},张伟{n},https://cdn.example.com/a/{n}.png\n");
    }
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("room on the disk");
    file
}

fn whole_run(runtime: &Runtime, service: &Running, input: &NamedTempFile, dir: &Path, calls: u64) {
    let (mut ledger, _) = Ledger::open(&dir.join("ledger")).expect("a new ledger");
    let source = Source::open(input.path().to_str().expect("a plain path"), dir).expect("CSV");
    let stop = AtomicBool::new(false);
    let survey = Survey::take(vec![source], ledger.keys().clone(), &stop).expect("CSV");
    let number = |id: &str| ledger.run_number(id).expect("a ledger");
    let plan = plan::make(survey, Wishes::default(), Utc::now(), number, |each| {
        ledger.scan(each)
    })
    .expect("a plan");
    let files = ResultFiles::create(dir, &plan.survey().sources, "bench").expect("files");
    let run = NewRun {
        run_id: "bench",
        started_at: Utc::now(),
        input: &[],
        report_dir: dir,
        counts: plan.settled,
    };
    ledger.begin_run(&run, &plan.closes).expect("a ledger");
    let rate = Rate::per_second(Rate::MAX).expect("the fastest");
    let limits = Limits {
        rate,
        concurrency: CONCURRENCY,
        max_attempts: 5,
        max_outage: Duration::from_secs(60),
        window: Limits::window_at(rate, CONCURRENCY),
        runway: Limits::runway_at(rate),
        seed: 1,
    };
    runtime.block_on(async {
        let run = Run {
            engine: Engine::new(limits),
            recorder: Recorder::new(ledger, files, plan.settled),
            rows: Rows::new(plan),
            transport: transport(service),
            clock: Clock::start(),
            until: None,
            canary: None,
            observers: Box::new(Fanout(vec![
                Box::new(Tally::new()),
                Box::new(Log::new(&[])),
            ])),
        };
        let (_keep, signals) = tokio::sync::mpsc::unbounded_channel();
        let ended = run.go(signals).await;
        assert_eq!(ended.counts.applied, calls, "{:?}", ended.stopped);
    });
}
