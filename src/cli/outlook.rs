//! What is about to happen, in words: what the survey found, and what the plan comes to.

use std::time::Duration;

use crate::cli::printer::Printer;
use crate::engine::pacer::Rate;
use crate::input::survey::Survey;
use crate::ledger::recover::Killed;
use crate::plan::Plan;
use crate::report::words::{self, count};

/// Says that a run was killed, and is finished now.
pub fn tell_recovered(printer: &Printer, killed: &Killed) {
    let counts = &killed.counts;
    let settled = counts.read - counts.pending - counts.unknown;
    printer.say(&format!(
        "run {} was cut off after {} of {}: {} in doubt, to be sent again where this input names them",
        killed.run_id,
        words::thousands(settled),
        count(counts.read, "row"),
        count(killed.users_in_doubt, "user"),
    ));
}

/// Says which rows will not be sent because something is wrong with them.
pub fn tell_findings(printer: &Printer, survey: &Survey) {
    if survey.n_rows() == 0 {
        printer.warn("no rows behind the header");
    }
    let n_invalid: u64 = survey.invalid.values().sum();
    if n_invalid == 0 {
        return;
    }
    printer.say(&format!(
        "{} will not be sent:",
        count(n_invalid, "invalid row")
    ));
    for (at, reason) in &survey.samples {
        let name = &survey.sources[usize::from(at.file)].name;
        printer.say(&format!("  {name}: line {}: {reason}", at.line));
    }
    let more = n_invalid - survey.samples.len() as u64;
    if more > 0 {
        printer.say(&format!(
            "  and {} more, see results.csv",
            words::thousands(more)
        ));
    }
}

/// Says how much is to be sent, and how long that takes.
pub fn tell_plan(printer: &Printer, plan: &Plan, endpoint: &str, rate: Rate) {
    let mut told = format!(
        "{}: {} to send",
        count(plan.settled.read, "row"),
        count(plan.changes, "change"),
    );
    if plan.changes > 0 {
        told += &format!(
            " to {endpoint}, at least {} at {} a second",
            words::duration(shortest(plan, rate)),
            rate.get(),
        );
    }
    printer.say(&told);
    if plan.in_doubt_elsewhere > 0 {
        printer.say(&format!(
            "{} in doubt since an earlier run, not named by this input, stay in doubt",
            count(plan.in_doubt_elsewhere, "user"),
        ));
    }
}

/// Says that the run begins at the limit which the service named to an earlier one.
pub fn tell_limit(printer: &Printer, limit: f64, rate: Rate) {
    if limit < rate.get() {
        printer.say(&format!(
            "the service lately allowed {limit} calls a second: beginning there"
        ));
    }
}

/// How long sending takes if nothing goes wrong.
pub fn shortest(plan: &Plan, rate: Rate) -> Duration {
    Duration::from_secs_f64(plan.changes as f64 / rate.get())
}
