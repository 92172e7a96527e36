//! `report.html`: a run in a browser. One file that opens from disk: no network, no script but
//! its own, light and dark, for a desk, a phone and paper. Made from what the run left
//! ([`Summary`], [`Timeline`], `failures.csv`), so it can be made again at any time.
//!
//! **Invariant:** everything that came from outside goes through the template's escaping; only
//! our own style, script and charts, which hold numbers alone, do not. A content security policy
//! stands behind that: nothing is loaded, and no script runs but the one with this run's nonce.

mod charts;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use askama::Template;
use chrono::{DateTime, Utc};

use super::results::FAILURES;
use super::summary::{Summary, save_private};
use super::timeline::{self, Timeline};
use super::words::{below_verdict, clean, verdict};
use crate::explain::explain;
use crate::lang::{Lang, thousands};
use crate::model::Outcome;
use charts::{Screen, latency, millis, throughput, time};

/// The name of the file in the run's directory.
pub const FILE_NAME: &str = "report.html";

/// Rows that are shown; the others are in `failures.csv`. Chosen: two megabytes of page.
const MOST_ROWS: usize = 3000;

/// Makes the page of the run whose files lie in `directory`, in this language, for its owner only.
/// Returns its path.
///
/// # Errors
/// When those files can't be read, or the system does not take the page.
pub fn make(directory: &Path, lang: Lang) -> io::Result<PathBuf> {
    let summary = Summary::read(directory).ok_or_else(|| {
        io::Error::other("there is no summary.json that can be read: the run is under way, or was killed and is finished by the next one")
    })?;
    let timeline =
        Timeline::read(directory).map_err(|error| in_file(timeline::FILE_NAME, error))?;
    let rows = Rows::read(&directory.join(FAILURES)).map_err(|error| in_file(FAILURES, error))?;
    let page = Page::of(&summary, timeline.as_ref(), rows, lang);
    let page = page.render().map_err(io::Error::other)?;
    save_private(directory, FILE_NAME, page.as_bytes())
}

fn in_file(name: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{name}: {error}"))
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    lang: Lang,
    style: &'static str,
    script: &'static str,
    version: &'static str,
    summary: &'a Summary,
    verdict: String,
    /// The colour of the verdict: `good`, `work` or `stopped`.
    tone: &'static str,
    told: String,
    facts: Vec<(&'static str, String)>,
    outcomes: Vec<OutcomeLine>,
    pace: Option<PaceFacts>,
    latency: Option<LatencyFacts>,
    codes: Vec<CodeLine>,
    rows: Rows,
    /// How many rows that need work are shown, where that is not all.
    shown_here: Option<String>,
    how_to_mend: String,
    /// What a search found, with `{shown}` and `{all}` in it.
    search_told: String,
    /// Whoever finished a killed run knew its rows in doubt by number, and so listed none.
    was_killed_in_doubt: bool,
}

/// How many rows ended in one way.
struct OutcomeLine {
    /// What it is called in files, and in the style sheet.
    name: &'static str,
    told: &'static str,
    rows: u64,
    meaning: &'static str,
    /// Where its part of the bar begins and how wide it is, of 1000.
    bar: (f64, f64),
}

struct PaceFacts {
    charts: [String; 2],
    told: String,
    slice: String,
}

struct LatencyFacts {
    charts: [String; 2],
    told: String,
}

/// A code, the rows that ended with it, and the calls that were answered with it.
struct CodeLine {
    code: String,
    rows: u64,
    calls: u64,
    meaning: &'static str,
    advice: &'static str,
}

/// The rows that need work, as many as are shown.
#[derive(Default)]
struct Rows {
    /// The person's own columns.
    columns: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    own: Vec<String>,
    /// File and line.
    place: (String, u64),
    /// As the file has it; [`Page::told_outcome`] tells it.
    outcome: String,
    code: String,
    message: String,
    request_id: String,
}

impl<'a> Page<'a> {
    fn of(summary: &'a Summary, timeline: Option<&Timeline>, rows: Rows, lang: Lang) -> Self {
        let counts = &summary.counts;
        let was_killed = summary.stopped_by.as_deref() == Some("killed");
        let to_mend = counts.failed + counts.invalid;
        let in_doubt = if was_killed { 0 } else { counts.unknown };
        let needs_work = to_mend + in_doubt;
        let n_shown = rows.rows.len() as u64;
        let has_more = needs_work > n_shown;
        let timeline = timeline.filter(|timeline| !timeline.is_empty());
        let mend = [
            (to_mend > 0).then(|| lang.how_to_mend()),
            (in_doubt > 0).then(|| lang.doubt_needs_no_mending()),
            Some(lang.for_support()),
        ];
        Self {
            lang,
            style: include_str!("page/page.css"),
            script: include_str!("page/page.js"),
            version: env!("CARGO_PKG_VERSION"),
            summary,
            verdict: verdict(summary, lang),
            tone: match summary.exit_code {
                0 => "good",
                3 => "work",
                _ => "stopped",
            },
            told: below_verdict(summary, lang),
            facts: facts(summary, lang),
            outcomes: outcomes(summary, lang),
            pace: timeline.map(|timeline| PaceFacts {
                charts: [Screen::Wide, Screen::Narrow]
                    .map(|screen| throughput(timeline, summary.pace.rate, screen, lang)),
                told: pace_in_words(summary, timeline, lang),
                slice: time(timeline.slice_s as f64, lang),
            }),
            latency: timeline.and_then(|timeline| {
                let within = |share| Some(millis(timeline.within_ms(share)?, lang));
                let longest = millis(timeline.longest_ms, lang);
                let told = lang.latency_was(within(0.5)?, within(0.95)?, within(0.99)?, longest);
                let charts =
                    [Screen::Wide, Screen::Narrow].map(|screen| latency(timeline, screen, lang));
                Some(LatencyFacts { charts, told })
            }),
            codes: codes(summary, lang),
            shown_here: has_more
                .then(|| lang.shown_here(thousands(n_shown), thousands(needs_work - n_shown))),
            how_to_mend: mend.into_iter().flatten().collect(),
            search_told: match has_more {
                true => lang.found_in_shown("{shown}", "{all}"),
                false => lang.shown_of("{shown}", "{all}"),
            },
            was_killed_in_doubt: was_killed && counts.unknown > 0,
            rows,
        }
    }
}

impl Page<'_> {
    /// The word for an outcome, as the file has it, in the page's language.
    fn told_outcome<'o>(&self, name: &'o str) -> &'o str {
        let known = Outcome::ALL.into_iter().find(|known| known.name() == name);
        known.map_or(name, |outcome| self.lang.outcome(outcome))
    }
}

fn facts(summary: &Summary, lang: Lang) -> Vec<(&'static str, String)> {
    let time = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let input: Vec<&str> = summary
        .input
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    let input = match input[..] {
        ["-"] => lang.standard_input().to_owned(),
        _ => input.join(", "),
    };
    let account = summary.account.as_deref().unwrap_or_default();
    let account = lang.account_retold(account);
    let ledger = summary.ledger.path.to_string_lossy().into_owned();
    vec![
        (lang.input(), input),
        (lang.began(), time(summary.started_at)),
        (lang.ended(), time(summary.ended_at)),
        (lang.service(), summary.endpoint.clone()),
        (lang.account(), account),
        (lang.ledger(), ledger),
        (lang.exit_code(), summary.exit_code.to_string()),
    ]
}

fn outcomes(summary: &Summary, lang: Lang) -> Vec<OutcomeLine> {
    let counts = &summary.counts;
    let mut at = 0.0;
    let lines = Outcome::ALL.iter().map(|outcome| {
        let rows = counts.of(*outcome);
        let width = 1000.0 * rows as f64 / counts.read.max(1) as f64;
        at += width;
        OutcomeLine {
            name: outcome.name(),
            told: lang.outcome(*outcome),
            rows,
            meaning: match outcome {
                Outcome::Applied => lang.means_applied(),
                Outcome::Unchanged => lang.means_unchanged(),
                Outcome::Failed => lang.means_failed(),
                Outcome::Invalid => lang.means_invalid(),
                Outcome::Superseded => lang.means_superseded(),
                Outcome::Unknown => lang.means_unknown(),
                Outcome::Pending => lang.means_pending(),
            },
            bar: (at - width, width),
        }
    });
    lines.collect()
}

/// Below the first chart.
fn pace_in_words(summary: &Summary, timeline: &Timeline, lang: Lang) -> String {
    let Summary { calls, pace, .. } = summary;
    let (total, most) = (lang.calls(calls.total), pace.max_in_any_second);
    let mut told = lang.pace_was(total, pace.mean_per_s, most);
    // Of a killed run nobody knows it.
    if pace.rate > 0.0 {
        told += &lang.pace_allowed(pace.rate);
    }
    if pace.lowest < pace.rate && pace.lowest > 0.0 {
        told += &lang.pace_fell(pace.lowest);
    }
    told += lang.full_stop();
    if calls.throttled > 0 {
        told += &lang.were_throttled(thousands(calls.throttled));
    }
    if calls.retried > 0 {
        told += &lang.were_retried(thousands(calls.retried));
    }
    if !timeline.outage().is_zero() {
        told += &lang.was_outage(lang.duration(timeline.outage()));
    }
    told
}

/// Codes of rows and of calls, those with most rows first.
fn codes(summary: &Summary, lang: Lang) -> Vec<CodeLine> {
    let mut numbers: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for failures in &summary.failures {
        numbers.entry(&failures.code).or_default().0 = failures.rows;
    }
    for (code, calls) in &summary.calls.by_code {
        numbers.entry(code).or_default().1 = *calls;
    }
    let lines = numbers.into_iter().map(|(code, (rows, calls))| {
        let explanation = explain(code);
        CodeLine {
            code: clean(code),
            rows,
            calls,
            meaning: explanation.meaning(lang),
            advice: explanation.advice(lang),
        }
    });
    let mut lines: Vec<CodeLine> = lines.collect();
    lines.sort_by_key(|line| std::cmp::Reverse((line.rows, line.calls)));
    lines
}

impl Rows {
    /// The first rows of a `failures.csv`; none where there is no such file.
    fn read(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file?,
        };
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
        let header = reader.byte_headers()?.clone();
        let at = |name: &str| header.iter().position(|cell| cell == name.as_bytes());
        let places = [
            "_outcome",
            "_code",
            "_message",
            "_request_id",
            "_file",
            "_line",
        ]
        .map(at);
        let own: Vec<usize> = (0..header.len())
            .filter(|at| !header[*at].starts_with(b"_"))
            .collect();
        let text = |record: &csv::ByteRecord, at: usize| {
            String::from_utf8_lossy(record.get(at).unwrap_or_default()).into_owned()
        };
        let mut rows = Vec::new();
        for record in reader.byte_records().take(MOST_ROWS) {
            let record = record?;
            let [outcome, code, message, request_id, file, line] =
                places.map(|at| at.map(|at| text(&record, at)).unwrap_or_default());
            rows.push(Row {
                own: own.iter().map(|at| text(&record, *at)).collect(),
                place: (file, line.parse().unwrap_or_default()),
                outcome,
                code,
                message,
                request_id,
            });
        }
        // The file has them in the order in which they were settled.
        rows.sort_by(|a: &Row, b: &Row| a.place.cmp(&b.place));
        let columns = own.iter().map(|at| text(&header, *at)).collect();
        Ok(Self { columns, rows })
    }
}

/// What the template calls.
mod filters {
    use askama::Values;

    /// `12345` as `12,345`.
    #[askama::filter_fn]
    pub fn thousands(number: &u64, _: &dyn Values) -> askama::Result<String> {
        Ok(crate::lang::thousands(*number))
    }
}

#[cfg(test)]
mod tests;
