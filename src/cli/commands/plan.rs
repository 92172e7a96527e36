//! `plan`: everything that `apply` does before its first call, and no call. Nothing is left behind:
//! no run, no ledger, no lock. It does not wait for a run at work, and is not in its way.

use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::{Context, anyhow};
use chrono::{Local, SecondsFormat, Utc};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::spawn_blocking;

use super::apply::{earlier, endpoint};
use super::ledger::local;
use crate::cli::account::{account_of_plan, find_keys};
use crate::cli::args::ApplyArgs;
use crate::cli::exit::Exit;
use crate::cli::guards::shrank;
use crate::cli::outlook::{self, quoted};
use crate::cli::printer::{Printer, start_logging};
use crate::cli::settings::{Environment, Settings, System};
use crate::clock::Deadline;
use crate::lang::Lang;
use crate::ledger::Ledger;
use crate::ledger::look::FieldRecord;
use crate::model::{Change, Field};
use crate::plan::Plan;
use crate::plan::rows::{Batch, HELD_BACK, Rows};
use crate::prepare;
use crate::report::summary::{InputName, LedgerUsed};
use crate::report::words::{clean, rows_by, steerless};
use crate::state::ledger_in;

/// The flags of `plan`: those of `apply`, so that a line can be tried as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(
    after_help = EXAMPLES,
    mut_arg("dry_run", |arg| arg.hide(true)),
    mut_arg("json", |arg| arg.help("Print the plan as JSON")),
)]
pub struct PlanArgs {
    /// What `apply` would be given.
    #[command(flatten)]
    pub apply: ApplyArgs,
}

const EXAMPLES: &str = "\
Reads the files and the ledger as apply would, and says what it would send. Makes no call, needs
no keys where the ledger says whose it is, and changes nothing. It may be asked while a run is at
work: what that has under way counts as in doubt. lcic-sync apply --dry-run is the same.

Exits with 0; 3 if some rows are invalid; 4 if apply would refuse to begin.

Examples:
  lcic-sync plan users.csv
  lcic-sync plan --show 20 users.csv     the first 20 changes, old and new, on a terminal
  lcic-sync plan --json users.csv        for a program: counts only";

/// The version of the JSON.
const SCHEMA_VERSION: u32 = 1;

/// What would be done, in figures. Names no person.
#[derive(Debug, Serialize)]
struct Planned {
    schema_version: u32,
    input: Vec<InputName>,
    /// Whose profiles; nothing where neither keys nor the ledger say.
    account: Option<String>,
    endpoint: String,
    ledger: LedgerUsed,
    /// A run that has not ended: it is at work, or it was killed.
    run_without_end: Option<String>,
    /// Rows by outcome, and those to be sent.
    counts: PlannedCounts,
    /// Invalid rows by reason.
    invalid: Map<String, Value>,
    /// One for each change, if none has to be repeated.
    calls: u64,
    /// Those of them that leave before the time is up (`--until`, `--max-duration`).
    fits: u64,
    rate: f64,
    /// How long those take, if nothing goes wrong.
    seconds: f64,
    ends_at: String,
    /// Users in doubt whom the input does not name.
    in_doubt_elsewhere: u64,
    exit_code: u8,
}

/// Rows by what becomes of them; `read` is the sum of the others.
#[derive(Debug, Serialize)]
struct PlannedCounts {
    read: u64,
    to_send: u64,
    unchanged: u64,
    invalid: u64,
    superseded: u64,
    /// Beyond `--limit`.
    pending: u64,
}

/// The command itself.
///
/// # Errors
/// Usage or configuration; and where `apply` would refuse.
pub async fn main(args: &PlanArgs) -> Result<Exit, (Exit, anyhow::Error)> {
    let apply = ApplyArgs {
        dry_run: true,
        ..args.apply.clone()
    };
    let settings = Settings::resolve(&apply, &System);
    let settings = settings.map_err(|error| (Exit::Usage, error.into()))?;
    run(&settings, &System).await
}

/// Plans an `apply` with these settings.
///
/// # Errors
/// Those of [`main`].
pub async fn run(
    settings: &Settings,
    environment: &dyn Environment,
) -> Result<Exit, (Exit, anyhow::Error)> {
    let usage = |error: anyhow::Error| (Exit::Usage, error);
    let refused = |error: anyhow::Error| (Exit::Refused, error);
    let lang = settings.lang;
    let printer = &Printer::new(settings.quiet, settings.verbose).speaking(lang);
    start_logging(printer, environment).map_err(|error| usage(error.into()))?;
    if let Some(file) = &settings.config_file {
        printer.say(&lang.settings_from(file.display()));
    }
    let endpoint = endpoint(settings).map_err(usage)?;
    let keys = find_keys(environment).map_err(usage)?;
    let path = ledger_in(&settings.state_dir);
    let (ledger, is_new) = prepare::look_at_ledger(&path).map_err(|error| refused(error.into()))?;
    let label = settings.account.as_deref();
    let account = account_of_plan(&ledger, &keys, label, endpoint.host_header())
        .map_err(|error| refused(error.into()))?;
    let last_run = ledger.runs(1).map_err(|error| refused(error.into()))?.pop();
    // Nothing is left behind, so signals may do what they always do.
    let (_, mut no_signals) = unbounded_channel();
    let spool = match settings.state_dir.is_dir() {
        true => settings.state_dir.clone(),
        false => std::env::temp_dir(),
    };
    let (inputs, wishes) = (&settings.inputs, settings.wishes);
    let planned = prepare::make_plan(
        inputs,
        &settings.rules,
        wishes,
        &spool,
        ledger,
        &mut no_signals,
    );
    let (ledger, plan) = planned.await.map_err(|error| refused(error.into()))?;
    outlook::tell_findings(printer, plan.survey(), lang.see_check());
    let before = ledger.rows_of_last_run(inputs);
    if let Some(warning) = shrank(
        plan.settled.read,
        before.map_err(|error| refused(error.into()))?,
        lang,
    ) {
        printer.warn(&warning);
    }
    let now = Utc::now();
    let until = settings.until;
    let until = until.map(|until| Deadline::until(until, &now.with_timezone(&Local)));
    let rate = settings.limits.rate;
    let fits = match earlier(until, settings.max_duration, now) {
        Ok(None) => plan.changes,
        Ok(Some(until)) => {
            outlook::tell_fit(printer, &plan, rate, &until, now);
            outlook::fitting(&plan, rate, &until, now)
        }
        Err(next) => {
            printer.say(&lang.would_send_nothing(outlook::window_is_over(&next, lang)));
            0
        }
    };
    let guarded = settings.guards.check(&plan);
    let mut planned = Planned::new(
        settings,
        &plan,
        fits,
        account.map(|account| account.shown()),
        endpoint.to_string(),
        LedgerUsed { path, new: is_new },
        last_run
            .filter(|run| run.ended_at.is_none())
            .map(|run| run.run_id),
    );
    if guarded.is_err() {
        planned.exit_code = Exit::Refused.number();
    }
    let guarded = guarded.map_err(|error| refused(anyhow!(lang.retold(&error.to_string()))));
    let exit = Exit::from_number(planned.exit_code).expect("it is the number of one");
    if settings.json {
        let json = serde_json::to_string_pretty(&planned).expect("texts and numbers");
        print(printer, &steerless(&format!("{json}\n"))).map_err(usage)?;
        return guarded.map(|()| exit);
    }
    outlook::tell_doubt(printer, &plan);
    let words = planned.in_words(settings, &plan);
    let shown = show(settings, printer, ledger, plan);
    let shown = shown.await.map_err(refused)?;
    print(printer, &(shown + &words)).map_err(usage)?;
    guarded.map(|()| exit)
}

fn print(printer: &Printer, text: &str) -> anyhow::Result<()> {
    printer.data(text).context("standard output")
}

impl Planned {
    fn new(
        settings: &Settings,
        plan: &Plan,
        fits: u64,
        account: Option<String>,
        endpoint: String,
        ledger: LedgerUsed,
        run_without_end: Option<String>,
    ) -> Self {
        let rate = settings.limits.rate;
        let takes = Duration::from_secs_f64(fits as f64 / rate.get());
        let settled = &plan.settled;
        let counts = PlannedCounts {
            read: settled.read,
            to_send: plan.rows_to_send(),
            unchanged: settled.unchanged,
            invalid: settled.invalid,
            superseded: settled.superseded,
            pending: settled.pending,
        };
        let reasons = plan.survey().invalid.iter();
        let mut invalid: Map<String, Value> = reasons
            .map(|(code, rows)| ((*code).to_owned(), (*rows).into()))
            .collect();
        let held_back = settled.invalid - plan.survey().invalid.values().sum::<u64>();
        if held_back > 0 {
            invalid.insert(HELD_BACK.into(), held_back.into());
        }
        let exit = match settled.invalid {
            0 => Exit::Done,
            _ => Exit::SomeFailed,
        };
        Self {
            schema_version: SCHEMA_VERSION,
            input: InputName::all(&settings.inputs),
            account,
            endpoint,
            ledger,
            run_without_end,
            counts,
            invalid,
            calls: plan.changes,
            fits,
            rate: rate.get(),
            seconds: takes.as_secs_f64(),
            ends_at: (Utc::now() + takes).to_rfc3339_opts(SecondsFormat::Secs, true),
            in_doubt_elsewhere: plan.in_doubt_elsewhere,
            exit_code: exit.number(),
        }
    }

    fn in_words(&self, settings: &Settings, plan: &Plan) -> String {
        let mut lines = Vec::new();
        let (lang, path) = (settings.lang, self.ledger.path.display());
        lines.push(match (&self.account, self.ledger.new) {
            (_, true) => lang.no_ledger(path),
            (Some(account), false) => lang.ledger_of(path, lang.account_retold(account)),
            (None, false) => lang.ledger_unused(path),
        });
        if let Some(run_id) = &self.run_without_end {
            lines.push(lang.run_without_end(run_id));
        }
        let counts = &self.counts;
        lines.push(rows_by(
            counts.read,
            &[
                (counts.to_send, lang.would_send()),
                (counts.unchanged, lang.unchanged()),
                (counts.invalid, lang.invalid()),
                (counts.superseded, lang.superseded()),
                (counts.pending, lang.beyond_limit()),
            ],
            lang,
        ));
        let rate = settings.limits.rate;
        lines.push(outlook::changes(plan, &self.endpoint, rate, lang));
        if self.fits > 0 {
            let ends_at = self.ends_at.parse().expect("written just now");
            lines.push(lang.ends_at(local(ends_at)));
            let apply = settings.repeat.without(&["--dry-run", "--show"]);
            lines.push(lang.to_do_it(apply.line()));
        }
        lines.join("\n") + "\n"
    }
}

/// The first changes, old and new, for who sits at the terminal: they are personal data.
async fn show(
    settings: &Settings,
    printer: &Printer,
    ledger: Ledger,
    plan: Plan,
) -> anyhow::Result<String> {
    if settings.show == 0 || plan.changes == 0 {
        return Ok(String::new());
    }
    if !io::stdout().is_terminal() {
        printer.warn(settings.lang.show_needs_terminal());
        return Ok(String::new());
    }
    let n_changes = settings.show.min(plan.changes) as usize;
    let lang = settings.lang;
    let shown = spawn_blocking(move || first_changes(&ledger, plan, n_changes, lang));
    shown.await.expect("reading does not panic")
}

fn first_changes(
    ledger: &Ledger,
    plan: Plan,
    n_changes: usize,
    lang: Lang,
) -> anyhow::Result<String> {
    let mut rows = Rows::new(plan);
    let mut text = String::new();
    let mut n_shown = 0;
    while n_shown < n_changes {
        let mut batch = Batch::default();
        rows.next_batch(n_changes - n_shown, Utc::now(), &mut batch)?;
        for change in &batch.changes {
            let survey = rows.plan().survey();
            let name = &survey.sources[usize::from(change.at().file)].name;
            text += &in_words(ledger, change, name, lang)?;
        }
        n_shown += batch.changes.len();
        if batch.ended {
            break;
        }
    }
    Ok(text)
}

/// `users.csv:2  u1`, and below it each field that is sent.
fn in_words(ledger: &Ledger, change: &Change, file: &str, lang: Lang) -> anyhow::Result<String> {
    let user = change.user.as_str();
    let known = ledger.user(user)?;
    let mut text = format!("{}:{}  {}\n", clean(file), change.at().line, clean(user));
    for field in Field::ALL {
        let Some(value) = &change.send[field] else {
            continue;
        };
        let old = match &known {
            Some(known) => old(&known.fields[field], lang),
            None => lang.not_known().into(),
        };
        text += &format!("  {:<9} {old} → {}\n", field.name(), quoted(value, lang));
    }
    Ok(text)
}

fn old(record: &FieldRecord, lang: Lang) -> String {
    let held = match &record.held {
        Some(held) => quoted(held, lang),
        None => lang.not_known().into(),
    };
    match &record.doubt {
        Some(doubt) => lang.or_in_doubt(held, quoted(doubt, lang)),
        None => held,
    }
}
