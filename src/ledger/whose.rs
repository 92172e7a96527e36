//! Whom a ledger belongs to, without opening it for a run: nothing is made, locked or changed, so
//! it may be asked while a run is at work.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{Account, LedgerError, Result, meta, not_a_ledger, pragma, schema};

/// What stands at a ledger's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// No file.
    Nothing,
    /// A ledger that no run has used yet.
    Nobodys,
    /// The ledger of this account.
    Of(Account),
}

/// Looks.
///
/// # Errors
/// When something else stands there, or it can't be read.
pub fn whose(path: &Path) -> Result<Whose> {
    if !path.exists() {
        return Ok(Whose::Nothing);
    }
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let found: u32 = pragma(&db, "application_id").map_err(|error| not_a_ledger(path, error))?;
    let n_tables: u32 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if n_tables == 0 {
        return Ok(Whose::Nobodys);
    }
    if found != schema::APPLICATION_ID {
        return Err(LedgerError::NotALedger { path: path.into() });
    }
    let Some(host) = meta(&db, "host")? else {
        return Ok(Whose::Nobodys);
    };
    Ok(Whose::Of(Account {
        host,
        identity: meta(&db, "identity")?.unwrap_or_default(),
        label: meta(&db, "account")?.unwrap_or_default(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    #[test]
    fn a_look_makes_nothing_and_finds_the_account() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.sqlite3");
        assert_eq!(whose(&path).unwrap(), Whose::Nothing);
        assert!(!path.exists());

        let (mut ledger, _) = Ledger::open(&path).unwrap();
        assert_eq!(whose(&path).unwrap(), Whose::Nobodys);
        let account = Account {
            host: "h".into(),
            identity: "label:school".into(),
            label: "school".into(),
        };
        ledger.pin(&account).unwrap();
        // While the ledger is open, and afterwards.
        assert_eq!(whose(&path).unwrap(), Whose::Of(account.clone()));
        drop(ledger);
        assert_eq!(whose(&path).unwrap(), Whose::Of(account));

        std::fs::write(&path, "UserId,Nickname\n").unwrap();
        let error = whose(&path).unwrap_err();
        assert!(matches!(error, LedgerError::NotALedger { .. }), "{error}");
    }
}
