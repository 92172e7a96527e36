//! What all HTTP clients in here have in common: the service's own, and those that fetch keys.
//! Nothing is sent twice, redirections are not followed, and no answer is read without a bound.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Response, redirect, retry};

/// Who we say we are.
const USER_AGENT: &str = concat!("lcic-sync/", env!("CARGO_PKG_VERSION"));

/// Far more than any answer of the service; keeps whatever answers in its place out of memory.
pub const BODY_LIMIT: usize = 64 * 1024;

/// Why an HTTP client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file with certificates can't be read.
    #[error("{}: {error}", .path.display())]
    CaUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file holds something else.
    #[error("{}: holds no certificate in PEM form", .path.display())]
    CaInvalid {
        /// The file.
        path: PathBuf,
    },
    /// The HTTP client could not be set up, for example without the system's certificates.
    #[error("cannot set up the HTTP client: {0}")]
    Setup(String),
}

/// A client with everything that matters about all of them (DESIGN §7); time limits and trust are
/// the caller's.
pub fn builder() -> ClientBuilder {
    // Who comes second finds the same provider installed.
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder()
        .user_agent(USER_AGENT)
        // A redirection is not the service, and a 307 would carry body and token elsewhere.
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .http1_only()
        .tcp_nodelay(true)
        // At trace level it would print every byte that travels.
        .connection_verbose(false)
}

/// Certificates of authorities to trust besides the system's, from a PEM file.
pub fn extra_certificates(path: Option<&Path>) -> Result<Vec<Certificate>, ClientError> {
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    let pem = std::fs::read(path).map_err(|error| ClientError::CaUnreadable {
        path: path.to_owned(),
        error,
    })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(ClientError::CaInvalid {
            path: path.to_owned(),
        }),
    }
}

/// The body, or `None` if it is over [`BODY_LIMIT`].
pub async fn body(response: &mut Response) -> Result<Option<Bytes>, reqwest::Error> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if whole.len() + chunk.len() > BODY_LIMIT {
            return Ok(None);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(Some(whole.freeze()))
}

/// The moment at which an answer was given, by the clock of who gave it.
pub fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    moment(headers.get(DATE)?)
}

/// The moment that a `Date` means.
pub fn moment(date: &HeaderValue) -> Option<DateTime<Utc>> {
    date.to_str().ok().and_then(http_date)
}

/// Reads a date as HTTP writes it.
pub fn http_date(text: &str) -> Option<DateTime<Utc>> {
    // Of the three forms that HTTP knows, the only one that is still written is RFC 2822's.
    let date = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some(date.to_utc())
}

/// What lies below an error, from the outside in, without the URL and without repetitions.
pub fn causes(error: &reqwest::Error) -> String {
    let mut seen: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !seen.iter().any(|earlier| earlier.contains(&words)) {
            seen.push(words);
        }
        next = cause.source();
    }
    if seen.is_empty() {
        "the HTTP client gave no reason".to_owned()
    } else {
        seen.join(": ")
    }
}
