//! The nouns of the program: who (`UserId`), what (`Values`, `Change`), where from (`RowRef`,
//! `SourceRow`), what the service said (`Verdict`) and how a row ended (`Outcome`, `Counts`).
//!
//! Text from outside is parsed once, here or at the door of [`crate::input`]; everything behind
//! takes these types as proof. Nothing in this module reads a clock, a file or the network, and
//! nothing in it logs.
//!
//! **Invariant:** the text of a [`UserId`] and of [`Values`] is personal data of minors. `Debug`
//! of both hides it; only [`UserId::as_str`] and the fields of `Values` give it away, so that
//! every place that does can be found.

use std::fmt;
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::Duration;

/// A user of LCIC within one account: any text that is not empty (PROTOCOL §c.1 documents no
/// format, so none is invented).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Takes `text` as a user id; `None` when it is empty.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// The id itself. Personal data: for the wire, the ledger and result files only.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(hidden)")
    }
}

/// One of the two things that `ModifyUserProfile` can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The name that others see.
    Nickname,
    /// The URL of the picture.
    Avatar,
}

impl Field {
    /// Both, in the order of the wire and of the result files.
    pub const ALL: [Self; 2] = [Self::Nickname, Self::Avatar];

    /// The name of the parameter and of the column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nickname => "Nickname",
            Self::Avatar => "Avatar",
        }
    }
}

/// One `T` for each [`Field`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct PerField<T> {
    /// What belongs to the nickname.
    pub nickname: T,
    /// What belongs to the avatar.
    pub avatar: T,
}

impl<T> PerField<T> {
    /// Builds both from their field.
    pub fn from_fn(mut of: impl FnMut(Field) -> T) -> Self {
        Self {
            nickname: of(Field::Nickname),
            avatar: of(Field::Avatar),
        }
    }
}

impl<T> Index<Field> for PerField<T> {
    type Output = T;
    fn index(&self, field: Field) -> &T {
        match field {
            Field::Nickname => &self.nickname,
            Field::Avatar => &self.avatar,
        }
    }
}

impl<T> IndexMut<Field> for PerField<T> {
    fn index_mut(&mut self, field: Field) -> &mut T {
        match field {
            Field::Nickname => &mut self.nickname,
            Field::Avatar => &mut self.avatar,
        }
    }
}

/// Which fields: of a row those it sets, of a change those it sends.
pub type Fields = PerField<bool>;

impl Fields {
    /// Neither.
    pub const NONE: Self = Self {
        nickname: false,
        avatar: false,
    };

    /// Whether no field is named.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(Field::ALL.iter().filter(|field| self[**field]))
            .finish()
    }
}

/// Texts to set. `None` leaves the field as it is, `Some("")` clears it (what the service does
/// with an empty text is not documented: PROTOCOL §c.1).
pub type Values = PerField<Option<Arc<str>>>;

impl Values {
    /// The fields that have a text.
    pub fn fields(&self) -> Fields {
        Fields::from_fn(|field| self[field].is_some())
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values(hidden, sets {:?})", self.fields())
    }
}

/// A place in the input: which FILE argument, and the line there on which the row begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowRef {
    /// Index of the FILE argument, from 0.
    pub file: u16,
    /// Physical line, from 1, as an editor counts.
    pub line: u64,
}

/// A row as it stood in the input, kept until its change is settled so that `failures.csv` can
/// repeat it.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceRow {
    /// Where it stands.
    pub at: RowRef,
    /// All of its cells, as read. Personal data.
    pub cells: Cells,
}

/// The cells of a row in one piece of memory: thousands of rows wait for their outcome at once,
/// and a `csv::ByteRecord` is three pieces that take more than the text in them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Cells {
    /// Behind `n` numbers of four bytes, which say where each cell ends, the cells.
    bytes: Box<[u8]>,
    n: usize,
}

impl Cells {
    const NUMBER: usize = size_of::<u32>();

    /// How many.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The cell at an index from 0.
    pub fn get(&self, at: usize) -> Option<&[u8]> {
        let (ends, text) = self.bytes.split_at(self.n * Self::NUMBER);
        let end = |at: usize| {
            let number = ends[at * Self::NUMBER..].first_chunk().expect("is so long");
            u32::from_ne_bytes(*number) as usize
        };
        (at < self.n).then(|| &text[at.checked_sub(1).map_or(0, end)..end(at)])
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.n).filter_map(|at| self.get(at))
    }
}

impl<C: AsRef<[u8]>> FromIterator<C> for Cells {
    /// # Panics
    /// When they are longer than 4 GiB together: no record of a file is.
    fn from_iter<I: IntoIterator<Item = C>>(cells: I) -> Self {
        let (mut ends, mut text) = (Vec::new(), Vec::new());
        for cell in cells {
            text.extend_from_slice(cell.as_ref());
            let end = u32::try_from(text.len()).expect("records have a longest length");
            ends.extend(end.to_ne_bytes());
        }
        Self {
            n: ends.len() / Self::NUMBER,
            bytes: [ends, text].concat().into(),
        }
    }
}

impl fmt::Debug for SourceRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceRow({:?}, {} cells)", self.at, self.cells.len())
    }
}

/// What one user shall hold, folded from all rows of that user (rule T1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose profile.
    pub user: UserId,
    /// What a call sets: only the fields that differ from what the ledger holds, or are in doubt.
    pub send: Values,
    /// The rows that share this change's outcome; never empty.
    pub rows: Vec<SourceRow>,
    /// Fields that an earlier run left in doubt: a refusal now does not end that doubt (rule T3).
    pub doubted_before: Fields,
    /// A run before this one failed to send it, and nobody has taken care of that since.
    pub failed_before: bool,
    /// Not to be sent earlier than this after the start of the run: an earlier run sent another
    /// value and never learned whether it arrived (rule T3).
    pub not_before: Option<Duration>,
}

impl Change {
    /// Where the first of its rows stands.
    pub fn at(&self) -> RowRef {
        self.rows[0].at
    }
}

/// Why a call did not succeed, in the service's words where it had any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The service's code, or ours in lower case with blanks (`no answer`) where the service had
    /// no say.
    pub code: String,
    /// The service's message, or what was seen. Not to be relied on (PROTOCOL §b).
    pub message: String,
    /// The service's RequestId, for its support.
    pub request_id: Option<String>,
}

impl Fault {
    /// The code of an answer that no LCIC gives: a proxy or captive portal in its place.
    pub const NOT_THE_SERVICE: &str = "not the service";

    /// A fault in our words, without the service's say.
    pub fn ours(code: &str, message: &str) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            request_id: None,
        }
    }

    /// The calls per second that the service says it allows for this action. Only the bare code
    /// counts by action; its sub-codes are about the root account or the IP (PROTOCOL §d.2).
    pub fn named_limit(&self) -> Option<f64> {
        if self.code != "RequestLimitExceeded" {
            return None;
        }
        let mut words = ["frequency limit", "频率上限"].into_iter();
        let behind = words.find_map(|words| Some(self.message.split_once(words)?.1))?;
        let digits = behind.trim_start_matches(|c: char| !c.is_alphanumeric());
        let end = digits.find(|c: char| !c.is_ascii_digit());
        let limit: u32 = digits[..end.unwrap_or(digits.len())].parse().ok()?;
        (limit > 0).then_some(f64::from(limit))
    }

    /// Whether something else answered in the service's place.
    pub fn is_not_the_service(&self) -> bool {
        self.code == Self::NOT_THE_SERVICE
    }
}

/// What an answer, or the lack of one, means for the change that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The service holds the values now.
    Accepted {
        /// The service's RequestId.
        request_id: String,
    },
    /// The row itself is refused; trying again would not help.
    Refused(Fault),
    /// It may pass.
    Again {
        /// What kind of passing failure.
        passing: Passing,
        /// What was said or seen.
        fault: Fault,
        /// The service asked to wait at least this long (`Retry-After`).
        after: Option<Duration>,
    },
    /// No row can work until a person changes something.
    Fatal {
        /// What kind of thing must change.
        cause: FatalCause,
        /// What was said or seen.
        fault: Fault,
    },
}

/// Kinds of failure that may pass, by what they tell about the change (rules T4, P6, P7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Passing {
    /// Over the quota: refused before it was looked at, no try used up.
    Throttled,
    /// The service says that this resource is busy or not available just now.
    Busy,
    /// The call was not looked at for a reason that has just been mended (the clock was corrected,
    /// the keys were renewed): no try used up.
    Mended,
    /// The call never left this machine: no name, no connection, no TLS.
    NotSent,
    /// It left, and no envelope came back: time-out, lost connection, 5xx, something that is not
    /// the service. The change may have been made.
    NoAnswer,
    /// The service answered that it failed, without saying how far it got.
    Internal,
}

/// What stops a run for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FatalCause {
    /// Key, token, signature, clock or permission: exit 7.
    Key,
    /// Endpoint, action, version, or something else that answers in the service's place: exit 5.
    Service,
}

/// How a row ended. Every row of the input ends in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The service said so.
    Applied,
    /// The ledger says that the service holds it already.
    Unchanged,
    /// The service refused it, or the tries ran out.
    Failed,
    /// Never sent: the row itself, or another row of the same user, is wrong.
    Invalid,
    /// Later rows, or a newer run, replaced everything it sets.
    Superseded,
    /// Sent, and no answer decided.
    Unknown,
    /// Not settled and nothing in doubt: the run stopped first.
    Pending,
}

impl Outcome {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 7] = [
        Self::Applied,
        Self::Unchanged,
        Self::Failed,
        Self::Invalid,
        Self::Superseded,
        Self::Unknown,
        Self::Pending,
    ];

    /// The word in files and summaries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Superseded => "superseded",
            Self::Unknown => "unknown",
            Self::Pending => "pending",
        }
    }
}

/// How many rows ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Rows in the input.
    pub read: u64,
    /// See [`Outcome::Applied`].
    pub applied: u64,
    /// See [`Outcome::Unchanged`].
    pub unchanged: u64,
    /// See [`Outcome::Failed`].
    pub failed: u64,
    /// See [`Outcome::Invalid`].
    pub invalid: u64,
    /// See [`Outcome::Superseded`].
    pub superseded: u64,
    /// See [`Outcome::Unknown`].
    pub unknown: u64,
    /// See [`Outcome::Pending`].
    pub pending: u64,
}

impl Counts {
    /// Rows that ended in `outcome`.
    pub fn of(&self, outcome: Outcome) -> u64 {
        match outcome {
            Outcome::Applied => self.applied,
            Outcome::Unchanged => self.unchanged,
            Outcome::Failed => self.failed,
            Outcome::Invalid => self.invalid,
            Outcome::Superseded => self.superseded,
            Outcome::Unknown => self.unknown,
            Outcome::Pending => self.pending,
        }
    }

    /// Counts `rows` more for `outcome`; `read` is left alone, it comes from the survey.
    pub fn add(&mut self, outcome: Outcome, rows: u64) {
        let count = match outcome {
            Outcome::Applied => &mut self.applied,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Failed => &mut self.failed,
            Outcome::Invalid => &mut self.invalid,
            Outcome::Superseded => &mut self.superseded,
            Outcome::Unknown => &mut self.unknown,
            Outcome::Pending => &mut self.pending,
        };
        *count += rows;
    }

    /// Rows that have an outcome.
    pub fn settled(&self) -> u64 {
        Outcome::ALL.iter().map(|outcome| self.of(*outcome)).sum()
    }

    /// Whether every row read has exactly one outcome. False is a bug of this program.
    pub fn add_up(&self) -> bool {
        self.settled() == self.read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_kept_as_they_are() {
        let rows: [&[&[u8]]; 5] = [
            &[],
            &[b""],
            &[b"", b""],
            &[b"a", b"", b"\xFF,\n"],
            &[b"abc"],
        ];
        for row in rows {
            let cells: Cells = row.iter().collect();
            assert_eq!(cells.iter().collect::<Vec<_>>(), row);
            assert_eq!((cells.len(), cells.is_empty()), (row.len(), row.is_empty()));
            assert_eq!(cells.get(0), row.first().copied());
            assert_eq!(cells.get(row.len()), None);
            assert_eq!(cells.get(usize::MAX), None);
        }
    }

    #[test]
    fn debug_of_personal_data_hides_it() {
        let user = UserId::new("2kJJBH6G1dfBFUJqXLh0Mg3ELLk").unwrap();
        let send = Values {
            nickname: Some("张伟".into()),
            avatar: None,
        };
        let shown = format!("{user:?} {send:?}");
        assert!(
            !shown.contains("2kJJ") && !shown.contains("张伟"),
            "{shown}"
        );
        assert!(shown.contains("Nickname"), "{shown}");
    }

    #[test]
    fn p3_the_limit_is_named_by_the_bare_code_in_either_language() {
        let bare = "RequestLimitExceeded";
        let table = [
            (
                bare,
                "Your current request times equals to `11` in a second, which exceeds the frequency limit `10` for a second. Please reduce the frequency of calls.",
                Some(10.0),
            ),
            (
                bare,
                "您当前每秒请求 `6` 次，超过了每秒频率上限 `5` 次，请降低请求频率。",
                Some(5.0),
            ),
            (bare, "exceeds the frequency limit 40.", Some(40.0)),
            (bare, "over the frequency limit `40`", Some(40.0)),
            (bare, "over the frequency limit `0`", None),
            (bare, "over the frequency limit for 20 seconds", None),
            (bare, "over the frequency limit `99999999999`", None),
            (bare, "over the frequency limit", None),
            (bare, "try again in 5 s", None),
            (
                "RequestLimitExceeded.UinLimitExceeded",
                "exceeds the frequency limit `10`",
                None,
            ),
            ("http 429", "exceeds the frequency limit `10`", None),
        ];
        for (code, message, expected) in table {
            let fault = Fault::ours(code, message);
            assert_eq!(fault.named_limit(), expected, "{code}: {message}");
        }
    }

    #[test]
    fn counts_add_up_only_when_every_row_has_one_outcome() {
        let mut counts = Counts {
            read: 7,
            ..Counts::default()
        };
        for outcome in Outcome::ALL {
            assert!(!counts.add_up());
            counts.add(outcome, 1);
        }
        assert!(counts.add_up());
        counts.add(Outcome::Failed, 1);
        assert!(!counts.add_up());
    }
}
