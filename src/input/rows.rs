//! A record's meaning: whose row it is and what it sets, or why it is invalid.
//!
//! A blank cell leaves its field as it is (so do Salesforce and Google's tools for
//! administrators); a row that sets nothing is invalid, because nobody writes one on purpose.

use std::fmt;

use crate::model::{Field, PerField};

use super::header::Header;
use super::records::Record;

/// What a record says. Personal data, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    /// Whose row; also known of most invalid rows, whose users are held back (rule T1).
    pub user: Option<&'r str>,
    /// What it sets, or why it is invalid.
    pub sets: Result<PerField<Option<&'r str>>, Reason>,
}

/// Why a row is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Not as many cells as the header.
    Width {
        /// Cells in the row.
        found: usize,
        /// Cells in the header.
        expected: usize,
    },
    /// No user id.
    NoUser,
    /// Bytes that are not UTF-8.
    NotUtf8 {
        /// In which column.
        column: &'static str,
        /// The byte within the cell, from 1.
        byte: usize,
        /// Its value.
        value: u8,
    },
    /// Neither field has a text.
    SetsNothing,
}

impl Reason {
    /// The stable word for it in result files.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Width { .. } => "wrong number of cells",
            Self::NoUser => "no UserId",
            Self::NotUtf8 { .. } => "not UTF-8",
            Self::SetsNothing => "sets nothing",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Width { found, expected } => {
                write!(f, "the row has {found} cells, the header {expected}")
            }
            Self::NoUser => f.write_str("column UserId is blank"),
            Self::NotUtf8 {
                column,
                byte,
                value,
            } => write!(
                f,
                "column {column}: byte {byte} (0x{value:02X}) is not UTF-8"
            ),
            Self::SetsNothing => f.write_str("Nickname and Avatar are both blank"),
        }
    }
}

impl<'r> Row<'r> {
    /// Reads a record by its file's header.
    pub fn read(header: &Header, record: &Record<'r>) -> Self {
        let user_cell = record.cell(header.user).unwrap_or_default();
        let user = std::str::from_utf8(user_cell).ok();
        let user = user.filter(|text| !text.trim().is_empty());
        Self {
            user,
            sets: sets(header, record, user_cell),
        }
    }
}

fn sets<'r>(
    header: &Header,
    record: &Record<'r>,
    user_cell: &[u8],
) -> Result<PerField<Option<&'r str>>, Reason> {
    if record.len() != header.width {
        return Err(Reason::Width {
            found: record.len(),
            expected: header.width,
        });
    }
    if text(user_cell, "UserId")?.trim().is_empty() {
        return Err(Reason::NoUser);
    }
    let mut sets = PerField::default();
    for field in Field::ALL {
        let Some(cell) = header.column(field).and_then(|at| record.cell(at)) else {
            continue;
        };
        let text = text(cell, field.name())?;
        sets[field] = (!text.trim().is_empty()).then_some(text);
    }
    if sets == PerField::default() {
        return Err(Reason::SetsNothing);
    }
    Ok(sets)
}

fn text<'r>(cell: &'r [u8], column: &'static str) -> Result<&'r str, Reason> {
    std::str::from_utf8(cell).map_err(|error| {
        let at = error.valid_up_to();
        Reason::NotUtf8 {
            column,
            byte: at + 1,
            value: cell[at],
        }
    })
}
