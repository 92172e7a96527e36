//! How many calls a second a whole run makes, next to a bare reqwest loop that only signs and
//! sends: ledger, result files and pacing at a million a second on our side, a service that checks
//! every signature on the other. `cargo bench --bench calls [CALLS]`

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use chrono::Utc;
use lcic_sync::clock::Clock;
use lcic_sync::engine::pacer::Rate;
use lcic_sync::engine::{Engine, Limits};
use lcic_sync::event::Fanout;
use lcic_sync::input::Source;
use lcic_sync::input::survey::Survey;
use lcic_sync::ledger::{Ledger, NewRun};
use lcic_sync::model::{UserId, Values};
use lcic_sync::plan::rows::Rows;
use lcic_sync::plan::{self, Wishes};
use lcic_sync::recorder::Recorder;
use lcic_sync::report::results::ResultFiles;
use lcic_sync::run::Run;
use lcic_sync::simulator::{Config, Key, Running, Simulator};
use lcic_sync::tencent::answer::verdict;
use lcic_sync::tencent::client::{HttpSettings, HttpTransport, Transport};
use lcic_sync::tencent::credentials::{Credentials, Keyring};
use lcic_sync::tencent::endpoint::Endpoint;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

const CONCURRENCY: usize = 64;
const ROUNDS: usize = 5;

fn main() {
    let calls: u64 = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next_back()
        .unwrap_or(50_000);
    let service = Simulator::start_on_thread(Config {
        quota: None,
        ..Config::default()
    })
    .expect("a free port");
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut bare, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(timed(|| bare_loop(&runtime, &service, calls)));
        whole.push(timed(|| whole_run(&runtime, &service, calls)));
    }
    let (bare, whole) = (median(bare), median(whole));
    for (name, time) in [("bare loop", bare), ("whole run", whole)] {
        println!("{name}  {:8.0} calls/s", calls as f64 / time.as_secs_f64());
    }
    let ratio = bare.as_secs_f64() / whole.as_secs_f64();
    println!(
        "a whole run makes {:.0} % of the bare loop's calls",
        ratio * 100.0
    );
}

fn timed(what: impl FnOnce()) -> Duration {
    let began = Instant::now();
    what();
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
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

fn bare_loop(runtime: &Runtime, service: &Running, calls: u64) {
    let transport = transport(service);
    runtime.block_on(async {
        let mut under_way = JoinSet::new();
        for n in 0..calls {
            if under_way.len() >= CONCURRENCY {
                under_way.join_next().await;
            }
            let transport = transport.clone();
            let user = UserId::new(&format!("bare{n}")).expect("not empty");
            let send = Values {
                nickname: Some(format!("张伟{n}").into()),
                avatar: Some(format!("https://cdn.example.com/a/{n}.png").into()),
            };
            under_way.spawn(async move { verdict(&transport.modify(user, send).await) });
        }
        while under_way.join_next().await.is_some() {}
    });
}

fn whole_run(runtime: &Runtime, service: &Running, calls: u64) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut text = "UserId,Nickname,Avatar\n".to_owned();
    for n in 0..calls {
        text += &format!("whole{n},张伟{n},https://cdn.example.com/a/{n}.png\n");
    }
    let path = dir.path().join("users.csv");
    std::fs::write(&path, text).expect("room on the disk");
    let (mut ledger, _) = Ledger::open(&dir.path().join("ledger")).expect("a new ledger");
    let source = Source::open(path.to_str().expect("a plain path"), dir.path()).expect("CSV");
    let stop = AtomicBool::new(false);
    let survey = Survey::take(vec![source], ledger.keys().clone(), &stop).expect("CSV");
    let number = |id: &str| ledger.run_number(id).expect("a ledger");
    let plan = plan::make(survey, Wishes::default(), Utc::now(), number, |each| {
        ledger.scan(each)
    })
    .expect("a plan");
    let files = ResultFiles::create(dir.path(), &plan.survey().sources, "bench").expect("files");
    let run = NewRun {
        run_id: "bench",
        started_at: Utc::now(),
        input: &[],
        report_dir: dir.path(),
        counts: plan.settled,
    };
    ledger.begin_run(&run, &plan.closes).expect("a ledger");
    let limits = Limits {
        rate: Rate::per_second(Rate::MAX).expect("the fastest"),
        concurrency: CONCURRENCY,
        max_attempts: 5,
        max_outage: Duration::from_secs(60),
        window: 8192,
        runway: 4096,
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
            observers: Box::new(Fanout::default()),
            canary: None,
        };
        let (_keep, signals) = tokio::sync::mpsc::unbounded_channel();
        let ended = run.go(signals).await;
        assert_eq!(ended.counts.applied, calls, "{:?}", ended.stopped);
    });
}
