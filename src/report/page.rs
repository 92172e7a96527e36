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
use super::words::{clean, duration, verdict, what_happened};
use crate::explain::explain;
use crate::model::Outcome;
use charts::{Screen, latency, millis, throughput, time};

/// The name of the file in the run's directory.
pub const FILE_NAME: &str = "report.html";

/// Rows that are shown; the others are in `failures.csv`. Chosen: two megabytes of page.
const MOST_ROWS: usize = 3000;

/// Makes the page of the run whose files lie in `directory`, for its owner only. Returns its path.
///
/// # Errors
/// When those files can't be read, or the system does not take the page.
pub fn make(directory: &Path) -> io::Result<PathBuf> {
    let summary = Summary::read(directory).ok_or_else(|| {
        io::Error::other("there is no summary.json that can be read: the run is under way, or was killed and is finished by the next one")
    })?;
    let timeline =
        Timeline::read(directory).map_err(|error| in_file(timeline::FILE_NAME, error))?;
    let rows = Rows::read(&directory.join(FAILURES)).map_err(|error| in_file(FAILURES, error))?;
    let page = Page::of(&summary, timeline.as_ref(), rows);
    let page = page.render().map_err(io::Error::other)?;
    save_private(directory, FILE_NAME, page.as_bytes())
}

fn in_file(name: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{name}: {error}"))
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
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
    /// Rows that need work and are not shown.
    more: u64,
}

/// How many rows ended in one way.
struct OutcomeLine {
    name: &'static str,
    rows: u64,
    meaning: &'static str,
    /// Where its part of the bar begins and how wide it is, of 1000.
    bar: (f64, f64),
}

struct PaceFacts {
    charts: [String; 2],
    outage: Option<String>,
    slice: String,
}

struct LatencyFacts {
    charts: [String; 2],
    half: String,
    most: String,
    nearly_all: String,
    longest: String,
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
    outcome: String,
    code: String,
    message: String,
    request_id: String,
}

impl<'a> Page<'a> {
    fn of(summary: &'a Summary, timeline: Option<&Timeline>, rows: Rows) -> Self {
        let counts = &summary.counts;
        let needs_work = counts.failed + counts.invalid + counts.unknown;
        let timeline = timeline.filter(|timeline| !timeline.is_empty());
        Self {
            style: include_str!("page/page.css"),
            script: include_str!("page/page.js"),
            version: env!("CARGO_PKG_VERSION"),
            summary,
            verdict: verdict(summary),
            tone: match summary.exit_code {
                0 => "good",
                3 => "work",
                _ => "stopped",
            },
            told: what_happened(summary),
            facts: facts(summary),
            outcomes: outcomes(summary),
            pace: timeline.map(|timeline| PaceFacts {
                charts: [Screen::Wide, Screen::Narrow]
                    .map(|screen| throughput(timeline, summary.pace.rate, screen)),
                outage: (!timeline.outage().is_zero()).then(|| duration(timeline.outage())),
                slice: time(timeline.slice_s as f64),
            }),
            latency: timeline.and_then(|timeline| {
                let within = |share| timeline.within_ms(share).map(millis);
                Some(LatencyFacts {
                    charts: [Screen::Wide, Screen::Narrow].map(|screen| latency(timeline, screen)),
                    half: within(0.5)?,
                    most: within(0.95)?,
                    nearly_all: within(0.99)?,
                    longest: millis(timeline.longest_ms),
                })
            }),
            codes: codes(summary),
            more: needs_work.saturating_sub(rows.rows.len() as u64),
            rows,
        }
    }
}

fn facts(summary: &Summary) -> Vec<(&'static str, String)> {
    let time = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let input: Vec<&str> = summary
        .input
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    let input = match input[..] {
        ["-"] => "standard input".to_owned(),
        _ => input.join(", "),
    };
    vec![
        ("Input", input),
        ("Began", time(summary.started_at)),
        ("Ended", time(summary.ended_at)),
        ("Service", summary.endpoint.clone()),
        ("Account", summary.account.clone().unwrap_or_default()),
        ("Ledger", summary.ledger.path.to_string_lossy().into_owned()),
        ("Exit code", summary.exit_code.to_string()),
    ]
}

fn outcomes(summary: &Summary) -> Vec<OutcomeLine> {
    let counts = &summary.counts;
    let mut at = 0.0;
    let lines = Outcome::ALL.iter().map(|outcome| {
        let rows = counts.of(*outcome);
        let width = 1000.0 * rows as f64 / counts.read.max(1) as f64;
        at += width;
        OutcomeLine {
            name: outcome.name(),
            rows,
            meaning: match outcome {
                Outcome::Applied => "the service took them in this run",
                Outcome::Unchanged => "the service holds them already; nothing was sent",
                Outcome::Failed => "the service refused them, or their tries ran out",
                Outcome::Invalid => "never sent: the row itself is wrong",
                Outcome::Superseded => "later rows, or a newer run, replaced them",
                Outcome::Unknown => "sent, and no answer came; the next run sends them again",
                Outcome::Pending => "the run stopped first; the same command goes on with them",
            },
            bar: (at - width, width),
        }
    });
    lines.collect()
}

/// Codes of rows and of calls, those with most rows first.
fn codes(summary: &Summary) -> Vec<CodeLine> {
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
            meaning: explanation.meaning,
            advice: explanation.advice,
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
        Ok(crate::report::words::thousands(*number))
    }
}

#[cfg(test)]
mod tests;
