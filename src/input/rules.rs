//! What a person said of the input, beyond its name. All of it is about reading; both passes go
//! by the same rules, so they read and judge alike (rule T6).

use std::fmt;
use std::str::FromStr;

use encoding_rs::Encoding;

use super::lint::Lint;
use crate::lang::Lang;

/// A column that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Whose profile.
    UserId,
    /// The name that others see.
    Nickname,
    /// The URL of the picture.
    Avatar,
}

impl Column {
    /// All.
    pub const ALL: [Self; 3] = [Self::UserId, Self::Nickname, Self::Avatar];

    /// Its name in a header.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserId => "UserId",
            Self::Nickname => "Nickname",
            Self::Avatar => "Avatar",
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Column {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut all = Self::ALL.into_iter();
        all.find(|column| column.name().eq_ignore_ascii_case(text))
            .ok_or(())
    }
}

/// See the module. The default is what a file needs that is as the documentation says.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// What the bytes are, instead of deciding it by the file.
    pub encoding: Option<&'static Encoding>,
    /// What stands between cells, instead of deciding it by the header.
    pub delimiter: Option<u8>,
    /// The sheet of a workbook, instead of the first.
    pub sheet: Option<String>,
    /// The names of columns, where they are not the usual ones.
    pub map: Vec<(Column, String)>,
    /// Columns that are none of our business; `*` for all that are unknown.
    pub ignored: Vec<String>,
    /// Findings that are no errors here.
    pub allowed: Allowed,
    /// A cell with this text clears its field.
    pub clear_token: Option<String>,
    /// Take off what makes Excel keep a text: `="…"`, and `'` before digits or a formula.
    pub excel_text: bool,
    /// Percent-encode what an address may not hold as it is.
    pub encode_urls: bool,
    /// Refuse users that stand in several rows.
    pub refuse_duplicates: bool,
    /// In which language findings are told.
    pub lang: Lang,
}

impl Rules {
    /// Whether a cell says that its field shall be empty.
    pub fn clears(&self, cell: &str) -> bool {
        self.clear_token
            .as_deref()
            .is_some_and(|token| token == cell)
    }
}

/// Findings by which an error becomes a warning, and a warning is not told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowed(u32);

impl Allowed {
    /// With this one, too.
    #[must_use]
    pub fn and(self, lint: Lint) -> Self {
        Self(self.0 | 1 << lint as u32)
    }

    /// Whether it is allowed.
    pub fn has(self, lint: Lint) -> bool {
        self.0 & 1 << lint as u32 != 0
    }

    /// Those that are allowed.
    pub fn iter(self) -> impl Iterator<Item = Lint> {
        Lint::ALL.into_iter().filter(move |lint| self.has(*lint))
    }
}
