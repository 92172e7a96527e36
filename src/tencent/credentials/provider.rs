//! Where a run's keys come from, and how new ones are got.

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::identity::Identity;
use super::key::{Credentials, Flaw};
use super::reach::Reach;
use super::tccli::Login;
use super::{CredentialsError, metadata, sts};
use crate::tencent::codes::{self, Class};
use crate::tencent::http::ClientError;

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Variables of the environment.
    Environment,
    /// A file.
    File(PathBuf),
    /// A profile of tccli.
    Tccli {
        /// Its name.
        profile: String,
        /// Its file.
        path: PathBuf,
    },
    /// The identity that TKE gives a pod.
    TkeOidc,
    /// The role of this machine.
    CvmRole,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("the environment"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Tccli { profile, path } => {
                write!(f, "the tccli profile {profile} ({})", path.display())
            }
            Self::TkeOidc => f.write_str("the pod's identity (TKE OIDC)"),
            Self::CvmRole => f.write_str("the role of this machine (CVM role)"),
        }
    }
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Which.
    pub arn: String,
    /// Under which name; it stands in the account's audit log.
    pub session: String,
}

impl Role {
    /// The session's name unless somebody gives another.
    pub const SESSION: &str = "lcic-sync";

    /// Takes a role whose ARN was checked; a session's name must be one that STS takes (PROTOCOL
    /// §e.5).
    pub fn new(arn: &str, session: Option<&str>) -> Result<Self, Flaw> {
        let session = session.unwrap_or(Self::SESSION);
        let fits = (2..=128).contains(&session.len())
            && session
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
        if !fits {
            return Err(Flaw::NotASession);
        }
        Ok(Self {
            arn: arn.to_owned(),
            session: session.to_owned(),
        })
    }
}

/// What TKE tells a pod about its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// The role it acts in.
    pub role_arn: String,
    /// Who vouches for it.
    pub provider_id: String,
    /// Where the cluster is.
    pub region: String,
    /// Where its token is; the cluster replaces it now and then.
    pub token_file: PathBuf,
}

/// The role that is bound to this machine.
#[derive(Debug)]
pub struct CvmRole {
    /// Known since the first answer.
    pub(super) name: OnceLock<String>,
    /// Who asked for it.
    source: Source,
}

impl CvmRole {
    /// The one that is bound now, and stays the same from the first answer on; `source` is who
    /// wants it.
    pub fn of_this_machine(source: Source) -> Self {
        Self {
            name: OnceLock::new(),
            source,
        }
    }
}

/// The keys that are there before any role is assumed.
#[derive(Debug)]
pub enum Base {
    /// A key as it is.
    Fixed {
        /// The key.
        credentials: Credentials,
        /// Where it was found.
        source: Source,
    },
    /// A login of tccli.
    Login(Login),
    /// The role of this machine.
    CvmRole(CvmRole),
    /// The identity of a pod.
    TkeOidc(Oidc),
}

impl Base {
    /// Where they come from.
    pub fn source(&self) -> Source {
        match self {
            Self::Fixed { source, .. } => source.clone(),
            Self::Login(login) => login.source(),
            Self::CvmRole(role) => role.source.clone(),
            Self::TkeOidc(_) => Source::TkeOidc,
        }
    }
}

/// Where a run's keys come from.
#[derive(Debug)]
pub struct Provider {
    base: Base,
    role: Option<Role>,
}

/// Keys as they were given just now.
#[derive(Debug)]
pub struct Fresh {
    /// The keys.
    pub credentials: Credentials,
    /// How long they live, if anybody said so.
    pub life: Option<Life>,
}

/// How long keys live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When they end, by the issuer's clock.
    pub expires_at: DateTime<Utc>,
    /// How long that was from the answer that brought them, by the issuer's clock, so that a wrong
    /// clock on this machine does not matter.
    pub left: TimeDelta,
    /// How long before their end new ones are got.
    pub margin: TimeDelta,
}

/// "Good for at least five minutes more" (PROTOCOL §e.5: 300 s in Python and Go): a timestamp that
/// the service takes is five minutes off at most.
const FIVE_MINUTES: TimeDelta = TimeDelta::seconds(300);

impl Life {
    /// Of keys of a machine's role.
    pub(super) fn of_machine(
        expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Self, RefreshError> {
        Self::new(expires_at, now, FIVE_MINUTES)
    }

    /// Of keys that STS gave: 10 % of the life is kept in reserve, as Go does for OIDC (PROTOCOL
    /// §e.5; that Python and Go renew assumed roles after 10 % is taken for a slip).
    pub(super) fn of_role(
        expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Self, RefreshError> {
        Self::new(expires_at, now, FIVE_MINUTES.max((expires_at - now) / 10))
    }

    /// Of a login's keys, which are not over.
    pub(super) fn of_login(expires_at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self {
            expires_at,
            left: expires_at - now,
            margin: FIVE_MINUTES,
        }
    }

    fn new(
        expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
        margin: TimeDelta,
    ) -> Result<Self, RefreshError> {
        let left = expires_at - now;
        if left <= TimeDelta::zero() {
            return Err(RefreshError::OverAlready { since: expires_at });
        }
        Ok(Self {
            expires_at,
            left,
            margin,
        })
    }
}

impl Provider {
    /// One key for all calls.
    pub fn fixed(credentials: Credentials, source: Source) -> Self {
        let base = Base::Fixed {
            credentials,
            source,
        };
        Self { base, role: None }
    }

    /// The role of this machine.
    pub fn of_this_machine() -> Self {
        let role = CvmRole::of_this_machine(Source::CvmRole);
        Self::new(Base::CvmRole(role), None)
    }

    /// Keys from `base`, as they are or to assume `role`.
    pub fn new(base: Base, role: Option<Role>) -> Self {
        Self { base, role }
    }

    /// Gets keys.
    pub(super) async fn refresh(&self, reach: &Reach) -> Result<Fresh, RefreshError> {
        let base = match &self.base {
            Base::Fixed { credentials, .. } => Fresh {
                credentials: credentials.clone(),
                life: None,
            },
            Base::Login(login) => login.read(reach.now())?,
            Base::CvmRole(role) => metadata::fetch(role, reach).await?,
            Base::TkeOidc(oidc) => sts::assume_role_with_web_identity(oidc, reach).await?,
        };
        match &self.role {
            None => Ok(base),
            Some(role) => sts::assume_role(role, &base.credentials, reach).await,
        }
    }

    /// Whether asking again may bring other keys.
    pub fn is_renewable(&self) -> bool {
        self.role.is_some() || !matches!(self.base, Base::Fixed { .. })
    }

    /// Whose keys they are; `credentials` are some that it gave.
    pub fn identity(&self, credentials: &Credentials) -> Identity {
        let role = match (&self.role, &self.base) {
            (Some(role), _) => Some(role.arn.clone()),
            (None, Base::Fixed { .. }) => None,
            (None, Base::Login(login)) => login.role_arn().map(str::to_owned),
            (None, Base::CvmRole(role)) => role.name.get().map(|name| format!("cvm-role:{name}")),
            (None, Base::TkeOidc(oidc)) => Some(oidc.role_arn.clone()),
        };
        match role {
            Some(role) => Identity::Role(role),
            None if credentials.is_temporary() => Identity::Unnamed,
            None => Identity::Key {
                fingerprint: credentials.identity(),
                label: credentials.public_label(),
            },
        }
    }

    /// Whose keys they are, as far as that can be told without asking anybody.
    pub fn foreseen(&self) -> Option<Identity> {
        match (&self.base, &self.role) {
            (Base::Fixed { credentials, .. }, _) => Some(self.identity(credentials)),
            (_, Some(role)) => Some(Identity::Role(role.arn.clone())),
            (Base::TkeOidc(oidc), None) => Some(Identity::Role(oidc.role_arn.clone())),
            (Base::Login(login), None) => {
                let role = login.role_arn().map(str::to_owned);
                Some(role.map_or(Identity::Unnamed, Identity::Role))
            }
            (Base::CvmRole(_), None) => None,
        }
    }

    #[cfg(test)]
    pub(super) fn fixed_key(&self) -> Option<&Credentials> {
        match &self.base {
            Base::Fixed { credentials, .. } => Some(credentials),
            _ => None,
        }
    }

    /// Where the keys come from, before any role.
    pub fn source(&self) -> Source {
        self.base.source()
    }

    /// The role that they are used to assume.
    pub fn role(&self) -> Option<&Role> {
        self.role.as_ref()
    }
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// There is no metadata service, or no role.
    #[error("{0}")]
    NoMetadata(String),
    /// The metadata service failed.
    #[error("the metadata service of this machine: {0}")]
    Metadata(String),
    /// The role that the run began with is not bound any more.
    #[error("the role {role} is not bound to this machine any more")]
    RoleGone {
        /// Which.
        role: String,
    },
    /// STS said no.
    #[error("STS refused: {code}: {message} (RequestId {request_id})")]
    Sts {
        /// Its code.
        code: String,
        /// Its words.
        message: String,
        /// For the support.
        request_id: String,
    },
    /// STS did not answer, or something else did.
    #[error("no keys from STS: {0}")]
    StsSilent(String),
    /// The keys given were too old.
    #[error("the keys that were given ended at {}", utc(.since))]
    OverAlready {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// The login of tccli has ended.
    #[error(
        "the login of the tccli profile {profile} ended at {}\nhint: log in again with tccli: {command} --profile {profile}",
        utc(.since)
    )]
    LoginOver {
        /// Which.
        profile: String,
        /// How to log in.
        command: &'static str,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Somebody else has logged in.
    #[error(
        "the login of the tccli profile {profile} is another one than at the start of this run"
    )]
    OtherLogin {
        /// Which.
        profile: String,
    },
    /// A file that can't be used.
    #[error(transparent)]
    File(Box<CredentialsError>),
    /// The token of a pod that can't be used.
    #[error("{}: {flaw}", .path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        flaw: String,
    },
    /// There is no HTTP client.
    #[error(transparent)]
    Setup(#[from] ClientError),
}

impl RefreshError {
    /// Its words with the hint behind them, for a log or a result.
    pub fn on_one_line(&self) -> String {
        self.to_string().replace("\nhint: ", "; ")
    }

    /// Whether it may pass without a person.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NoMetadata(_)
            | Self::Metadata(_)
            | Self::StsSilent(_)
            | Self::OverAlready { .. } => true,
            // STS knows the common codes.
            Self::Sts { code, .. } => {
                let class = codes::of_service(code).class;
                matches!(class, Class::Throttled | Class::Passing(_))
            }
            Self::RoleGone { .. }
            | Self::LoginOver { .. }
            | Self::OtherLogin { .. }
            | Self::File(_)
            | Self::TokenFile { .. }
            | Self::Setup(_) => false,
        }
    }
}

fn utc(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
