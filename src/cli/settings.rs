//! What was typed, resolved: flag before environment before file before default, every value of a
//! type that can only hold what fits. No later code sees a rate of zero or a relative directory.
//!
//! The environment comes in through a trait, so that all of this is pure and tests never touch
//! the variables of their own process. The keys of the account are not here: they are found by
//! the client's own module, and `Settings` can be printed.

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveTime;

use super::args::ApplyArgs;
use super::config_file::ConfigError;
use super::guards::{Guards, MaxChanges};
use super::look::{Found, Look};
pub use super::look::{Origin, Origins, locale};
use super::notify::NotifyUrl;
use super::unattended::Unattended;
use crate::canary;
use crate::engine::Limits;
use crate::engine::pacer::Rate;
use crate::explain::{DEFAULT_MAX_ATTEMPTS, DEFAULT_MAX_OUTAGE};
use crate::input::rules::Rules;
use crate::lang::Lang;
use crate::plan::Wishes;
use crate::report::repeat::Repeat;

/// The service on the China site, and the default.
pub const ENDPOINT_CN: &str = "https://lcic.tencentcloudapi.com";
/// The service on the international site.
pub const ENDPOINT_INTL: &str = "https://lcic.intl.tencentcloudapi.com";

/// Rows name their file in 16 bits.
const MAX_FILES: usize = 1 << 16;

/// All that `apply` goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What people are told things in.
    pub lang: Lang,
    /// The FILE arguments, `-` for standard input at most once.
    pub inputs: Vec<String>,
    /// How they are read.
    pub rules: Arc<Rules>,
    /// Where the service is, as given: `Endpoint::parse` judges it.
    pub endpoint: String,
    /// A name for the account.
    pub account: Option<String>,
    /// Certificates to trust beside the usual ones; absolute.
    pub ca_file: Option<PathBuf>,
    /// What the engine holds to.
    pub limits: Limits,
    /// How long the answer to a call is waited for.
    pub timeout: Duration,
    /// What to send.
    pub wishes: Wishes,
    /// Only say what would be sent.
    pub dry_run: bool,
    /// How many changes to show then.
    pub show: u64,
    /// What the plan must keep to.
    pub guards: Guards,
    /// How long the run may begin calls.
    pub max_duration: Option<Duration>,
    /// Until what time of the local day it may.
    pub until: Option<NaiveTime>,
    /// How long another run is waited for.
    pub wait_lock: Option<Duration>,
    /// So many changes are sent first, and read back.
    pub canary: Option<u64>,
    /// Don't ask before a large run.
    pub yes: bool,
    /// Where the ledger is; absolute.
    pub state_dir: PathBuf,
    /// Where each run gets its directory; absolute.
    pub report_dir: PathBuf,
    /// Leave copies of the result files for Excel.
    pub excel: bool,
    /// Print the summary on standard output.
    pub json: bool,
    /// Say nothing unless a person is needed.
    pub quiet: bool,
    /// How much more to say.
    pub verbose: u8,
    /// Show progress.
    pub progress: bool,
    /// What matters when nobody watches.
    pub unattended: Unattended,
    /// Who is told when runs begin to need a person.
    pub notify_url: Option<NotifyUrl>,
    /// The command line, to be told to a person as the one to give again.
    pub repeat: Repeat,
    /// The configuration file that was read; absolute.
    pub config_file: Option<PathBuf>,
    /// Where each value comes from.
    pub origins: Origins,
}

/// A value that does not fit, or a place that can't be found. All of them exit with 2.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A flag or variable whose value does not fit.
    #[error("{name}: found {found:?}, expected {expected}")]
    Value {
        /// The flag, or the variable where it came from there.
        name: String,
        /// What stood there.
        found: String,
        /// What fits.
        expected: String,
    },
    /// A configuration file that is not to be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Two variables that contradict each other.
    #[error("{0} and {1} exclude each other: leave one of them out")]
    Both(String, String),
    /// Standard input can be read once.
    #[error("- (standard input) stands there twice, and can be read only once")]
    StandardInputTwice,
    /// More files than can be numbered.
    #[error("{0} files, and at most {MAX_FILES} fit into one run")]
    TooManyFiles(usize),
    /// No place for the ledger.
    #[error(
        "no home directory found to keep the ledger in\nhint: name a place with --state-dir DIR"
    )]
    NoHome,
    /// A relative path, and no directory that it is relative to.
    #[error("the current directory can't be found: {0}")]
    NoCurrentDirectory(io::Error),
}

/// What the process is surrounded by.
pub trait Environment {
    /// A variable; may be empty.
    fn var(&self, name: &str) -> Option<OsString>;
    /// What relative paths are relative to.
    ///
    /// # Errors
    /// When the directory is gone.
    fn current_dir(&self) -> io::Result<PathBuf>;
    /// The text of the system's list of users.
    fn passwd(&self) -> Option<String>;
    /// The number of the user who runs this.
    fn uid(&self) -> u32;
    /// A number that nobody can foresee.
    fn entropy(&self) -> u64;

    /// The text of a configuration file. Surroundings that don't say otherwise have none.
    ///
    /// # Errors
    /// When it can't be read; `NotFound` where there is none.
    fn config_text(&self, _path: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    /// A variable that is set to something.
    fn filled(&self, name: &str) -> Option<OsString> {
        self.var(name).filter(|value| !value.is_empty())
    }
}

/// The real surroundings.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Environment for System {
    fn var(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn current_dir(&self) -> io::Result<PathBuf> {
        std::env::current_dir()
    }

    fn passwd(&self) -> Option<String> {
        let bytes = fs::read("/etc/passwd").ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn uid(&self) -> u32 {
        rustix::process::getuid().as_raw()
    }

    fn entropy(&self) -> u64 {
        // The standard library seeds its hash maps from the system's generator.
        RandomState::new().build_hasher().finish()
    }

    fn config_text(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(path).map_err(|error| {
            // In a directory that this user may not look into (`sudo -u`) there is none.
            let is_out_of_sight =
                error.kind() == io::ErrorKind::PermissionDenied && fs::metadata(path).is_err();
            match is_out_of_sight {
                true => io::ErrorKind::NotFound.into(),
                false => error,
            }
        })
    }
}

impl Settings {
    /// Resolves what was typed.
    ///
    /// # Errors
    /// When a value does not fit, or there is no place for the ledger.
    pub fn resolve(args: &ApplyArgs, environment: &dyn Environment) -> Result<Self, SettingsError> {
        check_files(&args.files)?;
        let look = Look::new(environment, args.config.as_deref())?;
        let rate = match look.value("--rate", args.rate.as_deref())? {
            Some(found) => found.read("calls per second, from 0.1 to 1000000", |text| {
                Rate::per_second(text.parse().ok()?)
            })?,
            None => Rate::per_second(20.0).expect("the default is in range"),
        };
        let concurrency = look.whole("--concurrency", args.concurrency.as_deref(), 1..=10_000)?;
        let concurrency = concurrency.unwrap_or(64) as usize;
        let max_attempts = look.whole("--max-attempts", args.max_attempts.as_deref(), 1..=1000)?;
        let max_outage = match span(&look, "--max-outage", args.max_outage.as_deref())? {
            Some(max_outage) => max_outage,
            None => within_a_year(DEFAULT_MAX_OUTAGE).expect("the default is in range"),
        };
        let max_changes = look.value("--max-changes", args.max_changes.as_deref())?;
        let max_changes = max_changes.map(|found| {
            let expected = "a whole number, or a share like 5%, from 0% to 100%";
            found.read(expected, MaxChanges::parse)
        });
        let until = look.value("--until", args.until.as_deref())?;
        let until = until.map(|found| {
            let read = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").ok();
            found.read("a time of day, like 06:00 or 23:30", read)
        });
        let timeout = match look.value("--timeout", args.timeout.as_deref())? {
            Some(found) => found.read("seconds, from 0.1 to 60", timeout)?,
            None => Duration::from_secs(15),
        };
        let seed = look.whole("--seed", args.seed.as_deref(), 0..=u64::MAX)?;
        let state_dir = match look.path("--state-dir", args.state_dir.as_deref())? {
            Some(path) => path,
            None => default_state_dir(&look)?,
        };
        let report_dir = match look.path("--report-dir", args.report_dir.as_deref())? {
            Some(path) => path,
            None => state_dir.join("reports"),
        };
        let (quiet, verbose) = loudness(&look, args)?;
        let unattended = Unattended::resolve(&look, args, &state_dir)?;
        let lang = look.lang(args.lang.as_deref())?;
        Ok(Self {
            lang,
            inputs: args.files.clone(),
            rules: args.input.resolve(&look, lang)?,
            endpoint: endpoint(&look, args)?,
            account: look.text("--account", args.account.as_deref())?,
            ca_file: look.path("--ca-file", args.ca_file.as_deref())?,
            limits: Limits {
                rate,
                concurrency,
                max_attempts: max_attempts.map_or(DEFAULT_MAX_ATTEMPTS, |attempts| attempts as u32),
                max_outage,
                window: Limits::window_at(rate, concurrency),
                runway: Limits::runway_at(rate),
                seed: seed.unwrap_or_else(|| environment.entropy()),
            },
            timeout,
            wishes: Wishes {
                all: look.switch("--all", args.all)?,
                limit: look.whole("--limit", args.limit.as_deref(), 1..=u64::MAX)?,
                max_age: span(&look, "--max-age", args.max_age.as_deref())?,
            },
            dry_run: look.switch("--dry-run", args.dry_run)?,
            show: look
                .whole("--show", args.show.as_deref(), 0..=u64::MAX)?
                .unwrap_or(0),
            guards: Guards {
                max_changes: max_changes.transpose()?,
                min_rows: look.whole("--min-rows", args.min_rows.as_deref(), 0..=u64::MAX)?,
            },
            max_duration: span(&look, "--max-duration", args.max_duration.as_deref())?,
            until: until.transpose()?,
            wait_lock: span(&look, "--wait-lock", args.wait_lock.as_deref())?,
            canary: look.whole("--canary", args.canary.as_deref(), 1..=canary::MOST)?,
            yes: look.switch("--yes", args.yes)?,
            state_dir,
            report_dir,
            excel: look.switch("--excel", args.excel)?,
            json: look.switch("--json", args.json)?,
            quiet: quiet || unattended.cron,
            verbose,
            progress: !look.switch("--no-progress", args.no_progress)? && !unattended.cron,
            unattended,
            notify_url: notify_url(&look, args)?,
            repeat: args.repeat(),
            config_file: look.file().map(|file| file.path.clone()),
            origins: look.into_origins(),
        })
    }
}

impl Settings {
    /// The same, in this language.
    pub fn speaking(mut self, lang: Lang) -> Self {
        self.lang = lang;
        Arc::make_mut(&mut self.rules).lang = lang;
        self
    }
}

/// A URL that is told nowhere, also not where it does not fit.
fn notify_url(look: &Look<'_>, args: &ApplyArgs) -> Result<Option<NotifyUrl>, SettingsError> {
    let Some(found) = look.value("--notify-url", args.notify_url.as_deref())? else {
        return Ok(None);
    };
    let expected = "an http or https URL, with wecom+, dingtalk+, feishu+ or json+ before it where its host does not say which it is";
    found.read_secret(expected, NotifyUrl::read).map(Some)
}

pub(super) fn check_files(files: &[String]) -> Result<(), SettingsError> {
    if files.len() > MAX_FILES {
        return Err(SettingsError::TooManyFiles(files.len()));
    }
    if let Some(found) = files.iter().find(|file| file.is_empty()) {
        return Err(SettingsError::Value {
            name: "FILE".into(),
            found: found.clone(),
            expected: "the path of a CSV file, or - for standard input".into(),
        });
    }
    if files.iter().filter(|file| *file == "-").count() > 1 {
        return Err(SettingsError::StandardInputTwice);
    }
    Ok(())
}

/// A length of time by its flag.
fn span(
    look: &Look<'_>,
    flag: &str,
    typed: Option<&str>,
) -> Result<Option<Duration>, SettingsError> {
    let expected = "a time with its unit, like 90s, 30m or 2h, from 1s to 365d";
    let found = look.value(flag, typed)?;
    found
        .map(|found| found.read(expected, within_a_year))
        .transpose()
}

fn within_a_year(text: &str) -> Option<Duration> {
    let span = humantime::parse_duration(text).ok()?;
    let longest = Duration::from_secs(365 * 24 * 60 * 60);
    (Duration::from_secs(1)..=longest)
        .contains(&span)
        .then_some(span)
}

/// No longer than a minute: another value for the same field may be sent a minute after the last
/// attempt ([`crate::plan::COOLDOWN`]), and no call must be under way then.
fn timeout(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    let seconds = (0.1..=60.0).contains(&seconds).then_some(seconds)?;
    Some(Duration::from_secs_f64(seconds))
}

/// Where the service is. Of `--endpoint` and `--site`, what stands nearer to the person wins.
fn endpoint(look: &Look<'_>, args: &ApplyArgs) -> Result<String, SettingsError> {
    let endpoints = look.layers("--endpoint", args.endpoint.as_deref())?;
    let sites = look.layers("--site", args.site.as_deref())?;
    for pair in endpoints.into_iter().zip(sites) {
        match pair {
            (None, None) => {}
            (Some(endpoint), Some(site)) => return Err(both(&endpoint, &site)),
            (Some(endpoint), None) => {
                look.note("--endpoint", &endpoint);
                return endpoint.read("a URL", |text| (!text.is_empty()).then(|| text.to_owned()));
            }
            (None, Some(site)) => {
                look.note("--endpoint", &site);
                look.note("--site", &site);
                return site.read("cn or intl", |site| match site {
                    "cn" => Some(ENDPOINT_CN.to_owned()),
                    "intl" => Some(ENDPOINT_INTL.to_owned()),
                    _ => None,
                });
            }
        }
    }
    Ok(ENDPOINT_CN.to_owned())
}

/// Quiet or not, and how verbose. Of the two, what stands nearer to the person wins.
fn loudness(look: &Look<'_>, args: &ApplyArgs) -> Result<(bool, u8), SettingsError> {
    let typed = |is_typed: bool| is_typed.then_some("1");
    let quiets = look.layers("--quiet", typed(args.quiet))?;
    let verboses = look.layers("--verbose", typed(args.verbose > 0))?;
    let (mut quiet, mut verbose) = (None, None);
    for (quiet_here, verbose_here) in quiets.into_iter().zip(verboses) {
        // "Not quiet" hides a quiet that stands further away, and so does "not verbose".
        if let (None, Some(found)) = (quiet, &quiet_here) {
            look.note("--quiet", found);
            quiet = Some(found.switch()?);
        }
        if let (None, Some(found)) = (verbose, &verbose_here) {
            look.note("--verbose", found);
            verbose = Some(match args.verbose {
                0 => found.whole(0..=3)? as u8,
                typed => typed,
            });
        }
        match (
            quiet == Some(true),
            verbose.unwrap_or(0),
            &quiet_here,
            &verbose_here,
        ) {
            (true, 1.., Some(quiet), Some(verbose)) => return Err(both(quiet, verbose)),
            (true, ..) => return Ok((true, 0)),
            (false, verbose @ 1.., ..) => return Ok((false, verbose)),
            (false, 0, ..) => {}
        }
    }
    Ok((false, 0))
}

fn both(one: &Found, other: &Found) -> SettingsError {
    SettingsError::Both(one.name(), other.name())
}

fn default_state_dir(look: &Look<'_>) -> Result<PathBuf, SettingsError> {
    let environment = look.environment();
    let note = |name: &str| look.note_origin("--state-dir", Origin::Variable(name.to_owned()));
    // systemd may name several directories; the first is the unit's own.
    if let Some(directories) = environment.filled("STATE_DIRECTORY")
        && let Some(first) = std::env::split_paths(&directories).next()
    {
        note("STATE_DIRECTORY");
        return look.absolute(&first);
    }
    // The XDG specification wants relative paths to be ignored.
    let absolute = |name| {
        let path = environment.filled(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    if let Some(base) = absolute("XDG_STATE_HOME") {
        note("XDG_STATE_HOME");
        return Ok(base.join("lcic-sync"));
    }
    let home = home(environment).ok_or(SettingsError::NoHome)?;
    Ok(home.join(".local/state/lcic-sync"))
}

/// The home directory of who runs this. cron and containers may leave HOME out.
pub fn home(environment: &dyn Environment) -> Option<PathBuf> {
    let home = environment.filled("HOME").map(PathBuf::from);
    home.filter(|path| path.is_absolute())
        .or_else(|| home_of(environment.uid(), &environment.passwd()?))
}

/// The home directory of a user in the text of `/etc/passwd`: the sixth of seven cells.
fn home_of(uid: u32, passwd: &str) -> Option<PathBuf> {
    passwd.lines().find_map(|line| {
        let cells: Vec<&str> = line.split(':').collect();
        let is_it = cells.len() >= 7 && cells[2].parse() == Ok(uid);
        (is_it && cells[5].starts_with('/')).then(|| PathBuf::from(cells[5]))
    })
}

#[cfg(test)]
mod tests;
