//! Codes of rows that no answer to a call decided: invalid, superseded, left by `--limit`, or
//! given up when a run stopped; and what is odd about a row that is sent all the same. They are
//! given where the row is judged (`input::rows`, `input::lint`, `plan::rows`, `engine`), which know
//! nothing of explanations; a test holds that each code that they give has a line here.

use crate::model::Outcome;

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowEntry {
    /// The code, as it stands in result files.
    pub code: &'static str,
    /// How such a row ends; `None` where it is only a warning.
    pub outcome: Option<Outcome>,
}

const fn entry(code: &'static str, outcome: Outcome) -> RowEntry {
    RowEntry {
        code,
        outcome: Some(outcome),
    }
}

const fn warning(code: &'static str) -> RowEntry {
    RowEntry {
        code,
        outcome: None,
    }
}

/// All lines, in the order in which a row meets them.
pub static ROWS: &[RowEntry] = &[
    entry("wrong number of cells", Outcome::Invalid),
    entry("no UserId", Outcome::Invalid),
    entry("not UTF-8", Outcome::Invalid),
    entry("damaged text", Outcome::Invalid),
    entry("excel error", Outcome::Invalid),
    entry("scientific notation", Outcome::Invalid),
    entry("precision lost", Outcome::Invalid),
    entry("date or boolean", Outcome::Invalid),
    entry("excel text", Outcome::Invalid),
    entry("null word", Outcome::Invalid),
    entry("control character", Outcome::Invalid),
    entry("invisible character", Outcome::Invalid),
    entry("line break", Outcome::Invalid),
    entry("many lines", Outcome::Invalid),
    entry("full-width character", Outcome::Invalid),
    entry("smart quotes", Outcome::Invalid),
    entry("stray quotes", Outcome::Invalid),
    warning("lost characters"),
    warning("blanks around"),
    entry("not an address", Outcome::Invalid),
    warning("private host"),
    warning("plain http"),
    warning("expiring address"),
    warning("unencoded address"),
    warning("conflicting rows"),
    warning("repeated row"),
    warning("case pair"),
    warning("unusual id"),
    entry("sets nothing", Outcome::Invalid),
    entry("another row of the user is invalid", Outcome::Invalid),
    entry("later row", Outcome::Superseded),
    entry("newer run", Outcome::Superseded),
    entry("limit", Outcome::Pending),
    entry("abandoned", Outcome::Unknown),
    entry("not shown", Outcome::Unknown),
    entry("unclear answer", Outcome::Unknown),
];
