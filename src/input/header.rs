//! The first record of a file: which column is what.
//!
//! `UserId` and at least one of `Nickname` and `Avatar`, in any order, by these names or by those
//! that exports in English and Chinese use; `--map` gives others. A file that a run left as
//! `failures.csv` also has columns that begin with `_`, which this program wrote (rule T5). Any
//! other column is an error that names it, because a column that is silently ignored may be the
//! one that was meant; `--ignore-columns` says that it is not.

use csv::ByteRecord;

use super::rules::{Column, Rules};
use crate::model::Field;

/// Columns that `failures.csv` appends, in their order.
pub const OWN_COLUMNS: [&str; 9] = [
    "_outcome",
    "_code",
    "_message",
    "_request_id",
    "_file",
    "_line",
    "_run",
    "_at",
    "_cells",
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
    /// What each of [`Self::own`] is called, as [`plain`] has it.
    plain_names: Vec<String>,
    /// What a run wrote beside each row, when the file is its `failures.csv`.
    pub fed_back: Option<FedBack>,
}

/// The columns by which a row of `failures.csv` is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FedBack {
    /// The column of the run that wrote the row.
    pub run: usize,
    /// The column that says of a row that it had other cells than its header, until somebody mends
    /// it; files of earlier versions have none.
    pub cells: Option<usize>,
}

/// Why a header is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A column that has no meaning here.
    #[error(
        "unknown column {} (expected UserId, Nickname, Avatar)\nhint: {hint}",
        list(names)
    )]
    Unknown {
        /// Its name, and those of others.
        names: Vec<String>,
        /// What may have been meant.
        hint: String,
    },
    /// A column that stands there twice.
    #[error("column {0:?} stands in the header twice")]
    Twice(String),
    /// Two names for one thing.
    #[error(
        "columns {first:?} and {second:?} both mean {column}\nhint: say which with --map {column}={first}, and --ignore-columns {second}"
    )]
    Both {
        /// What they mean.
        column: Column,
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// No user id. What stands there instead may be a pupil's row, so it is not repeated.
    #[error(
        "none of the {0} cells is UserId: is the header row missing, or does something stand above it? (expected a first line like UserId,Nickname,Avatar)\nhint: a column of another name is told with --map UserId=NAME"
    )]
    NoUser(usize),
    /// A column that `--map` names, and that is not there.
    #[error("there is no column {name:?}, which --map says is {column}")]
    NotMapped {
        /// What it would mean.
        column: Column,
        /// Its name.
        name: String,
    },
    /// One column, and `--map` gives it two meanings.
    #[error("--map says of column {name:?} that it is {first} and {second}")]
    MappedTwice {
        /// The column.
        name: String,
        /// One meaning.
        first: Column,
        /// The other.
        second: Column,
    },
    /// Nothing to set.
    #[error("neither a column Nickname nor Avatar in the header: nothing to set")]
    NothingToSet,
    /// Some of our own columns, but not the one that matters.
    #[error("column _run is missing beside the other columns of a failures.csv")]
    NotFedBack,
    /// A column between others, without a name.
    #[error(
        "column {0} has no name\nhint: name it, or leave it out of the export (pandas: index=False)"
    )]
    NoName(usize),
    /// Not text.
    #[error("the header is not valid UTF-8")]
    NotUtf8,
    /// Names of columns in the middle of the file, where others stand: rows behind it would be
    /// read by the wrong columns.
    #[error(
        "another header, with other columns than the first or in another order\nhint: give the rows from here on as a file of their own"
    )]
    Another,
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    quoted.join(", ")
}

/// Names of the columns in exports, as [`plain`] has them.
const ALIASES: [(Column, &[&str]); 3] = [
    (
        Column::UserId,
        &["userid", "uid", "用户id", "用户编号", "用户标识"],
    ),
    (
        Column::Nickname,
        &[
            "nickname",
            "nick",
            "name",
            "昵称",
            "用户昵称",
            "姓名",
            "名字",
        ],
    ),
    (
        Column::Avatar,
        &[
            "avatar",
            "avatarurl",
            "头像",
            "头像url",
            "头像地址",
            "头像链接",
            "用户头像",
        ],
    ),
];

/// What a record is to the header of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// A row.
    Row,
    /// The header again: exports that were put together.
    Repeated,
    /// Names of columns, but not where the header has them.
    Another,
}

/// A name without what people write differently: case, blanks, `_`, `-`, and a byte order mark.
fn plain(name: &str) -> String {
    folded(name).collect()
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    let left_out =
        |c: &char| !c.is_whitespace() && !matches!(c, '_' | '-' | '\u{FEFF}' | '\u{200B}');
    name.chars().filter(left_out).flat_map(char::to_lowercase)
}

impl Header {
    /// Reads the first record of a file.
    ///
    /// # Errors
    /// When a column is unknown, doubled or missing.
    pub fn parse(record: &ByteRecord, rules: &Rules) -> Result<Self, HeaderError> {
        let mut names: Vec<&str> = record
            .iter()
            .map(|cell| std::str::from_utf8(cell).map(|name| name.trim().trim_matches('\u{FEFF}')))
            .collect::<Result<_, _>>()
            .map_err(|_| HeaderError::NotUtf8)?;
        // Excel keeps columns that once held something.
        while names.last().is_some_and(|name| name.is_empty()) {
            names.pop();
        }
        let columns = Columns {
            names: &names,
            rules,
        };
        for (at, (second, name)) in rules.map.iter().enumerate() {
            let mut earlier = rules.map[..at].iter();
            if let Some((first, _)) = earlier.find(|(_, other)| plain(other) == plain(name)) {
                let (name, first, second) = (name.clone(), *first, *second);
                return Err(HeaderError::MappedTwice {
                    name,
                    first,
                    second,
                });
            }
        }
        let Some(user) = columns.find(Column::UserId)? else {
            return Err(HeaderError::NoUser(names.len()));
        };
        let nickname = columns.find(Column::Nickname)?;
        let avatar = columns.find(Column::Avatar)?;
        for (at, name) in names.iter().enumerate() {
            if name.is_empty() {
                return Err(HeaderError::NoName(at + 1));
            }
            if names[..at].contains(name) {
                return Err(HeaderError::Twice((*name).into()));
            }
        }
        let ours = |name: &str| OWN_COLUMNS.contains(&name);
        let known = |at: usize| [Some(user), nickname, avatar].contains(&Some(at));
        let places = names.iter().enumerate();
        let unknown = places
            .clone()
            .filter(|(at, name)| !known(*at) && !ours(name) && !columns.is_ignored(name));
        let unknown: Vec<String> = unknown.map(|(_, name)| (*name).into()).collect();
        if !unknown.is_empty() {
            let hint = hint(&unknown);
            return Err(HeaderError::Unknown {
                names: unknown,
                hint,
            });
        }
        if nickname.is_none() && avatar.is_none() {
            return Err(HeaderError::NothingToSet);
        }
        let fed_back = if names.iter().any(|name| ours(name)) {
            let place = |own: &str| names.iter().position(|name| *name == own);
            Some(FedBack {
                run: place("_run").ok_or(HeaderError::NotFedBack)?,
                cells: place("_cells"),
            })
        } else {
            None
        };
        let own: Vec<(String, usize)> = places
            .filter(|(_, name)| !ours(name))
            .map(|(at, name)| ((*name).into(), at))
            .collect();
        let plain_names = own.iter().map(|(name, _)| plain(name)).collect();
        Ok(Self {
            width: names.len(),
            user,
            nickname,
            avatar,
            own,
            plain_names,
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

    /// Where a column stands.
    pub fn place(&self, column: Column) -> Option<usize> {
        match column {
            Column::UserId => Some(self.user),
            Column::Nickname => self.nickname,
            Column::Avatar => self.avatar,
        }
    }

    /// What the column at this place means, if it matters.
    pub fn at(&self, place: usize) -> Option<Column> {
        let mut all = Column::ALL.into_iter();
        all.find(|column| self.place(*column) == Some(place))
    }

    /// What a record is, by its cells. Two that name different columns make a header: an id and a
    /// nickname that both do belong to nobody.
    pub fn likeness<'r>(&self, cell: impl Fn(usize) -> Option<&'r [u8]>) -> Likeness {
        // Nearly all records are told by this one cell.
        let Some(user) = cell(self.user).and_then(|cell| self.meaning(cell)) else {
            return Likeness::Row;
        };
        let mut is_another = false;
        let mut is_repeated = true;
        for (_, at) in &self.own {
            let meaning = cell(*at).and_then(|cell| self.meaning(cell));
            is_another |= meaning.is_some_and(|meaning| meaning != user);
            is_repeated &= meaning == Some(Meaning::Place(*at));
        }
        match (is_repeated, is_another) {
            (true, _) => Likeness::Repeated,
            (false, true) => Likeness::Another,
            (false, false) => Likeness::Row,
        }
    }

    /// The column that a cell names.
    fn meaning(&self, cell: &[u8]) -> Option<Meaning> {
        // Far more than a name has, and blanks around it.
        const LONGEST: usize = 64;
        let ends_as_ids_do = cell.last().is_some_and(u8::is_ascii_digit);
        let names_end_so = || {
            let mut names = self.plain_names.iter();
            names.any(|name| name.ends_with(|c: char| c.is_ascii_digit()))
        };
        if cell.is_empty() || cell.len() > LONGEST || (ends_as_ids_do && !names_end_so()) {
            return None;
        }
        let text = std::str::from_utf8(cell).ok()?;
        let is_it = |name: &str| folded(text).eq(name.chars());
        if let Some(at) = self.plain_names.iter().position(|name| is_it(name)) {
            return Some(Meaning::Place(self.own[at].1));
        }
        let mut aliases = ALIASES.iter();
        let (column, _) = aliases.find(|(_, names)| names.iter().any(|name| is_it(name)))?;
        Some(
            self.place(*column)
                .map_or(Meaning::Missing(*column), Meaning::Place),
        )
    }
}

/// What a cell names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The column there.
    Place(usize),
    /// A column that this header does not have.
    Missing(Column),
}

/// The columns of a header being read.
struct Columns<'h> {
    names: &'h [&'h str],
    rules: &'h Rules,
}

impl Columns<'_> {
    /// Where a column is: by the name that the person gave, else by the usual ones.
    fn find(&self, column: Column) -> Result<Option<usize>, HeaderError> {
        let mut map = self.rules.map.iter();
        if let Some((_, mapped)) = map.find(|(mapped, _)| *mapped == column) {
            let at = self
                .names
                .iter()
                .position(|name| plain(name) == plain(mapped));
            let name = mapped.clone();
            return at.map(Some).ok_or(HeaderError::NotMapped { column, name });
        }
        let aliases = ALIASES[column as usize].1;
        let given = |name: &str| {
            let mut map = self.rules.map.iter();
            map.any(|(_, mapped)| plain(mapped) == plain(name))
        };
        let mut found = self.names.iter().enumerate().filter(|(_, name)| {
            aliases.contains(&&*plain(name)) && !given(name) && !self.is_ignored_by_name(name)
        });
        let Some((at, first)) = found.next() else {
            return Ok(None);
        };
        match found.next() {
            None => Ok(Some(at)),
            Some((_, second)) if second == first => Err(HeaderError::Twice((*first).into())),
            Some((_, second)) => Err(HeaderError::Both {
                column,
                first: (*first).into(),
                second: (*second).into(),
            }),
        }
    }

    fn is_ignored_by_name(&self, name: &str) -> bool {
        let mut ignored = self.rules.ignored.iter();
        ignored.any(|ignored| plain(ignored) == plain(name))
    }

    fn is_ignored(&self, name: &str) -> bool {
        self.is_ignored_by_name(name) || self.rules.ignored.iter().any(|ignored| ignored == "*")
    }
}

/// What to do about unknown columns: the name that the first is nearest to, if it is near.
fn hint(names: &[String]) -> String {
    let near = |(column, aliases): &(Column, &[&str])| {
        let of = |alias: &&str| strsim::normalized_damerau_levenshtein(alias, &plain(&names[0]));
        let nearest = aliases.iter().map(of).fold(0.0, f64::max);
        (nearest, *column)
    };
    let nearest = ALIASES.iter().map(near).max_by(|a, b| a.0.total_cmp(&b.0));
    let meant = nearest.filter(|(near, _)| *near >= 0.6);
    let ignore = format!(
        "--ignore-columns {:?} reads the file without",
        names.join(",")
    );
    match meant {
        Some((_, column)) => format!(
            "is {:?} meant to be {column}? Then --map {column}={}; else {ignore}",
            names[0], names[0]
        ),
        None => ignore,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(names: &[&str]) -> Result<Header, HeaderError> {
        Header::parse(&ByteRecord::from(names.to_vec()), &Rules::default())
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
            "unknown column \"Klasse\", \"Note\" (expected UserId, Nickname, Avatar)\n\
             hint: --ignore-columns \"Klasse,Note\" reads the file without"
        );
        assert_eq!(
            message(&["UserId", "Avatar", "Avatar"]),
            "column \"Avatar\" stands in the header twice"
        );
        assert_eq!(
            message(&["3091", "李娜", "李娜"]),
            "none of the 3 cells is UserId: is the header row missing, or does something stand above it? \
             (expected a first line like UserId,Nickname,Avatar)\n\
             hint: a column of another name is told with --map UserId=NAME"
        );
        assert!(message(&["UserId", "Nicknaem"]).contains(
            "hint: is \"Nicknaem\" meant to be Nickname? Then --map Nickname=Nicknaem; else --ignore"
        ));
        assert_eq!(
            message(&["用户ID", "昵称", "姓名"]),
            "columns \"昵称\" and \"姓名\" both mean Nickname\n\
             hint: say which with --map Nickname=昵称, and --ignore-columns 姓名"
        );
        assert!(message(&["UserId", "", "Avatar"]).starts_with("column 2 has no name\nhint: "));
        assert!(message(&["UserId"]).contains("nothing to set"));
        assert!(message(&["UserId", "Nickname", "_code"]).contains("_run"));
    }

    #[test]
    fn names_of_exports_and_of_the_person_are_understood() {
        for names in [
            ["user_id", "NICKNAME", "Avatar URL"],
            ["用户ID", "昵称", "头像"],
            ["\u{FEFF}用户编号", " 姓名 ", "头像 Url"],
        ] {
            let header = parse(&names).unwrap();
            let places = (header.user, header.nickname, header.avatar);
            assert_eq!(places, (0, Some(1), Some(2)), "{names:?}");
        }
        let rules = Rules {
            map: vec![
                (Column::UserId, "学号".into()),
                (Column::Nickname, "昵称".into()),
            ],
            ignored: vec!["姓名".into(), "班级".into()],
            ..Rules::default()
        };
        let parse = |names: &[&str]| Header::parse(&ByteRecord::from(names.to_vec()), &rules);
        let header = parse(&["班级", "姓名", "昵称", "学号", "", ""]).unwrap();
        assert_eq!(
            (header.user, header.nickname, header.width),
            (3, Some(2), 4)
        );
        let error = parse(&["UserId", "昵称"]).unwrap_err();
        let told = "there is no column \"学号\", which --map says is UserId";
        assert_eq!(error.to_string(), told);
        let rules = Rules {
            map: vec![
                (Column::UserId, "学号".into()),
                (Column::Nickname, " 学号".into()),
            ],
            ..Rules::default()
        };
        let names = ByteRecord::from(vec!["学号", "昵称"]);
        let error = Header::parse(&names, &rules).unwrap_err();
        let told = "--map says of column \" 学号\" that it is UserId and Nickname";
        assert_eq!(error.to_string(), told);
        let rules = Rules {
            ignored: vec!["*".into()],
            ..Rules::default()
        };
        let names = ByteRecord::from(vec!["a", "UserId", "b", "昵称"]);
        let header = Header::parse(&names, &rules).unwrap();
        assert_eq!((header.user, header.nickname), (1, Some(3)));
    }

    #[test]
    fn t5_a_failures_file_is_known_by_its_columns() {
        let mut names = vec!["UserId", "Nickname"];
        names.extend(OWN_COLUMNS);
        let header = parse(&names).unwrap();
        assert_eq!(
            header.fed_back,
            Some(FedBack {
                run: 8,
                cells: Some(10)
            })
        );
        assert_eq!(header.own.len(), 2);
    }

    #[test]
    fn a_header_in_the_middle_is_known_in_any_spelling_and_order() {
        let header = parse(&["UserId", "Nickname", "Avatar"]).unwrap();
        let of = |cells: &[&'static str]| header.likeness(|at| cells.get(at).map(|c| c.as_bytes()));
        assert_eq!(of(&["UserId", "Nickname", "Avatar"]), Likeness::Repeated);
        assert_eq!(of(&["用户ID", " NICK_NAME", "头像"]), Likeness::Repeated);
        assert_eq!(of(&["Nickname", "UserId", "Avatar"]), Likeness::Another);
        assert_eq!(of(&["userid", "avatar", ""]), Likeness::Another);
        for row in [
            ["u1", "张伟", ""],
            ["nick", "Nick", ""],
            ["name", "Ann", ""],
        ] {
            assert_eq!(of(&row), Likeness::Row, "{row:?}");
        }
        let header = parse(&["UserId", "Avatar"]).unwrap();
        let cells = ["Nickname", "UserId"];
        let found = header.likeness(|at| cells.get(at).map(|c| c.as_bytes()));
        assert_eq!(found, Likeness::Another);
    }
}
