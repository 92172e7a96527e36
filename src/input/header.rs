//! The first record of a file: which column is what.
//!
//! `UserId` and at least one of `Nickname` and `Avatar`, in any order. A file that a run left as
//! `failures.csv` also has columns that begin with `_`, which this program wrote (rule T5); any
//! other column is an error that names it, because a column that is silently ignored may be the
//! one that was meant.

use csv::ByteRecord;

use crate::model::Field;

/// Columns that `failures.csv` appends, in their order.
pub const OWN_COLUMNS: [&str; 8] = [
    "_outcome",
    "_code",
    "_message",
    "_request_id",
    "_file",
    "_line",
    "_run",
    "_at",
];

/// Where each thing stands in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Number of columns.
    pub width: usize,
    /// The column of the user id.
    pub user: usize,
    /// The column of the nickname.
    pub nickname: Option<usize>,
    /// The column of the avatar.
    pub avatar: Option<usize>,
    /// The person's own columns, by name and place; those of ours are left out.
    pub own: Vec<(String, usize)>,
    /// What a run wrote beside each row, when the file is its `failures.csv`.
    pub fed_back: Option<FedBack>,
}

/// The column by which a row of `failures.csv` is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FedBack {
    /// The column of the run that wrote the row.
    pub run: usize,
}

/// Why a header is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A column that has no meaning here.
    #[error("unknown column {} (expected UserId, Nickname, Avatar)", list(.0))]
    Unknown(Vec<String>),
    /// A column that stands there twice.
    #[error("column {0:?} stands in the header twice")]
    Twice(String),
    /// No user id. What stands there instead may be a pupil's row, so it is not repeated.
    #[error(
        "none of the {0} cells is UserId: is the header row missing? (expected a first line like UserId,Nickname,Avatar)"
    )]
    NoUser(usize),
    /// Nothing to set.
    #[error("neither a column Nickname nor Avatar in the header: nothing to set")]
    NothingToSet,
    /// Some of our own columns, but not the one that matters.
    #[error("column _run is missing beside the other columns of a failures.csv")]
    NotFedBack,
    /// Not text.
    #[error("the header is not valid UTF-8")]
    NotUtf8,
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    quoted.join(", ")
}

impl Header {
    /// Reads the first record of a file.
    ///
    /// # Errors
    /// When a column is unknown, doubled or missing.
    pub fn parse(record: &ByteRecord) -> Result<Self, HeaderError> {
        let names: Vec<&str> = record
            .iter()
            .map(|cell| std::str::from_utf8(cell).map(str::trim))
            .collect::<Result<_, _>>()
            .map_err(|_| HeaderError::NotUtf8)?;
        let find = |wanted: &str| names.iter().position(|name| *name == wanted);
        let known = |name: &&&str| {
            [USER, Field::Nickname.name(), Field::Avatar.name()].contains(*name)
                || OWN_COLUMNS.contains(*name)
        };
        let unknown: Vec<String> = names
            .iter()
            .filter(|name| !known(name))
            .map(|name| (*name).into())
            .collect();
        let Some(user) = find(USER) else {
            return Err(HeaderError::NoUser(names.len()));
        };
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                return Err(HeaderError::Twice((*name).into()));
            }
        }
        if !unknown.is_empty() {
            return Err(HeaderError::Unknown(unknown));
        }
        let nickname = find(Field::Nickname.name());
        let avatar = find(Field::Avatar.name());
        if nickname.is_none() && avatar.is_none() {
            return Err(HeaderError::NothingToSet);
        }
        let ours = |name: &str| OWN_COLUMNS.contains(&name);
        let fed_back = if names.iter().any(|name| ours(name)) {
            Some(FedBack {
                run: find("_run").ok_or(HeaderError::NotFedBack)?,
            })
        } else {
            None
        };
        let own = names
            .iter()
            .enumerate()
            .filter(|(_, name)| !ours(name))
            .map(|(at, name)| ((*name).into(), at))
            .collect();
        Ok(Self {
            width: names.len(),
            user,
            nickname,
            avatar,
            own,
            fed_back,
        })
    }

    /// The column of a field.
    pub fn column(&self, field: Field) -> Option<usize> {
        match field {
            Field::Nickname => self.nickname,
            Field::Avatar => self.avatar,
        }
    }
}

const USER: &str = "UserId";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(names: &[&str]) -> Result<Header, HeaderError> {
        Header::parse(&ByteRecord::from(names.to_vec()))
    }

    #[test]
    fn columns_may_stand_in_any_order_and_one_field_is_enough() {
        let header = parse(&["Avatar", " UserId ", "Nickname"]).unwrap();
        assert_eq!(
            (header.user, header.nickname, header.avatar),
            (1, Some(2), Some(0))
        );
        let header = parse(&["UserId", "Avatar"]).unwrap();
        assert_eq!(header.column(Field::Nickname), None);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let message = |names: &[&str]| parse(names).unwrap_err().to_string();
        assert_eq!(
            message(&["UserId", "Nickname", "Klasse", "Note"]),
            "unknown column \"Klasse\", \"Note\" (expected UserId, Nickname, Avatar)"
        );
        assert_eq!(
            message(&["UserId", "Avatar", "Avatar"]),
            "column \"Avatar\" stands in the header twice"
        );
        assert_eq!(
            message(&["3091", "李娜", "李娜"]),
            "none of the 3 cells is UserId: is the header row missing? \
             (expected a first line like UserId,Nickname,Avatar)"
        );
        assert!(message(&["UserId"]).contains("nothing to set"));
        assert!(message(&["UserId", "Nickname", "_code"]).contains("_run"));
    }

    #[test]
    fn t5_a_failures_file_is_known_by_its_columns() {
        let mut names = vec!["UserId", "Nickname"];
        names.extend(OWN_COLUMNS);
        let header = parse(&names).unwrap();
        assert_eq!(header.fed_back, Some(FedBack { run: 8 }));
        assert_eq!(header.own.len(), 2);
    }
}
