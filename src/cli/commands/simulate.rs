//! `lcic-sync simulate`: runs the built-in LCIC, to try everything without an account.
//!
//! It listens on this machine only: it knows one well-known key, so whoever reaches it may use it.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use tokio::signal::ctrl_c;
use tokio::time::{MissedTickBehavior, interval};

use crate::simulator::faults::Chance;
use crate::simulator::{Config, Faults, Key, Latency, SDK_APP_ID, Simulator, Stats, Table, Window};

/// Run a local LCIC to try things against
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct SimulateArgs {
    /// Where to listen; an address of this machine only, port 0 for a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787", value_parser = loopback)]
    pub listen: SocketAddr,

    /// Calls of each action that are admitted in a second; 0 for any number
    #[arg(long, value_name = "CALLS", default_value_t = 20)]
    pub quota: u32,

    /// What kind of second the quota is counted in
    #[arg(long, value_enum, default_value_t = WindowArg::Fixed)]
    pub window: WindowArg,

    /// The SecretId that it knows
    #[arg(long, value_name = "ID", default_value = Key::LOCAL_ID)]
    pub secret_id: String,

    /// The SecretKey that belongs to it; never use a real one here
    #[arg(long, value_name = "KEY", default_value = Key::LOCAL_SECRET)]
    pub secret_key: String,

    /// How long each call takes to arrive, at least
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    pub latency_ms: u64,

    /// What half of the calls take longer than that (log-normal)
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    pub jitter_ms: u64,

    /// How far the jitter spreads: 0.5 is a calm line, 1.5 a bad one
    #[arg(long, value_name = "SIGMA", default_value_t = 0.5, value_parser = sigma)]
    pub jitter_sigma: f64,

    /// What shall go wrong, by script and by chance: a JSON file (see samples/faults.json)
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,

    /// What may go wrong with any call: FAULT=PROBABILITY, several with commas. FAULT is
    /// internal-error, throttled, bad-gateway, too-many-requests, garbage, reset, reset-after,
    /// silence, silence-after, truncated, no-request-id, not-applied, or an error code of the service
    #[arg(long, value_name = "FAULT=P", value_delimiter = ',', value_parser = Chance::parse)]
    pub chance: Vec<Chance>,

    /// Know only the users of this file, one id a line; else whoever is written is created
    #[arg(long, value_name = "FILE")]
    pub closed: Option<PathBuf>,

    /// Where the random numbers begin; the same seed brings the same faults
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub seed: u64,
}

const EXAMPLES: &str = "\
Examples:
  lcic-sync simulate                                prints what to type in another terminal
  lcic-sync simulate --quota 100 --window sliding   a faster one, with another kind of second
  lcic-sync simulate --chance internal-error=0.01,silence=0.001
  lcic-sync simulate --faults samples/faults.json   misbehaves by script";

/// What kind of second the quota is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WindowArg {
    /// Calendar seconds
    Fixed,
    /// The second before each call
    Sliding,
    /// An evenly refilled bucket of one second's worth
    Bucket,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "expected an address and a port, such as 127.0.0.1:8787".to_owned())?;
    match address.ip().is_loopback() {
        true => Ok(address),
        false => Err(
            "not an address of this machine only (expected 127.0.0.1 or [::1]): the key is known to everybody"
                .into(),
        ),
    }
}

fn sigma(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|sigma| (0.0..=10.0).contains(sigma))
        .ok_or_else(|| "expected a number from 0 to 10".into())
}

impl SimulateArgs {
    /// What to start; reads the files.
    fn config(&self) -> anyhow::Result<Config> {
        let mut faults = match &self.faults {
            None => Faults::default(),
            Some(path) => serde_json::from_str(&read(path)?)
                .with_context(|| format!("{} is no fault file", path.display()))?,
        };
        faults.chance.extend_from_slice(&self.chance);
        let users = match &self.closed {
            None => Table::Open,
            Some(path) => {
                let ids = read(path)?;
                let ids = ids.lines().map(str::trim).filter(|id| !id.is_empty());
                Table::Closed(ids.map(str::to_owned).collect())
            }
        };
        Ok(Config {
            listen: self.listen,
            keys: vec![Key {
                secret_id: self.secret_id.clone(),
                secret_key: self.secret_key.clone(),
                ..Key::local()
            }],
            quota: NonZeroU32::new(self.quota),
            window: match self.window {
                WindowArg::Fixed => Window::FixedSecond,
                WindowArg::Sliding => Window::SlidingSecond,
                WindowArg::Bucket => Window::TokenBucket,
            },
            users,
            latency: Latency {
                base: Duration::from_millis(self.latency_ms),
                median: Duration::from_millis(self.jitter_ms),
                sigma: self.jitter_sigma,
            },
            faults,
            seed: self.seed,
            ..Config::default()
        })
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
}

/// Runs it until Ctrl-C.
pub async fn run(args: SimulateArgs) -> anyhow::Result<()> {
    let lcic = Simulator::start(args.config()?)
        .await
        .with_context(|| format!("could not listen on {}", args.listen))?;
    println!("{}", usage(&args, &lcic.url()));

    let mut told = Stats::default();
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            signal = ctrl_c() => {
                signal.context("could not wait for Ctrl-C")?;
                break;
            }
            _ = second.tick() => {
                let now = lcic.stats();
                if now.calls != told.calls {
                    eprintln!("{}", line(&told, &now));
                    told = now;
                }
            }
        }
    }
    let end = lcic.shutdown().await;
    eprintln!("stopped; in all: {}", line(&Stats::default(), &end));
    Ok(())
}

/// What a person needs to use it, ready to be pasted.
fn usage(args: &SimulateArgs, url: &str) -> String {
    // Single quotes, because a key may hold anything.
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let quota = match args.quota {
        0 => "any number of calls".to_owned(),
        quota => format!("{quota} calls of each action"),
    };
    format!(
        "A local LCIC at {url} (application {SDK_APP_ID}, {quota} a second). Ctrl-C stops it and forgets everything.\n\
         In another terminal:\n\
         \n\
         \x20 export TENCENTCLOUD_SECRET_ID={}\n\
         \x20 export TENCENTCLOUD_SECRET_KEY={}\n\
         \x20 lcic-sync apply users.csv --endpoint {url}\n",
        quoted(&args.secret_id),
        quoted(&args.secret_key),
    )
}

/// What happened between two moments.
fn line(before: &Stats, now: &Stats) -> String {
    let mut line = format!(
        "{} calls, {} admitted, {} refused by the quota",
        now.calls - before.calls,
        now.admitted - before.admitted,
        now.throttled - before.throttled
    );
    let faults = |stats: &Stats| stats.faults.values().sum::<u64>();
    match faults(now) - faults(before) {
        0 => {}
        met => line.push_str(&format!(", {met} met a fault")),
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SimulateArgs,
    }

    fn parse(words: &[&str]) -> Result<SimulateArgs, clap::Error> {
        let line = Line::try_parse_from(["simulate"].iter().chain(words))?;
        Ok(line.args)
    }

    #[test]
    fn it_listens_on_this_machine_only() {
        for ours in ["127.0.0.1:0", "127.8.8.8:1", "[::1]:8787"] {
            assert!(parse(&["--listen", ours]).is_ok(), "{ours}");
        }
        for other in [
            "0.0.0.0:8787",
            "[::]:8787",
            "192.168.1.2:8787",
            "8787",
            "localhost:8787",
        ] {
            assert!(parse(&["--listen", other]).is_err(), "{other}");
        }
    }

    #[test]
    fn flags_become_the_config() {
        let args = parse(&[
            "--quota=0",
            "--window=sliding",
            "--latency-ms=5",
            "--jitter-ms=7",
            "--chance=reset=0.25,ResourceInUse=0.5",
            "--seed=9",
        ]);
        let config = args.unwrap().config().unwrap();
        assert_eq!(config.quota, None);
        assert_eq!(config.window, Window::SlidingSecond);
        assert_eq!(config.latency.base, Duration::from_millis(5));
        assert_eq!(config.latency.median, Duration::from_millis(7));
        assert_eq!(config.seed, 9);
        let chances: Vec<_> = config
            .faults
            .chance
            .iter()
            .map(|chance| (chance.fault.kind(), chance.probability))
            .collect();
        assert_eq!(chances, [("reset", 0.25), ("error", 0.5)]);
    }

    #[test]
    fn files_are_read_and_named_when_they_are_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let ids = folder.path().join("ids.txt");
        fs::write(&ids, "u1\r\n\nu2\n").unwrap();
        let ids = ids.to_str().unwrap();
        let config = parse(&["--closed", ids]).unwrap().config().unwrap();
        assert_eq!(config.users, Table::Closed(vec!["u1".into(), "u2".into()]));

        let wrong = parse(&["--faults", ids]).unwrap().config();
        let error = format!("{:#}", wrong.err().unwrap());
        assert!(error.contains("ids.txt"), "{error}");
    }

    #[test]
    fn help_names_every_fault_that_has_a_short_name() {
        use clap::CommandFactory;
        let help = Line::command().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for name in Chance::NAMES {
            assert!(help.contains(name), "{name}");
        }
    }

    #[test]
    fn the_lines_to_paste_survive_any_key() {
        let mut args = parse(&[]).unwrap();
        args.secret_key = "it's".into();
        let usage = usage(&args, "http://127.0.0.1:8787");
        assert!(usage.contains(r"SECRET_KEY='it'\''s'"), "{usage}");
        assert!(usage.contains("--endpoint http://127.0.0.1:8787"));
    }
}
