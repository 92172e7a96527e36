//! Whom a run acts for: finds the keys, fetches temporary ones and keeps them fresh.
//!
//! **The order** (PROTOCOL §e.1). The first place that has keys decides, and nothing is ever mixed
//! from two places:
//! 1. `TENCENTCLOUD_SECRET_ID` and `TENCENTCLOUD_SECRET_KEY`, with `TENCENTCLOUD_TOKEN` or
//!    `TENCENTCLOUD_SESSION_TOKEN` (the official tools don't agree on its name, §e.2);
//! 2. the file that `TENCENTCLOUD_CREDENTIALS_FILE` names;
//! 3. `~/.tencentcloud/credentials`, then `/etc/tencentcloud/credentials`;
//! 4. the profile of tccli that `TCCLI_PROFILE` names, else its `default`;
//! 5. TKE's identity of a pod, if its four `TKE_*` variables are set;
//! 6. the role of this virtual machine, by its metadata service.
//!
//! What somebody wrote down for this program comes before what another tool left behind, and that
//! before what the surroundings happen to offer. A pod comes before the machine it runs on: it has
//! an identity of its own so as not to use the machine's. The machine comes last because finding
//! out costs a question to the network.
//!
//! With `TENCENTCLOUD_ROLE_ARN`, or `role-arn` in the tccli profile, the keys found only serve to
//! assume that role (§e.5).
//!
//! A place that is there but wrong is an error, never skipped: acting for another account than the
//! one somebody wrote down is worse than not acting.
//!
//! **Invariants.** No error, warning, log line or `Debug` shows a value. Id, key and token are one
//! value and travel as one. Whose keys they are does not change within a run.
//!
//! Parts, in reading order: [`key`] is one key; `environment`, [`ini`], [`tccli`] read the places
//! on this machine (`files`: how a file is opened); [`reach`] is how the issuers of temporary keys
//! are asked, `metadata` and `sts` ask them; [`provider`] is where a run's keys come from,
//! [`identity`] whose they are, and [`keyring`] is what calls are signed with.

mod environment;
mod files;
pub mod identity;
pub mod ini;
pub mod key;
pub mod keyring;
mod metadata;
pub mod provider;
pub mod reach;
mod sts;
pub mod tccli;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use identity::Identity;
pub use key::{Credentials, Flaw};
pub use keyring::Keyring;
pub use provider::{Provider, RefreshError, Source};
pub use reach::{Issuers, ReachSettings};

use environment::{CREDENTIALS_FILE, SECRET_ID, SECRET_KEY, SESSION_TOKEN, TCCLI_PROFILE, TOKEN};
use ini::FileFlaw;
use provider::{Base, CvmRole};
use reach::Reach;
use tccli::{Profile, ProfileFlaw};

const SYSTEM_FILE: &str = "/etc/tencentcloud/credentials";

/// Gives the value of a variable of the environment.
pub type Variables<'v> = dyn Fn(&str) -> Option<OsString> + 'v;

/// Where the keys of a run come from, and what is to be told about that. Nothing was asked of the
/// network yet.
#[derive(Debug)]
pub struct Found {
    /// Where they come from.
    pub provider: Provider,
    /// Lines for the person who runs this: nothing is wrong enough to stop.
    pub warnings: Vec<String>,
    /// Who is asked for temporary keys.
    pub issuers: Issuers,
    /// The places without keys, if the machine's role is all that is left.
    looked_at: Option<Vec<String>>,
}

impl Found {
    /// Keys that are known already.
    pub fn fixed(credentials: Credentials, source: Source) -> Self {
        Self::of(Provider::fixed(credentials, source), Issuers::default())
    }

    /// Keys from a place that is known already.
    pub fn of(provider: Provider, issuers: Issuers) -> Self {
        Self {
            provider,
            warnings: Vec::new(),
            issuers,
            looked_at: None,
        }
    }

    /// Fetches the first keys, where they are to be fetched.
    ///
    /// # Errors
    /// When there are none.
    pub async fn open(self, settings: ReachSettings) -> Result<Arc<Keyring>, OpenError> {
        let reach = Reach::new(self.issuers, settings);
        match Keyring::open(self.provider, reach).await {
            Ok(keyring) => Ok(keyring),
            Err(error) => Err(match (error, self.looked_at) {
                (RefreshError::NoMetadata(no_role), Some(looked_at)) => {
                    OpenError::NotFound { looked_at, no_role }
                }
                (error, _) => OpenError::Refresh(error),
            }),
        }
    }
}

/// Why there are no keys to begin with.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing in any place.
    #[error(
        "no credentials found (looked at {}, the role of this machine)\n\
         hint: set {SECRET_ID} and {SECRET_KEY}\n\
         hint: if this is a CVM with a role: {no_role}",
        .looked_at.join(", ")
    )]
    NotFound {
        /// The places on this machine, in order.
        looked_at: Vec<String>,
        /// Why the machine's role gives none.
        no_role: String,
    },
    /// There is a place, and it gave none.
    #[error(transparent)]
    Refresh(RefreshError),
}

/// Why a place on this machine gives no keys.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// One of variables that belong together.
    #[error("{set} is set, but {missing} is not (or is empty)")]
    OnlyOne {
        /// The variable that is there.
        set: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
    /// Two tokens.
    #[error("{TOKEN} and {SESSION_TOKEN} are both set and differ: unset one of them")]
    TokensDiffer,
    /// A variable with a value that can't be what it should be.
    #[error("the value of {name} {flaw}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The variable for the file is there, but empty (the Go SDK refuses that, too: PROTOCOL
    /// §e.2).
    #[error("{CREDENTIALS_FILE} is set, but empty")]
    EmptyFileVariable,
    /// A file that can't be read.
    #[error("{}: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// An ini file with something else in it.
    #[error("{}: {flaw}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        flaw: FileFlaw,
    },
    /// A tccli profile that is asked for by name and not there.
    #[error(
        "{}: there is no such profile of tccli (asked for by {TCCLI_PROFILE})\nhint: tccli configure list --profile NAME, or unset {TCCLI_PROFILE}",
        .path.display()
    )]
    NoProfile {
        /// The file that it would be.
        path: PathBuf,
    },
    /// A tccli profile with something else in it.
    #[error("{}: {flaw}", .path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        flaw: ProfileFlaw,
    },
}

/// Looks in all places of this machine, in order. `home` is the directory of the user; `issuers`
/// are asked later, by [`Found::open`].
///
/// # Errors
/// When a place is there but wrong.
pub fn find(
    variables: &Variables<'_>,
    home: Option<&Path>,
    issuers: Issuers,
) -> Result<Found, CredentialsError> {
    let found = find_in(variables, home, Path::new(SYSTEM_FILE))?;
    Ok(Found { issuers, ..found })
}

fn find_in(
    variables: &Variables<'_>,
    home: Option<&Path>,
    system_file: &Path,
) -> Result<Found, CredentialsError> {
    let mut warnings = Vec::new();
    let role = environment::role(variables, &mut warnings)?;
    let (base, looked_at) = base(variables, home, system_file, &mut warnings)?;
    let (base, role_of_profile) = match base {
        Place::Base(base) => (base, None),
        Place::Profile(profile) => (profile.base, profile.role),
    };
    let from_profile = matches!(base.source(), Source::Tccli { .. });
    if !from_profile && environment::is_set(variables, TCCLI_PROFILE) {
        let source = base.source();
        warnings.push(format!(
            "{TCCLI_PROFILE} is set, but the keys come from {source}: not used"
        ));
    }
    let provider = Provider::new(base, role.or(role_of_profile));
    Ok(Found {
        warnings,
        looked_at,
        ..Found::of(provider, Issuers::default())
    })
}

/// What a place gives.
enum Place {
    Base(Base),
    Profile(Profile),
}

/// The first place that has keys, and for the last resort the places that have none.
fn base(
    variables: &Variables<'_>,
    home: Option<&Path>,
    system_file: &Path,
    warnings: &mut Vec<String>,
) -> Result<(Place, Option<Vec<String>>), CredentialsError> {
    let fixed = |credentials, source| {
        let base = Base::Fixed {
            credentials,
            source,
        };
        Ok((Place::Base(base), None))
    };
    let mut looked_at = vec![format!("{SECRET_ID}, {CREDENTIALS_FILE}")];
    if let Some(credentials) = environment::key(variables, warnings)? {
        return fixed(credentials, Source::Environment);
    }
    if let Some(path) = variables(CREDENTIALS_FILE) {
        if path.is_empty() {
            return Err(CredentialsError::EmptyFileVariable);
        }
        let path = PathBuf::from(path);
        return match ini_file(&path, warnings)? {
            Some(credentials) => fixed(credentials, Source::File(path)),
            None => Err(CredentialsError::Unreadable {
                error: fs::metadata(&path)
                    .err()
                    .unwrap_or_else(|| io::ErrorKind::NotFound.into()),
                path,
            }),
        };
    }
    let in_home = home.map(|home| home.join(".tencentcloud").join("credentials"));
    for path in in_home.into_iter().chain([system_file.to_owned()]) {
        match ini_file(&path, warnings)? {
            Some(credentials) => return fixed(credentials, Source::File(path)),
            None => looked_at.push(path.display().to_string()),
        }
    }
    if let Some(home) = home {
        match tccli::find(variables, home, warnings)? {
            Ok(profile) => return Ok((Place::Profile(profile), None)),
            Err(path) => looked_at.push(path.display().to_string()),
        }
    }
    if let Some(oidc) = environment::tke(variables)? {
        return Ok((Place::Base(Base::TkeOidc(oidc)), None));
    }
    looked_at.push("TKE_ROLE_ARN".to_owned());
    let cvm_role = CvmRole::of_this_machine(Source::CvmRole);
    Ok((Place::Base(Base::CvmRole(cvm_role)), Some(looked_at)))
}

/// The key in an ini file, or nothing if there is no such file.
fn ini_file(
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Option<Credentials>, CredentialsError> {
    let unreadable = |error| CredentialsError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let Some(file) = files::open(path).map_err(unreadable)? else {
        return Ok(None);
    };
    let read = match files::text(&file).map_err(unreadable)? {
        Ok(text) => ini::read(&text),
        Err(flaw) => Err(FileFlaw::NotAText(flaw)),
    };
    match read {
        Ok(credentials) => {
            warnings.extend(files::too_open(&file, path));
            Ok(Some(credentials))
        }
        Err(flaw) => Err(CredentialsError::File {
            path: path.to_owned(),
            flaw,
        }),
    }
}

#[cfg(test)]
pub(super) mod doubles;
#[cfg(test)]
mod tests;
