//! Whom a command acts for: finds the keys, and names their account (rule T8).

use std::sync::Arc;

use anyhow::anyhow;
use chrono::Utc;

use super::settings::{Environment, Settings, home};
use crate::ledger::{Account, Ledger, LedgerError};
use crate::tencent::credentials::{
    self, CredentialsError, Found, Identity, Issuers, Keyring, ReachSettings,
};

/// Looks for keys in the surroundings of this process.
///
/// # Errors
/// When a place is there but wrong.
pub fn find_keys(environment: &dyn Environment) -> anyhow::Result<Found> {
    let home = home(environment);
    let found: Result<_, CredentialsError> = credentials::find(
        &|name| environment.var(name),
        home.as_deref(),
        Issuers::default(),
    );
    Ok(found?)
}

/// Gets the first keys.
///
/// # Errors
/// When there are none.
pub async fn open_keys(found: Found, settings: &Settings) -> anyhow::Result<Arc<Keyring>> {
    let reach = ReachSettings {
        extra_ca: settings.ca_file.clone(),
        wall_clock: Arc::new(Utc::now),
    };
    Ok(found.open(reach).await?)
}

/// Whom calls to `host` act for. What the keys say counts; a label that the person gives only
/// shows, unless the keys say nothing: it is easily left in a profile that serves two accounts.
///
/// # Errors
/// When neither says anything.
pub fn account(label: Option<&str>, host: &str, identity: &Identity) -> anyhow::Result<Account> {
    let pinned = identity
        .pinned()
        .or_else(|| label.map(|label| format!("label:{label}")));
    match (pinned, label.or(identity.label())) {
        (Some(identity), Some(label)) => Ok(Account {
            host: host.to_owned(),
            identity,
            label: label.to_owned(),
        }),
        _ => Err(anyhow!(
            "temporary keys (with a token) don't say whose they are, and each account has its own ledger\n\
             hint: name the account with --account LABEL, always the same for the same account"
        )),
    }
}

/// Whom a plan is for: as far as the keys say it without anybody being asked, else whom the ledger
/// belongs to. Nobody where there are no keys and the ledger is new.
///
/// # Errors
/// When the ledger belongs to somebody else.
pub fn account_of_plan(
    ledger: &Ledger,
    found: &Found,
    label: Option<&str>,
    host: &str,
) -> Result<Option<Account>, LedgerError> {
    let foreseen = found.provider.foreseen();
    match foreseen.and_then(|identity| account(label, host, &identity).ok()) {
        None => ledger.account_at(host),
        Some(account) => {
            ledger.check_account(&account)?;
            Ok(Some(account))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::io;
    use std::path::{Path, PathBuf};

    use super::*;

    /// cron's: no variables, a user with this home.
    struct Cron<'h>(&'h Path);

    impl Environment for Cron<'_> {
        fn var(&self, _: &str) -> Option<OsString> {
            None
        }

        fn current_dir(&self) -> io::Result<PathBuf> {
            Ok("/".into())
        }

        fn passwd(&self) -> Option<String> {
            Some(format!("x:x:7:7::{}:/bin/sh", self.0.display()))
        }

        fn uid(&self) -> u32 {
            7
        }

        fn entropy(&self) -> u64 {
            0
        }
    }

    #[test]
    fn keys_in_the_home_directory_are_found_without_a_variable_that_names_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".tencentcloud/credentials");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "[default]\nsecret_id = AKIDx\nsecret_key = y\n").unwrap();
        let found = find_keys(&Cron(home.path())).unwrap();
        let source = found.provider.source().to_string();
        assert!(source.contains(path.to_str().unwrap()), "{source}");
    }

    #[test]
    fn t8_the_key_or_the_role_counts_and_a_label_only_where_they_say_nothing() {
        let key = Identity::Key {
            fingerprint: "ba7816bf8f01cfea".into(),
            label: "AKID…1234".into(),
        };
        let arn = "qcs::cam::uin/1:roleName/sync";
        let role = Identity::Role(arn.into());
        let machine = Identity::Role("cvm-role:sync".into());
        for (label, identity, pinned, shown) in [
            (None, &key, "key:ba7816bf8f01cfea", "AKID…1234 at h"),
            (
                None,
                &role,
                "role:qcs::cam::uin/1:roleName/sync",
                "qcs::cam::uin/1:roleName/sync at h",
            ),
            (None, &machine, "role:cvm-role:sync", "cvm-role:sync at h"),
            (Some("school"), &key, "key:ba7816bf8f01cfea", "school at h"),
            (
                Some("school"),
                &role,
                "role:qcs::cam::uin/1:roleName/sync",
                "school at h",
            ),
            (
                Some("school"),
                &Identity::Unnamed,
                "label:school",
                "school at h",
            ),
        ] {
            let account = account(label, "h", identity).unwrap();
            assert_eq!(account.identity, pinned);
            assert_eq!(account.shown(), shown);
        }
        let error = account(None, "h", &Identity::Unnamed).unwrap_err();
        assert!(error.to_string().contains("--account LABEL"), "{error}");
    }
}
