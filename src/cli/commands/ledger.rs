//! `ledger`: looks into the record of what users were last given, and mends it.
//!
//! Looking changes nothing and waits for nobody; what changes the ledger takes its lock, like a
//! run. Ids and profiles are shown because a person asked for them, one by one; what concerns many
//! goes to a private file.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use chrono::{DateTime, Local, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::apply::endpoint;
use super::undo::{self, UndoArgs};
use super::whoami::{self, WhoamiArgs};
use crate::cli::account::{account, find_keys, open_keys};
use crate::cli::exit::Exit;
use crate::cli::outlook::quoted;
use crate::cli::printer::{Printer, start_logging};
use crate::cli::settings::{Settings, System};
use crate::lang::{Lang, count, thousands};
use crate::ledger::Ledger;
use crate::ledger::amend::Forgotten;
use crate::ledger::look::{FieldRecord, UserRecord};
use crate::model::Field;
use crate::report::words::{clean, steerless};
use crate::state::{StateDir, StateError, ledger_in};

/// Why a command of this kind ends early, and with which number.
pub(super) type Refusal = (Exit, anyhow::Error);

/// `ledger`, as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct LedgerArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: LedgerCommand,
}

/// What to do with the ledger.
#[derive(Debug, Clone, Subcommand)]
pub enum LedgerCommand {
    /// Say what is known of users: held, in doubt, by which run, since when
    #[command(after_help = SHOW)]
    Show(UsersArgs),
    /// Say what the ledger holds, in figures, and whom it belongs to
    #[command(after_help = STATS)]
    Stats(PlaceArgs),
    /// Forget users, so that the next file that names them is sent in full
    #[command(after_help = FORGET)]
    Forget(UsersArgs),
    /// Let the present keys use the ledger, too: they are new keys of the same account
    #[command(after_help = ADOPT)]
    Adopt(Box<AdoptArgs>),
    /// Write a file that gives the users of a run back what they held before it
    Undo(UndoArgs),
}

/// Where the ledger is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct PlaceArgs {
    /// Where the ledger is kept
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Read flags from this file [default: ./lcic-sync.toml where there is one]
    #[arg(long, value_name = "TOML")]
    pub config: Option<PathBuf>,

    /// Print JSON, where there is anything to print
    #[arg(long)]
    pub json: bool,
}

/// Which users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct UsersArgs {
    /// Their ids
    #[arg(value_name = "USERID", required = true)]
    pub users: Vec<String>,

    /// Where the ledger is.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Whose keys. The flags mean what they mean for `apply`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(mut_arg("json", |arg| arg.hide(true)))]
pub struct AdoptArgs {
    /// Those of `whoami`.
    #[command(flatten)]
    pub who: WhoamiArgs,
}

const EXAMPLES: &str = "\
show, stats and undo only look, and may be asked while a run is at work. forget and adopt wait for
nobody: they exit with 11 while a run is at work. Exits with 3 if a user is not known.

Examples:
  lcic-sync ledger show 3091
  lcic-sync ledger stats --json
  lcic-sync ledger forget 3091 3092          send them again, whatever they were given before
  lcic-sync ledger adopt                     after the account's key was replaced
  lcic-sync ledger undo 7 --out undo.csv     what the users of run 7 held before it
  lcic-sync runs                             which runs there were";

const SHOW: &str = "\
Examples:
  lcic-sync ledger show 3091 3092
  lcic-sync ledger show --json -- -x1        an id that begins with a dash";

const STATS: &str = "\
Examples:
  lcic-sync ledger stats
  lcic-sync ledger stats --json";

const FORGET: &str = "\
For users whom somebody else has changed. A user of whom a call may still arrive is not forgotten;
try again after a minute.

Examples:
  lcic-sync ledger forget 3091 3092 && lcic-sync apply users.csv";

const ADOPT: &str = "\
A ledger belongs to one account, and knows it by its permanent key or its role. When the key was
replaced, say so with this, under the new one. The ledger can't check it: keys of another account
would mix two schools.

Examples:
  lcic-sync whoami               the key that it would be
  lcic-sync ledger adopt";

/// The command itself.
///
/// # Errors
/// Usage or configuration, no ledger, one that can't be used, or a run at work.
pub async fn main(args: &LedgerArgs) -> Result<Exit, Refusal> {
    match &args.command {
        LedgerCommand::Show(args) => show(args),
        LedgerCommand::Stats(args) => stats(args),
        LedgerCommand::Forget(args) => forget(args),
        LedgerCommand::Adopt(args) => adopt(&args.who).await,
        LedgerCommand::Undo(args) => undo::run(args),
    }
}

impl PlaceArgs {
    /// The settings that an `apply` with these flags would have.
    pub(super) fn settings(&self) -> Result<Settings, Refusal> {
        whoami::settings(
            &WhoamiArgs {
                state_dir: self.state_dir.clone(),
                config: self.config.clone(),
                json: self.json,
                ..WhoamiArgs::default()
            },
            &System,
        )
        .map_err(usage)
    }
}

/// The ledger, to look at.
pub(super) fn look(settings: &Settings) -> Result<Ledger, Refusal> {
    let path = ledger_in(&settings.state_dir);
    let ledger = Ledger::look(&path).map_err(refused)?;
    ledger.ok_or_else(|| refused(none_yet(&path)))
}

/// The ledger, to be changed; with its lock.
fn open(settings: &Settings) -> Result<(StateDir, Ledger), Refusal> {
    let path = ledger_in(&settings.state_dir);
    if !path.exists() {
        return Err(refused(none_yet(&path)));
    }
    let state = StateDir::lock(&settings.state_dir).map_err(|error| match error {
        StateError::Locked { .. } => (Exit::Locked, error.into()),
        StateError::Io { .. } => usage(error),
    })?;
    let (ledger, _) = Ledger::open(&path).map_err(refused)?;
    Ok((state, ledger))
}

fn none_yet(path: &Path) -> anyhow::Error {
    anyhow!(
        "{}: there is no ledger yet\nhint: the first apply makes it; is it in another --state-dir?",
        path.display()
    )
}

pub(super) fn usage(error: impl Into<anyhow::Error>) -> Refusal {
    (Exit::Usage, error.into())
}

pub(super) fn refused(error: impl Into<anyhow::Error>) -> Refusal {
    (Exit::Refused, error.into())
}

/// Prints what a pipe wants; JSON in a form that no terminal obeys.
pub(super) fn print(printer: &Printer, text: &str) -> Result<(), Refusal> {
    printer.data(text).context("standard output").map_err(usage)
}

/// The instant, as clocks here show it.
pub(super) fn local(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local)
        .format("%Y-%m-%d %H:%M %:z")
        .to_string()
}

fn show(args: &UsersArgs) -> Result<Exit, Refusal> {
    let settings = args.place.settings()?;
    let printer = Printer::new(false, 0);
    let ledger = look(&settings)?;
    let mut exit = Exit::Done;
    let (mut words, mut list) = (String::new(), Vec::new());
    for user in &args.users {
        let record = ledger.user(user).map_err(refused)?;
        if record.is_none() {
            exit = Exit::SomeFailed;
        }
        words += &in_words(user, record.as_ref());
        list.push(to_json(user, record.as_ref()));
    }
    if settings.json {
        words = steerless(&format!("{:#}\n", json!({ "users": list })));
    }
    print(&printer, &words)?;
    Ok(exit)
}

fn in_words(user: &str, record: Option<&UserRecord>) -> String {
    let mut text = format!("{}\n", clean(user));
    let Some(record) = record else {
        return text + "  not known to this ledger\n";
    };
    for field in Field::ALL {
        for (at, line) in field_in_words(&record.fields[field]).iter().enumerate() {
            let name = if at == 0 { field.name() } else { "" };
            text += &format!("  {name:<9} {line}\n");
        }
    }
    if let Some(open) = record.open {
        let (run, how) = match open.refused {
            true => (open.run, "refused"),
            false => (open.run, "invalid or without an answer"),
        };
        text += &match open.closed_by {
            None => format!("  {how} in run {run}, and no run has taken care of it since\n"),
            Some(by) => format!("  {how} in run {run}, taken care of by run {by}\n"),
        };
    }
    text
}

fn field_in_words(record: &FieldRecord) -> Vec<String> {
    let run = |run: Option<u32>| run.map_or("?".into(), |run| run.to_string());
    let mut lines = Vec::new();
    match (&record.held, record.held_at) {
        (Some(held), Some(at)) => {
            let (by, at) = (run(record.held_run), local(at));
            lines.push(format!(
                "{} from run {by}, confirmed {at}",
                quoted(held, Lang::En)
            ));
            let before = record.before.as_deref();
            let before =
                before.map_or_else(|| "not known".into(), |before| quoted(before, Lang::En));
            lines.push(format!("before that run: {before}"));
        }
        _ => lines.push("never given".into()),
    }
    if let Some(doubt) = &record.doubt {
        let by = run(record.doubt_run);
        let at = match record.doubt_at {
            Some(at) => format!("at {} or before", local(at)),
            None => "and not answered yet".into(),
        };
        lines.push(format!(
            "in doubt: {}, sent by run {by} {at}",
            quoted(doubt, Lang::En)
        ));
    }
    lines
}

fn to_json(user: &str, record: Option<&UserRecord>) -> Value {
    let Some(record) = record else {
        return json!({ "user_id": user, "known": false });
    };
    json!({
        "user_id": user,
        "known": true,
        "nickname": record.fields.nickname,
        "avatar": record.fields.avatar,
        "failed_in_run": record.open.map(|open| open.run),
        "taken_care_of_by_run": record.open.and_then(|open| open.closed_by),
    })
}

fn stats(args: &PlaceArgs) -> Result<Exit, Refusal> {
    let settings = args.settings()?;
    let printer = Printer::new(false, 0);
    let ledger = look(&settings)?;
    let stats = ledger.stats().map_err(refused)?;
    let owners = ledger.owners().map_err(refused)?;
    let path = ledger.path();
    if settings.json {
        let owners = owners
            .iter()
            .map(|owner| json!({ "account": owner.account.shown(), "since": owner.since }));
        let json = json!({
            "ledger": path,
            "accounts": owners.collect::<Vec<_>>(),
            "stats": stats,
        });
        print(&printer, &steerless(&format!("{json:#}\n")))?;
        return Ok(Exit::Done);
    }
    let mut lines = vec![("ledger", path.display().to_string())];
    for owner in &owners {
        let (account, since) = (owner.account.shown(), local(owner.since));
        lines.push(("account", format!("{account}, since {since}")));
    }
    lines.push(("users", thousands(stats.users)));
    lines.push(("hold", {
        let (nicknames, avatars) = (stats.nicknames, stats.avatars);
        format!(
            "{}, {}",
            count(nicknames, "nickname"),
            count(avatars, "avatar")
        )
    }));
    lines.push(("in doubt", count(stats.in_doubt, "user")));
    lines.push((
        "open",
        format!(
            "{} in a failures.csv, and no run has taken care of it since",
            count(stats.open, "user")
        ),
    ));
    lines.push(("runs", thousands(stats.runs)));
    let lines = lines.iter();
    let text: String = lines
        .map(|(name, text)| format!("{name:<9} {}\n", clean(text)))
        .collect();
    print(&printer, &text)?;
    Ok(Exit::Done)
}

fn forget(args: &UsersArgs) -> Result<Exit, Refusal> {
    let settings = args.place.settings()?;
    let printer = Printer::new(false, 0);
    let (_lock, mut ledger) = open(&settings)?;
    let mut exit = Exit::Done;
    for user in &args.users {
        let forgotten = ledger.forget(user, Utc::now()).map_err(refused)?;
        let user = clean(user);
        printer.say(&match forgotten {
            Forgotten::Done => {
                format!("{user}: forgotten, the next file that names it is sent in full")
            }
            Forgotten::NotKnown => format!("{user}: not known to this ledger"),
            Forgotten::TooEarly => {
                format!(
                    "{user}: not forgotten, a call for it may still arrive; try again in a minute"
                )
            }
        });
        if forgotten != Forgotten::Done {
            exit = Exit::SomeFailed;
        }
    }
    Ok(exit)
}

async fn adopt(args: &WhoamiArgs) -> Result<Exit, Refusal> {
    let settings = whoami::settings(args, &System).map_err(usage)?;
    let printer = Printer::new(false, 0);
    start_logging(&printer, &System).map_err(usage)?;
    let host = endpoint(&settings).map_err(usage)?;
    let found = find_keys(&System).map_err(usage)?;
    let keys = open_keys(found, &settings).await.map_err(usage)?;
    let label = settings.account.as_deref();
    let account = account(label, host.host_header(), keys.identity()).map_err(usage)?;
    let (_lock, mut ledger) = open(&settings)?;
    let owners = ledger.owners().map_err(refused)?;
    let is_news = ledger.adopt(&account).map_err(refused)?;
    let (path, account) = (ledger.path().display(), account.shown());
    if !is_news {
        printer.say(&format!("ledger {path}: belongs to {account} already"));
        return Ok(Exit::Done);
    }
    let before: Vec<String> = owners.iter().map(|owner| owner.account.shown()).collect();
    let before = before.join(" and ");
    tracing::info!(ledger = %path, %account, %before, "ledger adopted");
    printer.say(&match before.is_empty() {
        true => format!("ledger {path}: belongs to {account} now"),
        false => format!("ledger {path}: belongs to {before}, and from now on to {account}, too"),
    });
    Ok(Exit::Done)
}
