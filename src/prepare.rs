//! Everything before the first call: ledger → account → what a killed run left → survey → plan.
//!
//! `apply` goes on from here and `plan` ends here, so that a plan says what a run would do because
//! it is what a run does. Nothing in here makes a call.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::spawn_blocking;

use crate::input::rules::Rules;
use crate::input::survey::Survey;
use crate::input::{InputError, Source};
use crate::lang::Lang;
use crate::ledger::recover::Killed;
use crate::ledger::{Account, Ledger, LedgerError};
use crate::plan::{self, Plan, Wishes};
use crate::report::summary::{FAILURE_CODES, InputName, LedgerUsed, SCHEMA_VERSION, Summary};
use crate::report::tally::Tally;
use crate::report::{results, traces};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The ledger, or another account's.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The reports of a killed run could not be finished.
    #[error(
        "the reports of a run that was killed can't be finished: {path}: {error}\nhint: put that right, or move its directory away to do without them"
    )]
    Report {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A signal with this number came.
    #[error("stopped by signal {0}")]
    Signal(i32),
}

/// A ledger that a run may begin with.
#[derive(Debug)]
pub struct Opened {
    /// It, pinned to the account.
    pub ledger: Ledger,
    /// Whether nothing was ever sent by it.
    pub is_new: bool,
    /// The runs that were killed before, and are finished now.
    pub recovered: Vec<Killed>,
}

/// Opens the ledger at `path` for a run of `account` to `endpoint`: pins it (rule T8) and finishes
/// what killed runs left (rule T7). The state directory must be locked.
///
/// # Errors
/// When it can't be used, or is another account's.
pub fn open_ledger(
    path: &Path,
    account: &Account,
    endpoint: &str,
    now: DateTime<Utc>,
) -> Result<Opened, PrepareError> {
    let (mut ledger, _) = Ledger::open(path)?;
    ledger.pin(account)?;
    let mut recovered = Vec::new();
    while let Some(killed) = ledger.find_killed()? {
        let summary = finish_reports(&killed, |done| {
            summary_of_killed(&killed, done, path, account, endpoint, now)
        })?;
        ledger.close_killed(&killed, now)?;
        if let Some(told) = summary {
            let stopped_by = told.stopped_by.as_deref();
            let (at, exit_code) = (told.ended_at, told.exit_code);
            ledger.end_run(killed.run, at, killed.counts, stopped_by, exit_code)?;
        }
        recovered.push(killed);
    }
    Ok(Opened {
        is_new: !ledger.holds_anything()?,
        ledger,
        recovered,
    })
}

/// Opens the ledger at `path` to plan with; says whether there was none. Nothing is made, locked
/// or changed: a plan is not in the way of a run, and needs not wait for one. What a run has under
/// way, or a killed one had, counts as in doubt.
///
/// # Errors
/// When it can't be used.
pub fn look_at_ledger(path: &Path) -> Result<(Ledger, bool), PrepareError> {
    Ok(match Ledger::look(path)? {
        Some(ledger) => (ledger, false),
        None => (Ledger::nobodys(path)?, true),
    })
}

/// Reads `inputs` once by these `rules` and compares them with the ledger, unless a signal comes first. What can't
/// be read twice is copied to a nameless file under `spool`.
///
/// # Errors
/// When an input can't be used, and when a signal comes.
pub async fn make_plan(
    inputs: &[String],
    rules: &Arc<Rules>,
    wishes: Wishes,
    spool: &Path,
    ledger: Ledger,
    signals: &mut UnboundedReceiver<i32>,
) -> Result<(Ledger, Plan), PrepareError> {
    let survey = survey(inputs, rules, spool, &ledger, signals).await?;
    let planned = spawn_blocking(move || {
        let plan = plan(&ledger, survey, wishes);
        (ledger, plan)
    });
    let (ledger, plan) = planned.await.expect("planning does not panic");
    Ok((ledger, plan?))
}

async fn survey(
    inputs: &[String],
    rules: &Arc<Rules>,
    spool: &Path,
    ledger: &Ledger,
    signals: &mut UnboundedReceiver<i32>,
) -> Result<Survey, PrepareError> {
    let stop = Arc::new(AtomicBool::new(false));
    let (inputs, spool, keys) = (inputs.to_vec(), spool.to_owned(), ledger.keys().clone());
    let (rules, stop_survey) = (rules.clone(), stop.clone());
    let mut survey = spawn_blocking(move || {
        let sources = inputs
            .iter()
            .map(|input| Source::open_by(input, &spool, &rules));
        Survey::take(sources.collect::<Result<_, _>>()?, keys, &stop_survey)
    });
    tokio::select! {
        biased;
        Some(signal) = signals.recv() => {
            stop.store(true, Ordering::Relaxed);
            // Standard input may never end: it is not waited for.
            Err(PrepareError::Signal(signal))
        }
        survey = &mut survey => Ok(survey.expect("the survey does not panic")?),
    }
}

fn plan(ledger: &Ledger, survey: Survey, wishes: Wishes) -> Result<Plan, LedgerError> {
    let origins = survey.origins.as_ref();
    let runs = origins.map_or(&[][..], |origins| &origins.runs);
    let numbers = runs
        .iter()
        .map(|id| Ok((id.clone(), ledger.run_number(id)?)))
        .collect::<Result<HashMap<String, Option<u32>>, LedgerError>>()?;
    let number = |id: &str| numbers.get(id).copied().flatten();
    plan::make(survey, wishes, Utc::now(), number, |each| {
        match wishes.max_age {
            None => ledger.scan(each),
            Some(_) => ledger.scan_with_ages(each),
        }
    })
}

/// Cuts a killed run's files to what its ledger vouches for, and leaves it a summary: `untold` makes
/// the one for a run that could not write any, of what its results tell. Returns the summary of a
/// run that could, and was only not able to record its end.
fn finish_reports(
    killed: &Killed,
    untold: impl FnOnce(&Tally) -> Summary,
) -> Result<Option<Summary>, PrepareError> {
    let dir = &killed.report_dir;
    let failed = |path: &Path, error| PrepareError::Report {
        path: path.into(),
        error,
    };
    for (name, length) in [
        (results::RESULTS, killed.results_bytes),
        (results::FAILURES, killed.failures_bytes),
    ] {
        let path = dir.join(name);
        results::cut(&path, length).map_err(|error| failed(&path, error))?;
    }
    if !dir.is_dir() {
        return Ok(None);
    }
    let told = Summary::read(dir).map(|told| Summary {
        // All but the rows stands as told: they are those that results.csv holds, too.
        counts: killed.counts,
        message: told.message.as_ref().map(|message| {
            let note = "its rows were counted again by the next run, as far as they are on record";
            match message.ends_with(note) {
                true => message.clone(),
                false => format!("{message}; {note}"),
            }
        }),
        ..told
    });
    let summary = match &told {
        Some(told) => told.clone(),
        None => {
            let done = traces::read(dir, killed.started_at);
            let done = done.map_err(|error| failed(&dir.join(results::RESULTS), error))?;
            if !done.timeline().is_empty() {
                let saved = done.timeline().save(dir);
                saved.map_err(|error| failed(dir, error))?;
            }
            untold(&done)
        }
    };
    summary.save(dir).map_err(|error| failed(dir, error))?;
    Ok(told)
}

fn summary_of_killed(
    killed: &Killed,
    done: &Tally,
    ledger: &Path,
    account: &Account,
    endpoint: &str,
    now: DateTime<Utc>,
) -> Summary {
    // When it was killed nobody knows; it was at work until then.
    let worked = done
        .span()
        .and_then(|(_, last)| TimeDelta::from_std(last).ok());
    let ended_at = worked.map_or(now, |worked| killed.started_at + worked);
    Summary {
        schema_version: SCHEMA_VERSION,
        run_id: killed.run_id.clone(),
        run: Some(killed.run),
        input: InputName::all(&killed.input),
        account: Some(account.shown()),
        endpoint: endpoint.into(),
        ledger: LedgerUsed {
            path: ledger.into(),
            new: killed.run == 1,
        },
        started_at: killed.started_at,
        ended_at,
        seconds: (ended_at - killed.started_at).num_milliseconds().max(0) as f64 / 1000.0,
        counts: killed.counts,
        calls: done.calls().clone(),
        // What was allowed only the run itself knew.
        pace: done.pace(0.0),
        stopped_by: Some("killed".into()),
        message: Some(Lang::En.run_did_not_end().into()),
        failures: done.failures(FAILURE_CODES),
        // 128 + SIGKILL, as a shell tells it.
        exit_code: 137,
    }
}
