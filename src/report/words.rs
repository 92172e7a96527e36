//! The last words of a run, for a person: what happened, why it stopped, what to do next and the
//! exact command for it. From the [`Summary`] alone, so they never say more than the file does;
//! and so they name rows by their number, never a person.

use std::path::Path;
use std::time::Duration;

use super::repeat::Repeat;
use super::summary::{Failures, Summary};
use crate::event::{CanaryFailure, StopCause};
use crate::explain::{Listed, explain};
use crate::model::{Counts, Fault, Outcome};

/// Codes of failures that are named.
const N_CODES: usize = 3;

/// The text, in lines. `directory` is the run's own, `repeat` the command that was given.
pub fn last_words(summary: &Summary, directory: &Path, repeat: &Repeat) -> String {
    let words = Words {
        summary,
        directory,
        repeat,
    };
    let paragraphs = [
        words.happened(),
        words.stopped(),
        words.doubt(),
        words.go_on(),
        words.mend(),
        words.files(),
    ];
    let told = paragraphs.into_iter().flatten();
    told.collect::<Vec<String>>().join("\n") + "\n"
}

/// The same without what to type: what happened, why it stopped, what is in doubt.
pub fn what_happened(summary: &Summary) -> String {
    Words::with(summary, |words| {
        let paragraphs = [words.happened(), words.stopped(), words.doubt()];
        let told = paragraphs.into_iter().flatten();
        told.collect::<Vec<String>>().join("\n")
    })
}

/// The run in one line.
pub fn verdict(summary: &Summary) -> String {
    let counts = &summary.counts;
    let stopped = Words::with(summary, |words| words.stopped());
    let first = stopped.as_deref().and_then(|words| words.lines().next());
    match (first, counts.unknown, counts.failed + counts.invalid) {
        (Some(stopped), ..) => stopped.into(),
        (None, 1.., _) => format!("{} in doubt", count(counts.unknown, "row")),
        (None, 0, 0) => "Everything is in place".into(),
        (None, 0, 1) => "1 row needs work, the others are in place".into(),
        (None, 0, n) => format!("{} need work, the others are in place", count(n, "row")),
    }
}

/// Why a run stopped, for `message` in the summary: the service's or the system's own words.
/// A refusal's message is left out, it may name the user.
pub fn reason(cause: &StopCause) -> String {
    match cause {
        StopCause::Signal(number) => match number {
            1 => "SIGHUP".into(),
            2 => "SIGINT (Ctrl-C)".into(),
            15 => "SIGTERM".into(),
            number => format!("signal {number}"),
        },
        StopCause::Outage(fault) | StopCause::Fatal { fault, .. } => fault_in_words(fault),
        StopCause::SameRefusal { fault, rows } => {
            format!(
                "{rows} rows in a row were refused with {}",
                clean(&fault.code)
            )
        }
        StopCause::NotRecorded(seen) => format!("the record could not be written: {}", clean(seen)),
        StopCause::InputUnreadable(seen) | StopCause::TimeUp(seen) => clean(seen),
        StopCause::InputChanged(at) => {
            format!("{}: the input changed while it was read", clean(at))
        }
        StopCause::Canary(CanaryFailure::NotShown { users, of, first }) => format!(
            "of {} read back, the service does not show what it accepted of {}, the first in line {} of FILE {}; beyond the canary nothing was sent",
            count(*of, "user"),
            thousands(*users),
            first.line,
            first.file + 1
        ),
        StopCause::Canary(CanaryFailure::NoneAccepted { of }) => format!(
            "can't verify: of {} none was accepted; beyond the canary nothing was sent",
            count(*of, "change")
        ),
        StopCause::Canary(CanaryFailure::Unread(fault)) => format!(
            "can't verify: {}; the canary was accepted, beyond it nothing was sent\nhint: reading back needs the permission for lcic:DescribeUser",
            fault_in_words(fault)
        ),
    }
}

/// A failure that is nobody's row: its code, what was said, and the RequestId for the support.
pub fn fault_in_words(fault: &Fault) -> String {
    let mut words = clean(&fault.code);
    if !fault.message.is_empty() && names_nobody(&fault.code) {
        words += &format!(": {}", clean(&fault.message));
    }
    if let Some(request_id) = &fault.request_id {
        words += &format!(" (RequestId {})", clean(request_id));
    }
    words
}

/// Whether the message that comes with a code can't quote what was sent: it is ours, or about the
/// key or the quota.
fn names_nobody(code: &str) -> bool {
    code.starts_with(|first: char| first.is_ascii_lowercase())
        || code.starts_with("RequestLimitExceeded")
        || (code.starts_with("AuthFailure") && code != "AuthFailure.UnauthorizedOperation")
}

/// `12345` as `12,345`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 row`, `2,000 rows`.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// `4 rows: 3 applied, 1 failed`.
pub fn outcomes(counts: &Counts) -> String {
    let named = Outcome::ALL.map(|outcome| (counts.of(outcome), outcome.name()));
    rows_by(counts.read, &named)
}

/// `4 rows: 3 to send, 1 invalid`, without those that there are none of.
pub fn rows_by(n_rows: u64, named: &[(u64, &str)]) -> String {
    let named = named.iter().filter(|(rows, _)| *rows > 0);
    let named: Vec<String> = named
        .map(|(rows, name)| format!("{} {name}", thousands(*rows)))
        .collect();
    let rows = count(n_rows, "row");
    match named.is_empty() {
        true => rows,
        false => format!("{rows}: {}", named.join(", ")),
    }
}

/// A length of time as a person says it: `8.2 s`, `42 s`, `5 min 10 s`, `13 h 52 min`, `2 d 3 h`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    // What rounds to ten is told like ten.
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let seconds = seconds.round() as u64;
    let two = |big: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {unit}"),
        small => format!("{big} {unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// Text from outside on one line, without anything that would move a terminal's cursor.
pub fn clean(text: &str) -> String {
    const LONGEST: usize = 300;
    let plain = text.chars().map(|c| if steers(c) { ' ' } else { c });
    let mut cleaned: String = plain.take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        cleaned.push('…');
    }
    cleaned
}

/// JSON with all that would steer a terminal written as escapes; it means the same.
pub fn steerless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            c if c != '\n' && steers(c) => text += &format!("\\u{:04x}", u32::from(c)),
            c => text.push(c),
        }
    }
    text
}

fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

struct Words<'a> {
    summary: &'a Summary,
    directory: &'a Path,
    repeat: &'a Repeat,
}

impl Words<'_> {
    /// For words that name neither files nor commands.
    fn with<T>(summary: &Summary, say: impl FnOnce(&Words<'_>) -> T) -> T {
        say(&Words {
            summary,
            directory: Path::new(""),
            repeat: &Repeat::default(),
        })
    }

    fn happened(&self) -> Option<String> {
        let Summary { counts, calls, .. } = self.summary;
        if counts.read == 0 {
            // What was not read can't be told as "no rows".
            let stopped = self.summary.stopped_by.is_some() || self.summary.exit_code != 0;
            return (!stopped).then(|| "No rows in the input: nothing to do.".into());
        }
        let mut words = outcomes(counts);
        if calls.total == 0 {
            words += "\nNothing was sent.";
        } else {
            let took = duration(Duration::from_secs_f64(self.summary.seconds.max(0.0)));
            words += &format!("\n{} in {took}", count(calls.total, "call"));
            if calls.total > 1 && self.summary.pace.mean_per_s > 0.0 {
                words += &format!(", {:.1} per second", self.summary.pace.mean_per_s);
            }
            if calls.throttled > 0 {
                let throttled = thousands(calls.throttled);
                words += &format!("; {throttled} over the quota, which cost no try");
            }
        }
        Some(words)
    }

    fn stopped(&self) -> Option<String> {
        let by = self.summary.stopped_by.as_deref();
        let left = self.left();
        let says = match (by, self.summary.exit_code) {
            (_, 1) => "An error inside of lcic-sync: what it says about rows can't be relied on",
            (Some("canary"), _) => "Stopped by the canary",
            (_, 4) => "Refused before anything was sent",
            (Some("signal"), 130 | 143) if left == 0 => {
                "Stopped by a signal before anything was sent"
            }
            (Some("signal"), _) if left == 0 => return None,
            (Some("signal"), _) => "Stopped by a signal",
            (Some("killed"), _) => "The run was killed",
            (Some("outage"), _) => "Stopped: the service accepted nothing for too long",
            (Some("key"), _) => "Stopped: the key, its permission or the signature is not accepted",
            (Some("service"), _) => {
                "Stopped: what answers does not know this call, or is not the service"
            }
            (Some("same-refusal"), _) => {
                "Stopped: the same refusal for row after row. Is it the right account?"
            }
            (Some("not-recorded"), _) => {
                "Stopped: a full disk? What could not be recorded is sent again by the next run"
            }
            (Some("input-changed"), _) => "Stopped before a row that is not what it was",
            (Some("input-unreadable"), _) => "Stopped: the input could not be read to its end",
            (Some("time"), 0 | 3) => return None,
            (Some("time"), _) => "Stopped because its time is up",
            (Some("limit"), _) => "Stopped at the limit, as wished",
            (Some(_), _) => "Stopped early",
            (None, _) => return None,
        };
        // Of several lines the later ones are hints.
        let message = self.summary.message.as_deref().map(|message| {
            let lines: Vec<String> = message.lines().map(clean).collect();
            lines.join("\n  ")
        });
        let told = [Some(says.into()), message, self.stopped_by_code()];
        let told: Vec<String> = told.into_iter().flatten().collect();
        Some(told.join("\n  "))
    }

    fn doubt(&self) -> Option<String> {
        let unknown = self.summary.counts.unknown;
        let (are, they) = match unknown {
            0 => return None,
            1 => ("is", "it"),
            _ => ("are", "them"),
        };
        let why = match self.summary.stopped_by.as_deref() {
            Some("canary") => "sent, and accepted or not, the service did not show it",
            _ => "sent, but no answer came back",
        };
        Some(format!(
            "{} {are} in doubt: {why}, so the service may hold {they} or not. \
             Sending {they} again does no harm.",
            count(unknown, "row")
        ))
    }

    fn go_on(&self) -> Option<String> {
        let (summary, line) = (self.summary, self.repeat.line());
        let when = match summary.exit_code {
            1 => {
                return Some(format!(
                    "Please report this, with {} (it names no person).",
                    self.shown("summary.json")
                ));
            }
            4 => "When that is put right, give the same command again",
            _ if self.left() == 0 && summary.stopped_by.is_none() => return None,
            0 | 3 => return None,
            7 => "When the key is put right, give the same command again",
            _ if summary.stopped_by.as_deref() == Some("service") => {
                "When that is put right, give the same command again"
            }
            _ if summary.stopped_by.as_deref() == Some("same-refusal") => {
                "If the account is the right one, or when it is put right, give the same command again"
            }
            _ => "To go on, give the same command again",
        };
        let input = match self.repeat.reads_standard_input() {
            true => ", with the same text on standard input",
            false => "",
        };
        let mut words = format!("{when}{input}:\n  {line}");
        if self.repeat.has("--all") && summary.counts.applied > 0 {
            words += "\nBecause of --all it sends again what was applied now.";
        }
        Some(words)
    }

    fn mend(&self) -> Option<String> {
        let counts = &self.summary.counts;
        if self.summary.exit_code == 1 || self.was_refused() {
            return None;
        }
        let bad = [(counts.failed, "failed"), (counts.invalid, "invalid")];
        let bad: Vec<String> = bad
            .iter()
            .filter(|(rows, _)| *rows > 0)
            .map(|(rows, word)| format!("{} {word}", thousands(*rows)))
            .collect();
        if bad.is_empty() {
            return None;
        }
        let rows = if counts.failed + counts.invalid == 1 {
            "row stands"
        } else {
            "rows stand"
        };
        let failures = self.directory.join("failures.csv");
        Some(format!(
            "{} {rows} in failures.csv, each with its reason{}\nPut them right there, then:\n  {}",
            bad.join(" and "),
            self.codes(),
            self.repeat.for_failures(&failures).line()
        ))
    }

    fn files(&self) -> Option<String> {
        let counts = &self.summary.counts;
        let wrote_rows = counts.read > counts.unchanged && !self.was_refused();
        wrote_rows.then(|| {
            format!(
                "Row by row: {}\nAs a page: {}",
                self.shown("results.csv"),
                self.shown("report.html")
            )
        })
    }

    /// The most frequent codes, most rows first, with what each means.
    fn codes(&self) -> String {
        let failures = &self.summary.failures;
        if failures.is_empty() {
            return ".".into();
        }
        let mut codes = String::from(":");
        for Failures { code, rows } in failures.iter().take(N_CODES) {
            codes += &format!(
                "\n  {} × {}: {}",
                thousands(*rows),
                clean(code),
                explain(code).brief()
            );
        }
        if failures.len() > N_CODES {
            let n_more = (failures.len() - N_CODES) as u64;
            codes += &format!("\n  and {}", count(n_more, "other code"));
        }
        codes
    }

    /// What the code means that stopped the run, where it was one of a call's.
    fn stopped_by_code(&self) -> Option<String> {
        let by = self.summary.stopped_by.as_deref()?;
        let message = self.summary.message.as_deref()?;
        if !["key", "service", "outage"].contains(&by) {
            return None;
        }
        // As `fault_in_words` has put it together.
        let code = message.split(": ").next()?;
        let code = code.split(" (RequestId ").next()?;
        let explanation = explain(code);
        // Of the last resort's line nobody learns anything.
        let is_known = explanation.listed != Listed::Nowhere;
        is_known.then(|| format!("that is: {}", explanation.brief()))
    }

    /// Refused before anything was sent: there are no files of rows.
    fn was_refused(&self) -> bool {
        self.summary.exit_code == 4 && self.summary.stopped_by.as_deref() != Some("canary")
    }

    /// Rows that the same command would take up again.
    fn left(&self) -> u64 {
        self.summary.counts.pending + self.summary.counts.unknown
    }

    fn shown(&self, file: &str) -> String {
        clean(&self.directory.join(file).to_string_lossy())
    }
}

#[cfg(test)]
mod tests;
