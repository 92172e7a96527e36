//! The last words of a run, for a person: what happened, why it stopped, what to do next and the
//! exact command for it. From the [`Summary`] alone, so they never say more than the file does;
//! and so they name rows by their number, never a person.

use std::path::Path;
use std::time::Duration;

use super::repeat::Repeat;
use super::summary::{Failures, Summary};
use crate::event::{CanaryFailure, StopCause};
use crate::explain::{Listed, explain};
use crate::lang::{Lang, thousands};
use crate::model::{Counts, Fault, Outcome};

/// Codes of failures that are named.
const N_CODES: usize = 3;

/// The text, in lines. `directory` is the run's own, `repeat` the command that was given.
pub fn last_words(summary: &Summary, directory: &Path, repeat: &Repeat, lang: Lang) -> String {
    let words = Words {
        summary,
        directory,
        repeat,
        lang,
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

/// What stands below the [`verdict`], without what to type: what happened, why it stopped, what is
/// in doubt.
pub fn below_verdict(summary: &Summary, lang: Lang) -> String {
    Words::with(summary, lang, |words| {
        let stopped = words.stopped();
        let why = stopped.as_deref().and_then(|words| words.split_once('\n'));
        let why = why.map(|(_, why)| why.trim_start().to_owned());
        let paragraphs = [words.happened(), why, words.doubt()];
        let told = paragraphs.into_iter().flatten();
        told.collect::<Vec<String>>().join("\n")
    })
}

/// The run in one line.
pub fn verdict(summary: &Summary, lang: Lang) -> String {
    let counts = &summary.counts;
    let stopped = Words::with(summary, lang, |words| words.stopped());
    let first = stopped.as_deref().and_then(|words| words.lines().next());
    match (first, counts.unknown, counts.failed + counts.invalid) {
        (Some(stopped), ..) => stopped.into(),
        (None, 1.., _) => lang.rows_in_doubt(lang.rows(counts.unknown)),
        (None, 0, 0) => lang.all_in_place().into(),
        (None, 0, 1) => lang.one_row_needs_work().into(),
        (None, 0, n) => lang.rows_need_work(lang.rows(n)),
    }
}

/// Why a run stopped, for `message` in the summary: the service's or the system's own words, and
/// ours in English ([`Lang::retold`] tells them in Chinese). A refusal's message is left out, it
/// may name the user.
pub fn reason(cause: &StopCause) -> String {
    let lang = Lang::En;
    match cause {
        StopCause::Signal(number) => match number {
            1 => "SIGHUP".into(),
            2 => "SIGINT (Ctrl-C)".into(),
            15 => "SIGTERM".into(),
            number => lang.by_signal(number),
        },
        StopCause::Outage(fault) | StopCause::Fatal { fault, .. } => fault_in_words(fault),
        StopCause::SameRefusal { fault, rows } => lang.same_refusal(rows, clean(&fault.code)),
        StopCause::NotRecorded(seen) => lang.not_recorded(clean(seen)),
        StopCause::InputUnreadable(seen) | StopCause::TimeUp(seen) => clean(seen),
        StopCause::InputChanged(at) => lang.input_changed(clean(at)),
        StopCause::Canary(CanaryFailure::NotShown { users, of, first }) => {
            let accepted = thousands(*users);
            lang.canary_not_shown(lang.users(*of), accepted, first.line, first.file + 1)
        }
        StopCause::Canary(CanaryFailure::NoneAccepted { of }) => {
            lang.canary_none_accepted(lang.changes(*of))
        }
        StopCause::Canary(CanaryFailure::Unread(fault)) => {
            lang.canary_unread(fault_in_words(fault))
        }
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

/// `4 rows: 3 applied, 1 failed`.
pub fn outcomes(counts: &Counts, lang: Lang) -> String {
    let named = Outcome::ALL.map(|outcome| (counts.of(outcome), lang.outcome(outcome)));
    rows_by(counts.read, &named, lang)
}

/// `4 rows: 3 to send, 1 invalid`, without those that there are none of.
pub fn rows_by(n_rows: u64, named: &[(u64, &str)], lang: Lang) -> String {
    let rows = lang.rows(n_rows);
    match lang.numbered(named) {
        None => rows,
        Some(named) => lang.rows_by(rows, named),
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
        || matches!(c, '\u{61C}' | '\u{2028}'..='\u{2029}' | '\u{200E}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

struct Words<'a> {
    summary: &'a Summary,
    directory: &'a Path,
    repeat: &'a Repeat,
    lang: Lang,
}

impl Words<'_> {
    /// For words that name neither files nor commands.
    fn with<T>(summary: &Summary, lang: Lang, say: impl FnOnce(&Words<'_>) -> T) -> T {
        say(&Words {
            summary,
            directory: Path::new(""),
            repeat: &Repeat::default(),
            lang,
        })
    }

    fn happened(&self) -> Option<String> {
        let Summary { counts, calls, .. } = self.summary;
        let lang = self.lang;
        if counts.read == 0 {
            // What was not read can't be told as "no rows".
            let stopped = self.summary.stopped_by.is_some() || self.summary.exit_code != 0;
            return (!stopped).then(|| lang.no_rows().into());
        }
        let mut words = outcomes(counts, lang) + "\n";
        if calls.total == 0 {
            words += lang.nothing_sent();
        } else {
            let took = Duration::from_secs_f64(self.summary.seconds.max(0.0));
            words += &lang.calls_in(lang.calls(calls.total), lang.duration(took));
            if calls.total > 1 && self.summary.pace.mean_per_s > 0.0 {
                words += &lang.per_second(format!("{:.1}", self.summary.pace.mean_per_s));
            }
            if calls.throttled > 0 {
                words += &lang.throttled(thousands(calls.throttled));
            }
        }
        Some(words)
    }

    fn stopped(&self) -> Option<String> {
        let by = self.summary.stopped_by.as_deref();
        let (left, lang) = (self.left(), self.lang);
        let says = match (by, self.summary.exit_code) {
            (_, 1) => lang.stopped_by_bug(),
            (Some("canary"), _) => lang.stopped_by_canary(),
            (_, 4) => lang.refused(),
            (Some("signal"), 130 | 143) if left == 0 => lang.signal_before(),
            (Some("signal"), _) if left == 0 => return None,
            (Some("signal"), _) => lang.stopped_by_signal(),
            (Some("killed"), _) => lang.killed(),
            (Some("outage"), _) => lang.stopped_by_outage(),
            (Some("key"), _) => lang.stopped_by_key(),
            (Some("service"), _) => lang.stopped_by_service(),
            (Some("same-refusal"), _) => lang.stopped_by_refusals(),
            (Some("not-recorded"), _) => lang.stopped_by_record(),
            (Some("input-changed"), _) => lang.stopped_by_changed_input(),
            (Some("input-unreadable"), _) => lang.stopped_by_input(),
            (Some("time"), 0 | 3) => return None,
            (Some("time"), _) if self.summary.counts.read == 0 => lang.too_late(),
            (Some("time"), _) => lang.stopped_by_time(),
            (Some("limit"), _) => lang.stopped_by_limit(),
            (Some(_), _) => lang.stopped_early(),
            (None, _) => return None,
        };
        // Of several lines the later ones are hints.
        let message = self.summary.message.as_deref().map(|message| {
            let lines: Vec<String> = lang.retold(message).lines().map(clean).collect();
            lines.join("\n  ")
        });
        let told = [Some(says.into()), message, self.stopped_by_code()];
        let told: Vec<String> = told.into_iter().flatten().collect();
        Some(told.join("\n  "))
    }

    fn doubt(&self) -> Option<String> {
        let (unknown, lang) = (self.summary.counts.unknown, self.lang);
        let why = match self.summary.stopped_by.as_deref() {
            Some("canary") => lang.was_not_shown(),
            _ => lang.no_answer_came(),
        };
        match unknown {
            0 => None,
            1 => Some(lang.row_in_doubt(lang.rows(1), why)),
            rows => Some(lang.rows_are_in_doubt(lang.rows(rows), why)),
        }
    }

    fn go_on(&self) -> Option<String> {
        let (summary, lang) = (self.summary, self.lang);
        let when = match summary.exit_code {
            1 => return Some(lang.report_bug(self.shown("summary.json"))),
            4 => lang.when_put_right(),
            _ if self.left() == 0 && summary.stopped_by.is_none() => return None,
            0 | 3 => return None,
            7 => lang.when_key_right(),
            _ if summary.stopped_by.as_deref() == Some("service") => lang.when_put_right(),
            _ if summary.stopped_by.as_deref() == Some("same-refusal") => lang.when_account_right(),
            _ => lang.to_go_on(),
        };
        let input = match self.repeat.reads_standard_input() {
            true => lang.same_input(),
            false => "",
        };
        let mut words = lang.again(when, input, self.repeat.line());
        if self.repeat.has("--all") && summary.counts.applied > 0 {
            words += "\n";
            words += lang.all_again();
        }
        Some(words)
    }

    fn mend(&self) -> Option<String> {
        let (counts, lang) = (&self.summary.counts, self.lang);
        // What was not recorded does not stand there either.
        let is_recorded = self.summary.stopped_by.as_deref() != Some("not-recorded");
        if self.summary.exit_code == 1 || self.was_refused() || !is_recorded {
            return None;
        }
        let so_many = |rows, name: &str| lang.so_many_rows(thousands(rows), name);
        let failed = so_many(counts.failed, lang.failed());
        let invalid = so_many(counts.invalid, lang.invalid());
        let rows = match (counts.failed, counts.invalid) {
            (0, 0) => return None,
            (_, 0) => failed,
            (0, _) => invalid,
            (_, _) => lang.both(failed, invalid),
        };
        let failures = self.directory.join("failures.csv");
        let line = self.repeat.for_failures(&failures).line();
        // Invalid rows are counted before the run begins, and get there when it has come to them.
        let so_far = match counts.pending {
            0 => "",
            _ => lang.as_far_as_it_got(),
        };
        Some(match counts.failed + counts.invalid {
            1 => lang.row_to_mend(rows, so_far, self.codes(), line),
            _ => lang.rows_to_mend(rows, so_far, self.codes(), line),
        })
    }

    fn files(&self) -> Option<String> {
        let counts = &self.summary.counts;
        let wrote_rows = counts.read > counts.unchanged && !self.was_refused();
        let files = || {
            self.lang
                .files(self.shown("results.csv"), self.shown("report.html"))
        };
        wrote_rows.then(files)
    }

    /// The most frequent codes, most rows first, with what each means.
    fn codes(&self) -> String {
        let (failures, lang) = (&self.summary.failures, self.lang);
        if failures.is_empty() {
            return lang.full_stop().into();
        }
        let mut codes = String::from(lang.colon().trim_end());
        for Failures { code, rows } in failures.iter().take(N_CODES) {
            let brief = explain(code).brief(lang);
            codes += &lang.code_line(thousands(*rows), clean(code), brief);
        }
        if failures.len() > N_CODES {
            let n_more = (failures.len() - N_CODES) as u64;
            codes += &lang.and_codes(lang.other_codes(n_more));
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
        is_known.then(|| self.lang.that_is(explanation.brief(self.lang)))
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
