//! What is about to happen, in words: what the survey found, and what the plan comes to.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Local, Utc};

use crate::cli::printer::Printer;
use crate::clock::Deadline;
use crate::engine::pacer::Rate;
use crate::input::lint::Level;
use crate::input::survey::Survey;
use crate::lang::{Lang, thousands};
use crate::ledger::recover::Killed;
use crate::model::RowRef;
use crate::plan::Plan;
use crate::report::words::clean;

/// Says that a run was killed, and is finished now.
pub fn tell_recovered(printer: &Printer, killed: &Killed) {
    let (counts, lang) = (&killed.counts, printer.lang());
    let settled = counts.read - counts.pending - counts.unknown;
    let at = killed.started_at.with_timezone(&Local);
    printer.say(&lang.cut_off(
        at.format("%Y-%m-%d %H:%M"),
        thousands(settled),
        lang.rows(counts.read),
        lang.users(killed.users_in_doubt),
        &killed.run_id,
    ));
}

/// Says what was found in the input: what it was read as, what is odd, and which rows will not be
/// sent because something is wrong with them; `more` is where those stand that are not shown.
pub fn tell_findings(printer: &Printer, survey: &Survey, more: &str) {
    for told in findings_in_words(survey, more, printer.lang()) {
        printer.say(&told);
    }
}

/// Invalid rows that are shown.
const INVALID_SHOWN: usize = 10;

/// What a person should know of the input before it is sent; nobody's data is in it.
fn findings_in_words(survey: &Survey, more: &str, lang: Lang) -> Vec<String> {
    let mut told = Vec::new();
    let place = |at: RowRef| {
        let source = &survey.sources[usize::from(at.file)];
        lang.place(clean(&source.name), at.line)
    };
    for source in &survey.sources {
        if let Some(read_as) = &source.read_as {
            told.push(lang.read_as(clean(&source.name), clean(read_as)));
        }
    }
    if survey.n_rows() == 0 {
        told.push(lang.no_rows_behind().into());
    }
    if survey.repeated_headers > 0 {
        told.push(lang.header_again(lang.rows(survey.repeated_headers)));
    }
    if survey.cleared > 0 {
        told.push(lang.clears(lang.cells(survey.cleared)));
    }
    for (kind, group) in survey.findings.groups() {
        if kind.level == Level::Warning {
            let first = &group.first[0];
            let rows = lang.rows(group.count);
            told.push(lang.odd_rows(rows, place(first.at), &first.message));
        }
    }
    let n_invalid: u64 = survey.invalid.values().sum();
    if n_invalid == 0 {
        return told;
    }
    told.push(lang.not_sent(lang.invalid_rows(n_invalid)));
    let mut seen = BTreeSet::new();
    let errors = survey.findings.in_order().into_iter();
    let errors =
        errors.filter(|(kind, finding)| kind.level == Level::Error && seen.insert(finding.at));
    for (_, finding) in errors.take(INVALID_SHOWN) {
        told.push(lang.wrong_row(place(finding.at), &finding.message));
    }
    let n_more = n_invalid.saturating_sub(INVALID_SHOWN as u64);
    if n_more > 0 {
        told.push(lang.more_wrong_rows(thousands(n_more), more));
    }
    told
}

/// Says how much is to be sent, and how long that takes.
pub fn tell_plan(printer: &Printer, plan: &Plan, endpoint: &str, rate: Rate) {
    let lang = printer.lang();
    let n_invalid: u64 = plan.survey().invalid.values().sum();
    let n_held_back = plan.settled.invalid - n_invalid;
    if n_held_back > 0 {
        printer.say(&lang.held_back(lang.more_rows(n_held_back)));
    }
    let rows = lang.rows(plan.settled.read);
    printer.say(&lang.rows_by(rows, changes(plan, endpoint, rate, lang)));
    tell_doubt(printer, plan);
}

/// How many changes there are to send, and how long that takes.
pub fn changes(plan: &Plan, endpoint: &str, rate: Rate, lang: Lang) -> String {
    let changes = lang.changes(plan.changes);
    match plan.changes {
        0 => lang.to_send(changes),
        _ => {
            let took = lang.duration(shortest(plan, rate));
            lang.to_send_at(changes, endpoint, took, rate.get())
        }
    }
}

/// Says who stays in doubt.
pub fn tell_doubt(printer: &Printer, plan: &Plan) {
    if plan.in_doubt_elsewhere > 0 {
        let lang = printer.lang();
        printer.say(&lang.still_in_doubt(lang.users(plan.in_doubt_elsewhere)));
    }
}

/// Says that the run begins at the limit which the service named to an earlier one.
pub fn tell_limit(printer: &Printer, limit: f64, rate: Rate) {
    if limit < rate.get() {
        printer.say(&printer.lang().known_limit(limit));
    }
}

/// Why nothing is sent when the time of day that ends a run is `next` to come then.
pub fn window_is_over(next: &Deadline, lang: Lang) -> String {
    lang.window_is_over(&next.shown)
}

/// Says how many of the changes are under way before the time is up, if not all of them are.
pub fn tell_fit(printer: &Printer, plan: &Plan, rate: Rate, until: &Deadline, now: DateTime<Utc>) {
    let fit = fitting(plan, rate, until, now);
    if fit < plan.changes {
        let (fit, all) = (thousands(fit), thousands(plan.changes));
        printer.say(&printer.lang().fits_before(fit, all, &until.shown));
    }
}

/// How many of the changes are under way before the time is up, if nothing goes wrong.
pub fn fitting(plan: &Plan, rate: Rate, until: &Deadline, now: DateTime<Utc>) -> u64 {
    let left = (until.at - now).to_std().unwrap_or_default();
    plan.changes.min((left.as_secs_f64() * rate.get()) as u64)
}

/// How long sending takes if nothing goes wrong.
fn shortest(plan: &Plan, rate: Rate) -> Duration {
    Duration::from_secs_f64(plan.changes as f64 / rate.get())
}

/// A value of a person's profile, so that it can't pass for anything else.
pub fn quoted(value: &str, lang: Lang) -> String {
    match value {
        "" => lang.cleared().into(),
        value => format!("\"{}\"", clean(value)),
    }
}
