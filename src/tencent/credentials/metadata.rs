//! The role of a virtual machine, from its metadata service (PROTOCOL §e.5): one question for the
//! role's name, one for its keys.

use chrono::{DateTime, Utc};
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;

use super::key::Credentials;
use super::provider::{CvmRole, Fresh, Life, RefreshError};
use super::reach::{METADATA_TIMEOUT, Reach};
use crate::tencent::http;

const PATH: &str = "latest/meta-data/cam/security-credentials/";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    code: Option<String>,
    tmp_secret_id: Option<String>,
    tmp_secret_key: Option<String>,
    token: Option<String>,
    expired_time: Option<i64>,
}

/// Fetches the keys of the role that is bound to this machine. The name is asked for once: another
/// role may be another account's, and a run acts for one.
pub(super) async fn fetch(role: &CvmRole, reach: &Reach) -> Result<Fresh, RefreshError> {
    let client = reach.metadata()?;
    let name = match role.name.get() {
        Some(name) => name.clone(),
        None => ask_name(&client, reach).await?,
    };
    let (answer, date) = ask(&client, reach, &name).await?;
    let body = match answer {
        Answered::Text(text) => text,
        Answered::Status(StatusCode::NOT_FOUND) => {
            return Err(RefreshError::RoleGone { role: name });
        }
        Answered::Status(status) => {
            return Err(RefreshError::Metadata(format!("http {}", status.as_u16())));
        }
    };
    // What is wrong with it is not told in the parser's words: they quote.
    let senseless = |what: &str| RefreshError::Metadata(format!("its answer has {what}"));
    let answer: Answer = serde_json::from_str(&body).map_err(|_| senseless("no JSON object"))?;
    if answer.code.as_deref() != Some("Success") {
        return Err(senseless("a Code other than Success"));
    }
    let part = |part: Option<String>| part.ok_or_else(|| senseless("not all of a key"));
    let (id, key) = (part(answer.tmp_secret_id)?, part(answer.tmp_secret_key)?);
    let token = part(answer.token)?;
    let credentials = Credentials::new(&id, &key, Some(&token))
        .map_err(|flaw| senseless(&format!("a key of which a part {flaw}")))?;
    let expires_at = answer
        .expired_time
        .and_then(|at| DateTime::from_timestamp(at, 0))
        .ok_or_else(|| senseless("no ExpiredTime"))?;
    let life = Life::of_machine(expires_at, date.unwrap_or_else(|| reach.now()))?;
    let name = role.name.get_or_init(|| name);
    tracing::debug!(role = name, "keys of the machine's role fetched");
    Ok(Fresh {
        credentials,
        life: Some(life),
    })
}

async fn ask_name(client: &Client, reach: &Reach) -> Result<String, RefreshError> {
    let host = reach.issuers.metadata.host_str().unwrap_or_default();
    match ask(client, reach, "").await {
        Ok((Answered::Text(text), _)) => {
            let name = text.trim();
            // Whatever answers in its place, a portal for example, does not look like this.
            let is_name = (1..=128).contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
            if !is_name {
                let why = format!("what answers as {host} is no metadata service");
                return Err(RefreshError::NoMetadata(why));
            }
            Ok(name.to_owned())
        }
        Ok((Answered::Status(StatusCode::NOT_FOUND), _)) => Err(RefreshError::NoMetadata(format!(
            "{host} says that none is bound"
        ))),
        Ok((Answered::Status(status), _)) => {
            let why = format!("{host} answers http {}", status.as_u16());
            Err(RefreshError::NoMetadata(why))
        }
        Err(RefreshError::Metadata(seen)) => {
            Err(RefreshError::NoMetadata(format!("{host}: {seen}")))
        }
        Err(error) => Err(error),
    }
}

enum Answered {
    /// With status 200.
    Text(String),
    Status(StatusCode),
}

async fn ask(
    client: &Client,
    reach: &Reach,
    name: &str,
) -> Result<(Answered, Option<DateTime<Utc>>), RefreshError> {
    let url = reach.issuers.metadata.join(&format!("{PATH}{name}"));
    let url = url.expect("the path and a checked name make a URL");
    let failed = |error: reqwest::Error| {
        RefreshError::Metadata(match error.is_timeout() {
            true => format!("no answer within {} s", METADATA_TIMEOUT.as_secs_f32()),
            false => http::causes(&error),
        })
    };
    let mut response: Response = client.get(url).send().await.map_err(failed)?;
    let date = http::date(response.headers());
    if response.status() != StatusCode::OK {
        return Ok((Answered::Status(response.status()), date));
    }
    let body = http::body(&mut response).await.map_err(failed)?;
    let text = body.and_then(|body| String::from_utf8(body.to_vec()).ok());
    let text = text.ok_or_else(|| RefreshError::Metadata("its answer is no short text".into()))?;
    Ok((Answered::Text(text), date))
}
