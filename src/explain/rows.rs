//! Codes of rows that no answer to a call decided: invalid, superseded, left by `--limit`, or
//! given up when a run stopped. They are given where the row is judged (`input::rows`,
//! `plan::rows`, `engine`), which know nothing of explanations; a test holds that each code that
//! they give has a line here.

use crate::model::Outcome;

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowEntry {
    /// The code, as it stands in result files.
    pub code: &'static str,
    /// How such a row ends.
    pub outcome: Outcome,
    /// What it means.
    pub meaning: &'static str,
    /// What a person does about it.
    pub advice: &'static str,
}

const fn entry(
    code: &'static str,
    outcome: Outcome,
    meaning: &'static str,
    advice: &'static str,
) -> RowEntry {
    RowEntry {
        code,
        outcome,
        meaning,
        advice,
    }
}

/// All lines, in the order in which a row meets them.
pub static ROWS: &[RowEntry] = &[
    entry(
        "wrong number of cells",
        Outcome::Invalid,
        "the row has more or fewer cells than the header",
        "look for a comma that is not within quotes, or for a missing one",
    ),
    entry(
        "no UserId",
        Outcome::Invalid,
        "the row does not say whose profile it is",
        "fill in its UserId, or take the row out",
    ),
    entry(
        "not UTF-8",
        Outcome::Invalid,
        "a cell holds bytes that are not UTF-8 text",
        "export the file as UTF-8",
    ),
    entry(
        "sets nothing",
        Outcome::Invalid,
        "Nickname and Avatar are both blank, and a blank cell leaves things as they are",
        "fill in one of them, or take the row out",
    ),
    entry(
        "another row of the user is invalid",
        Outcome::Invalid,
        "the row is right, but its user is held back: a half-right profile is worse than a late one",
        "correct the other row, which the message names",
    ),
    entry(
        "later row",
        Outcome::Superseded,
        "later rows of the same user set the same fields: of several, the last one wins",
        "nothing, unless it surprises you: the message names the later row",
    ),
    entry(
        "newer run",
        Outcome::Superseded,
        "the row comes from a failures.csv, and a newer run has taken care of its user since",
        "nothing; to send it all the same, put it into a file without the columns that begin with _",
    ),
    entry(
        "limit",
        Outcome::Pending,
        "the row lies beyond what --limit allowed",
        "give the same command again for the next ones",
    ),
    entry(
        "abandoned",
        Outcome::Unknown,
        "the call left, and the run was stopped before its answer came; the change may have been made",
        "run again: setting the same values twice is harmless",
    ),
    entry(
        "not shown",
        Outcome::Unknown,
        "the service accepted the change, and did not show it when the canary was read back",
        "look the user up with DescribeUser; when you know why, run again: it is sent again",
    ),
    entry(
        "unclear answer",
        Outcome::Unknown,
        "the service failed without saying how far it got, and the run stopped before a better answer came",
        "run again: setting the same values twice is harmless",
    ),
];
