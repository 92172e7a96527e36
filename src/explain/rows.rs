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
        outcome: Some(outcome),
        meaning,
        advice,
    }
}

const fn warning(code: &'static str, meaning: &'static str, advice: &'static str) -> RowEntry {
    RowEntry {
        code,
        outcome: None,
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
        "a cell holds bytes that are not UTF-8 text, in a file that is UTF-8 otherwise",
        "export the file as UTF-8, or say what it is with --encoding",
    ),
    entry(
        "damaged text",
        Outcome::Invalid,
        "the text was garbled before it came here: characters replaced, or read in a wrong encoding",
        "get the text from where it is still whole",
    ),
    entry(
        "excel error",
        Outcome::Invalid,
        "a formula gave no value: #N/A, #REF!, #####; #NO-VALUE! of a blank cell or if never worked out",
        "put the formula right, save the file in Excel, or leave the cell blank",
    ),
    entry(
        "scientific notation",
        Outcome::Invalid,
        "Excel took a text for a number and wrote 1.23E+10, or showed it as something else",
        "format the column as text in Excel before the texts go in, and export again",
    ),
    entry(
        "precision lost",
        Outcome::Invalid,
        "many long ids end in zeros, because Excel keeps fifteen digits: they may be other users'",
        "export the ids as text; --allow precision-lost if they are right",
    ),
    entry(
        "date or boolean",
        Outcome::Invalid,
        "Excel took a text for a date, or an id for TRUE or FALSE",
        "put the text in again, into a column that is formatted as text",
    ),
    entry(
        "excel text",
        Outcome::Invalid,
        "the cell holds marks that make Excel keep a text: =\"00123\", '00123 or '=1+1",
        "apply with --excel-text, which takes them off, or export without them",
    ),
    entry(
        "null word",
        Outcome::Invalid,
        "NULL, N/A, 无 or the like is what exports write where there is nothing",
        "leave the cell blank to leave the field as it is, or use --clear-token; --allow null-word sends it",
    ),
    entry(
        "control character",
        Outcome::Invalid,
        "a character that is no text, or that turns the direction of writing",
        "take it out; the message has its code point",
    ),
    entry(
        "invisible character",
        Outcome::Invalid,
        "a character that nobody sees makes an id or address another one; in a nickname a warning",
        "take it out; the message has its code point",
    ),
    entry(
        "line break",
        Outcome::Invalid,
        "an id or an address goes over several lines; in a nickname a warning",
        "look for a quote that is closed too late, or take the break out",
    ),
    entry(
        "many lines",
        Outcome::Invalid,
        "the row goes over many lines, or a cell looks like rows: others may be swallowed",
        "look for a quote that is closed too late; --allow many-lines if it is right",
    ),
    entry(
        "full-width character",
        Outcome::Invalid,
        "an id has the wide letters or digits of a Chinese keyboard",
        "write it with the plain ones",
    ),
    entry(
        "smart quotes",
        Outcome::Invalid,
        "a word processor made round quotes of straight ones; in a nickname or avatar a warning",
        "put straight quotes around the cell, or none",
    ),
    warning(
        "lost characters",
        "? stands where an emoji or a rare character may have been, lost in a save as GBK",
        "export as UTF-8; --allow lost-characters if it is right",
    ),
    warning(
        "blanks around",
        "there were blanks around an id; they are taken off",
        "nothing, unless the blanks belong to the id",
    ),
    entry(
        "not an address",
        Outcome::Invalid,
        "an avatar is no plain address that begins with http:// or https://",
        "put in the picture's full address",
    ),
    warning(
        "private host",
        "an avatar lies on a machine that only some networks can reach",
        "put the picture where pupils at home can load it",
    ),
    warning(
        "plain http",
        "an avatar's address begins with http, and pages with https may not show it",
        "use https where the server has it",
    ),
    warning(
        "expiring address",
        "an avatar's address is signed and ends some day",
        "use an address that lasts",
    ),
    warning(
        "unencoded address",
        "an avatar's address has blanks or other than ASCII, which some clients don't load",
        "apply with --encode-urls, or encode them where the address is made",
    ),
    warning(
        "conflicting rows",
        "a later row of the same user sets the same field to something else, and wins",
        "nothing, unless it surprises you; --on-duplicate error refuses such files",
    ),
    warning(
        "repeated row",
        "a later row of the same user says the same",
        "nothing; check --fix leaves out those that are alike in all cells",
    ),
    warning(
        "case pair",
        "two ids differ by capital letters only, and are two users to the service",
        "look which of them is meant",
    ),
    warning(
        "unusual id",
        "an id differs in length or characters from nearly all of its file, or most are Chinese names",
        "look whether zeros were lost at its front or something was typed by hand",
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
