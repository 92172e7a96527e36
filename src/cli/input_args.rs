//! The flags that say how input is to be read: the same for `apply` and `check`.

// Doc comments here are help texts of a terminal.
#![allow(rustdoc::bare_urls, rustdoc::invalid_html_tags)]

use std::sync::Arc;

use clap::Args;
use encoding_rs::Encoding;
use serde_json::Value;

use super::look::Look;
use super::settings::SettingsError;
use crate::input::lint::Lint;
use crate::input::rules::{Allowed, Column, Rules};
use crate::lang::Lang;

/// As typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Reading")]
pub struct InputArgs {
    /// What the files' bytes are, like utf-8, gb18030, big5 or utf-16le [default: decided by each
    /// file]
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,

    /// What stands between cells: one character, or tab [default: comma, semicolon or tab, as in
    /// the header]
    #[arg(long, value_name = "CHAR")]
    pub delimiter: Option<String>,

    /// The sheet of a workbook [default: its first]
    #[arg(long, value_name = "NAME")]
    pub sheet: Option<String>,

    /// Which column is what, where names are unusual: UserId=学号,Nickname=班级昵称
    #[arg(long, value_name = "COLUMN=NAME,...")]
    pub map: Option<String>,

    /// Columns that don't matter here; * for all that are unknown
    #[arg(long, value_name = "NAME,...")]
    pub ignore_columns: Option<String>,

    /// Findings to let pass, by their codes (see check): an error becomes a warning, a warning is
    /// not told
    #[arg(long, value_name = "CODE,...")]
    pub allow: Option<String>,

    /// A cell with this text clears its field: an empty text is sent. What the service makes of
    /// that is not documented
    #[arg(long, value_name = "TOKEN")]
    pub clear_token: Option<String>,

    /// Take off what makes Excel keep a text: ="00123", '00123 and '=1+1
    #[arg(long)]
    pub excel_text: bool,

    /// Percent-encode blanks and other than ASCII in avatars' addresses
    #[arg(long)]
    pub encode_urls: bool,

    /// What to do when a user stands in several rows: fold (per field the last one wins) or error
    /// [default: fold]
    #[arg(long, value_name = "WHAT", value_parser = ["fold", "error"])]
    pub on_duplicate: Option<String>,
}

impl InputArgs {
    /// The flags that were typed, with their values where they have one.
    pub fn typed(&self) -> impl Iterator<Item = (String, Option<String>)> {
        let values = [
            ("--encoding", &self.encoding),
            ("--delimiter", &self.delimiter),
            ("--sheet", &self.sheet),
            ("--map", &self.map),
            ("--ignore-columns", &self.ignore_columns),
            ("--allow", &self.allow),
            ("--clear-token", &self.clear_token),
            ("--on-duplicate", &self.on_duplicate),
        ];
        let switches = [
            ("--excel-text", self.excel_text),
            ("--encode-urls", self.encode_urls),
        ];
        let values = values.into_iter().filter_map(|(name, value)| {
            let value = value.clone()?;
            Some((name.to_owned(), Some(value)))
        });
        let switches = switches.into_iter().filter(|(_, on)| *on);
        values.chain(switches.map(|(name, _)| (name.to_owned(), None)))
    }

    /// What they come to, with the environment and the configuration file.
    pub(super) fn resolve(&self, look: &Look<'_>, lang: Lang) -> Result<Arc<Rules>, SettingsError> {
        let encoding = look.value("--encoding", self.encoding.as_deref())?;
        let encoding = encoding.map(|found| {
            found.read(
                "the name of an encoding, like utf-8, gb18030 or utf-16le",
                |name| {
                    // The standard takes this name for another one.
                    Encoding::for_label_no_replacement(name.as_bytes())
                },
            )
        });
        let delimiter = look.value("--delimiter", self.delimiter.as_deref())?;
        let delimiter = delimiter.map(|found| found.read("one character, or tab", delimiter_of));
        let map = look.value("--map", self.map.as_deref())?;
        let map = map.map(|found| {
            found.read(
                "UserId, Nickname or Avatar, = and a name, like UserId=学号",
                map_of,
            )
        });
        let allowed = look.value("--allow", self.allow.as_deref())?;
        let allowed = allowed.map(|found| {
            found.read(
                "codes of findings, like excel-error,null-word (see lcic-sync explain --list)",
                allowed_of,
            )
        });
        let ignored = look.text("--ignore-columns", self.ignore_columns.as_deref())?;
        let on_duplicate = look.value("--on-duplicate", self.on_duplicate.as_deref())?;
        let refuse_duplicates = on_duplicate.map(|found| {
            found.read("fold or error", |what| match what {
                "fold" => Some(false),
                "error" => Some(true),
                _ => None,
            })
        });
        Ok(Arc::new(Rules {
            lang,
            encoding: encoding.transpose()?,
            delimiter: delimiter.transpose()?,
            sheet: look.text("--sheet", self.sheet.as_deref())?,
            map: map.transpose()?.unwrap_or_default(),
            ignored: ignored.iter().flat_map(|list| parts(list)).collect(),
            allowed: allowed.transpose()?.unwrap_or_default(),
            clear_token: look.text("--clear-token", self.clear_token.as_deref())?,
            excel_text: look.switch("--excel-text", self.excel_text)?,
            encode_urls: look.switch("--encode-urls", self.encode_urls)?,
            refuse_duplicates: refuse_duplicates.transpose()?.unwrap_or_default(),
        }))
    }
}

/// The value of one of these flags as it is shown; `None` for another flag.
pub fn shown(rules: &Rules, flag: &str) -> Option<Value> {
    let list = |parts: Vec<String>| (!parts.is_empty()).then(|| parts.join(","));
    let map = rules.map.iter();
    Some(match flag {
        "encoding" => rules
            .encoding
            .map(|encoding| encoding.name().to_lowercase())
            .into(),
        "delimiter" => match rules.delimiter {
            Some(b'\t') => "tab".into(),
            other => other.map(|byte| char::from(byte).to_string()).into(),
        },
        "sheet" => rules.sheet.as_deref().into(),
        "map" => list(
            map.map(|(column, name)| format!("{column}={name}"))
                .collect(),
        )
        .into(),
        "ignore-columns" => list(rules.ignored.clone()).into(),
        "allow" => {
            let codes = rules
                .allowed
                .iter()
                .map(|lint| lint.code().replace(' ', "-"));
            list(codes.collect()).into()
        }
        "clear-token" => rules.clear_token.as_deref().into(),
        "excel-text" => rules.excel_text.into(),
        "encode-urls" => rules.encode_urls.into(),
        "on-duplicate" => match rules.refuse_duplicates {
            true => "error".into(),
            false => "fold".into(),
        },
        _ => return None,
    })
}

fn parts(list: &str) -> impl Iterator<Item = String> {
    let parts = list.split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(Into::into)
}

fn delimiter_of(text: &str) -> Option<u8> {
    match text.as_bytes() {
        _ if text.eq_ignore_ascii_case("tab") || text == "\\t" => Some(b'\t'),
        [byte] if byte.is_ascii_punctuation() && *byte != b'"' => Some(*byte),
        _ => None,
    }
}

fn map_of(text: &str) -> Option<Vec<(Column, String)>> {
    let pairs = parts(text).map(|pair| {
        let (column, name) = pair.split_once('=')?;
        let name = name.trim();
        let column = column.trim().parse().ok()?;
        (!name.is_empty()).then(|| (column, name.to_owned()))
    });
    pairs.collect()
}

fn allowed_of(text: &str) -> Option<Allowed> {
    let mut lints = parts(text).map(|code| Lint::from_code(&code));
    lints.try_fold(Allowed::default(), |allowed, lint| Some(allowed.and(lint?)))
}
