//! `whoami`: which keys a run would use, whose they are, how long they last, and whether the ledger
//! is that account's. Temporary keys are fetched for it; the service itself is not called, so
//! nothing here says that it would accept them. Nothing secret is shown.

// Doc comments of flags are help texts of a terminal.
#![allow(rustdoc::bare_urls)]

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use chrono::{SecondsFormat, TimeDelta};
use clap::Args;
use serde::Serialize;

use crate::cli::account::{account, find_keys, open_keys};
use crate::cli::args::ApplyArgs;
use crate::cli::exit::Exit;
use crate::cli::printer::{Printer, start_logging};
use crate::cli::settings::{Environment, Settings, System};
use crate::ledger::{Account, Ledger, LedgerError};
use crate::report::words::clean;
use crate::state::ledger_in;
use crate::tencent::credentials::keyring::Expiry;
use crate::tencent::credentials::{Found, Identity, Keyring};
use crate::tencent::endpoint::Endpoint;

/// The flags of `whoami`, as typed. They mean what they mean for `apply`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(after_help = AFTER)]
pub struct WhoamiArgs {
    /// Where the service is [default: https://lcic.tencentcloudapi.com]
    #[arg(long, value_name = "URL", conflicts_with = "site")]
    pub endpoint: Option<String>,

    /// Which site the account belongs to: cn or intl
    #[arg(long, value_name = "SITE", value_parser = ["cn", "intl"])]
    pub site: Option<String>,

    /// A name for the account; needed only with temporary keys that name no role
    #[arg(long, value_name = "LABEL")]
    pub account: Option<String>,

    /// Trust the certificates in this file, too
    #[arg(long, value_name = "PEM")]
    pub ca_file: Option<PathBuf>,

    /// Where the ledger is kept
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Read flags from this file [default: ./lcic-sync.toml where there is one]
    #[arg(long, value_name = "TOML")]
    pub config: Option<PathBuf>,

    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

const AFTER: &str = "\
Looks for keys in this order:
  1. TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY (and TENCENTCLOUD_TOKEN)
  2. the file named by TENCENTCLOUD_CREDENTIALS_FILE
  3. ~/.tencentcloud/credentials, then /etc/tencentcloud/credentials
  4. the tccli profile TCCLI_PROFILE, or default
  5. the identity of a TKE pod (TKE_ROLE_ARN and its three companions)
  6. the role of this machine (CVM)
With TENCENTCLOUD_ROLE_ARN, the keys found only serve to assume that role.

Exits with 0, or with 2 when there are no keys.

Examples:
  lcic-sync whoami
  lcic-sync whoami --json";

/// The version of the JSON.
const SCHEMA_VERSION: u32 = 1;

/// What there is to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Whoami {
    schema_version: u32,
    /// Where the keys come from.
    source: String,
    /// The role that they are used to assume.
    assumed_role: Option<String>,
    /// The account as a run would name it; nothing if it would refuse for want of a name.
    account: Option<String>,
    endpoint: String,
    /// Whether the keys end by themselves.
    temporary: bool,
    /// When they end, by the clock of who gave them, if anybody said so.
    expires_at: Option<String>,
    expires_in_seconds: Option<i64>,
    /// Whether a run would get new ones by itself.
    renewed: bool,
    ledger: LedgerFound,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct LedgerFound {
    path: PathBuf,
    #[serde(flatten)]
    state: LedgerState,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum LedgerState {
    /// The first run will make it.
    None,
    /// No run has used it.
    Unused,
    /// A run could go on with it.
    ThisAccount,
    /// A run would be refused.
    OtherAccount {
        account: String,
    },
    Unusable {
        why: String,
    },
}

/// The command itself.
///
/// # Errors
/// Usage or configuration; no keys.
pub async fn main(args: &WhoamiArgs) -> Result<Exit, (Exit, anyhow::Error)> {
    let usage = |error: anyhow::Error| (Exit::Usage, error);
    let settings = settings(args, &System).map_err(usage)?;
    let printer = Printer::new(false, 0);
    start_logging(&printer, &System).map_err(|error| usage(error.into()))?;
    let found = find_keys(&System).map_err(usage)?;
    for warning in &found.warnings {
        printer.warn(warning);
    }
    let whoami = look(&settings, found).await.map_err(usage)?;
    let text = match settings.json {
        true => whoami.to_json(),
        false => whoami.in_words(),
    };
    printer.data(&text).map_err(|error| usage(error.into()))?;
    Ok(Exit::Done)
}

/// The settings that an `apply` with these flags would have.
pub(super) fn settings(
    args: &WhoamiArgs,
    environment: &dyn Environment,
) -> anyhow::Result<Settings> {
    let args = args.clone();
    let apply = ApplyArgs {
        // Nothing is read; an apply just needs one.
        files: vec!["-".into()],
        endpoint: args.endpoint,
        site: args.site,
        account: args.account,
        ca_file: args.ca_file,
        state_dir: args.state_dir,
        config: args.config,
        json: args.json,
        ..ApplyArgs::default()
    };
    Ok(Settings::resolve(&apply, environment)?)
}

/// Gets the keys and looks at the ledger.
///
/// # Errors
/// When there are no keys, or the endpoint is none.
pub async fn look(settings: &Settings, found: Found) -> anyhow::Result<Whoami> {
    let endpoint = Endpoint::parse(&settings.endpoint)
        .map_err(|error| anyhow!("--endpoint {}: {error}", settings.endpoint))?;
    let keys: &Keyring = &*open_keys(found, settings).await?;
    let label = settings.account.as_deref();
    let account = account(label, endpoint.host_header(), keys.identity()).ok();
    let path = ledger_in(&settings.state_dir);
    let state = ledger_state(&path, account.as_ref()).unwrap_or_else(|error| {
        let why = error.to_string();
        LedgerState::Unusable { why }
    });
    let provider = keys.provider();
    let expiry = keys.expiry();
    Ok(Whoami {
        schema_version: SCHEMA_VERSION,
        source: provider.source().to_string(),
        assumed_role: provider.role().map(|role| role.arn.clone()),
        account: account.map(|account| account.label),
        endpoint: endpoint.to_string(),
        temporary: expiry.is_some() || keys.identity() == &Identity::Unnamed,
        expires_at: expiry.map(|expiry| expiry.at.to_rfc3339_opts(SecondsFormat::Secs, true)),
        expires_in_seconds: expiry.map(|Expiry { left, .. }| left.num_seconds()),
        renewed: provider.is_renewable(),
        ledger: LedgerFound { path, state },
    })
}

fn ledger_state(path: &Path, account: Option<&Account>) -> Result<LedgerState, LedgerError> {
    let Some(ledger) = Ledger::look(path)? else {
        return Ok(LedgerState::None);
    };
    let owners = ledger.owners()?;
    let Some(owner) = owners.last() else {
        return Ok(LedgerState::Unused);
    };
    let is_this = |account: &Account| owners.iter().any(|owner| owner.account.is(account));
    Ok(match account.is_some_and(is_this) {
        true => LedgerState::ThisAccount,
        false => LedgerState::OtherAccount {
            account: owner.account.shown(),
        },
    })
}

impl Whoami {
    /// For a program.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("texts and numbers");
        json.push('\n');
        json
    }

    /// For a person.
    pub fn in_words(&self) -> String {
        let account = match &self.account {
            Some(account) => account.clone(),
            None => "not known: temporary keys don't say; name it with --account LABEL".into(),
        };
        let mut lines = vec![("keys from", self.source.clone())];
        if let Some(role) = &self.assumed_role {
            lines.push(("assuming", role.clone()));
        }
        lines.push(("account", account));
        lines.push(("endpoint", self.endpoint.clone()));
        lines.push(("expires", self.expiry_in_words()));
        lines.push(("ledger", self.ledger_in_words()));
        let lines = lines.iter();
        lines
            .map(|(name, text)| format!("{name:<10} {}\n", clean(text)))
            .collect()
    }

    fn expiry_in_words(&self) -> String {
        match (&self.expires_at, self.expires_in_seconds) {
            (Some(at), Some(seconds)) => {
                let renewed = match self.renewed {
                    true => "; a run renews them in time",
                    false => "",
                };
                format!("{at} ({}){renewed}", from_now(seconds))
            }
            _ if self.temporary => "not known: the keys are temporary".into(),
            _ => "does not expire".into(),
        }
    }

    fn ledger_in_words(&self) -> String {
        let path = self.ledger.path.display();
        match &self.ledger.state {
            LedgerState::None => format!("none yet ({path})"),
            LedgerState::Unused => format!("{path}, not used yet"),
            LedgerState::ThisAccount => format!("{path}, of this account"),
            LedgerState::OtherAccount { account } => {
                format!("{path}, of another account: {account}")
            }
            LedgerState::Unusable { why } => why.clone(),
        }
    }
}

/// `in 1 h 12 min`.
fn from_now(seconds: i64) -> String {
    let left = TimeDelta::seconds(seconds);
    let (hours, minutes) = (left.num_hours(), left.num_minutes() % 60);
    match (hours, minutes) {
        _ if seconds <= 0 => "now".into(),
        (0, 0) => format!("in {seconds} s"),
        (0, minutes) => format!("in {minutes} min"),
        (hours, 0) => format!("in {hours} h"),
        (hours, minutes) => format!("in {hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_do() {
        for (seconds, words) in [
            (-5, "now"),
            (0, "now"),
            (59, "in 59 s"),
            (60, "in 1 min"),
            (3599, "in 59 min"),
            (3600, "in 1 h"),
            (4320, "in 1 h 12 min"),
        ] {
            assert_eq!(from_now(seconds), words);
        }
    }
}
