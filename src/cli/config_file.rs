//! The configuration file: flags of `apply`, by the same names, in TOML.
//!
//! ```toml
//! rate = 15
//! max-outage = "2h"
//! all = true
//! ```
//!
//! The names and what kind of value each takes come from the definitions of the flags; whether a
//! value fits is judged where flags and variables are judged, too. What the file may not hold is
//! refused as a whole: a name that is no flag, because it may be a mistyped one that matters, and
//! keys of the account, because files are copied, committed and read by others.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, CommandFactory};
use toml::de::{DeTable, DeValue};

use super::args::Cli;
use crate::explain::nearest::nearest;

/// Where it is looked for when nobody names one.
pub const FILE_NAME: &str = "lcic-sync.toml";

/// A configuration file, read.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigFile {
    /// Where it is; absolute.
    pub path: PathBuf,
    /// What it sets, by the names of the flags.
    pub entries: BTreeMap<String, Entry>,
}

/// A line of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The line's number, from 1.
    pub line: usize,
    /// The value as a flag would have it; `None` where its type is not that of the flag.
    pub text: Option<String>,
    /// The value as it stands in the file.
    pub shown: String,
    /// What kind of value the flag takes.
    pub kind: Kind,
}

/// Kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// A number.
    Number,
    /// A text in quotes.
    Text,
}

impl Kind {
    fn of(arg: &Arg) -> Self {
        match arg.get_action() {
            ArgAction::SetTrue => return Self::Switch,
            ArgAction::Count => return Self::Number,
            _ => {}
        }
        let names = arg.get_value_names().unwrap_or_default();
        match names.first().map(|name| name.as_str()) {
            Some("N" | "SECS") => Self::Number,
            _ => Self::Text,
        }
    }

    /// How such a value is written, to stand behind what fits.
    pub fn how_written(self) -> &'static str {
        match self {
            Self::Switch => "",
            Self::Number => ", without quotes",
            Self::Text => ", in quotes",
        }
    }
}

/// Why a configuration file is not used. Each names the file, and the line where there is one.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It can't be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is no TOML.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A name that is no flag of `apply`.
    #[error("{}:{line}: unknown key {key:?}\nhint: {hint}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The name.
        key: String,
        /// What may have been meant.
        hint: String,
    },
    /// A key of the account, or another secret. The value is not told.
    #[error(
        "{}:{line}: {key:?} looks like a secret, and this file must never hold one: it is copied, committed and read by others\n\
         hint: take it out, and treat it as known to others if the file was shared\n\
         hint: keys go into TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or into the file that TENCENTCLOUD_CREDENTIALS_FILE names",
        path.display()
    )]
    Secret {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The name.
        key: String,
    },
}

impl ConfigFile {
    /// Reads the text of the file at `path`.
    ///
    /// # Errors
    /// When it is no TOML, or holds what it may not hold.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let path = path.to_owned();
        let line_of = |at: usize| 1 + text[..at].matches('\n').count();
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                return Err(ConfigError::Syntax {
                    line: line_of(error.span().map_or(0, |span| span.start)),
                    // Its first line; what follows would quote the file.
                    message: error.message().lines().next().unwrap_or_default().into(),
                    path,
                });
            }
        };
        let table = table.get_ref();
        if let Some((key, at)) = secret_in(table) {
            let line = line_of(at);
            return Err(ConfigError::Secret { path, line, key });
        }
        let kinds = kinds();
        let mut entries = BTreeMap::new();
        let mut in_order: Vec<_> = table.iter().collect();
        in_order.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in in_order {
            let line = line_of(key.span().start);
            let name = key.get_ref().as_ref();
            let Some(kind) = kinds.get(name).copied() else {
                return Err(ConfigError::Unknown {
                    hint: hint(name, value.get_ref(), &kinds),
                    key: name.to_owned(),
                    path,
                    line,
                });
            };
            let entry = Entry {
                line,
                text: as_flag(kind, value.get_ref()),
                shown: shown(value.get_ref(), &text[value.span()]),
                kind,
            };
            entries.insert(name.to_owned(), entry);
        }
        Ok(Self { path, entries })
    }
}

/// The names that may stand in the file: every flag of `apply`, but for that which names the file.
pub fn kinds() -> BTreeMap<String, Kind> {
    let command = Cli::command();
    let apply = command.find_subcommand("apply").expect("is a command");
    let named = apply.get_arguments().filter_map(|arg| {
        let name = arg.get_long().filter(|name| *name != "config")?;
        Some((name.to_owned(), Kind::of(arg)))
    });
    named.collect()
}

/// The value as a flag would have it.
fn as_flag(kind: Kind, value: &DeValue<'_>) -> Option<String> {
    match (kind, value) {
        (Kind::Switch, DeValue::Boolean(on)) => Some(on.to_string()),
        (Kind::Text, DeValue::String(text)) => Some(text.to_string()),
        (Kind::Number, DeValue::Float(number)) => Some(number.as_str().to_owned()),
        (Kind::Number, DeValue::Integer(number)) => {
            let read = i128::from_str_radix(number.as_str(), number.radix());
            read.ok().map(|number| number.to_string())
        }
        _ => None,
    }
}

/// The value as it stands there, in a few characters.
fn shown(value: &DeValue<'_>, source: &str) -> String {
    const LONGEST: usize = 60;
    match value {
        DeValue::String(text) => text.chars().take(LONGEST).collect(),
        _ => source.chars().take(LONGEST).collect(),
    }
}

fn hint(name: &str, value: &DeValue<'_>, kinds: &BTreeMap<String, Kind>) -> String {
    if name == "config" {
        return "one file is read, and it can't name another".into();
    }
    if matches!(value, DeValue::Table(_)) {
        return "names stand for themselves here, not under a [heading]".into();
    }
    match nearest(name, kinds.keys().map(String::as_str)) {
        Some(meant) => format!("did you mean {meant}?"),
        None => "the names are those of the flags of lcic-sync apply, see its --help".into(),
    }
}

/// The first name that looks like a secret's, at any depth, and where it stands.
fn secret_in(table: &DeTable<'_>) -> Option<(String, usize)> {
    let found = table.iter().filter_map(|(key, value)| {
        if looks_secret(key.get_ref()) {
            return Some((key.get_ref().to_string(), key.span().start));
        }
        secret_within(value.get_ref())
    });
    found.min_by_key(|(_, at)| *at)
}

fn secret_within(value: &DeValue<'_>) -> Option<(String, usize)> {
    match value {
        DeValue::Table(table) => secret_in(table),
        DeValue::Array(values) => values
            .iter()
            .find_map(|value| secret_within(value.get_ref())),
        _ => None,
    }
}

fn looks_secret(name: &str) -> bool {
    const WORDS: [&str; 6] = [
        "secret",
        "token",
        "passw",
        "credential",
        "signature",
        "akid",
    ];
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    let plain = plain.to_lowercase();
    // A flag of this name holds a word that stands in cells.
    if plain == "cleartoken" {
        return false;
    }
    WORDS.iter().any(|word| plain.contains(word)) || plain.ends_with("key")
}

#[cfg(test)]
mod tests;
