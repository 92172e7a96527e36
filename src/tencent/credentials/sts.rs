//! The service that gives temporary keys for roles (PROTOCOL §e.5): AssumeRole for whoever has
//! keys already, AssumeRoleWithWebIdentity for a pod of TKE.

use chrono::DateTime;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderName, HeaderValue,
};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::files;
use super::key::Credentials;
use super::provider::{Fresh, Life, Oidc, RefreshError, Role};
use super::reach::Reach;
use super::{CredentialsError, Flaw};
use crate::tencent::answer::{ClockNote, Reply, Said, plain};
use crate::tencent::http;
use crate::tencent::sign::{Payload, Signer, Unsigned};

const SERVICE: &str = "sts";
const VERSION: &str = "2018-08-13";
/// Any region gives the same keys; this is the official clients' (PROTOCOL §e.5).
const REGION: &str = "ap-guangzhou";
const JSON: &str = "application/json";

/// The service's default: two hours.
const DURATION_SECONDS: u32 = 7200;

const MESSAGE_LENGTH: usize = 300;

/// Gets keys for `role` with those of `caller`.
pub(super) async fn assume_role(
    role: &Role,
    caller: &Credentials,
    reach: &Reach,
) -> Result<Fresh, RefreshError> {
    let body = json!({
        "RoleArn": role.arn,
        "RoleSessionName": role.session,
        "DurationSeconds": DURATION_SECONDS,
    });
    let signer = Signer::new(caller.secret_id(), caller.secret_key().clone(), SERVICE);
    let call = Call {
        action: "AssumeRole",
        region: REGION,
        body: body.to_string().into_bytes(),
        signer: Some((&signer, caller)),
    };
    call.make(reach).await
}

/// Gets keys for a pod. Its token is read each time: the cluster replaces the file.
pub(super) async fn assume_role_with_web_identity(
    oidc: &Oidc,
    reach: &Reach,
) -> Result<Fresh, RefreshError> {
    let token = web_identity_token(oidc)?;
    let body = json!({
        "ProviderId": oidc.provider_id,
        "WebIdentityToken": &*token,
        "RoleArn": oidc.role_arn,
        "RoleSessionName": Role::SESSION,
        "DurationSeconds": DURATION_SECONDS,
    });
    let call = Call {
        action: "AssumeRoleWithWebIdentity",
        region: &oidc.region,
        body: body.to_string().into_bytes(),
        signer: None,
    };
    call.make(reach).await.map_err(|error| match error {
        // A token that is refused may be quoted.
        RefreshError::Sts {
            code,
            message,
            request_id,
        } if message.contains(&token[..token.len().min(12)]) => RefreshError::Sts {
            code,
            message: "(a message that quotes the token)".to_owned(),
            request_id,
        },
        error => error,
    })
}

fn web_identity_token(oidc: &Oidc) -> Result<zeroize::Zeroizing<String>, RefreshError> {
    let unreadable = |error| {
        RefreshError::File(Box::new(CredentialsError::Unreadable {
            path: oidc.token_file.clone(),
            error,
        }))
    };
    let file = files::open(&oidc.token_file).map_err(unreadable)?;
    let file = file.ok_or_else(|| unreadable(std::io::ErrorKind::NotFound.into()))?;
    let flawed = |flaw: String| RefreshError::TokenFile {
        path: oidc.token_file.clone(),
        flaw,
    };
    let text = files::text(&file)
        .map_err(unreadable)?
        .map_err(|flaw| flawed(flaw.to_string()))?;
    match text.trim() {
        "" => Err(flawed(Flaw::Empty.to_string())),
        token => Ok(token.to_owned().into()),
    }
}

struct Call<'c> {
    action: &'static str,
    region: &'c str,
    body: Vec<u8>,
    signer: Option<(&'c Signer, &'c Credentials)>,
}

impl Call<'_> {
    /// Makes the call, and once more if the clock was wrong.
    async fn make(&self, reach: &Reach) -> Result<Fresh, RefreshError> {
        loop {
            let moment = reach.skew.now();
            let reply = self.send(reach, moment.at).await?;
            if reply.said() == Said::ClockWrong {
                let note = reach.skew.doubted(moment, reply.given_at());
                if note != ClockNote::Untouched {
                    continue;
                }
            }
            return read(&reply, moment.at);
        }
    }

    async fn send(&self, reach: &Reach, at: DateTime<chrono::Utc>) -> Result<Reply, RefreshError> {
        let client = reach.sts()?;
        let sts = &reach.issuers.sts;
        let failed = |error: reqwest::Error| RefreshError::StsSilent(http::causes(&error));
        let mut response = client
            .post(sts.url().clone())
            .headers(self.headers(sts.host_header(), at)?)
            .body(self.body.clone())
            .send()
            .await
            .map_err(failed)?;
        let body = http::body(&mut response).await.map_err(failed)?;
        Ok(Reply {
            date: response.headers().get(DATE).cloned(),
            ..Reply::new(response.status().as_u16(), body.unwrap_or_default())
        })
    }

    fn headers(&self, host: &str, at: DateTime<chrono::Utc>) -> Result<HeaderMap, RefreshError> {
        let value = |text: &str| {
            HeaderValue::from_str(text)
                .map_err(|_| RefreshError::StsSilent("odd character in a header".to_owned()))
        };
        let secret = |text: &str| {
            value(text).map(|mut value| {
                value.set_sensitive(true);
                value
            })
        };
        let mut headers = HeaderMap::with_capacity(10);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(HOST, value(host)?);
        for (name, text) in [
            ("x-tc-action", self.action),
            ("x-tc-version", VERSION),
            ("x-tc-region", self.region),
            ("x-tc-language", "en-US"),
            ("x-tc-timestamp", &at.timestamp().to_string()),
        ] {
            headers.insert(HeaderName::from_static(name), value(text)?);
        }
        let Some((signer, caller)) = self.signer else {
            headers.insert(AUTHORIZATION, HeaderValue::from_static("SKIP"));
            return Ok(headers);
        };
        let request = Unsigned {
            method: "POST",
            path: "/",
            query: "",
            headers: &[("content-type", JSON), ("host", host)],
            payload: Payload::Signed(&self.body),
        };
        headers.insert(AUTHORIZATION, secret(&signer.authorization(&request, at))?);
        if let Some(token) = caller.token() {
            let name = HeaderName::from_static("x-tc-token");
            headers.insert(name, secret(token.expose_secret())?);
        }
        Ok(headers)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    tmp_secret_id: String,
    tmp_secret_key: String,
    token: String,
}

fn read(reply: &Reply, sent_at: DateTime<chrono::Utc>) -> Result<Fresh, RefreshError> {
    // What is wrong with it is not told in the parser's words: they quote.
    let silent = |what: &str| RefreshError::StsSilent(format!("http {}, {what}", reply.status));
    let mut root: Value =
        serde_json::from_slice(&reply.body).map_err(|_| silent("an answer that is no JSON"))?;
    let response = root
        .get_mut("Response")
        .ok_or_else(|| silent("an answer without an envelope"))?;
    let text = |value: Option<&Value>| {
        let text = value.and_then(Value::as_str).unwrap_or_default();
        plain(text, MESSAGE_LENGTH)
    };
    if let Some(error) = response.get("Error").filter(|error| !error.is_null()) {
        return Err(RefreshError::Sts {
            code: text(error.get("Code")),
            message: text(error.get("Message")),
            request_id: text(response.get("RequestId")),
        });
    }
    let expires_at = response
        .get("ExpiredTime")
        .and_then(Value::as_i64)
        .and_then(|at| DateTime::from_timestamp(at, 0))
        .ok_or_else(|| silent("an answer without ExpiredTime"))?;
    let keys = response.get_mut("Credentials").map(Value::take);
    let keys: Keys = serde_json::from_value(keys.unwrap_or_default())
        .map_err(|_| silent("an answer without all of a key"))?;
    let credentials =
        Credentials::new(&keys.tmp_secret_id, &keys.tmp_secret_key, Some(&keys.token))
            .map_err(|flaw| silent(&format!("a key of which a part {flaw}")))?;
    let life = Life::of_role(expires_at, reply.given_at().unwrap_or(sent_at))?;
    Ok(Fresh {
        credentials,
        life: Some(life),
    })
}
