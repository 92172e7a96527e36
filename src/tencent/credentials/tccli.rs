//! The profiles of tccli (PROTOCOL §e.4): `~/.tccli/<profile>.credential`, JSON.
//!
//! ```json
//! { "secretId": "AKIDexample", "secretKey": "example", "token": "",
//!   "role-arn": "qcs::cam::uin/1:roleName/example", "role-session-name": "example" }
//! ```
//!
//! `type` is absent or one of
//! - `default`: the key as it stands there;
//! - `cvm-role`: the role of this machine; no key in the file;
//! - `oauth`, `sso`: a temporary key that tccli fetched after a login, with `expiresAt`.
//!
//! The file is read and never written: only tccli renews a login. (It does so with certificates
//! unchecked, which is nothing to imitate.) When a login's key nears its end, the file is read
//! again, since tccli may have been used meanwhile; but the login must be the same.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::environment::TCCLI_PROFILE;
use super::files::{self, NotAText};
use super::key::{Credentials, Flaw, check};
use super::provider::{Base, CvmRole, Fresh, Life, RefreshError, Role, Source};
use super::{CredentialsError, Variables};

/// What is wrong in a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileFlaw {
    /// Something else than a short text.
    #[error(transparent)]
    NotAText(#[from] NotAText),
    /// Not JSON.
    #[error("is not a JSON object (line {line})")]
    NotJson {
        /// Where it stops being one.
        line: usize,
    },
    /// A type that this program does not know.
    #[error("has a type that is none of default, cvm-role, oauth and sso")]
    OtherType,
    /// No value where one is needed.
    #[error("has no {0}\nhint: tccli configure, or tccli auth login")]
    Missing(&'static str),
    /// A value that can't be what it should be.
    #[error("the value of {name} {flaw}")]
    Value {
        /// Which.
        name: &'static str,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A value of another kind.
    #[error("the value of {0} is not of the expected kind")]
    OtherKind(&'static str),
}

/// A profile.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) base: Base,
    pub(super) role: Option<Role>,
}

/// A login of tccli.
#[derive(Clone)]
pub struct Login {
    path: PathBuf,
    profile: String,
    who: Who,
}

/// Whose login it is.
#[derive(Clone, PartialEq, Eq)]
enum Who {
    /// Tells one person of an application from another, and nothing about the account.
    Oauth { open_id: String },
    /// The role in which the person has logged in.
    Sso { role_arn: String },
}

impl Login {
    /// The role it acts in, if it names one.
    pub fn role_arn(&self) -> Option<&str> {
        match &self.who {
            Who::Oauth { .. } => None,
            Who::Sso { role_arn } => Some(role_arn),
        }
    }

    /// Where it is kept.
    pub fn source(&self) -> Source {
        source(&self.profile, &self.path)
    }

    /// Reads what tccli has fetched last.
    pub(super) fn read(&self, now: DateTime<Utc>) -> Result<Fresh, RefreshError> {
        let file = |error| RefreshError::File(Box::new(error));
        let content = read(&self.path).map_err(file)?;
        let Some((content, _)) = content else {
            return Err(file(CredentialsError::NoProfile {
                path: self.path.clone(),
            }));
        };
        let flaw = |flaw| {
            file(CredentialsError::Profile {
                path: self.path.clone(),
                flaw,
            })
        };
        let content = Content(content);
        if content.who().map_err(flaw)?.as_ref() != Some(&self.who) {
            return Err(RefreshError::OtherLogin {
                profile: self.profile.clone(),
            });
        }
        let credentials = content.credentials().map_err(flaw)?;
        let expires_at = content.expires_at().map_err(flaw)?;
        if expires_at <= now {
            return Err(RefreshError::LoginOver {
                profile: self.profile.clone(),
                command: match self.who {
                    Who::Oauth { .. } => "tccli auth login",
                    Who::Sso { .. } => "tccli sso login",
                },
                since: expires_at,
            });
        }
        Ok(Fresh {
            credentials,
            life: Some(Life::of_login(expires_at, now)),
        })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({}, hidden)", self.source())
    }
}

/// Finds the profile of this user; the path where it would be if there is none. A `default` that
/// holds no key is none, since `tccli configure` leaves such files; one asked for by name must be
/// there.
pub(super) fn find(
    variables: &Variables<'_>,
    home: &Path,
    warnings: &mut Vec<String>,
) -> Result<Result<Profile, PathBuf>, CredentialsError> {
    let asked_for = variables(TCCLI_PROFILE).filter(|name| !name.is_empty());
    let name = asked_for.as_deref().unwrap_or(OsStr::new("default"));
    let name = name.to_str().filter(|name| is_file_name(name));
    let Some(name) = name else {
        return Err(CredentialsError::Variable {
            name: TCCLI_PROFILE,
            flaw: Flaw::NotAProfile,
        });
    };
    let path = home.join(".tccli").join(format!("{name}.credential"));
    let Some((content, warning)) = read(&path)? else {
        return match asked_for {
            Some(_) => Err(CredentialsError::NoProfile { path }),
            None => Ok(Err(path)),
        };
    };
    match Content(content).profile(name, &path) {
        Ok(profile) => {
            warnings.extend(warning);
            Ok(Ok(profile))
        }
        Err(ProfileFlaw::Missing("secretId")) if asked_for.is_none() => Ok(Err(path)),
        Err(flaw) => Err(CredentialsError::Profile { path, flaw }),
    }
}

fn is_file_name(name: &str) -> bool {
    !name.contains(['/', '\\', '\0']) && !matches!(name, "." | "..")
}

fn source(profile: &str, path: &Path) -> Source {
    Source::Tccli {
        profile: profile.to_owned(),
        path: path.to_owned(),
    }
}

/// What a file holds, if there is one, and what to tell about its mode.
fn read(path: &Path) -> Result<Option<(Value, Option<String>)>, CredentialsError> {
    let unreadable = |error| CredentialsError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let Some(file) = files::open(path).map_err(unreadable)? else {
        return Ok(None);
    };
    let content = match files::text(&file).map_err(unreadable)? {
        Ok(text) => json(&text),
        Err(flaw) => Err(flaw.into()),
    };
    let content = content.map_err(|flaw| CredentialsError::Profile {
        path: path.to_owned(),
        flaw,
    })?;
    // tccli makes its directory for nobody else, and leaves the files in it as they come.
    let warning = files::too_open(&file, path).filter(|_| !files::is_behind_a_closed_door(path));
    Ok(Some((content, warning)))
}

/// The parser's own words are not passed on: they quote what they don't like.
fn json(text: &str) -> Result<Value, ProfileFlaw> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    match serde_json::from_str(text) {
        Ok(content @ Value::Object(_)) => Ok(content),
        Ok(_) => Err(ProfileFlaw::NotJson { line: 1 }),
        Err(error) => Err(ProfileFlaw::NotJson { line: error.line() }),
    }
}

struct Content(Value);

impl Content {
    fn profile(&self, name: &str, path: &Path) -> Result<Profile, ProfileFlaw> {
        let role = match self.text("role-arn")? {
            None => None,
            Some(arn) => {
                let session = self.text("role-session-name")?;
                let role = Role::new(arn, session).map_err(|flaw| ProfileFlaw::Value {
                    name: "role-session-name",
                    flaw,
                })?;
                Some(role)
            }
        };
        if self.text("type")? == Some("cvm-role") {
            // As in tccli, this comes before the profile's own role-arn.
            let base = Base::CvmRole(CvmRole::of_this_machine(source(name, path)));
            return Ok(Profile { base, role: None });
        }
        let base = match self.who()? {
            Some(who) => {
                self.credentials()?;
                self.expires_at()?;
                Base::Login(Login {
                    path: path.to_owned(),
                    profile: name.to_owned(),
                    who,
                })
            }
            None => Base::Fixed {
                credentials: self.credentials()?,
                source: source(name, path),
            },
        };
        Ok(Profile { base, role })
    }

    /// Whose login it is, if it is one.
    fn who(&self) -> Result<Option<Who>, ProfileFlaw> {
        match self.text("type")? {
            None | Some("default" | "cvm-role") => Ok(None),
            Some("oauth") => Ok(Some(Who::Oauth {
                open_id: hidden(self.of("oauth", "openId").unwrap_or_default()),
            })),
            Some("sso") => {
                let name = self.of("sso", "roleConfigurationName");
                let (Some(uin), Some(name)) = (self.of("sso", "uin"), name) else {
                    return Err(ProfileFlaw::Missing("sso.uin or sso.roleConfigurationName"));
                };
                // The role that tccli assumes for such a login (its sso.py).
                let role_arn = format!("qcs::cam::uin/{uin}:roleName/TencentCloudSSO-{name}");
                Ok(Some(Who::Sso { role_arn }))
            }
            Some(_) => Err(ProfileFlaw::OtherType),
        }
    }

    fn credentials(&self) -> Result<Credentials, ProfileFlaw> {
        let part = |name| self.text(name)?.ok_or(ProfileFlaw::Missing(name));
        let (id, key) = (part("secretId")?, part("secretKey")?);
        Ok(Credentials::of_checked(id, key, self.text("token")?))
    }

    fn expires_at(&self) -> Result<DateTime<Utc>, ProfileFlaw> {
        const NAME: &str = "expiresAt";
        let value = self.0.get(NAME).ok_or(ProfileFlaw::Missing(NAME))?;
        let seconds = value.as_f64().ok_or(ProfileFlaw::OtherKind(NAME))?;
        DateTime::from_timestamp(seconds as i64, 0).ok_or(ProfileFlaw::OtherKind(NAME))
    }

    /// A text that is not empty. An empty one is how tccli writes "not set".
    fn text(&self, name: &'static str) -> Result<Option<&str>, ProfileFlaw> {
        let text = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value.as_str().ok_or(ProfileFlaw::OtherKind(name))?.trim(),
        };
        if text.is_empty() {
            return Ok(None);
        }
        match check(text) {
            Ok(()) => Ok(Some(text)),
            Err(flaw) => Err(ProfileFlaw::Value { name, flaw }),
        }
    }

    /// A text or a number of an inner object.
    fn of(&self, object: &str, name: &str) -> Option<String> {
        match self.0.get(object)?.get(name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

fn hidden(text: String) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}
