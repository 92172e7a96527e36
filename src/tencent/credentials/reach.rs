//! How the issuers of temporary keys are reached.
//!
//! The metadata service is on this very machine's wire: plain HTTP, a short time limit so that a
//! laptop outside the cloud does not hang, and never through a proxy, which would give the keys of
//! the proxy's machine. STS is a service like any other.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Client, Url};

use crate::tencent::client::WallClock;
use crate::tencent::endpoint::Endpoint;
use crate::tencent::http::{self, ClientError, causes, extra_certificates};
use crate::tencent::skew::Skew;

/// PROTOCOL §e.5 advises one to two seconds; the official clients set none.
pub(super) const METADATA_TIMEOUT: Duration = Duration::from_millis(1500);

/// As long as a call may take by default, nearly. Chosen.
const STS_TIMEOUT: Duration = Duration::from_secs(10);

/// Who gives temporary keys. Not a setting: whoever answers here gets the permanent key's
/// signature and decides what a run is signed with.
#[derive(Debug, Clone)]
pub struct Issuers {
    /// The metadata service of a virtual machine.
    pub metadata: Url,
    /// The service that gives keys for roles.
    pub sts: Endpoint,
}

impl Default for Issuers {
    /// Tencent Cloud's (PROTOCOL §e.5).
    fn default() -> Self {
        Self {
            metadata: Url::parse("http://metadata.tencentyun.com/").expect("it is one"),
            sts: Endpoint::parse("https://sts.tencentcloudapi.com").expect("it is one"),
        }
    }
}

/// What the issuers are reached with.
#[derive(Clone)]
pub struct ReachSettings {
    /// A PEM file with certificates of authorities to trust besides the system's.
    pub extra_ca: Option<PathBuf>,
    /// The clock of this machine.
    pub wall_clock: WallClock,
}

/// Asks the issuers.
pub(super) struct Reach {
    pub(super) issuers: Issuers,
    settings: ReachSettings,
    /// How far this machine's clock is from that of STS.
    pub(super) skew: Skew,
    /// Made at the first question: most runs ask none.
    metadata: OnceLock<Client>,
    sts: OnceLock<Client>,
}

impl Reach {
    pub(super) fn new(issuers: Issuers, settings: ReachSettings) -> Self {
        Self {
            issuers,
            skew: Skew::new(Arc::clone(&settings.wall_clock)),
            settings,
            metadata: OnceLock::new(),
            sts: OnceLock::new(),
        }
    }

    /// What the clock of this machine says.
    pub(super) fn now(&self) -> DateTime<Utc> {
        (self.settings.wall_clock)()
    }

    pub(super) fn metadata(&self) -> Result<Client, ClientError> {
        or_made(&self.metadata, || {
            let builder = http::builder().timeout(METADATA_TIMEOUT).no_proxy();
            Ok(builder.tls_certs_only([]))
        })
    }

    pub(super) fn sts(&self) -> Result<Client, ClientError> {
        or_made(&self.sts, || {
            let extra = extra_certificates(self.settings.extra_ca.as_deref())?;
            let builder = http::builder().timeout(STS_TIMEOUT);
            Ok(match self.issuers.sts.is_secure() {
                true => builder.https_only(true).tls_certs_merge(extra),
                false => builder.no_proxy().tls_certs_only(extra),
            })
        })
    }
}

fn or_made(
    place: &OnceLock<Client>,
    builder: impl FnOnce() -> Result<reqwest::ClientBuilder, ClientError>,
) -> Result<Client, ClientError> {
    if let Some(client) = place.get() {
        return Ok(client.clone());
    }
    let client = builder()?.build();
    let client = client.map_err(|error| ClientError::Setup(causes(&error)))?;
    Ok(place.get_or_init(|| client).clone())
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reach({:?})", self.issuers)
    }
}
