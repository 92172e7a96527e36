//! Checks a TC3-HMAC-SHA256 signature as the service does (PROTOCOL §a), in the service's order:
//! shape of the header, key, clock, signature, token.
//!
//! **Invariant:** nothing here comes from the client's signer. Two programs written apart from the
//! same description, and both held against `tests/vectors/`, cannot share a mistake.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::DateTime;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderMap;
use sha2::{Digest, Sha256};

use super::Key;

const ALGORITHM: &str = "TC3-HMAC-SHA256";
/// How far the request's clock may be off, either way (PROTOCOL §a.5).
const ALLOWED_SKEW_SECONDS: u64 = 300;
/// Everything is under one path: "API 3.0 has `/` only" (PROTOCOL §a.1).
const PATH: &str = "/";

/// What was signed, as it came in.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// Why the caller is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Distrust {
    /// The header is missing, or not of the shape; says what is wrong.
    Shape(&'static str),
    UnknownKey,
    Expired {
        server_time: i64,
    },
    Signature,
    Token,
}

impl Distrust {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Shape(_) => "AuthFailure.InvalidAuthorization",
            Self::UnknownKey => "AuthFailure.SecretIdNotFound",
            Self::Expired { .. } => "AuthFailure.SignatureExpire",
            Self::Signature => "AuthFailure.SignatureFailure",
            Self::Token => "AuthFailure.TokenFailure",
        }
    }

    pub(super) fn message(self) -> String {
        match self {
            Self::Shape(what) => format!("The request's `Authorization` is invalid: {what}."),
            Self::UnknownKey => "The SecretId is not found, please ensure that your SecretId is correct.".into(),
            // The end is the service's own wording, which clients take the server's time from.
            Self::Expired { server_time } => format!(
                "The signature has expired: the request's timestamp may differ by 5 minutes at most, and the server time {server_time}."
            ),
            Self::Signature => "The provided credentials could not be validated. Please check your signature is correct.".into(),
            Self::Token => "The provided token is not valid for this SecretId.".into(),
        }
    }
}

/// The keys that the service knows, each with the signing key of the last day it was used.
pub(super) struct Keyring {
    keys: HashMap<String, Held>,
    service: &'static str,
}

struct Held {
    key: Key,
    /// A function of key, date and service (PROTOCOL §a.4), so one UTC day's worth is kept.
    of_day: Mutex<Option<(String, [u8; 32])>>,
}

impl Keyring {
    pub(super) fn new(keys: Vec<Key>, service: &'static str) -> Self {
        let held = |key: Key| {
            let of_day = Mutex::new(None);
            (key.secret_id.clone(), Held { key, of_day })
        };
        Self {
            keys: keys.into_iter().map(held).collect(),
            service,
        }
    }

    /// The key that signed `request`, if `now` (Unix seconds) is a time at which it may have.
    pub(super) fn verify(&self, request: &Signed<'_>, now: i64) -> Result<&Key, Distrust> {
        let header = |name: &str| request.headers.get(name)?.to_str().ok();
        let authorization =
            header("authorization").ok_or(Distrust::Shape("the header is missing"))?;
        let claim = Claim::parse(authorization)?;
        let timestamp = header("x-tc-timestamp").ok_or(Distrust::Shape("no X-TC-Timestamp"))?;
        let time: i64 = timestamp
            .parse()
            .map_err(|_| Distrust::Shape("X-TC-Timestamp is not a whole number"))?;

        let held = self.keys.get(claim.secret_id).ok_or(Distrust::UnknownKey)?;
        if time.abs_diff(now) > ALLOWED_SKEW_SECONDS {
            return Err(Distrust::Expired { server_time: now });
        }

        let date = DateTime::from_timestamp(time, 0)
            .ok_or(Distrust::Signature)?
            .format("%Y-%m-%d")
            .to_string();
        if claim.date != date || claim.service != self.service {
            return Err(Distrust::Signature);
        }
        let scope = format!("{date}/{}/tc3_request", self.service);
        let canonical = canonical_request(request, &claim)?;
        let to_sign = format!(
            "{ALGORITHM}\n{timestamp}\n{scope}\n{}",
            sha256_hex(canonical.as_bytes())
        );
        mac(&held.signing_key(date, self.service), to_sign.as_bytes())
            .verify_slice(&claim.signature)
            .map_err(|_| Distrust::Signature)?;

        match &held.key.token {
            Some(token) if header("x-tc-token") != Some(token) => Err(Distrust::Token),
            _ => Ok(&held.key),
        }
    }
}

impl Held {
    fn signing_key(&self, date: String, service: &str) -> [u8; 32] {
        let mut of_day = self.of_day.lock().expect("no panic while held");
        match &*of_day {
            Some((day, key)) if *day == date => *key,
            _ => {
                let start = format!("TC3{}", self.key.secret_key);
                let of_date = hmac(start.as_bytes(), date.as_bytes());
                let of_service = hmac(&of_date, service.as_bytes());
                let key = hmac(&of_service, b"tc3_request");
                *of_day = Some((date, key));
                key
            }
        }
    }
}

/// What the `Authorization` header says of itself.
struct Claim<'a> {
    secret_id: &'a str,
    date: &'a str,
    service: &'a str,
    signed_headers: &'a str,
    signature: [u8; 32],
}

impl<'a> Claim<'a> {
    fn parse(authorization: &'a str) -> Result<Self, Distrust> {
        let parts = authorization
            .strip_prefix(ALGORITHM)
            .and_then(|rest| rest.strip_prefix(" Credential="))
            .ok_or(Distrust::Shape(
                "it does not begin with TC3-HMAC-SHA256 Credential=",
            ))?;
        let (credential, rest) = parts
            .split_once(", SignedHeaders=")
            .ok_or(Distrust::Shape("no SignedHeaders"))?;
        let (signed_headers, signature) = rest
            .split_once(", Signature=")
            .ok_or(Distrust::Shape("no Signature"))?;

        let mut scope = credential.split('/');
        let (Some(secret_id), Some(date), Some(service), Some("tc3_request"), None) = (
            scope.next(),
            scope.next(),
            scope.next(),
            scope.next(),
            scope.next(),
        ) else {
            return Err(Distrust::Shape(
                "Credential is not SecretId/date/service/tc3_request",
            ));
        };
        for needed in ["content-type", "host"] {
            if !signed_headers.split(';').any(|name| name == needed) {
                return Err(Distrust::Shape("content-type and host must be signed"));
            }
        }
        let mut bytes = [0; 32];
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !signature.bytes().all(lower_hex) || hex::decode_to_slice(signature, &mut bytes).is_err()
        {
            return Err(Distrust::Shape("Signature is not 64 lower-case hex digits"));
        }
        Ok(Self {
            secret_id,
            date,
            service,
            signed_headers,
            signature: bytes,
        })
    }
}

/// PROTOCOL §a.3. The names are put in order here, so a claim that lists them in another order
/// fails as it must.
fn canonical_request(request: &Signed<'_>, claim: &Claim<'_>) -> Result<String, Distrust> {
    let mut names: Vec<&str> = claim.signed_headers.split(';').collect();
    names.sort_unstable();
    let mut headers = String::new();
    for name in &names {
        let value = request.headers.get(*name).ok_or(Distrust::Signature)?;
        let value = value.to_str().map_err(|_| Distrust::Signature)?;
        headers.push_str(&name.to_ascii_lowercase());
        headers.push(':');
        headers.push_str(&value.trim().to_ascii_lowercase());
        headers.push('\n');
    }
    let unsigned = request
        .headers
        .get("x-tc-content-sha256")
        .is_some_and(|value| value == "UNSIGNED-PAYLOAD");
    let payload = match unsigned {
        true => sha256_hex(b"UNSIGNED-PAYLOAD"),
        false => sha256_hex(request.body),
    };
    let signed_headers = names.join(";").to_ascii_lowercase();
    let Signed { method, query, .. } = request;
    Ok(format!(
        "{method}\n{PATH}\n{query}\n{headers}\n{signed_headers}\n{payload}"
    ))
}

fn sha256_hex(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

fn mac(key: &[u8], data: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    mac(key, data).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};
    use serde_json::Value;

    /// A signed request as the vectors hold it, open to being tampered with.
    #[derive(Clone)]
    struct Sample {
        id: String,
        key: Key,
        service: &'static str,
        query: String,
        headers: HeaderMap,
        body: Vec<u8>,
        time: i64,
        unsigned_payload: bool,
    }

    impl Sample {
        fn verify_at(&self, now: i64) -> Result<(), Distrust> {
            let keyring = Keyring::new(vec![self.key.clone()], self.service);
            let request = Signed {
                method: "POST",
                query: &self.query,
                headers: &self.headers,
                body: &self.body,
            };
            // Twice, so that the signing key kept for the day is tried as well.
            keyring.verify(&request, now).map(drop)?;
            keyring.verify(&request, now).map(drop)
        }

        fn verify(&self) -> Result<(), Distrust> {
            self.verify_at(self.time)
        }

        fn set(&mut self, name: &'static str, value: &str) {
            self.headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }

        fn header(&self, name: &str) -> String {
            self.headers[name].to_str().unwrap().to_owned()
        }
    }

    fn samples() -> Vec<Sample> {
        let file: Value =
            serde_json::from_str(include_str!("../../tests/vectors/tc3-signing.json")).unwrap();
        let entries = |list: &str| file[list].as_array().unwrap().clone();
        entries("vectors")
            .iter()
            .chain(&entries("published_examples"))
            .map(sample)
            .collect()
    }

    fn sample(entry: &Value) -> Sample {
        let inputs = &entry["inputs"];
        let text = |name: &str| inputs[name].as_str().unwrap().to_owned();
        let unsigned_payload = inputs["unsigned_payload"].as_bool().unwrap();
        let mut sample = Sample {
            id: entry["id"].as_str().unwrap().to_owned(),
            key: Key {
                secret_id: text("secret_id"),
                secret_key: text("secret_key"),
                token: inputs["token"].as_str().map(str::to_owned),
                account: "any".into(),
            },
            service: match inputs["service"].as_str().unwrap() {
                "lcic" => "lcic",
                "cvm" => "cvm",
                "sts" => "sts",
                other => panic!("a new service in the vectors: {other}"),
            },
            query: String::new(),
            headers: HeaderMap::new(),
            body: text("payload").into_bytes(),
            time: inputs["timestamp"].as_i64().unwrap(),
            unsigned_payload,
        };
        sample.set("content-type", &text("content_type"));
        sample.set("host", &text("host"));
        sample.set("x-tc-action", &text("action"));
        sample.set("x-tc-timestamp", &sample.time.to_string());
        if let Some(token) = inputs["token"].as_str() {
            sample.set("x-tc-token", token);
        }
        if unsigned_payload {
            sample.set("x-tc-content-sha256", "UNSIGNED-PAYLOAD");
        }
        sample.set(
            "authorization",
            entry["expected"]["authorization"].as_str().unwrap(),
        );
        sample
    }

    /// One of them, signed as our own client signs.
    fn plain() -> Sample {
        let sample = samples().swap_remove(0);
        assert_eq!(sample.id, "ascii-sdk-json");
        sample
    }

    #[test]
    fn every_signature_of_the_official_sdk_and_documentation_verifies() {
        let samples = samples();
        assert_eq!(samples.len(), 69);
        for sample in samples {
            assert_eq!(sample.verify(), Ok(()), "{}", sample.id);
        }
    }

    #[test]
    fn one_flipped_byte_of_body_host_timestamp_or_key_fails() {
        for original in samples() {
            let failed = |sample: Sample, what: &str| {
                let verdict = sample.verify();
                assert_eq!(verdict, Err(Distrust::Signature), "{}: {what}", original.id);
            };
            // Each place is flipped once per entry; together the entries reach many.
            let flip = |text: &str, at: usize| {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= 1;
                String::from_utf8(bytes).unwrap()
            };

            let mut sample = original.clone();
            match sample.body.len() {
                0 => sample.body.push(b'x'),
                length => sample.body[length / 2] ^= 1,
            }
            if original.unsigned_payload {
                assert_eq!(sample.verify(), Ok(()), "{}", original.id);
            } else {
                failed(sample, "body");
            }

            let mut sample = original.clone();
            let host = sample.header("host");
            sample.set("host", &flip(&host, host.len() / 2));
            failed(sample, "host");

            let mut sample = original.clone();
            let timestamp = sample.header("x-tc-timestamp");
            sample.set("x-tc-timestamp", &flip(&timestamp, timestamp.len() - 1));
            failed(sample, "timestamp");

            let mut sample = original.clone();
            sample.key.secret_key = flip(&sample.key.secret_key, 0);
            failed(sample, "key");

            let mut sample = original.clone();
            sample.query = "a=1".into();
            failed(sample, "query");
        }
    }

    #[test]
    fn the_clock_may_be_off_by_five_minutes_either_way_and_no_more() {
        let sample = plain();
        for allowed in [-300, 0, 300] {
            assert_eq!(sample.verify_at(sample.time + allowed), Ok(()));
        }
        for too_far in [-301, 301] {
            let server_time = sample.time + too_far;
            let distrust = sample.verify_at(server_time).unwrap_err();
            assert_eq!(distrust, Distrust::Expired { server_time });
            let end = format!("and the server time {server_time}.");
            assert!(distrust.message().ends_with(&end));
        }
    }

    #[test]
    fn a_date_that_is_not_the_utc_day_of_the_timestamp_fails() {
        let mut sample = plain();
        let authorization = sample.header("authorization");
        sample.set(
            "authorization",
            &authorization.replace("2025-10-09", "2025-10-10"),
        );
        assert_eq!(sample.verify(), Err(Distrust::Signature));
    }

    #[test]
    fn a_token_must_be_the_one_of_its_key() {
        let with_token = samples()
            .into_iter()
            .find(|sample| sample.key.token.is_some())
            .unwrap();
        let mut sample = with_token.clone();
        sample.set("x-tc-token", "another");
        assert_eq!(sample.verify(), Err(Distrust::Token));
        sample.headers.remove("x-tc-token");
        assert_eq!(sample.verify(), Err(Distrust::Token));
    }

    #[test]
    fn an_unknown_key_is_told_before_a_wrong_clock() {
        let mut sample = plain();
        sample.key.secret_id.push('x');
        assert_eq!(sample.verify_at(0), Err(Distrust::UnknownKey));
    }

    #[test]
    fn an_authorization_of_another_shape_is_invalid() {
        let authorization = plain().header("authorization");
        let broken = [
            String::new(),
            "Bearer abc".into(),
            authorization.replace("TC3-HMAC-SHA256", "TC3-HMAC-SHA1"),
            authorization.replace("tc3_request", "tc3"),
            authorization.replace("content-type;host", "host"),
            authorization.replace("content-type;host", "content-type"),
            authorization.replace(", Signature", ",Signature"),
            authorization.to_uppercase(),
            authorization[..authorization.len() - 1].to_owned(),
            format!("{authorization}00"),
            authorization.replace("/lcic/", "/"),
        ];
        for text in broken {
            let mut sample = plain();
            sample.set("authorization", &text);
            let verdict = sample.verify();
            assert!(
                matches!(verdict, Err(Distrust::Shape(_))),
                "{text}: {verdict:?}"
            );
        }
        for missing in ["authorization", "x-tc-timestamp"] {
            let mut sample = plain();
            sample.headers.remove(missing);
            assert!(
                matches!(sample.verify(), Err(Distrust::Shape(_))),
                "{missing}"
            );
        }
    }

    #[test]
    fn a_signed_header_that_did_not_arrive_fails() {
        let mut sample = samples()
            .into_iter()
            .find(|sample| sample.header("authorization").contains("x-tc-action"))
            .unwrap();
        sample.headers.remove("x-tc-action");
        assert_eq!(sample.verify(), Err(Distrust::Signature));
    }
}
