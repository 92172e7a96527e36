//! A record's meaning: whose row it is and what it sets, or why it is invalid.
//!
//! A blank cell leaves its field as it is (so do Salesforce and Google's tools for
//! administrators), and only a token that the person chose clears it; a row that sets nothing is
//! invalid, because nobody writes one on purpose. Blanks around a cell are no part of it.

use std::borrow::Cow;

use crate::lang::Lang;
use crate::model::{Field, PerField};

use super::Source;
use super::lint::{self, Hits, Level, Lint, MOST_LINES, avatar::avatar, id};
use super::records::Record;
use super::rules::{Column, Rules};

/// What a record says. Personal data, so it has no `Debug`.
#[derive(Clone)]
pub struct Row<'r> {
    /// Whose row; also known of most invalid rows, whose users are held back (rule T1).
    pub user: Option<&'r str>,
    /// What it sets, or why it is invalid.
    pub sets: Result<PerField<Option<Cow<'r, str>>>, Reason>,
    /// All that is suspicious about it.
    pub hits: Hits,
}

/// Why a row is invalid. It holds no personal data: at most one character of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Not as many cells as the header.
    Width {
        /// Cells in the row.
        found: usize,
        /// Cells in the header.
        expected: usize,
    },
    /// Had other cells than its header once, and nobody has said yet that it is mended.
    Unmended,
    /// No user id.
    NoUser,
    /// Bytes that are not UTF-8.
    NotUtf8 {
        /// In which column.
        column: Column,
        /// The byte within the cell, from 1.
        byte: usize,
        /// Its value.
        value: u8,
    },
    /// Neither field has a text.
    SetsNothing,
    /// A cell is not what it was, or not what it should be.
    Found(Found),
}

/// A finding about a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What kind.
    pub lint: Lint,
    /// In which column.
    pub column: Column,
    /// The character that it is about, where it is one.
    pub mark: Option<char>,
}

impl Reason {
    /// The stable word for it in result files.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Width { .. } | Self::Unmended => "wrong number of cells",
            Self::NoUser => "no UserId",
            Self::NotUtf8 { .. } => "not UTF-8",
            Self::SetsNothing => "sets nothing",
            Self::Found(found) => found.lint.code(),
        }
    }

    /// The column that it is about.
    pub fn column(&self) -> Option<Column> {
        match self {
            Self::NotUtf8 { column, .. } => Some(*column),
            Self::NoUser => Some(Column::UserId),
            Self::Found(found) if found.lint != Lint::ManyLines => Some(found.column),
            Self::Width { .. } | Self::Unmended | Self::SetsNothing | Self::Found(_) => None,
        }
    }
}

impl Reason {
    /// It, for a person.
    pub fn in_words(&self, lang: Lang) -> String {
        match self {
            Self::Width { found, expected } => lang.other_width(found, expected),
            Self::Unmended => lang.unmended().into(),
            Self::NoUser => lang.no_user().into(),
            Self::NotUtf8 {
                column,
                byte,
                value,
            } => lang.not_utf8(column, byte, format!("{value:02X}")),
            Self::SetsNothing => lang.sets_nothing().into(),
            Self::Found(found) => found.in_words(lang),
        }
    }
}

impl Found {
    fn in_words(&self, lang: Lang) -> String {
        let Self { lint, column, mark } = self;
        let [name, fits] = lang.finding_named(lint.code());
        let told = match mark {
            None => lang.fits(name, fits),
            Some(mark) => {
                let mark = format!("U+{:04X}", u32::from(*mark));
                lang.fits(lang.with_mark(name, mark), fits)
            }
        };
        match lint {
            Lint::ManyLines => told,
            _ => lang.in_column(column, told),
        }
    }
}

impl<'r> Row<'r> {
    /// Reads a record of `source`.
    pub fn read(source: &Source, record: &Record<'r>) -> Self {
        Self::counted(source, record, None)
    }

    /// The same, and counts what the id of this row looks like.
    pub fn counted(
        source: &Source,
        record: &Record<'r>,
        census: Option<(&mut id::Census, u32)>,
    ) -> Self {
        let rules = &*source.rules;
        let header = &source.header;
        let mut hits = Hits::default();
        let user = text(record, header.user, Column::UserId, rules, &mut hits);
        let sets = (|| {
            if is_ragged(record, header.width) {
                return Err(Reason::Width {
                    found: record.len(),
                    expected: header.width,
                });
            }
            if let Some(at) = header.fed_back.and_then(|columns| columns.cells)
                && !record.cell(at).unwrap_or_default().trim_ascii().is_empty()
            {
                return Err(Reason::Unmended);
            }
            let user = user?;
            if user.is_empty() {
                return Err(Reason::NoUser);
            }
            id::id(user, source.habits, census, &mut hits);
            if let Some(column) = record.stray_quote.and_then(|at| header.at(at)) {
                hits.add(Lint::StrayQuotes, column);
            }
            if record.n_lines > MOST_LINES || swallows(record, source) {
                hits.add(Lint::ManyLines, Column::UserId);
            }
            let mut sets = PerField::default();
            if let Some(at) = header.nickname {
                let cell = text(record, at, Column::Nickname, rules, &mut hits)?;
                if rules.clears(cell) {
                    sets[Field::Nickname] = Some("".into());
                } else if !cell.is_empty() {
                    lint::nickname(cell, &mut hits);
                    sets[Field::Nickname] = Some(cell.into());
                }
            }
            if let Some(at) = header.avatar {
                let cell = text(record, at, Column::Avatar, rules, &mut hits)?;
                if rules.clears(cell) {
                    sets[Field::Avatar] = Some("".into());
                } else if !cell.is_empty() {
                    sets[Field::Avatar] = Some(avatar(cell, rules.encode_urls, &mut hits));
                }
            }
            if sets == PerField::default() {
                return Err(Reason::SetsNothing);
            }
            Ok(sets)
        })();
        let user = user.ok().filter(|user| !user.is_empty());
        let sets = match first_error(hits, rules) {
            // What is wrong with the row as a whole is said first.
            Some((lint, column)) if sets.is_ok() => Err(Reason::Found(Found {
                lint,
                column,
                mark: mark(source, record, lint, column),
            })),
            _ => sets,
        };
        Self { user, sets, hits }
    }
}

/// The character that a finding is about.
pub fn mark(source: &Source, record: &Record<'_>, lint: Lint, column: Column) -> Option<char> {
    let cell = record.cell(source.header.place(column)?)?;
    lint.mark(std::str::from_utf8(cell).ok()?.trim())
}

fn first_error(hits: Hits, rules: &Rules) -> Option<(Lint, Column)> {
    if hits.is_empty() {
        return None;
    }
    let mut hits = hits.iter(rules.allowed);
    let first = hits.find(|(_, _, level)| *level == Level::Error)?;
    Some((first.0, first.1))
}

/// Other cells than the header. Empty ones behind the last column are what Excel leaves of a
/// column that once was there.
fn is_ragged(record: &Record<'_>, width: usize) -> bool {
    let is_filled = |at| {
        record
            .cell(at)
            .is_some_and(|cell| !cell.trim_ascii().is_empty())
    };
    record.len() < width || (width..record.len()).any(is_filled)
}

/// Whether a cell holds what looks like the end of its row, and another row behind the break: a
/// quote that was closed too late. A remark may well have a comma; it must have as many as a row.
fn swallows(record: &Record<'_>, source: &Source) -> bool {
    // The cells of a sheet need no quotes.
    if record.n_lines == 1 || source.layout.is_sheet {
        return false;
    }
    let header = &source.header;
    (0..record.len()).any(|at| {
        let cell = record.cell(at).unwrap_or_default();
        let enough = match header.at(at) {
            Some(_) => 1,
            None => header.width - 1,
        };
        let mut lines = cell.split(|byte| matches!(byte, b'\r' | b'\n'));
        let n_delimiters = |line: &[u8]| memchr::memchr_iter(source.layout.delimiter, line).count();
        memchr::memchr2(b'\r', b'\n', cell).is_some()
            && lines.any(|line| n_delimiters(line) >= enough)
    })
}

/// The text of a cell, without blanks around it and, where that is wanted, without what Excel
/// keeps a text with.
fn text<'r>(
    record: &Record<'r>,
    at: usize,
    column: Column,
    rules: &Rules,
    hits: &mut Hits,
) -> Result<&'r str, Reason> {
    let cell = record.cell(at).unwrap_or_default();
    let text = record.text(at).map_err(|error| {
        let at = error.valid_up_to();
        Reason::NotUtf8 {
            column,
            byte: at + 1,
            value: cell[at],
        }
    })?;
    // Nearly all begin and end with something that is plainly no blank.
    let is_plain = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    let mut trimmed = match is_plain(cell.first()) && is_plain(cell.last()) {
        true => text,
        false => text.trim(),
    };
    if rules.excel_text
        && let Some(within) = lint::excel_text(trimmed, column)
    {
        trimmed = within.trim();
    }
    if column == Column::UserId
        && text.len() > trimmed.len()
        && !trimmed.is_empty()
        && text.trim().len() < text.len()
    {
        hits.add(Lint::BlanksAround, column);
    }
    Ok(trimmed)
}
