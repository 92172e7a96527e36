//! `runs`: the runs that a ledger remembers, the newest first.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::ledger::{PlaceArgs, Refusal, local, look, print, refused};
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::cli::table::padded;
use crate::lang::Lang;
use crate::ledger::look::RunRecord;
use crate::report::words::{clean, outcomes, steerless};

/// The flags of `runs`, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct RunsArgs {
    /// How many of them
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub last: u32,

    /// The language of what is told: zh or en [default: by the locale]
    #[arg(long, value_name = "LANG", value_parser = ["zh", "en"])]
    pub lang: Option<String>,

    /// Where the ledger is.
    #[command(flatten)]
    pub place: PlaceArgs,
}

const EXAMPLES: &str = "\
Only looks, and may be asked while a run is at work.

Examples:
  lcic-sync runs
  lcic-sync runs --last 1 --json";

/// Runs the command.
///
/// # Errors
/// Usage or configuration; no ledger, or one that can't be used.
pub fn main(args: &RunsArgs) -> Result<Exit, Refusal> {
    let settings = args.place.settings()?;
    let typed = args.lang.as_deref().and_then(Lang::from_name);
    let lang = typed.unwrap_or(settings.lang);
    let runs = look(&settings)?.runs(args.last).map_err(refused)?;
    let text = match settings.json {
        true => {
            let runs: Vec<Value> = runs.iter().map(to_json).collect();
            steerless(&format!("{:#}\n", json!({ "runs": runs })))
        }
        false if runs.is_empty() => format!("{}\n", lang.no_runs()),
        false => runs.iter().map(|run| in_words(run, lang)).collect(),
    };
    print(&Printer::new(false, 0), &text)?;
    Ok(Exit::Done)
}

fn seconds(run: &RunRecord) -> Option<f64> {
    let took = run.ended_at? - run.started_at;
    Some(took.as_seconds_f64().max(0.0))
}

fn in_words(run: &RunRecord, lang: Lang) -> String {
    let took = seconds(run).map(|seconds| lang.duration(Duration::from_secs_f64(seconds)));
    let ended = match (&run.stopped_by, run.exit_code, took) {
        (_, _, None) => lang.run_without_end_yet().into(),
        (Some(by), Some(code), Some(took)) => lang.run_stopped(took, by, code),
        (None, Some(code), Some(took)) => lang.run_took(took, code),
        (_, None, Some(_)) => lang.run_killed().into(),
    };
    let gone = match run.report_dir.is_dir() {
        true => "",
        false => lang.gone(),
    };
    let mut text = format!(
        "{}  {}  {ended}\n",
        lang.run_named(run.run),
        local(run.started_at)
    );
    for (label, says) in [
        (lang.run_of(), clean(&run.input.join(", "))),
        (lang.run_rows(), outcomes(&run.counts, lang)),
        (
            lang.run_reports(),
            clean(&run.report_dir.to_string_lossy()) + gone,
        ),
    ] {
        text += &format!("  {}{says}\n", padded(label, 9));
    }
    text
}

fn to_json(run: &RunRecord) -> Value {
    let mut json = json!(run);
    json["seconds"] = seconds(run).into();
    json
}
