//! Signs requests with TC3-HMAC-SHA256 (PROTOCOL §a): from what is sent and a moment to the value
//! of the `Authorization` header. Pure: no clock, no network.
//!
//! The steps are public, so that each can be held against the signing vectors:
//! [`Unsigned::canonical_request`] → [`string_to_sign`] → [`Signer::signature`] →
//! [`Signer::authorization`].
//!
//! **Invariant:** what is signed is what is sent. The payload comes as bytes and is never
//! serialised again; content type and host come as the very texts of their headers.

use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The name of the method, as it stands in the string to sign and in the header.
pub const ALGORITHM: &str = "TC3-HMAC-SHA256";

/// What is hashed in the payload's place when the payload is not signed (PROTOCOL §a.6).
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The last part of the scope, and what the last derived key is made from.
const TERMINATOR: &str = "tc3_request";

/// A request as far as the signature covers it.
#[derive(Clone, Copy)]
pub struct Unsigned<'a> {
    /// `POST`, in upper case.
    pub method: &'a str,
    /// `/` for every action.
    pub path: &'a str,
    /// Without the question mark; empty for a POST.
    pub query: &'a str,
    /// The headers to sign, names and values as sent. They are brought into canonical form and
    /// order here.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub payload: Payload<'a>,
}

/// What of the body is signed.
#[derive(Clone, Copy)]
pub enum Payload<'a> {
    /// All of it.
    Signed(&'a [u8]),
    /// None of it. This program never does that; the vectors do.
    Unsigned,
}

impl Unsigned<'_> {
    /// The text whose hash is signed (PROTOCOL §a.3).
    pub fn canonical_request(&self) -> String {
        self.canonical_with(&self.canonical_headers())
    }

    fn canonical_with(&self, headers: &[(String, String)]) -> String {
        let mut text = String::with_capacity(256);
        for part in [self.method, self.path, self.query] {
            text.push_str(part);
            text.push('\n');
        }
        for (name, value) in headers {
            // Writing to a String can't fail.
            let _ = writeln!(text, "{name}:{value}");
        }
        text.push('\n');
        join_names(&mut text, headers);
        text.push('\n');
        text.push_str(&match self.payload {
            Payload::Signed(body) => sha256_hex(body),
            Payload::Unsigned => sha256_hex(UNSIGNED_PAYLOAD.as_bytes()),
        });
        text
    }

    /// The names of the signed headers as the `Authorization` header lists them.
    pub fn signed_headers(&self) -> String {
        let mut text = String::with_capacity(32);
        join_names(&mut text, &self.canonical_headers());
        text
    }

    /// Lower case, without outer blanks, by name. The official SDKs leave the case of values alone,
    /// the documentation wants them in lower case (PROTOCOL §a.3); its own example needs that for
    /// `x-tc-action`.
    fn canonical_headers(&self) -> Vec<(String, String)> {
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_lowercase()))
            .collect();
        headers.sort_unstable();
        headers
    }
}

fn join_names(text: &mut String, headers: &[(String, String)]) {
    for (index, (name, _)) in headers.iter().enumerate() {
        if index > 0 {
            text.push(';');
        }
        text.push_str(name);
    }
}

/// `<date>/<service>/tc3_request`; the date is that of the very timestamp that is sent, in UTC
/// (PROTOCOL §a.4).
pub fn scope(at: DateTime<Utc>, service: &str) -> String {
    format!("{}/{service}/{TERMINATOR}", at.format("%Y-%m-%d"))
}

/// The text that the signing key signs (PROTOCOL §a.4).
pub fn string_to_sign(at: DateTime<Utc>, service: &str, canonical_request: &str) -> String {
    assemble(at, &scope(at, service), canonical_request)
}

fn assemble(at: DateTime<Utc>, scope: &str, canonical_request: &str) -> String {
    format!(
        "{ALGORITHM}\n{}\n{scope}\n{}",
        at.timestamp(),
        sha256_hex(canonical_request.as_bytes())
    )
}

/// Holds one pair of keys for one service, and the key derived from them for the day last used.
pub struct Signer {
    secret_id: String,
    secret_key: SecretString,
    service: String,
    /// The signing key depends on key, date and service only: three of the four HMACs of a call
    /// are the same all day.
    today: Mutex<Option<Arc<Today>>>,
}

struct Today {
    /// Days since 1970-01-01, UTC.
    day: i64,
    scope: String,
    key: Zeroizing<[u8; 32]>,
}

impl Signer {
    /// Signs for `service` with these keys. The service is a constant of the caller, never taken
    /// from a host name (PROTOCOL §a.2).
    pub fn new(secret_id: &str, secret_key: SecretString, service: &str) -> Self {
        Self {
            secret_id: secret_id.to_owned(),
            secret_key,
            service: service.to_owned(),
            today: Mutex::new(None),
        }
    }

    /// The value of the `Authorization` header for `request` sent with the timestamp of `at`.
    pub fn authorization(&self, request: &Unsigned<'_>, at: DateTime<Utc>) -> String {
        let today = self.today(at);
        let headers = request.canonical_headers();
        let to_sign = assemble(at, &today.scope, &request.canonical_with(&headers));
        let mut text = String::with_capacity(256);
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "{ALGORITHM} Credential={}/{}, SignedHeaders=",
            self.secret_id, today.scope
        );
        join_names(&mut text, &headers);
        let _ = write!(text, ", Signature={}", hex(&hmac(&*today.key, &to_sign)));
        text
    }

    /// The hex signature of a string to sign.
    pub fn signature(&self, at: DateTime<Utc>, string_to_sign: &str) -> String {
        hex(&hmac(&*self.today(at).key, string_to_sign))
    }

    fn today(&self, at: DateTime<Utc>) -> Arc<Today> {
        let day = at.timestamp().div_euclid(86_400);
        // A poisoned cache holds a whole key or none: a panic can't leave half of one.
        let mut cached = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        match &*cached {
            Some(today) if today.day == day => today.clone(),
            _ => {
                let today = Arc::new(Today {
                    day,
                    scope: scope(at, &self.service),
                    key: self.derive(at),
                });
                *cached = Some(today.clone());
                today
            }
        }
    }

    fn derive(&self, at: DateTime<Utc>) -> Zeroizing<[u8; 32]> {
        let secret = self.secret_key.expose_secret();
        let mut first = Zeroizing::new(Vec::with_capacity(4 + secret.len()));
        first.extend_from_slice(b"TC3");
        first.extend_from_slice(secret.as_bytes());
        let date = Zeroizing::new(hmac(&first, &at.format("%Y-%m-%d").to_string()));
        let service = Zeroizing::new(hmac(&*date, &self.service));
        Zeroizing::new(hmac(&*service, TERMINATOR))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer(hidden, service {})", self.service)
    }
}

fn hmac(key: &[u8], data: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data.as_bytes());
    mac.finalize().into_bytes().into()
}

fn sha256_hex(data: &[u8]) -> String {
    hex(&Sha256::digest(data).into())
}

/// As [`hex::encode`], which goes character by character and is five times as slow.
fn hex(hash: &[u8; 32]) -> String {
    let mut text = [0; 64];
    hex::encode_to_slice(hash, &mut text).expect("two digits a byte");
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
        published_examples: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        id: String,
        signed_headers: Option<String>,
        same_signature_as: Option<String>,
        inputs: Inputs,
        expected: Expected,
    }

    #[derive(Deserialize)]
    struct Inputs {
        secret_id: String,
        secret_key: String,
        timestamp: i64,
        method: String,
        path: String,
        host: String,
        service: String,
        action: String,
        content_type: String,
        unsigned_payload: bool,
        payload: String,
        payload_utf8_len: usize,
    }

    #[derive(Deserialize)]
    struct Expected {
        canonical_request: String,
        hashed_payload: String,
        hashed_canonical_request: String,
        string_to_sign: String,
        signature: String,
        authorization: String,
        derived_keys_hex: Option<DerivedKeys>,
    }

    #[derive(Deserialize)]
    struct DerivedKeys {
        secret_signing: String,
    }

    fn vectors() -> Vec<Vector> {
        let text = include_str!("../../tests/vectors/tc3-signing.json");
        let read: Vectors = serde_json::from_str(text).expect("the vectors decode");
        assert_eq!((read.vectors.len(), read.published_examples.len()), (65, 4));
        read.vectors
            .into_iter()
            .chain(read.published_examples)
            .collect()
    }

    fn moment(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("a moment chrono can hold")
    }

    fn signer(inputs: &Inputs) -> Signer {
        Signer::new(
            &inputs.secret_id,
            SecretString::from(inputs.secret_key.as_str()),
            &inputs.service,
        )
    }

    fn check(vector: &Vector, signer: &Signer) {
        let Vector {
            id,
            inputs,
            expected,
            ..
        } = vector;
        assert_eq!(inputs.payload.len(), inputs.payload_utf8_len, "{id}");
        let signed = vector
            .signed_headers
            .as_deref()
            .unwrap_or("content-type;host");
        // Out of order and in the case of the wire: bringing them into form is the signer's part.
        let mut headers = vec![
            ("Host", inputs.host.as_str()),
            ("Content-Type", inputs.content_type.as_str()),
        ];
        if signed.contains("x-tc-action") {
            headers.insert(0, ("X-TC-Action", inputs.action.as_str()));
        }
        let request = Unsigned {
            method: &inputs.method,
            path: &inputs.path,
            query: "",
            headers: &headers,
            payload: if inputs.unsigned_payload {
                Payload::Unsigned
            } else {
                Payload::Signed(inputs.payload.as_bytes())
            },
        };
        let at = moment(inputs.timestamp);

        let canonical = request.canonical_request();
        assert_eq!(canonical, expected.canonical_request, "{id}");
        assert!(canonical.ends_with(&expected.hashed_payload), "{id}");
        assert_eq!(request.signed_headers(), signed, "{id}");
        assert_eq!(
            sha256_hex(canonical.as_bytes()),
            expected.hashed_canonical_request,
            "{id}"
        );
        let to_sign = string_to_sign(at, &inputs.service, &canonical);
        assert_eq!(to_sign, expected.string_to_sign, "{id}");
        assert_eq!(signer.signature(at, &to_sign), expected.signature, "{id}");
        assert_eq!(
            signer.authorization(&request, at),
            expected.authorization,
            "{id}"
        );
        if let Some(keys) = &expected.derived_keys_hex {
            let key = hex::encode(*signer.derive(at));
            assert_eq!(key, keys.secret_signing, "{id}");
        }
    }

    #[test]
    fn every_vector_and_every_published_example_is_signed_alike() {
        for vector in vectors() {
            check(&vector, &signer(&vector.inputs));
        }
    }

    #[test]
    fn one_signer_follows_the_date_in_any_order() {
        let vectors = vectors();
        let first = &vectors[0].inputs;
        let shared = signer(first);
        let same_keys: Vec<_> = vectors
            .iter()
            .filter(|vector| {
                vector.inputs.secret_id == first.secret_id
                    && vector.inputs.secret_key == first.secret_key
                    && vector.inputs.service == first.service
            })
            .collect();
        let days: std::collections::BTreeSet<_> = same_keys
            .iter()
            .map(|vector| vector.inputs.timestamp.div_euclid(86_400))
            .collect();
        assert!(days.len() > 1, "the vectors hold more than one day");
        for vector in same_keys.iter().chain(same_keys.iter().rev()) {
            check(vector, &shared);
        }
    }

    #[test]
    fn what_is_not_signed_does_not_change_the_signature() {
        let vectors = vectors();
        let mut compared = 0;
        for vector in &vectors {
            if let Some(other) = &vector.same_signature_as {
                let other = vectors.iter().find(|v| &v.id == other).expect("it exists");
                assert_eq!(vector.expected.signature, other.expected.signature);
                compared += 1;
            }
        }
        assert!(compared > 0);
    }

    #[test]
    fn debug_shows_no_key() {
        let signer = Signer::new("AKIDexample", SecretString::from("hushhush"), "lcic");
        let shown = format!("{signer:?}");
        assert!(
            !shown.contains("AKID") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
