//! Explains the codes in result files: what each means, what a person does about it, and what
//! this program does about it. Made from two tables, [`crate::tencent::codes`] for what the
//! service and the network say, [`rows`] for rows that no answer decided; the words are
//! [`crate::lang`]'s. What is done about a code follows from its class ([`Treatment`]), so that it
//! can't be told differently from line to line.

pub mod nearest;
pub mod rows;
mod treatment;

pub use treatment::{DEFAULT_MAX_ATTEMPTS, DEFAULT_MAX_OUTAGE, Treatment};

use rows::{ROWS, RowEntry};

use crate::lang::Lang;
use crate::model::{FatalCause, Outcome};
use crate::tencent::codes::{self, Class, Entry};

/// A code, explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation<'c> {
    /// The code that was asked for.
    pub asked: &'c str,
    /// The line of the table by which it is explained: itself, a pattern or a prefix.
    pub code: &'static str,
    /// Why that line.
    pub listed: Listed,
    /// What kind of code it is.
    pub kind: Kind,
}

/// How a code was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// It has a line of its own.
    Itself,
    /// It has that of its pattern: `http 502` is an `http 5xx`.
    Pattern,
    /// It is not documented and is treated like its longest prefix that is.
    Prefix,
    /// It is not documented, and no prefix of it is.
    Nowhere,
}

impl Listed {
    /// The word for it, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Itself => "itself",
            Self::Pattern => "pattern",
            Self::Prefix => "prefix",
            Self::Nowhere => "nowhere",
        }
    }
}

/// What kind of code it is, and so what is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The outcome of a call.
    Call(Class),
    /// A row that no answer decided; how it ended.
    Row(Outcome),
    /// What is odd about a row that is sent.
    Warning,
}

impl Kind {
    /// The word for it, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Call(Class::Throttled) => "throttled",
            Self::Call(Class::Passing(_)) => "passing",
            Self::Call(Class::Row) => "row",
            Self::Call(Class::Fatal(FatalCause::Key)) => "key",
            Self::Call(Class::Fatal(FatalCause::Service)) => "endpoint",
            Self::Row(outcome) => outcome.name(),
            Self::Warning => "warning",
        }
    }

    /// The word for it, for people: in English the same.
    pub fn told(self, lang: Lang) -> &'static str {
        match self {
            Self::Call(Class::Throttled) => lang.class_throttled(),
            Self::Call(Class::Passing(_)) => lang.class_passing(),
            Self::Call(Class::Row) => lang.class_row(),
            Self::Call(Class::Fatal(FatalCause::Key)) => lang.class_key(),
            Self::Call(Class::Fatal(FatalCause::Service)) => lang.class_endpoint(),
            Self::Row(outcome) => lang.outcome(outcome),
            Self::Warning => lang.class_warning(),
        }
    }

    /// The word in a few more.
    pub fn in_words(self, lang: Lang) -> &'static str {
        match self {
            Self::Call(Class::Throttled) => lang.kind_throttled(),
            Self::Call(Class::Passing(_)) => lang.kind_passing(),
            Self::Call(Class::Row) => lang.kind_row(),
            Self::Call(Class::Fatal(FatalCause::Key)) => lang.kind_key(),
            Self::Call(Class::Fatal(FatalCause::Service)) => lang.kind_endpoint(),
            Self::Row(Outcome::Invalid) => lang.kind_invalid(),
            Self::Row(_) => lang.kind_undecided(),
            Self::Warning => lang.kind_warning(),
        }
    }
}

impl Explanation<'_> {
    /// What it means.
    pub fn meaning(&self, lang: Lang) -> &'static str {
        lang.explained(self.code)[0]
    }

    /// What a person does about it.
    pub fn advice(&self, lang: Lang) -> &'static str {
        lang.explained(self.code)[1]
    }

    /// What this program does about it.
    pub fn treatment(&self, lang: Lang) -> Treatment {
        Treatment::of(self.kind, self.code, lang)
    }

    /// Meaning and advice in half a line, to stand behind the code.
    pub fn brief(&self, lang: Lang) -> String {
        lang.brief(self.meaning(lang), self.advice(lang))
    }
}

/// Explains a code, whatever it is: what is not listed is explained by the rule that applies.
pub fn explain(code: &str) -> Explanation<'_> {
    // Findings are told, and allowed, with dashes; files hold them with blanks.
    let dashed = |code: &str| code.replace(' ', "-");
    let asked = dashed(code);
    if let Some(row) = ROWS.iter().find(|row| dashed(row.code) == asked) {
        return of_row(row);
    }
    let entry = codes::lookup(code);
    let is_ours = entry.code.starts_with(|c: char| c.is_lowercase());
    let listed = match entry.code {
        found if found == code && found != NOWHERE => Listed::Itself,
        NOWHERE => Listed::Nowhere,
        _ if is_ours => Listed::Pattern,
        _ => Listed::Prefix,
    };
    Explanation {
        asked: code,
        listed,
        ..of_call(entry)
    }
}

/// All lines of both tables, in the order in which a person reads them.
pub fn all() -> impl Iterator<Item = Explanation<'static>> {
    let calls = codes::entries().filter(|entry| entry.code != NOWHERE);
    calls.map(of_call).chain(ROWS.iter().map(of_row))
}

/// The listed code that one which is not documented was probably meant to be.
pub fn suggestion(code: &str) -> Option<&'static str> {
    match explain(code).listed {
        Listed::Itself | Listed::Pattern => None,
        Listed::Prefix | Listed::Nowhere => {
            let meant = nearest::nearest(code, all().map(|listed| listed.code))?;
            // That it is treated like this one is said anyway.
            (meant != explain(code).code).then_some(meant)
        }
    }
}

/// The last resort's name in the table of codes; no code at all.
const NOWHERE: &str = "any other code";

fn of_call(entry: &'static Entry) -> Explanation<'static> {
    Explanation {
        asked: entry.code,
        code: entry.code,
        listed: Listed::Itself,
        kind: Kind::Call(entry.class),
    }
}

fn of_row(row: &'static RowEntry) -> Explanation<'static> {
    Explanation {
        asked: row.code,
        code: row.code,
        listed: Listed::Itself,
        kind: row.outcome.map_or(Kind::Warning, Kind::Row),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_one_line_and_short_words_in_each_language() {
        let mut seen = BTreeSet::new();
        for line in all() {
            assert!(seen.insert(line.code), "{} is listed twice", line.code);
            assert_eq!(explain(line.code), line);
            assert_eq!(line.kind.told(Lang::En), line.kind.name());
            for lang in Lang::ALL {
                let Treatment {
                    retried,
                    row,
                    run,
                    exit,
                } = line.treatment(lang);
                let brief = format!("  1,000,000 × {}: {}", line.code, line.brief(lang));
                let [meaning, advice] = lang.explained(line.code);
                let texts = [meaning, advice, &retried, &row, &run, &exit];
                for text in texts.into_iter().chain([brief.as_str()]) {
                    assert!(!text.is_empty() && !text.contains('\n'), "{}", line.code);
                    assert!(!text.ends_with(['.', '。']), "{}: {text}", line.code);
                    assert!(text.chars().count() <= 200, "{}: {text}", line.code);
                }
            }
        }
        seen.insert(NOWHERE);
        let [listed, _] = crate::lang::codes::listed();
        assert_eq!(
            listed,
            seen.into_iter().collect::<Vec<_>>(),
            "no line is left over"
        );
    }

    #[test]
    fn a_finding_is_explained_as_it_is_told() {
        for (told, line) in [("null-word", "null word"), ("not-UTF-8", "not UTF-8")] {
            assert_eq!(explain(told).code, line);
            assert_eq!(explain(line).code, line);
        }
    }

    #[test]
    fn a_code_without_a_line_is_explained_by_the_rule_that_applies() {
        for (code, line, listed) in [
            (
                "ResourceNotFound.User",
                "ResourceNotFound.User",
                Listed::Itself,
            ),
            ("FailedOperation.New", "FailedOperation", Listed::Prefix),
            ("http 502", "http 5xx", Listed::Pattern),
            ("http 407", "http 407", Listed::Itself),
            ("http 101", "not the service", Listed::Pattern),
            ("Brand.New", NOWHERE, Listed::Nowhere),
            (NOWHERE, NOWHERE, Listed::Nowhere),
            ("", NOWHERE, Listed::Nowhere),
            ("later row", "later row", Listed::Itself),
        ] {
            let found = explain(code);
            assert_eq!(
                (found.asked, found.code, found.listed),
                (code, line, listed)
            );
        }
    }

    #[test]
    fn what_was_meant_is_suggested_and_what_was_right_is_not() {
        for (code, expected) in [
            ("ResourceNotFound.Usr", Some("ResourceNotFound.User")),
            ("no anwser", Some("no answer")),
            ("later rows", Some("later row")),
            ("requestlimitexceeded", Some("RequestLimitExceeded")),
            ("RequestLimitExceeded", None),
            ("FailedOperation.NeverSeenBefore", None),
            ("http 502", None),
        ] {
            assert_eq!(suggestion(code), expected, "{code}");
        }
    }
}
