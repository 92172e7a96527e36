//! What is about to happen, in words: what the survey found, and what the plan comes to.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Local, Utc};

use crate::cli::printer::Printer;
use crate::clock::Deadline;
use crate::engine::pacer::Rate;
use crate::input::lint::Level;
use crate::input::survey::Survey;
use crate::ledger::recover::Killed;
use crate::plan::Plan;
use crate::report::words::{self, clean, count};

/// Says that a run was killed, and is finished now.
pub fn tell_recovered(printer: &Printer, killed: &Killed) {
    let counts = &killed.counts;
    let settled = counts.read - counts.pending - counts.unknown;
    printer.say(&format!(
        "the run of {} was cut off after {} of {}: {} in doubt, to be sent again where this input names them ({})",
        killed.started_at.with_timezone(&Local).format("%Y-%m-%d %H:%M"),
        words::thousands(settled),
        count(counts.read, "row"),
        count(killed.users_in_doubt, "user"),
        killed.run_id,
    ));
}

/// Says what was found in the input: what it was read as, what is odd, and which rows will not be
/// sent because something is wrong with them; `more` is where those stand that are not shown.
pub fn tell_findings(printer: &Printer, survey: &Survey, more: &str) {
    for told in findings_in_words(survey, more) {
        printer.say(&told);
    }
}

/// Invalid rows that are shown.
const INVALID_SHOWN: usize = 10;

/// What a person should know of the input before it is sent; nobody's data is in it.
fn findings_in_words(survey: &Survey, more: &str) -> Vec<String> {
    let mut told = Vec::new();
    let name = |file: u16| &survey.sources[usize::from(file)].name;
    for source in &survey.sources {
        if let Some(read_as) = &source.read_as {
            told.push(format!("{}: read as {}", source.name, clean(read_as)));
        }
    }
    if survey.n_rows() == 0 {
        told.push("warning: no rows behind the header".into());
    }
    if survey.repeated_headers > 0 {
        let rows = count(survey.repeated_headers, "row");
        told.push(format!("{rows} left out: the header again"));
    }
    if survey.cleared > 0 {
        let cells = count(survey.cleared, "cell");
        told.push(format!(
            "{cells} with the --clear-token: an empty text is sent, and what the service makes of it is not documented"
        ));
    }
    for (kind, group) in survey.findings.groups() {
        if kind.level == Level::Warning {
            let first = &group.first[0];
            let rows = count(group.count, "row");
            let place = format!("{}: line {}", name(first.at.file), first.at.line);
            told.push(format!("warning: {rows}, first {place}: {}", first.message));
        }
    }
    let n_invalid: u64 = survey.invalid.values().sum();
    if n_invalid == 0 {
        return told;
    }
    told.push(format!(
        "{} will not be sent:",
        count(n_invalid, "invalid row")
    ));
    let mut seen = BTreeSet::new();
    let errors = survey.findings.in_order().into_iter();
    let errors =
        errors.filter(|(kind, finding)| kind.level == Level::Error && seen.insert(finding.at));
    for (_, finding) in errors.take(INVALID_SHOWN) {
        let at = finding.at;
        told.push(format!(
            "  {}: line {}: {}",
            name(at.file),
            at.line,
            finding.message
        ));
    }
    let n_more = n_invalid.saturating_sub(INVALID_SHOWN as u64);
    if n_more > 0 {
        told.push(format!("  and {} more, {more}", words::thousands(n_more)));
    }
    told
}

/// Says how much is to be sent, and how long that takes.
pub fn tell_plan(printer: &Printer, plan: &Plan, endpoint: &str, rate: Rate) {
    let n_invalid: u64 = plan.survey().invalid.values().sum();
    let n_held_back = plan.settled.invalid - n_invalid;
    if n_held_back > 0 {
        let rows = count(n_held_back, "more row");
        printer.say(&format!("{rows} of the same users will not be sent either"));
    }
    let rows = count(plan.settled.read, "row");
    printer.say(&format!("{rows}: {}", changes(plan, endpoint, rate)));
    tell_doubt(printer, plan);
}

/// How many changes there are to send, and how long that takes.
pub fn changes(plan: &Plan, endpoint: &str, rate: Rate) -> String {
    let mut told = format!("{} to send", count(plan.changes, "change"));
    if plan.changes > 0 {
        told += &format!(
            " to {endpoint}, at least {} at {} a second",
            words::duration(shortest(plan, rate)),
            rate.get(),
        );
    }
    told
}

/// Says who stays in doubt.
pub fn tell_doubt(printer: &Printer, plan: &Plan) {
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

/// Why nothing is sent when the time of day that ends a run is `next` to come then.
pub fn window_is_over(next: &Deadline) -> String {
    format!("the next such time is {}, more than 12 h away", next.shown)
}

/// Says how many of the changes are under way before the time is up, if not all of them are.
pub fn tell_fit(printer: &Printer, plan: &Plan, rate: Rate, until: &Deadline, now: DateTime<Utc>) {
    let left = (until.at - now).to_std().unwrap_or_default();
    let fit = (left.as_secs_f64() * rate.get()) as u64;
    if fit < plan.changes {
        printer.say(&format!(
            "{} of {} fit before {}, the next run goes on",
            words::thousands(fit),
            words::thousands(plan.changes),
            until.shown,
        ));
    }
}

/// How long sending takes if nothing goes wrong.
pub fn shortest(plan: &Plan, rate: Rate) -> Duration {
    Duration::from_secs_f64(plan.changes as f64 / rate.get())
}

/// A value of a person's profile, so that it can't pass for anything else.
pub fn quoted(value: &str) -> String {
    match value {
        "" => "(cleared)".into(),
        value => format!("\"{}\"", clean(value)),
    }
}
