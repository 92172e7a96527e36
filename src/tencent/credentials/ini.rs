//! The ini file of the official SDKs (PROTOCOL §e.3):
//! ```ini
//! [default]
//! secret_id  = AKIDexample
//! secret_key = example
//! # only with temporary keys
//! token      = example
//! ```

use super::files::NotAText;
use super::key::{Credentials, Flaw, check};

/// The section that is read.
const SECTION: &str = "default";

/// What is wrong in a credentials file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileFlaw {
    /// Something else than a short text.
    #[error(transparent)]
    NotAText(#[from] NotAText),
    /// The section is missing.
    #[error("has no section [{SECTION}]")]
    NoSection,
    /// The section lacks a key.
    #[error("section [{SECTION}] (line {section}) has no {key}")]
    Missing {
        /// Where the section begins.
        section: usize,
        /// What it lacks.
        key: &'static str,
    },
    /// A line that is no `key = value`.
    #[error("line {line} in section [{SECTION}] is not of the form key = value")]
    NotKeyValue {
        /// Where.
        line: usize,
    },
    /// A key given twice.
    #[error("line {line} in section [{SECTION}]: {key} stands on line {first} already")]
    Twice {
        /// Where.
        line: usize,
        /// Which.
        key: &'static str,
        /// Where it stood first.
        first: usize,
    },
    /// A value that can't be a key.
    #[error("line {line} in section [{SECTION}]: the value of {key} {flaw}")]
    Value {
        /// Where.
        line: usize,
        /// Which.
        key: &'static str,
        /// What is wrong with it.
        flaw: Flaw,
    },
}

/// A value and the line on which it stands.
type Held<'a> = Option<(&'a str, usize)>;

/// Reads a file's text.
pub(super) fn read(text: &str) -> Result<Credentials, FileFlaw> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut section = None;
    let mut inside = false;
    let mut held: [(&'static str, Held<'_>); 3] =
        [("secret_id", None), ("secret_key", None), ("token", None)];
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = content.strip_prefix('[').and_then(|c| c.strip_suffix(']')) {
            inside = name.trim() == SECTION;
            if inside {
                section = section.or(Some(line));
            }
            continue;
        }
        if !inside {
            continue;
        }
        // Python's reader takes both signs, whichever comes first.
        let Some((key, value)) = content.split_once(['=', ':']) else {
            return Err(FileFlaw::NotKeyValue { line });
        };
        let known = held
            .iter_mut()
            .find(|(name, _)| name.eq_ignore_ascii_case(key.trim()));
        if let Some((key, place)) = known {
            if let Some((_, first)) = *place {
                return Err(FileFlaw::Twice { line, key, first });
            }
            *place = Some((unquoted(value), line));
        }
    }
    let section = section.ok_or(FileFlaw::NoSection)?;
    let [id, key, token] = held.map(|(key, held)| match held {
        None => Err(FileFlaw::Missing { section, key }),
        Some((value, line)) => check(value)
            .map(|()| value)
            .map_err(|flaw| FileFlaw::Value { line, key, flaw }),
    });
    let token = match token {
        Ok(token) => Some(token),
        Err(
            FileFlaw::Missing { .. }
            | FileFlaw::Value {
                flaw: Flaw::Empty, ..
            },
        ) => None,
        Err(flaw) => return Err(flaw),
    };
    Ok(Credentials::of_checked(id?, key?, token))
}

/// The value without blanks and one pair of quotation marks around it. Python and Go keep the
/// marks as part of the key, so nobody can want them there (PROTOCOL §e.3).
fn unquoted(value: &str) -> &str {
    let value = value.trim();
    for mark in ['"', '\''] {
        let inner = value.strip_prefix(mark).and_then(|v| v.strip_suffix(mark));
        if let Some(inner) = inner {
            return inner.trim();
        }
    }
    value
}
