//! A local LCIC: checks signatures, counts quotas, keeps a table of users and fails on purpose.
//!
//! For tests, for measuring, and for trying `lcic-sync` without an account. It follows
//! PROTOCOL.md; where the real service's behaviour is not documented, it is either strict or a
//! matter of [`Config`].
//!
//! - [`quota`]: the frequency limit, in three kinds of second.
//! - `verify`: the signature, checked by code of its own.
//! - [`faults`]: what goes wrong, by script and by chance.
//! - `latency`, `users`, `actions`: how long calls are under way, whom it knows, what it can do.
//! - `service`: from a request to an answer; `wire`: the connections.
//!
//! **Invariant:** nothing of the client is used here, so that a mistake made there is found here.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use lcic_sync::simulator::{Config, Simulator};
//!
//! let lcic = Simulator::start(Config::default()).await?;
//! println!("send your calls to {}", lcic.url());
//! assert_eq!(lcic.stats().calls, 0);
//! lcic.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod actions;
pub mod faults;
mod latency;
pub mod quota;
mod service;
mod users;
mod verify;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

pub use faults::{Fault, Faults, Moment};
pub use latency::{Latencies, Latency};
pub use quota::Window;
pub use users::{Profile, Table};

use service::Service;

/// The application that all simulated users belong to.
pub const SDK_APP_ID: u64 = 1_400_000_001;

/// Told of each call as it arrives and once it is carried out, with its number from 1. It is
/// called between the two, so what it does holds up that call.
pub type OnCall = Arc<dyn Fn(u64, Moment) + Send + Sync>;

/// A key that the service knows.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub secret_id: String,
    /// What signs.
    pub secret_key: String,
    /// For a temporary key: the token that must come with each call.
    pub token: Option<String>,
    /// Whose key it is. Keys of one account share its quota.
    pub account: String,
}

impl Key {
    /// The SecretId of [`Key::local`].
    pub const LOCAL_ID: &str = "AKID-LOCAL-SIMULATOR";
    /// The SecretKey of [`Key::local`].
    pub const LOCAL_SECRET: &str = "local-simulator-secret";

    /// The well-known fake key that opens simulators and nothing else.
    pub fn local() -> Self {
        Self {
            secret_id: Self::LOCAL_ID.to_owned(),
            secret_key: Self::LOCAL_SECRET.to_owned(),
            token: None,
            account: "local".to_owned(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, hidden)", self.secret_id)
    }
}

/// What kind of LCIC to be. The default is a good one: 20 calls of each action a second, no
/// latency, no faults, on a free port.
#[derive(Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The keys it knows.
    pub keys: Vec<Key>,
    /// How far its clock (checks and `Date` header) is ahead of this machine's, or behind it.
    pub clock_skew: chrono::TimeDelta,
    /// Whether the keys lack the permission for every action.
    pub denied: bool,
    /// Calls of one action that an account may make in a second; `None` for any number.
    pub quota: Option<NonZeroU32>,
    /// What kind of second.
    pub window: Window,
    /// Whether refused calls use up quota too.
    pub refused_count: bool,
    /// Whom it knows.
    pub users: Table,
    /// How long calls are under way before they arrive.
    pub latency: Latency,
    /// How long answers are under way.
    pub answer_delay: Duration,
    /// What goes wrong.
    pub faults: Faults,
    /// Where the random numbers of latency and chance begin.
    pub seed: u64,
    /// Whether [`Stats::arrivals`] is kept.
    pub record_arrivals: bool,
    /// Told of each call.
    pub on_call: Option<OnCall>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            keys: vec![Key::local()],
            clock_skew: chrono::TimeDelta::zero(),
            denied: false,
            quota: NonZeroU32::new(20),
            window: Window::FixedSecond,
            refused_count: true,
            users: Table::Open,
            latency: Latency::default(),
            answer_delay: Duration::ZERO,
            faults: Faults::default(),
            seed: 0,
            record_arrivals: false,
            on_call: None,
        }
    }
}

/// What has happened so far.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Calls that arrived, whatever became of them.
    pub calls: u64,
    /// Calls that passed the checks of key and quota.
    pub admitted: u64,
    /// Calls that the quota refused (scripted refusals are in `by_code` only).
    pub throttled: u64,
    /// Writes that were accepted.
    pub applied: u64,
    /// Envelopes with an error, by its code.
    pub by_code: BTreeMap<String, u64>,
    /// Faults met, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// When each call arrived, since the start; empty unless [`Config::record_arrivals`].
    pub arrivals: Vec<Duration>,
    /// The most calls that were under way at once.
    pub max_concurrent: u64,
    /// Calls that began while another call for the same user was under way.
    pub overlaps: u64,
    /// Connections that were made.
    pub connections: u64,
}

/// Starts simulators.
pub struct Simulator;

impl Simulator {
    /// Starts one on the runtime that this is called on. It listens once this returns.
    pub async fn start(config: Config) -> io::Result<Running> {
        let listener = TcpListener::bind(config.listen).await?;
        let addr = listener.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let (ending, ended) = watch::channel(());
        let service = Arc::new(Service::new(config, stopping.clone()));
        let server = wire::serve(listener, Arc::clone(&service), stopping);
        tokio::spawn(async move {
            server.await;
            // Whoever waits in `ended` learns it by this being dropped, here or with the runtime.
            drop(ending);
        });
        Ok(Running {
            addr,
            service,
            stop,
            ended,
        })
    }

    /// Starts one on a thread of its own, for callers without a runtime and for measuring without
    /// sharing one.
    pub fn start_on_thread(config: Config) -> io::Result<Running> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (tell, told) = mpsc::channel();
        let body = async move {
            let started = Self::start(config).await;
            let ended = started.as_ref().ok().map(|running| running.ended.clone());
            // With nobody there to be told, this drops the simulator, which stops it.
            let _ = tell.send(started);
            if let Some(mut ended) = ended {
                let _ = ended.changed().await;
            }
        };
        std::thread::Builder::new()
            .name("simulator".into())
            .spawn(move || runtime.block_on(body))?;
        told.recv()
            .map_err(|_| io::Error::other("the simulator's thread ended before it started"))?
    }
}

/// How the server shall stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Once the calls under way have ended, within a short grace.
    Gently,
    Now,
}

/// Waits until the server shall stop, and says how.
async fn stopped(stop: &mut watch::Receiver<bool>) -> Stop {
    match stop.wait_for(|stop| *stop).await {
        Ok(_) => Stop::Gently,
        // `Running` was dropped without a word.
        Err(_) => Stop::Now,
    }
}

/// A simulator that runs. Dropping it stops it at once.
pub struct Running {
    addr: SocketAddr,
    service: Arc<Service>,
    /// True asks to stop gently. That it goes away with this struct stops the server at once.
    stop: watch::Sender<bool>,
    /// Nothing is ever sent; it closes once the server has ended.
    ended: watch::Receiver<()>,
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The endpoint to give to a client, such as `http://127.0.0.1:8787`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What has happened so far.
    pub fn stats(&self) -> Stats {
        self.service.stats()
    }

    /// All users it holds.
    pub fn users(&self) -> BTreeMap<String, Profile> {
        self.service.users()
    }

    /// One user.
    pub fn user(&self, id: &str) -> Option<Profile> {
        self.service.user(id)
    }

    /// Takes no more calls, gives those under way half a second to end, and returns when all is
    /// quiet. The last word on what happened.
    pub async fn shutdown(mut self) -> Stats {
        self.stop.send_replace(true);
        let _ = self.ended.changed().await;
        self.stats()
    }
}
