//! `demo`: the main job, on a file that looks real, against the built-in local LCIC. It needs no
//! keys and no network, and it checks what it shows: the service must hold what the file says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Parser;

use super::apply::{self, Done};
use crate::cli::args::{Cli, Command, DemoArgs};
use crate::cli::exit::Exit;
use crate::cli::printer::{Printer, start_logging};
use crate::cli::settings::{Environment, Settings, System, locale};
use crate::lang::{Lang, count};
use crate::report::summary::Summary;
use crate::simulator::faults::Faults;
use crate::simulator::{Config, Key, Profile, Running, Simulator};
use crate::tencent::credentials::{Credentials, Found, Source};

const USERS: &str = include_str!("../../../samples/users.csv");
const FAULTS: &str = include_str!("../../../samples/demo-faults.json");

/// Runs the demo; its exit is 0 when all went as expected.
///
/// # Errors
/// When it can't be set up, or did not go as expected.
pub async fn run(args: &DemoArgs) -> Result<Exit, (Exit, anyhow::Error)> {
    let usage = |error: anyhow::Error| (Exit::Usage, error);
    let lang = lang(args);
    let printer = Printer::new(args.quiet, args.verbose).speaking(lang);
    start_logging(&printer, &System).map_err(|error| usage(error.into()))?;
    let dir = directory(args).map_err(usage)?;
    let shown = show(args, &dir, &printer).await;
    shown.map_err(|error| (Exit::Internal, error))?;
    Ok(Exit::Done)
}

async fn show(args: &DemoArgs, dir: &Path, printer: &Printer) -> anyhow::Result<()> {
    let file = dir.join("users.csv");
    fs::write(&file, USERS).with_context(|| format!("{}", file.display()))?;
    let faults: Faults = serde_json::from_str(FAULTS).context("samples/demo-faults.json")?;
    let refused = faults.script.iter().filter_map(|entry| entry.user.clone());
    let refused: BTreeSet<String> = refused.collect();
    let service = Simulator::start(Config {
        faults,
        ..Config::default()
    })
    .await
    .context("cannot start the local LCIC")?;
    let say = |text: &str| printer.say(text);
    let lang = printer.lang();
    say(&lang.demo_begins(service.url(), dir.display()));
    let settings = settings(args, dir, &file, &service, lang)?;
    say(&format!("$ {}\n", settings.repeat.line()));
    let first = apply(&settings, printer).await?;
    say(lang.demo_again());
    say(&format!("$ {}\n", settings.repeat.line()));
    let second = apply(&settings, printer).await?;
    let held = service.users();
    service.shutdown().await;
    check(&first, &second, &refused, &held)?;
    say(&lang.demo_ends(
        lang.profiles(held.len() as u64),
        lang.calls(first.calls.total),
        second.calls.total,
        dir.join("state/reports/latest").display(),
    ));
    Ok(())
}

fn directory(args: &DemoArgs) -> anyhow::Result<PathBuf> {
    let Some(dir) = &args.dir else {
        let dir = tempfile::Builder::new().prefix("lcic-sync-demo-").tempdir();
        return Ok(dir.context("no temporary directory")?.keep());
    };
    fs::create_dir_all(dir).with_context(|| format!("{}", dir.display()))?;
    let is_empty = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if !is_empty {
        bail!("--dir {}: is not empty", dir.display());
    }
    fs::canonicalize(dir).with_context(|| format!("{}", dir.display()))
}

/// What the command line shown to the person comes to.
fn settings(
    args: &DemoArgs,
    dir: &Path,
    file: &Path,
    service: &Running,
    lang: Lang,
) -> anyhow::Result<Settings> {
    let state = dir.join("state");
    let mut line = vec![
        "lcic-sync".into(),
        "apply".into(),
        file.display().to_string(),
        "--endpoint".into(),
        service.url(),
        "--state-dir".into(),
        state.display().to_string(),
    ];
    if args.no_progress {
        line.push("--no-progress".into());
    }
    if args.quiet {
        line.push("--quiet".into());
    }
    if let Some(lang) = &args.lang {
        line.extend(["--lang".into(), lang.clone()]);
    }
    let Command::Apply(apply) = Cli::try_parse_from(line)?.command else {
        unreachable!("the line says apply");
    };
    Ok(Settings::resolve(&apply, &Undisturbed)?.speaking(lang))
}

/// As typed, else by the locale: it changes what is said, not what is done.
fn lang(args: &DemoArgs) -> Lang {
    let typed = args.lang.as_deref().and_then(Lang::from_name);
    typed.unwrap_or_else(|| locale(&System).map_or(Lang::En, |(_, lang)| lang))
}

/// The demo's surroundings: no variable of the person's changes what it does.
struct Undisturbed;

impl Environment for Undisturbed {
    fn var(&self, _: &str) -> Option<std::ffi::OsString> {
        None
    }

    fn current_dir(&self) -> std::io::Result<PathBuf> {
        System.current_dir()
    }

    fn passwd(&self) -> Option<String> {
        System.passwd()
    }

    fn uid(&self) -> u32 {
        System.uid()
    }

    fn entropy(&self) -> u64 {
        System.entropy()
    }
}

async fn apply(settings: &Settings, printer: &Printer) -> anyhow::Result<Summary> {
    let key = Key::local();
    let credentials = Credentials::new(&key.secret_id, &key.secret_key, None)?;
    let keys = Found::fixed(credentials, Source::Environment);
    let done = apply::run(settings, keys, printer).await;
    let Done { summary, .. } = done.map_err(|(_, error)| error)?;
    let (summary, _) = summary.context("the run left no summary")?;
    Ok(summary)
}

/// Whether both runs did what they should, and the service holds what the file says.
fn check(
    first: &Summary,
    second: &Summary,
    refused: &BTreeSet<String>,
    held: &BTreeMap<String, Profile>,
) -> anyhow::Result<()> {
    let expected = Exit::SomeFailed.number();
    ensure!(
        first.exit_code == expected && second.exit_code == expected,
        "exit codes {} and {}, expected {expected} twice",
        first.exit_code,
        second.exit_code
    );
    ensure!(
        first.counts.failed == refused.len() as u64,
        "{} failed, expected {}",
        count(first.counts.failed, "row"),
        refused.len()
    );
    ensure!(
        second.calls.accepted == 0 && second.counts.unchanged == first.counts.applied,
        "the second run sent again what the service held"
    );
    let wanted = wanted(refused)?;
    ensure!(
        wanted.len() == held.len(),
        "the service holds {}, the file has {}",
        count(held.len() as u64, "profile"),
        wanted.len()
    );
    for (user, [nickname, avatar]) in &wanted {
        let is = held
            .get(user)
            .is_some_and(|profile| profile.nickname == *nickname && profile.avatar == *avatar);
        ensure!(is, "the service does not hold what the file says");
    }
    Ok(())
}

/// What the file says of each user: read again in the plainest way, so that a mistake in the
/// program's own reading would show.
fn wanted(refused: &BTreeSet<String>) -> anyhow::Result<BTreeMap<String, [Option<String>; 2]>> {
    let mut wanted: BTreeMap<String, [Option<String>; 2]> = BTreeMap::new();
    for row in csv::Reader::from_reader(USERS.as_bytes()).deserialize() {
        let (user, nickname, avatar): (String, String, String) = row?;
        let is_invalid = user.is_empty() || (nickname.is_empty() && avatar.is_empty());
        if is_invalid || refused.contains(&user) {
            continue;
        }
        let values = wanted.entry(user).or_default();
        for (value, text) in values.iter_mut().zip([nickname, avatar]) {
            if !text.is_empty() {
                *value = Some(text);
            }
        }
    }
    Ok(wanted)
}
