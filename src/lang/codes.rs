//! Codes and findings in words: two CSV files, one line a code, that a translator edits like any
//! table. What is done about a code is not here but where it is decided.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::Lang;

const CODES: &str = include_str!("codes.csv");
const FINDINGS: &str = include_str!("findings.csv");

/// Lines by their codes, each cell after the code.
type Table<const N: usize> = BTreeMap<String, [String; N]>;

static MEANINGS: LazyLock<Table<4>> = LazyLock::new(|| read(CODES));
static NAMES: LazyLock<Table<3>> = LazyLock::new(|| read(FINDINGS));

fn read<const N: usize>(text: &str) -> Table<N> {
    let lines = csv::Reader::from_reader(text.as_bytes()).into_records();
    let lines = lines.map(|line| {
        let line = line.expect("a test reads the table");
        let cell = |at| line[at].to_owned();
        (cell(0), std::array::from_fn(|at| cell(at + 1)))
    });
    lines.collect()
}

impl Lang {
    /// What a code means, and what a person does about it.
    ///
    /// # Panics
    /// When the table has no such line; a test holds that each code has one.
    pub fn explained(self, code: &str) -> [&'static str; 2] {
        let [meaning, advice, meaning_zh, advice_zh] = &MEANINGS[code];
        match self {
            Self::En => [meaning, advice],
            Self::Zh => [meaning_zh, advice_zh],
        }
    }

    /// The name of a finding about a cell, and what fits.
    ///
    /// # Panics
    /// When the table has no such line; a test holds that each finding has one.
    pub fn finding_named(self, code: &'static str) -> [&'static str; 2] {
        let [name_zh, fits, fits_zh] = &NAMES[code];
        match self {
            Self::En => [code, fits],
            Self::Zh => [name_zh, fits_zh],
        }
    }
}

/// The codes that have a meaning, and the findings that have a name.
#[cfg(test)]
pub(crate) fn listed() -> [Vec<&'static str>; 2] {
    [
        MEANINGS.keys().map(String::as_str).collect(),
        NAMES.keys().map(String::as_str).collect(),
    ]
}
