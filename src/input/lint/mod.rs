//! What is suspicious about a cell: what Excel, exports and other people's programs do to ids,
//! names and addresses on their way here. Pure functions of a text; nearly all cells are clean, and
//! those cost one look at each byte ([`classes`]).
//!
//! A finding is an error (the row is invalid) or a warning (it is sent, and named); which of the
//! two stands in one table, [`Lint::level`]. Nothing is ever put right by guessing.
//!
//! Parts: this file has the table and what all columns share, [`id`] and [`avatar`] what is special
//! to them, [`damage`] finds text that was garbled before it came here, [`shown`]
//! makes what was found fit to be shown.

pub mod avatar;
pub mod damage;
pub mod id;
pub mod shown;

use super::rules::{Allowed, Column};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The row is invalid.
    Error,
    /// The row is sent, and named.
    Warning,
}

impl Level {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Kinds of findings about a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Lint {
    /// U+FFFD, 锟斤拷, UTF-8 that was read as GBK.
    DamagedText,
    /// `#N/A` and the like.
    ExcelError,
    /// `1.23E+10`, `123.0`, `1,234`.
    ScientificNotation,
    /// Zeros behind the fifteenth digit, in many ids.
    PrecisionLost,
    /// `3月1日`, `1-Mar`, `TRUE`.
    DateOrBoolean,
    /// `="00123"`, `'00123`, `'=1+1`.
    ExcelText,
    /// `NULL`, `N/A`, `无`.
    NullWord,
    /// A control character, or one that turns the direction of writing.
    ControlCharacter,
    /// A character that nobody sees.
    InvisibleCharacter,
    /// A line break within a cell.
    LineBreak,
    /// A row over more than three lines, or with another row within a cell.
    ManyLines,
    /// `１２３`.
    FullWidth,
    /// `“…”`.
    SmartQuotes,
    /// `"张三"x`, `'张三'`: quotes that were meant for the file.
    StrayQuotes,
    /// `张?`.
    LostCharacters,
    /// Blanks around an id.
    BlanksAround,
    /// Not an address with http or https.
    NotAnAddress,
    /// An address that only some network knows.
    PrivateHost,
    /// http without s.
    PlainHttp,
    /// An address that works until some time.
    ExpiringAddress,
    /// An address with blanks or other than ASCII.
    UnencodedAddress,
    /// An id that does not look like the others of its file.
    UnusualId,
}

/// Stands in a cell of a workbook for what its formula should give, where it refers to a blank cell,
/// or no program that could work it out has saved the file: one more of Excel's errors.
pub const NO_VALUE: &str = "#NO-VALUE!";

/// Rows over more lines than this are probably a quote that was closed too late.
pub const MOST_LINES: u64 = 3;

impl Lint {
    /// All, in the order in which they are told of a row.
    pub const ALL: [Self; 22] = [
        Self::DamagedText,
        Self::ExcelError,
        Self::ScientificNotation,
        Self::PrecisionLost,
        Self::DateOrBoolean,
        Self::ExcelText,
        Self::NullWord,
        Self::ControlCharacter,
        Self::InvisibleCharacter,
        Self::LineBreak,
        Self::ManyLines,
        Self::FullWidth,
        Self::SmartQuotes,
        Self::StrayQuotes,
        Self::LostCharacters,
        Self::BlanksAround,
        Self::NotAnAddress,
        Self::PrivateHost,
        Self::PlainHttp,
        Self::ExpiringAddress,
        Self::UnencodedAddress,
        Self::UnusualId,
    ];

    /// The stable word for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::DamagedText => "damaged text",
            Self::ExcelError => "excel error",
            Self::ScientificNotation => "scientific notation",
            Self::PrecisionLost => "precision lost",
            Self::DateOrBoolean => "date or boolean",
            Self::ExcelText => "excel text",
            Self::NullWord => "null word",
            Self::ControlCharacter => "control character",
            Self::InvisibleCharacter => "invisible character",
            Self::LineBreak => "line break",
            Self::ManyLines => "many lines",
            Self::FullWidth => "full-width character",
            Self::SmartQuotes => "smart quotes",
            Self::StrayQuotes => "stray quotes",
            Self::LostCharacters => "lost characters",
            Self::BlanksAround => "blanks around",
            Self::NotAnAddress => "not an address",
            Self::PrivateHost => "private host",
            Self::PlainHttp => "plain http",
            Self::ExpiringAddress => "expiring address",
            Self::UnencodedAddress => "unencoded address",
            Self::UnusualId => "unusual id",
        }
    }

    /// The finding with this code; dashes may stand for its blanks.
    pub fn from_code(code: &str) -> Option<Self> {
        let plain = |text: &str| text.trim().to_lowercase().replace(['-', '_'], " ");
        let mut all = Self::ALL.into_iter();
        all.find(|lint| plain(lint.code()) == plain(code))
    }

    /// How bad it is in this column.
    pub fn level(self, column: Column) -> Level {
        match (self, column) {
            (Self::LineBreak | Self::InvisibleCharacter, Column::Nickname)
            | (Self::SmartQuotes, Column::Nickname | Column::Avatar)
            | (
                Self::LostCharacters
                | Self::BlanksAround
                | Self::PrivateHost
                | Self::PlainHttp
                | Self::ExpiringAddress
                | Self::UnencodedAddress
                | Self::UnusualId,
                _,
            ) => Level::Warning,
            _ => Level::Error,
        }
    }

    /// The character that a finding of this kind is about.
    pub fn mark(self, text: &str) -> Option<char> {
        let is_it: fn(char) -> bool = match self {
            Self::DamagedText => is_lost,
            Self::ControlCharacter => is_control,
            Self::InvisibleCharacter => is_unseen,
            Self::FullWidth => is_full_width,
            _ => return None,
        };
        text.chars().find(|c| is_it(*c))
    }
}

/// What was found of a row: kinds by columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits(u128);

impl Hits {
    /// Adds one.
    pub fn add(&mut self, lint: Lint, column: Column) {
        self.0 |= 1 << (lint as u32 * 3 + column as u32);
    }

    /// Whether there is nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each, with its level by what is `allowed`; what was a warning anyway is then none.
    pub fn iter(self, allowed: Allowed) -> impl Iterator<Item = (Lint, Column, Level)> {
        let all = Lint::ALL
            .into_iter()
            .flat_map(|lint| Column::ALL.map(|column| (lint, column)));
        let bits = self.0;
        all.filter(move |(lint, column)| bits & 1 << (*lint as u32 * 3 + *column as u32) != 0)
            .filter_map(
                move |(lint, column)| match (lint.level(column), allowed.has(lint)) {
                    (Level::Warning, true) => None,
                    (Level::Error, true) => Some((lint, column, Level::Warning)),
                    (level, false) => Some((lint, column, level)),
                },
            )
    }
}

/// What kinds of bytes a text has.
pub mod class {
    /// 0 to 9.
    pub const DIGIT: u8 = 1;
    /// A to Z.
    pub const LETTER: u8 = 2;
    /// What stands in dates.
    pub const DASH: u8 = 4;
    /// A control character of ASCII.
    pub const CONTROL: u8 = 8;
    /// What stands for a character that was lost, or begins one that is written in letters.
    pub const STAND_IN: u8 = 16;
    /// What a suspicious character begins with, in UTF-8.
    pub const SUSPECT: u8 = 32;
    /// Not ASCII.
    pub const HIGH: u8 = 64;
    /// What may not stand in an address as it is.
    pub const NOT_IN_URL: u8 = 128;
}
use class::{CONTROL, DASH, DIGIT, HIGH, LETTER, NOT_IN_URL, STAND_IN, SUSPECT};

const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = match byte {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'-' | b'/' => DASH,
            b'?' | b'&' | b'%' => STAND_IN,
            0..=0x1F | 0x7F => CONTROL | NOT_IN_URL,
            b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => NOT_IN_URL,
            // U+0080.., U+034F, U+061C, U+115F.., U+2000.., U+3000 and U+3164, U+E000.., U+FE00..,
            // U+1BCA0.., U+E0000..
            0xC2 | 0xCD | 0xD8 | 0xE1 | 0xE2 | 0xE3 | 0xEE | 0xEF | 0xF0 | 0xF3 => HIGH | SUSPECT,
            0x80.. => HIGH,
            _ => 0,
        };
        at += 1;
    }
    table
};

/// The kinds of bytes in a text, all in one.
pub fn classes(text: &str) -> u8 {
    // Several at once: the processor need not wait for one to look up the next.
    let (chunks, rest) = text.as_bytes().as_chunks::<8>();
    let mut all = [0; 8];
    for chunk in chunks {
        for (all, byte) in all.iter_mut().zip(chunk) {
            *all |= CLASSES[usize::from(*byte)];
        }
    }
    let rest = rest.iter().map(|byte| CLASSES[usize::from(*byte)]);
    rest.chain(all).fold(0, |all, class| all | class)
}

/// Looks at a nickname; its ends are trimmed.
pub fn nickname(text: &str, hits: &mut Hits) {
    let column = Column::Nickname;
    let classes = classes(text);
    any(text, classes, column, hits);
    if classes & STAND_IN != 0
        && text.contains('?')
        && (classes & HIGH != 0 || text.contains("??") || text.bytes().all(|byte| byte == b'?'))
    {
        hits.add(Lint::LostCharacters, column);
    }
    if classes & DIGIT != 0 {
        if classes & LETTER != 0 && id::is_excels_number(text) {
            hits.add(Lint::ScientificNotation, column);
        }
        if classes & DASH != 0 && id::is_date_with_year(text) {
            hits.add(Lint::DateOrBoolean, column);
        }
    }
    let is_garbled = [
        damage::is_mojibake,
        damage::is_accident,
        damage::is_latin_mojibake,
    ];
    if classes & (STAND_IN | NOT_IN_URL) != 0 && damage::is_escaped(text) {
        hits.add(Lint::DamagedText, column);
    }
    if classes & HIGH != 0 && is_garbled.iter().any(|is| is(text)) {
        hits.add(Lint::DamagedText, column);
    }
}

/// What is wrong in any column.
fn any(text: &str, classes: u8, column: Column, hits: &mut Hits) {
    if classes & CONTROL != 0 {
        let is_break = |byte: u8| matches!(byte, b'\n' | b'\r');
        if text.bytes().any(is_break) {
            hits.add(Lint::LineBreak, column);
        }
        if text
            .bytes()
            .any(|byte| byte.is_ascii_control() && !is_break(byte))
        {
            hits.add(Lint::ControlCharacter, column);
        }
    }
    if classes & SUSPECT != 0 {
        for c in text.chars().filter(|c| !c.is_ascii()) {
            match c {
                c if is_lost(c) => hits.add(Lint::DamagedText, column),
                c if is_control(c) => hits.add(Lint::ControlCharacter, column),
                // They hold an emoji together, and shape letters of some scripts.
                '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}'
                    if column == Column::Nickname => {}
                // The flags of England and its neighbours are spelt with them.
                '\u{E0020}'..='\u{E007F}' if column == Column::Nickname && text.contains('🏴') => {
                }
                c if is_unseen(c) => hits.add(Lint::InvisibleCharacter, column),
                _ => {}
            }
        }
        let (opens, closes) = (['“', '”', '„'], ['“', '”']);
        if text.starts_with(opens) && text.ends_with(closes) {
            hits.add(Lint::SmartQuotes, column);
        }
    }
    if classes & HIGH != 0 && damage::is_known_garble(text) {
        hits.add(Lint::DamagedText, column);
    }
    match text.as_bytes()[0] {
        quote @ (b'"' | b'\'' | b'`') if text.len() > 1 && text.as_bytes().ends_with(&[quote]) => {
            hits.add(Lint::StrayQuotes, column);
        }
        b'#' if is_excel_error(text) => hits.add(Lint::ExcelError, column),
        b'=' | b'\'' if excel_text(text, column).is_some() => hits.add(Lint::ExcelText, column),
        _ if is_null_word(text) => hits.add(Lint::NullWord, column),
        _ => {}
    }
}

/// What exports write where there is nothing, and the dashes below a header. Exactly these: Nan and
/// Na are names, and so may 空 be.
fn is_null_word(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'-')
        || matches!(
            text,
            "NULL"
                | "null"
                | "Null"
                | "(null)"
                | "(NULL)"
                | "<null>"
                | "<NULL>"
                | "[NULL]"
                | "[null]"
                | "{null}"
                | "<NA>"
                | "<nil>"
                | "NA"
                | "NaT"
                | "NONE"
                | "NIL"
                | "\\N"
                | "nil"
                | "None"
                | "none"
                | "nan"
                | "NaN"
                | "N/A"
                | "n/a"
                | "无"
                | "暂无"
                | "未填写"
                | "undefined"
        )
}

fn is_excel_error(text: &str) -> bool {
    const ERRORS: [&str; 18] = [
        "#N/A",
        "#REF!",
        "#VALUE!",
        "#NAME?",
        "#DIV/0!",
        "#NULL!",
        "#NUM!",
        "#DATA!",
        "#SPILL!",
        "#CALC!",
        "#GETTING_DATA",
        "#FIELD!",
        "#BLOCKED!",
        "#CONNECT!",
        "#UNKNOWN!",
        "#BUSY!",
        "#PYTHON!",
        NO_VALUE,
    ];
    // A column that was too narrow for its number.
    let is_hidden = || text.len() > 2 && text.bytes().all(|byte| byte == b'#');
    ERRORS.contains(&text) || is_hidden()
}

/// The text within what makes Excel keep it: `="…"`; `'` before the digits of an id; and what
/// `--excel` puts before a formula.
pub fn excel_text(text: &str, column: Column) -> Option<&str> {
    if let Some(quoted) = text.strip_prefix("=\"") {
        return quoted.strip_suffix('"');
    }
    let rest = text.strip_prefix('\'')?;
    let fits = (column == Column::UserId && id::all_digits(rest)) || rest.starts_with(FORMULA);
    fits.then_some(rest)
}

/// What a cell begins with that a spreadsheet would run
/// (<https://owasp.org/www-community/attacks/CSV_Injection>).
pub const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

fn is_control(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
        || (c.is_control() && !matches!(c, '\n' | '\r'))
}

/// What it was is not known any more.
fn is_lost(c: char) -> bool {
    c == char::REPLACEMENT_CHARACTER || damage::is_private(c)
}

/// Nobody sees it, and it turns nothing: what Unicode's DerivedCoreProperties.txt (16.0) calls
/// `Default_Ignorable_Code_Point`, without what [`is_control`] has.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2065}'
            | '\u{206A}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

fn is_full_width(c: char) -> bool {
    matches!(c, '\u{FF01}'..='\u{FF5E}')
}

#[cfg(test)]
mod tests;
