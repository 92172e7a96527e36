//! The URLs at which others are told of runs ([`super::ping`], [`super::notify`]), and how they are
//! reached: shortly, or not at all.
//!
//! **Invariant.** Who knows such a URL can speak in this program's name, so it is a secret:
//! `Debug` and `Display` show its host alone.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};

use crate::tencent::http::{self, causes, extra_certificates};

/// How long telling somebody may take. Chosen: five round trips around the world, and short beside
/// any run.
const TIMEOUT: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Clone)]
pub struct SecretUrl(SecretString);

impl SecretUrl {
    /// Reads an http or https URL.
    pub fn read(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let fits = matches!(url.scheme(), "http" | "https") && url.fragment().is_none();
        fits.then(|| Self(text.to_owned().into()))
    }

    /// The URL itself.
    pub fn url(&self) -> Url {
        Url::parse(self.0.expose_secret()).expect("read before it became one")
    }

    /// A client that reaches it, and trusts `ca_file`, too.
    ///
    /// # Errors
    /// What keeps it from being made, in words.
    pub fn client(&self, ca_file: Option<&Path>) -> Result<Client, String> {
        let extra = extra_certificates(ca_file).map_err(|error| error.to_string())?;
        let builder = http::builder().timeout(TIMEOUT);
        let builder = match self.url().scheme() {
            "https" => builder.tls_certs_merge(extra),
            // No TLS, so a machine without any certificates will do.
            _ => builder.tls_certs_only(extra),
        };
        builder.build().map_err(|error| causes(&error))
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url();
        write!(f, "{}://{}/…", url.scheme(), url.host_str().unwrap_or("…"))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}
