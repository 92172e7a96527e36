//! What is held against a plan before anything is sent: an export that went wrong shows in how
//! much it would change, in how few rows it has, or in how few it has compared with the last one.

use crate::lang::{Lang, thousands};
use crate::plan::Plan;

/// What the person wants a plan to keep to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Guards {
    /// `--max-changes`.
    pub max_changes: Option<MaxChanges>,
    /// `--min-rows`.
    pub min_rows: Option<u64>,
}

/// How many changes are too many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxChanges {
    /// More than this number.
    Number(u64),
    /// More than these hundredths of the users that the ledger knows to hold something.
    Percent(f64),
}

impl MaxChanges {
    /// Reads `500` or `5%`.
    pub fn parse(text: &str) -> Option<Self> {
        let Some(percent) = text.strip_suffix('%') else {
            return text.parse().ok().map(Self::Number);
        };
        let percent = percent.trim_end().parse().ok();
        let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
        percent.map(Self::Percent)
    }

    /// The number that is still allowed, where `held` users hold something. A share of nobody says
    /// nothing: a first run has no limit.
    fn allows(self, held: u64) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Percent(_) if held == 0 => None,
            Self::Percent(percent) => Some((held as f64 * percent / 100.0).floor() as u64),
        }
    }
}

impl std::fmt::Display for MaxChanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// What a plan does not keep to. Each names number, limit and flag; in English, for the record, and
/// [`Lang::retold`] tells it in Chinese.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unguarded {
    /// Too much would change.
    #[error("{}", too_many(*.changes, *.allowed, .limit, *.held))]
    TooManyChanges {
        /// Changes to be sent.
        changes: u64,
        /// What the flag comes to.
        allowed: u64,
        /// The flag's value.
        limit: String,
        /// Users that a share is of.
        held: Option<u64>,
    },
    /// Too few rows came in.
    #[error("{}", Lang::En.too_few_rows(Lang::En.rows(*.rows), thousands(*.wanted)))]
    TooFewRows {
        /// Rows in the input.
        rows: u64,
        /// The flag's value.
        wanted: u64,
    },
}

fn too_many(changes: u64, allowed: u64, limit: &str, held: Option<u64>) -> String {
    let lang = Lang::En;
    let (changes, allowed) = (lang.changes(changes), thousands(allowed));
    match held {
        Some(held) => lang.too_many_of_held(changes, limit, allowed, lang.users(held)),
        None => lang.too_many_changes(changes, limit, allowed),
    }
}

impl Guards {
    /// Whether the plan keeps to them.
    ///
    /// # Errors
    /// When it does not: then nothing may be sent.
    pub fn check(&self, plan: &Plan) -> Result<(), Unguarded> {
        self.check_numbers(plan.settled.read, plan.changes, plan.users_held)
    }

    fn check_numbers(&self, rows: u64, changes: u64, held: u64) -> Result<(), Unguarded> {
        if let Some(wanted) = self.min_rows
            && rows < wanted
        {
            return Err(Unguarded::TooFewRows { rows, wanted });
        }
        if let Some(limit) = self.max_changes
            && let Some(allowed) = limit.allows(held)
            && changes > allowed
        {
            return Err(Unguarded::TooManyChanges {
                changes,
                allowed,
                limit: limit.to_string(),
                held: matches!(limit, MaxChanges::Percent(_)).then_some(held),
            });
        }
        Ok(())
    }
}

/// What to warn of when an input has shrunk to half or less of what it was in the run before.
pub fn shrank(rows: u64, before: Option<u64>, lang: Lang) -> Option<String> {
    let before = before.filter(|before| *before > 0 && rows <= before / 2)?;
    Some(lang.shrank(lang.rows(rows), thousands(before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_changes_are_refused_by_number_or_by_share_of_the_users_held() {
        let table = [
            // Flag, changes, users held, what it says.
            ("500", 500, 0, None),
            (
                "500",
                501,
                9,
                Some("501 changes, and --max-changes 500 allows 500\n"),
            ),
            ("0", 1, 9, Some("1 change, and --max-changes 0 allows 0\n")),
            ("5%", 500, 10_000, None),
            (
                "5%",
                501,
                10_000,
                Some(
                    "501 changes, and --max-changes 5% allows 500 (of 10,000 users in the ledger)\n",
                ),
            ),
            (
                "0.5 %",
                6,
                1000,
                Some("6 changes, and --max-changes 0.5% allows 5 (of 1,000"),
            ),
            // Of nobody there is no share: a first run sends everything.
            ("5%", 1_000_000, 0, None),
            (
                "100%",
                1001,
                1000,
                Some("1,001 changes, and --max-changes 100% allows 1,000"),
            ),
        ];
        for (flag, changes, held, says) in table {
            let guards = Guards {
                max_changes: Some(MaxChanges::parse(flag).unwrap()),
                min_rows: None,
            };
            let found = guards.check_numbers(2_000_000, changes, held);
            let found = found.err().map(|error| error.to_string());
            if let Some(found) = &found {
                let told = Lang::Zh.retold(found);
                assert!(told.contains(" 项变更，而 --max-changes ") && !told.contains("hint"));
            }
            match (found, says) {
                (None, None) => {}
                (Some(found), Some(says)) => assert!(found.starts_with(says), "{found}"),
                (found, says) => panic!("--max-changes {flag}: {found:?}, not {says:?}"),
            }
        }
        for unfit in ["", "%", "-1", "5 percent", "101%", "-1%", "NaN%", "1.5"] {
            assert_eq!(MaxChanges::parse(unfit), None, "{unfit:?}");
        }
    }

    #[test]
    fn too_few_rows_are_refused_and_half_of_the_rows_is_worth_a_warning() {
        let guards = Guards {
            max_changes: None,
            min_rows: Some(1000),
        };
        assert_eq!(guards.check_numbers(1000, 5, 5), Ok(()));
        let error = guards.check_numbers(999, 0, 5).unwrap_err().to_string();
        assert!(error.starts_with("999 rows in the input, and --min-rows wants 1,000\n"));

        assert_eq!(shrank(51, Some(100), Lang::En), None);
        assert_eq!(shrank(0, None, Lang::En), None);
        assert_eq!(shrank(0, Some(0), Lang::En), None);
        let warning = shrank(50, Some(100), Lang::En).unwrap();
        assert!(
            warning.starts_with("50 rows, and 100 in the last run"),
            "{warning}"
        );
    }
}
