//! What is suspicious about an id, alone and among all ids of a file. Ids have no documented form,
//! so what a file's ids usually look like is learned from the file, in constant memory.

use super::class::{DASH, DIGIT, HIGH, LETTER, SUSPECT};
use super::damage::is_chinese;
use super::{Hits, Lint, any, classes, is_full_width};
use crate::input::rules::Column;
use crate::lang::Lang;

/// What all ids of a file tell about each, learned in the first reading of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Habits {
    /// Ids here look like dates: they are none.
    pub dates: bool,
    /// Ids here end with zeros behind the fifteenth digit far more often than by chance.
    pub zeros: bool,
}

/// Looks at an id; its ends are trimmed.
pub fn id(text: &str, habits: Habits, census: Option<(&mut Census, u32)>, hits: &mut Hits) {
    let column = Column::UserId;
    let classes = classes(text);
    any(text, classes, column, hits);
    if classes & SUSPECT != 0 {
        if text.contains(is_full_width) {
            hits.add(Lint::FullWidth, column);
        }
        if text.contains(|c: char| c.is_whitespace() && !c.is_ascii()) {
            hits.add(Lint::InvisibleCharacter, column);
        }
    }
    if classes & DIGIT != 0 && (is_scientific(text) || is_formatted(text)) {
        hits.add(Lint::ScientificNotation, column);
    }
    let is_date = classes & (DASH | HIGH) != 0 && classes & DIGIT != 0 && is_date(text);
    if (is_date && !habits.dates) || is_boolean(text) {
        hits.add(Lint::DateOrBoolean, column);
    }
    let ends_in_zeros = classes == DIGIT && ends_in_zeros(text);
    if ends_in_zeros && habits.zeros {
        hits.add(Lint::PrecisionLost, column);
    }
    if let Some((census, row)) = census {
        census.count(row, text, classes, is_date, ends_in_zeros);
    }
}

/// `1.23E+10`, as Excel writes it; `1,23E+10`, as it does in other countries; `1e+10`, as others do.
/// Without a sign before the exponent it may be an id.
fn is_scientific(text: &str) -> bool {
    const LONGEST: usize = 24;
    if text.len() > LONGEST {
        return false;
    }
    let Some(at) = memchr::memchr2(b'E', b'e', text.as_bytes()) else {
        return false;
    };
    let (mantissa, exponent) = (&text[..at], &text[at + 1..]);
    let mantissa = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let is_mantissa = match mantissa.split_once(['.', ',']) {
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => all_digits(mantissa),
    };
    is_mantissa && exponent.strip_prefix(['+', '-']).is_some_and(all_digits)
}

/// `1.23E+10`: nobody writes a name like this, with two digits behind the sign as Excel does.
pub fn is_excels_number(text: &str) -> bool {
    let exponent = text.split_once('E').map(|(_, exponent)| exponent.len());
    exponent.is_some_and(|length| length > 2) && is_scientific(text)
}

/// `2026-03-01`, `2026/3/1`: what a spreadsheet makes of `3-1`; shorter ones may be names.
pub fn is_date_with_year(text: &str) -> bool {
    text.as_bytes()
        .first_chunk::<4>()
        .is_some_and(|year| year.iter().all(u8::is_ascii_digit))
        && is_date(text)
}

/// `123.0`, as pandas and some exports write a whole number; `1,234`, as Excel shows one.
fn is_formatted(text: &str) -> bool {
    let Some(at) = memchr::memchr2(b'.', b',', text.as_bytes()) else {
        return false;
    };
    let (whole, fraction) = (&text[..at], &text[at + 1..]);
    let are_thousands = || {
        let mut groups = fraction.split(',');
        whole.len() <= 3 && groups.all(|group| group.len() == 3 && all_digits(group))
    };
    let is_whole = all_digits(fraction) && fraction.bytes().all(|digit| digit == b'0');
    all_digits(whole) && (is_whole || (text.contains(',') && are_thousands()))
}

/// Whether it is a number, as far as its characters tell.
pub fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_boolean(text: &str) -> bool {
    matches!(text, "TRUE" | "FALSE" | "true" | "false" | "True" | "False")
}

/// `2026/3/1`, `2026-03-01 08:30`, `3月1日`, `1-Mar`, `Mar-26`: as spreadsheets write dates.
fn is_date(text: &str) -> bool {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    // Digits become 9, a month's name M; what is left is the form.
    let mut form = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let is_same = |other: char| match c {
            c if c.is_ascii_digit() => other.is_ascii_digit(),
            c if c.is_ascii_alphabetic() => other.is_ascii_alphabetic(),
            _ => false,
        };
        let end = rest.find(|other| !is_same(other)).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end.max(c.len_utf8()));
        match c {
            c if c.is_ascii_digit() && run.len() <= 4 => form.push('9'),
            c if c.is_ascii_alphabetic() && MONTHS.contains(&&*run.to_lowercase()) => {
                form.push('M')
            }
            '-' | '/' | ':' | ' ' | '年' | '月' | '日' => form.push(c),
            _ => return false,
        }
        rest = behind;
    }
    let date = form.split_once(' ').map_or(&*form, |(date, _)| date);
    const FORMS: [&str; 9] = [
        "9-9-9",
        "9/9/9",
        "9-M",
        "M-9",
        "9-M-9",
        "9月9日",
        "9年9月",
        "9年9月9日",
        "9/9",
    ];
    FORMS.contains(&date)
}

/// Digits behind the fifteenth are all zeros: what Excel leaves of a longer number.
fn ends_in_zeros(digits: &str) -> bool {
    const KEPT: usize = 15;
    let lost = digits.as_bytes().get(KEPT..).unwrap_or_default();
    !lost.is_empty() && lost.iter().all(|digit| *digit == b'0')
}

/// Whether a number is put together of bits, the last twelve of them a counter at 0, as those ids are
/// that begin with a time: they end in zeros far more often than by chance, and nothing was lost.
fn is_of_bits(digits: &str) -> bool {
    digits
        .parse()
        .is_ok_and(|id: u128| id.is_multiple_of(1 << 12))
}

/// What the ids of a file look like, in 4 KB.
#[derive(Debug, Clone)]
pub struct Census {
    ids: u64,
    dates: u64,
    /// Ids of nothing but Chinese, and the first one's row.
    names: u64,
    first_name: Option<u32>,
    /// Ids with zeros behind the fifteenth digit, and how many there would be by chance.
    zeros: u64,
    zeros_by_chance: f64,
    /// By kind of characters, then by length: how many, and the first one's row.
    shapes: [[(u32, u32); LONGEST + 1]; KINDS],
}

/// Kinds of characters, the last for all others.
const KINDS: usize = 4;
const DIGITS: usize = 0;
const LETTERS: usize = 1;
const BOTH: usize = 2;
const OTHERS: usize = 3;
const LONGEST: usize = 64;
/// How few ids say nothing about the others.
const FEW: u64 = 20;

/// Ids that don't look like the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outliers {
    /// How many.
    pub count: u64,
    /// The row of the first.
    pub first: u32,
    /// What they look like.
    pub shape: Shape,
    /// What the others look like.
    pub usual: Shape,
}

impl Outliers {
    /// They, for a person.
    pub fn in_words(&self, lang: Lang) -> String {
        let [_, fits] = lang.finding_named(Lint::UnusualId.code());
        let (shape, usual) = (self.shape.in_words(lang), self.usual.in_words(lang));
        match self.count {
            1 => lang.unusual_id(shape, usual, fits),
            count => lang.unusual_ids(count, shape, usual, fits),
        }
    }
}

/// What an id looks like: `5 digits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Which of the kinds of characters.
    kind: usize,
    /// The shortest and the longest.
    lengths: (usize, usize),
}

impl Shape {
    fn one(kind: usize, length: usize) -> Self {
        Self {
            kind,
            lengths: (length, length),
        }
    }

    fn in_words(self, lang: Lang) -> String {
        let length = match self.lengths {
            (LONGEST, _) => lang.or_more(LONGEST),
            (shortest, longest) if shortest < longest => lang.from_to(shortest, longest),
            (_, length) => length.to_string(),
        };
        match self.kind {
            DIGITS => lang.digits(length),
            LETTERS => lang.letters(length),
            BOTH => lang.letters_and_digits(length),
            _ => lang.characters(length),
        }
    }
}

impl Default for Census {
    fn default() -> Self {
        Self {
            ids: 0,
            dates: 0,
            names: 0,
            first_name: None,
            zeros: 0,
            zeros_by_chance: 0.0,
            shapes: [[(0, 0); LONGEST + 1]; KINDS],
        }
    }
}

impl Census {
    fn count(&mut self, row: u32, text: &str, classes: u8, is_date: bool, ends_in_zeros: bool) {
        let length = match classes & HIGH {
            0 => text.len(),
            _ => text.chars().count(),
        };
        let kind = match classes {
            DIGIT => DIGITS,
            LETTER => LETTERS,
            both if both == DIGIT | LETTER => BOTH,
            _ => OTHERS,
        };
        let shape = &mut self.shapes[kind][length.min(LONGEST)];
        if shape.0 == 0 {
            shape.1 = row;
        }
        shape.0 += 1;
        self.ids += 1;
        self.dates += u64::from(is_date);
        if classes & HIGH != 0 && text.chars().all(is_chinese) {
            self.names += 1;
            self.first_name.get_or_insert(row);
        }
        self.zeros += u64::from(ends_in_zeros && !is_of_bits(text));
        if classes == DIGIT && length > 15 {
            self.zeros_by_chance += 0.1_f64.powi(length as i32 - 15);
        }
    }

    /// What they tell about each.
    pub fn habits(&self) -> Habits {
        Habits {
            // A few dates among other ids were ids; a file of nothing else has such ids.
            dates: self.ids >= 10 && self.dates * 2 > self.ids,
            zeros: self.zeros >= 3 && self.zeros as f64 > 5.0 * self.zeros_by_chance,
        }
    }

    /// The row of the first id that is a Chinese name, where most are.
    pub fn are_names(&self) -> Option<u32> {
        self.first_name.filter(|_| self.names * 2 > self.ids)
    }

    /// Where all ids are digits, those with fewer than the longest: all in one, because such ids may
    /// well be numbers that somebody counts on.
    fn short_ones(&self) -> Option<Outliers> {
        let (digits, others) = self.shapes.split_first()?;
        let are_others = others.iter().flatten().any(|shape| shape.0 > 0);
        let lengths = digits.iter().enumerate().filter(|(_, shape)| shape.0 > 0);
        let lengths: Vec<(usize, (u32, u32))> = lengths.map(|(at, shape)| (at, *shape)).collect();
        let ((longest, _), short) = lengths.split_last()?;
        let (shortest, _) = short.first()?;
        if are_others || self.ids < FEW {
            return None;
        }
        Some(Outliers {
            count: short.iter().map(|(_, shape)| u64::from(shape.0)).sum(),
            first: short.iter().map(|(_, shape)| shape.1).min()?,
            shape: Shape {
                kind: DIGITS,
                lengths: (*shortest, short.last()?.0),
            },
            usual: Shape::one(DIGITS, *longest),
        })
    }

    /// Ids that don't look like 99 of 100 others; else shorter ones where all are digits, because zeros
    /// may have been lost.
    pub fn outliers(&self) -> Vec<Outliers> {
        let shapes = || {
            let kinds = self.shapes.iter().enumerate();
            kinds.flat_map(|(kind, lengths)| {
                let lengths = lengths.iter().enumerate();
                lengths.map(move |(length, (count, first))| (kind, length, *count, *first))
            })
        };
        let usual = shapes().max_by_key(|shape| shape.2);
        let Some((usual_kind, usual_length, most, _)) = usual else {
            return Vec::new();
        };
        let most = u64::from(most) * 100;
        let are_odd = self.ids >= 100 && most >= self.ids * 99;
        let others = || shapes().filter(|shape| shape.2 > 0);
        if !are_odd {
            return self.short_ones().into_iter().collect();
        }
        others()
            .filter(|shape| (shape.0, shape.1) != (usual_kind, usual_length))
            .map(|(kind, length, count, first)| Outliers {
                count: count.into(),
                first,
                shape: Shape::one(kind, length),
                usual: Shape::one(usual_kind, usual_length),
            })
            .collect()
    }
}
