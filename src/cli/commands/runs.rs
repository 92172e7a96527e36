//! `runs`: the runs that a ledger remembers, the newest first.

use clap::Args;
use serde_json::{Value, json};

use super::ledger::{PlaceArgs, Refusal, local, look, print, refused};
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::ledger::look::RunRecord;
use crate::report::words::{clean, duration, outcomes, steerless};

/// The flags of `runs`, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct RunsArgs {
    /// How many of them
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub last: u32,

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
    let runs = look(&settings)?.runs(args.last).map_err(refused)?;
    let text = match settings.json {
        true => {
            let runs: Vec<Value> = runs.iter().map(to_json).collect();
            steerless(&format!("{:#}\n", json!({ "runs": runs })))
        }
        false if runs.is_empty() => "no runs yet\n".into(),
        false => runs.iter().map(in_words).collect(),
    };
    print(&Printer::new(false, 0), &text)?;
    Ok(Exit::Done)
}

fn seconds(run: &RunRecord) -> Option<f64> {
    let took = run.ended_at? - run.started_at;
    Some(took.as_seconds_f64().max(0.0))
}

fn in_words(run: &RunRecord) -> String {
    let took = seconds(run).map(|seconds| duration(std::time::Duration::from_secs_f64(seconds)));
    let ended = match (&run.stopped_by, run.exit_code, took) {
        (_, _, None) => "no end: it is at work, or it was killed".into(),
        (Some(by), Some(code), Some(took)) => format!("stopped after {took} ({by}), exit {code}"),
        (None, Some(code), Some(took)) => format!("took {took}, exit {code}"),
        (_, None, Some(_)) => "killed; the next run found it".into(),
    };
    let gone = match run.report_dir.is_dir() {
        true => "",
        false => " (gone)",
    };
    format!(
        "run {}  {}  {ended}\n  of       {}\n  rows     {}\n  reports  {}{gone}\n",
        run.run,
        local(run.started_at),
        clean(&run.input.join(", ")),
        outcomes(&run.counts),
        clean(&run.report_dir.to_string_lossy()),
    )
}

fn to_json(run: &RunRecord) -> Value {
    let mut json = json!(run);
    json["seconds"] = seconds(run).into();
    json
}
