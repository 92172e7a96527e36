//! Variables of the environment: a plain key, the role to assume, TKE's four (PROTOCOL §e.2).

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::key::{Credentials, Flaw, check};
use super::provider::{Oidc, Role};
use super::{CredentialsError, Variables};

pub(super) const SECRET_ID: &str = "TENCENTCLOUD_SECRET_ID";
pub(super) const SECRET_KEY: &str = "TENCENTCLOUD_SECRET_KEY";
pub(super) const TOKEN: &str = "TENCENTCLOUD_TOKEN";
pub(super) const SESSION_TOKEN: &str = "TENCENTCLOUD_SESSION_TOKEN";
pub(super) const CREDENTIALS_FILE: &str = "TENCENTCLOUD_CREDENTIALS_FILE";
pub(super) const TCCLI_PROFILE: &str = "TCCLI_PROFILE";

const ROLE_ARN: &str = "TENCENTCLOUD_ROLE_ARN";
const ROLE_SESSION_NAME: &str = "TENCENTCLOUD_ROLE_SESSION_NAME";

const TKE_REGION: &str = "TKE_REGION";
const TKE_PROVIDER_ID: &str = "TKE_PROVIDER_ID";
const TKE_TOKEN_FILE: &str = "TKE_WEB_IDENTITY_TOKEN_FILE";
const TKE_ROLE_ARN: &str = "TKE_ROLE_ARN";

/// Whether a variable holds something.
pub(super) fn is_set(variables: &Variables<'_>, name: &str) -> bool {
    variables(name).is_some_and(|value| !value.is_empty())
}

/// A plain key.
pub(super) fn key(
    variables: &Variables<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Credentials>, CredentialsError> {
    let variable = |name| variable(variables, name);
    let (id, key) = (variable(SECRET_ID)?, variable(SECRET_KEY)?);
    let (token, session_token) = (variable(TOKEN)?, variable(SESSION_TOKEN)?);
    match (id, key) {
        (Some(id), Some(key)) => {
            let token = match (&token, &session_token) {
                (Some(one), Some(other)) if one != other => {
                    return Err(CredentialsError::TokensDiffer);
                }
                (one, other) => one.as_ref().or(other.as_ref()),
            };
            let token = token.map(|token| token.as_str());
            Ok(Some(Credentials::of_checked(&id, &key, token)))
        }
        (Some(_), None) => Err(CredentialsError::OnlyOne {
            set: SECRET_ID,
            missing: SECRET_KEY,
        }),
        (None, Some(_)) => Err(CredentialsError::OnlyOne {
            set: SECRET_KEY,
            missing: SECRET_ID,
        }),
        (None, None) => {
            for name in [SECRET_ID, SECRET_KEY] {
                if variables(name).is_some() {
                    warnings.push(format!("{name} is set, but empty: not used"));
                }
            }
            for (name, value) in [(TOKEN, token), (SESSION_TOKEN, session_token)] {
                if value.is_some() {
                    warnings.push(format!(
                        "{name} is set without {SECRET_ID} and {SECRET_KEY}: not used"
                    ));
                }
            }
            Ok(None)
        }
    }
}

/// The role that the keys shall assume.
pub(super) fn role(
    variables: &Variables<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Role>, CredentialsError> {
    let session = variable(variables, ROLE_SESSION_NAME)?;
    let Some(arn) = variable(variables, ROLE_ARN)? else {
        if session.is_some() {
            warnings.push(format!(
                "{ROLE_SESSION_NAME} is set without {ROLE_ARN}: not used"
            ));
        }
        return Ok(None);
    };
    let session = session.as_ref().map(|session| session.as_str());
    match Role::new(&arn, session) {
        Ok(role) => Ok(Some(role)),
        Err(flaw) => Err(CredentialsError::Variable {
            name: ROLE_SESSION_NAME,
            flaw,
        }),
    }
}

/// The identity that TKE gives a pod. Half of it is an error: without it, the run would act as the
/// machine that the pod happens to run on. A region alone says nothing, other things use it.
pub(super) fn tke(variables: &Variables<'_>) -> Result<Option<Oidc>, CredentialsError> {
    let all = [TKE_ROLE_ARN, TKE_PROVIDER_ID, TKE_TOKEN_FILE, TKE_REGION];
    let set = all[..3].iter().find(|name| is_set(variables, name));
    let missing = all.iter().find(|name| !is_set(variables, name));
    match (set, missing) {
        (None, _) => Ok(None),
        (Some(set), Some(missing)) => Err(CredentialsError::OnlyOne { set, missing }),
        (Some(_), None) => {
            let text = |name| {
                variable(variables, name)
                    .map(|value| value.map(|value| value.to_string()).unwrap_or_default())
            };
            Ok(Some(Oidc {
                role_arn: text(TKE_ROLE_ARN)?,
                provider_id: text(TKE_PROVIDER_ID)?,
                region: text(TKE_REGION)?,
                token_file: variables(TKE_TOKEN_FILE)
                    .map(PathBuf::from)
                    .unwrap_or_default(),
            }))
        }
    }
}

/// The value of a variable, if there is one that is not empty. Blanks around it are refused, as
/// Python does (PROTOCOL §e.2): in an environment they come from a slip in a script, and the next
/// tool would fail with "signature failure".
fn variable(
    variables: &Variables<'_>,
    name: &'static str,
) -> Result<Option<Zeroizing<String>>, CredentialsError> {
    let Some(value) = variables(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let value = value
        .into_string()
        .map_err(|_| Flaw::OddCharacter)
        .map(Zeroizing::new)
        .and_then(|value| check(&value).map(|()| value));
    match value {
        Ok(value) => Ok(Some(value)),
        Err(flaw) => Err(CredentialsError::Variable { name, flaw }),
    }
}
