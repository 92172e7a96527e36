//! Whom a ledger belongs to (rule T8): one account, known by one identity or, when its key was
//! replaced, by several that a person has vouched for.

use chrono::{DateTime, Utc};
use rusqlite::params;

use super::{Ledger, LedgerError, Result};

/// Whom a run acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Host of the endpoint.
    pub host: String,
    /// What stays the same when the same account comes again: a fingerprint of its permanent
    /// SecretId, or the label that the person gave. Nothing secret.
    pub identity: String,
    /// How it is shown.
    pub label: String,
}

impl Account {
    /// How it is shown, host included.
    pub fn shown(&self) -> String {
        format!("{} at {}", self.label, self.host)
    }

    /// Whether both are known by the same identity, whatever they are called.
    pub fn is(&self, other: &Self) -> bool {
        (&self.host, &self.identity) == (&other.host, &other.identity)
    }
}

/// An identity that a ledger is pinned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// It.
    pub account: Account,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl Ledger {
    /// Whom it belongs to, the first to come first; nobody before the first run.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn owners(&self) -> Result<Vec<Owner>> {
        let mut select = self
            .db
            .prepare("SELECT host, identity, label, since FROM account ORDER BY rowid")?;
        let owners = select.query_map([], |row| {
            Ok(Owner {
                account: Account {
                    host: row.get(0)?,
                    identity: row.get(1)?,
                    label: row.get(2)?,
                },
                since: DateTime::from_timestamp_millis(row.get(3)?).unwrap_or_default(),
            })
        })?;
        Ok(owners.collect::<rusqlite::Result<_>>()?)
    }

    /// Whether it belongs to `account`. If not, it is free to be pinned.
    ///
    /// # Errors
    /// [`LedgerError::OtherAccount`].
    pub fn check_account(&self, account: &Account) -> Result<bool> {
        let owner = self.owner(|owner| owner.is(account), &account.shown())?;
        Ok(owner.is_some())
    }

    /// Its account at `host`, for who has no keys; none if it is free to be pinned.
    ///
    /// # Errors
    /// [`LedgerError::OtherAccount`].
    pub fn account_at(&self, host: &str) -> Result<Option<Account>> {
        self.owner(|owner| owner.host == host, &format!("an account at {host}"))
    }

    /// The owner that fits. There is none where the ledger is nobody's, or of somebody under whom
    /// nothing was ever sent, because the first key was mistyped, or the first host.
    fn owner(&self, fits: impl Fn(&Account) -> bool, wanted: &str) -> Result<Option<Account>> {
        let owners = self.owners()?;
        let found = owners.iter().rev().find(|owner| fits(&owner.account));
        match (found, owners.last()) {
            (Some(owner), _) => Ok(Some(owner.account.clone())),
            (None, Some(owner)) if self.holds_anything()? => Err(LedgerError::OtherAccount {
                path: self.path.clone(),
                pinned: owner.account.shown(),
                found: wanted.into(),
            }),
            (None, _) => Ok(None),
        }
    }

    /// Pins it to `account`, or checks that it is pinned to it.
    ///
    /// # Errors
    /// [`LedgerError::OtherAccount`].
    pub fn pin(&mut self, account: &Account) -> Result<()> {
        if self.check_account(account)? {
            return Ok(());
        }
        let tx = self.db.transaction()?;
        tx.execute("DELETE FROM account", [])?;
        insert(&tx, account)?;
        tx.commit()?;
        Ok(())
    }

    /// Lets runs of `account` use it, too, because a person says that it is the same account: its
    /// key was replaced. Says whether that is news.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn adopt(&mut self, account: &Account) -> Result<bool> {
        Ok(insert(&self.db, account)? > 0)
    }

    /// Whether any user is known to hold, or perhaps to hold, what a run has sent.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn holds_anything(&self) -> Result<bool> {
        let any = "SELECT EXISTS (SELECT 1 FROM user
                     WHERE coalesce(nickname_at, nickname_doubt_at, avatar_at, avatar_doubt_at)
                           IS NOT NULL)
                OR EXISTS (SELECT 1 FROM doubt)";
        Ok(self.db.query_row(any, [], |row| row.get(0))?)
    }
}

fn insert(db: &rusqlite::Connection, account: &Account) -> Result<usize> {
    let Account {
        host,
        identity,
        label,
    } = account;
    Ok(db.execute(
        "INSERT INTO account (host, identity, label) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![host, identity, label],
    )?)
}
