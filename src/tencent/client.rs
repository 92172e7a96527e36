//! One call over HTTP, of `ModifyUserProfile` or `DescribeUser`: build the body, sign it, send it, read the answer.
//!
//! [`Transport`] is the seam: the run loop knows nothing else, and tests put a scripted double in
//! its place. [`HttpTransport`] is the real one. What it holds to:
//! - **A call is one request.** Nothing is sent again behind the caller's back, no redirection is
//!   followed. (The one thing that the connection pool repeats is a request of which not a byte
//!   was written, because the kept connection was found closed.)
//! - **It is signed right before it leaves**: timestamps age (PROTOCOL §a.4).
//! - **Only what surely never left is told as not sent**; every doubt is "no answer" (rule T4).
//! - **No answer is large**: 64 KB are read at most.
//! - A wrong clock is corrected by the service's own time, a few times at most (`skew.rs`).
//! - Keys are renewed before they end, and once when the service refuses them (`credentials`); a call
//!   that then goes with them is another call, and the caller's to make.
//!
//! A call that still waits for its connection has not left. So connecting has a time limit of its
//! own, shorter than that of the call: otherwise dead networks would put users in doubt.

use std::error::Error;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION,
    RETRY_AFTER,
};
use reqwest::{Client, ClientBuilder, Method, Request, Response, Url};
use serde::Serialize;

use super::answer::{CallError, CallErrorKind, Doubt, KeysNote, Reply, Said};
use super::credentials::keyring::{Generation, Mending};
use super::credentials::{Keyring, RefreshError};
use super::endpoint::Endpoint;
use super::http::{self, causes, extra_certificates, http_date};
use super::sign::{Payload, Unsigned};
use super::skew::Skew;
use crate::model::{UserId, Values};

pub use super::http::ClientError;

/// The service's name in the signature: a constant, never taken from the host (PROTOCOL §a.2).
pub const SERVICE: &str = "lcic";
/// The action that sets.
pub const MODIFY: &str = "ModifyUserProfile";
/// The action that shows.
pub const DESCRIBE: &str = "DescribeUser";
/// The version of the API (PROTOCOL §c.1).
pub const VERSION: &str = "2022-08-17";

/// Sent and signed as it stands here.
const JSON: &str = "application/json";

/// The service closes idle connections after 60 s, and a request sent in that instant is lost. The
/// Go SDK keeps them for 30 s for that reason (PROTOCOL §f.3).
const IDLE_CONNECTION: Duration = Duration::from_secs(25);

/// The longest wait for a connection. Chosen: two lost SYNs (1 s + 2 s) and a slow TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const X_TC_ACTION: HeaderName = HeaderName::from_static("x-tc-action");
const X_TC_LANGUAGE: HeaderName = HeaderName::from_static("x-tc-language");
const X_TC_TIMESTAMP: HeaderName = HeaderName::from_static("x-tc-timestamp");
const X_TC_TOKEN: HeaderName = HeaderName::from_static("x-tc-token");
const X_TC_VERSION: HeaderName = HeaderName::from_static("x-tc-version");

/// Makes calls. A run has one, shared by all of its calls:
/// `async move { transport.modify(&user, &send).await }` with an `Arc` of it goes into a task.
pub trait Transport: Send + Sync + 'static {
    /// Makes one call that sets `send` for `user`.
    fn modify(
        &self,
        user: &UserId,
        send: &Values,
    ) -> impl Future<Output = Result<Reply, CallError>> + Send;

    /// Makes one call that asks what the service holds for `user`.
    fn describe(&self, user: &UserId) -> impl Future<Output = Result<Reply, CallError>> + Send;
}

/// Tells the time of day. Injected, so that tests can lie.
pub type WallClock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// What an [`HttpTransport`] is made from.
#[derive(Clone)]
pub struct HttpSettings {
    /// Where the calls go.
    pub endpoint: Endpoint,
    /// What they are signed with.
    pub keys: Arc<Keyring>,
    /// How long a call may take, from its start to the last byte of its answer.
    pub timeout: Duration,
    /// How many calls are under way at most: so many connections are kept.
    pub concurrency: usize,
    /// A PEM file with certificates of authorities to trust besides the system's.
    pub extra_ca: Option<PathBuf>,
    /// The clock of this machine.
    pub wall_clock: WallClock,
}

/// Makes calls over HTTP.
pub struct HttpTransport {
    client: Client,
    url: Url,
    host: String,
    /// The headers that are the same for every call.
    headers: HeaderMap,
    keys: Arc<Keyring>,
    skew: Skew,
    proxy: Option<Arc<str>>,
}

impl HttpTransport {
    /// Sets up the client. Nothing is sent.
    pub fn new(settings: HttpSettings) -> Result<Self, ClientError> {
        Self::with(&settings, |builder| builder)
    }

    /// `adapt` gets the last word on the client: tests put proxies and resolvers there.
    fn with(
        settings: &HttpSettings,
        adapt: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, ClientError> {
        let HttpSettings { endpoint, keys, .. } = settings;
        let client = adapt(client(settings)?)
            .build()
            .map_err(|error| ClientError::Setup(causes(&error)))?;
        Ok(Self {
            client,
            url: endpoint.url().clone(),
            host: endpoint.host_header().to_owned(),
            headers: headers(endpoint)?,
            keys: Arc::clone(keys),
            skew: Skew::new(Arc::clone(&settings.wall_clock)),
            proxy: system_proxy(endpoint).map(Arc::from),
        })
    }

    /// The proxy that calls go through, as `host:port`, by the settings of the system.
    pub fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// Signs a body for this moment.
    fn request(
        &self,
        action: &'static str,
        body: Vec<u8>,
        keys: &Generation,
        at: DateTime<Utc>,
    ) -> Result<Request, CallError> {
        let authorization = keys.signer().authorization(
            &Unsigned {
                method: "POST",
                path: "/",
                query: "",
                headers: &[("content-type", JSON), ("host", &self.host)],
                payload: Payload::Signed(&body),
            },
            at,
        );
        let mut authorization = HeaderValue::try_from(authorization)
            .map_err(|_| CallError::new(CallErrorKind::NotSendable, "odd character in the key"))?;
        authorization.set_sensitive(true);
        let mut request = Request::new(Method::POST, self.url.clone());
        *request.headers_mut() = self.headers.clone();
        let headers = request.headers_mut();
        headers.insert(X_TC_ACTION, HeaderValue::from_static(action));
        headers.insert(X_TC_TIMESTAMP, HeaderValue::from(at.timestamp()));
        headers.insert(AUTHORIZATION, authorization);
        if let Some(token) = keys.token() {
            headers.insert(X_TC_TOKEN, token.clone());
        }
        *request.body_mut() = Some(body.into());
        Ok(request)
    }

    /// Reads an answer, at most [`http::BODY_LIMIT`] of it.
    async fn read(&self, mut response: Response) -> Result<Reply, CallError> {
        let (body, oversized) = match http::body(&mut response).await {
            Ok(Some(body)) => (body, false),
            Ok(None) => (Bytes::new(), true),
            Err(error) => {
                let seen = format!(
                    "the answer (http {}) was cut off: {}",
                    response.status().as_u16(),
                    causes(&error)
                );
                return Err(CallError::new(CallErrorKind::NoAnswer, &seen));
            }
        };
        let headers = response.headers();
        let asked_at = || http::date(headers).unwrap_or_else(|| self.skew.now().at);
        Ok(Reply {
            date: headers.get(DATE).cloned(),
            retry_after: text(headers, &RETRY_AFTER).and_then(|wish| retry_after(wish, asked_at())),
            oversized,
            redirected_to: text(headers, &LOCATION)
                .and_then(|target| self.url.join(target).ok())
                .and_then(|target| Some(target.host_str()?.to_owned())),
            proxy: self.proxy.clone(),
            ..Reply::new(response.status().as_u16(), body)
        })
    }
}

impl Transport for HttpTransport {
    async fn modify(&self, user: &UserId, send: &Values) -> Result<Reply, CallError> {
        self.call(MODIFY, to_body(user, send)).await
    }

    async fn describe(&self, user: &UserId) -> Result<Reply, CallError> {
        // A body that sets nothing names the user and nothing else.
        self.call(DESCRIBE, to_body(user, &Values::default())).await
    }
}

impl HttpTransport {
    async fn call(&self, action: &'static str, body: Vec<u8>) -> Result<Reply, CallError> {
        let Some(keys) = self.keys.ready() else {
            return Err(self.renew().await);
        };
        let moment = self.skew.now();
        let request = self.request(action, body, &keys, moment.at)?;
        let response = self
            .client
            .execute(request)
            .await
            .map_err(|error| call_error(&error, self.proxy()))?;
        let mut reply = self.read(response).await?;
        match reply.said() {
            Said::ClockWrong => reply.clock = self.skew.doubted(moment, reply.given_at()),
            Said::KeysRefused(doubt) => reply.keys = self.doubted(&keys, doubt).await?,
            Said::Accepted => keys.accepted(),
            Said::Other => {}
        }
        Ok(reply)
    }

    /// Renews keys that have ended. The call does not leave with the new ones: it has outlived its
    /// permit, and those that waited with it would all leave at once (rule P2).
    async fn renew(&self) -> CallError {
        match self.keys.for_call().await {
            Ok(_) => CallError::new(
                CallErrorKind::KeysNotRenewed,
                "the keys had ended; there are new ones now",
            ),
            Err(error) => not_renewed("the keys have ended", &error),
        }
    }

    /// Renews keys that the service refused. The call itself did nothing, so when new ones can't
    /// be had just now, it counts as one that never left.
    async fn doubted(&self, used: &Arc<Generation>, doubt: Doubt) -> Result<KeysNote, CallError> {
        match self.keys.doubted(used, doubt).await {
            Ok(Mending::None) => Ok(KeysNote::Untouched),
            Ok(Mending::Renewed) => Ok(KeysNote::Renewed),
            Ok(Mending::RenewedBefore) => Ok(KeysNote::RenewedBefore),
            Err(error) => Err(not_renewed("the service refused the keys", &error)),
        }
    }
}

fn not_renewed(why: &str, error: &RefreshError) -> CallError {
    let kind = match error.may_pass() {
        true => CallErrorKind::KeysNotRenewed,
        false => CallErrorKind::KeysOver,
    };
    let error = error.on_one_line();
    CallError::new(kind, &format!("{why}, and there are no new ones: {error}"))
}

/// The client with everything that matters about it (DESIGN §7).
fn client(settings: &HttpSettings) -> Result<ClientBuilder, ClientError> {
    let extra = extra_certificates(settings.extra_ca.as_deref())?;
    let builder = http::builder()
        .timeout(settings.timeout)
        .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout / 2))
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(settings.concurrency.max(1));
    let builder = if settings.endpoint.is_secure() {
        builder.https_only(true).tls_certs_merge(extra)
    } else {
        // No TLS, so a machine without any certificates will do.
        builder.tls_certs_only(extra)
    };
    Ok(if settings.endpoint.is_loopback() {
        builder.no_proxy()
    } else {
        builder
    })
}

/// The proxy that the HTTP client is going to use, without its user and password. The same
/// library decides there.
fn system_proxy(endpoint: &Endpoint) -> Option<String> {
    use hyper_util::client::proxy::matcher::Matcher;
    if endpoint.is_loopback() {
        return None;
    }
    let target = endpoint.url().as_str().parse().ok()?;
    let proxy = Matcher::from_system().intercept(&target)?;
    let host = proxy.uri().host()?;
    Some(match proxy.uri().port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

fn headers(endpoint: &Endpoint) -> Result<HeaderMap, ClientError> {
    let odd = |_| ClientError::Setup("odd character in a header".to_owned());
    let mut headers = HeaderMap::with_capacity(10);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    let host = HeaderValue::from_str(endpoint.host_header()).map_err(odd)?;
    headers.insert(HOST, host);
    headers.insert(X_TC_VERSION, HeaderValue::from_static(VERSION));
    headers.insert(X_TC_LANGUAGE, HeaderValue::from_static("en-US"));
    Ok(headers)
}

/// The body: what is signed and sent, byte for byte. A field that is not set is not there; an
/// empty text is, and reaches the service (PROTOCOL §a.1).
fn to_body(user: &UserId, send: &Values) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body<'a> {
        user_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        nickname: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        avatar: Option<&'a str>,
    }
    serde_json::to_vec(&Body {
        user_id: user.as_str(),
        nickname: send.nickname.as_deref(),
        avatar: send.avatar.as_deref(),
    })
    .expect("texts can always be written as JSON")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Seconds, or a date. A wish for more than a day is cut to one, so that adding it to a moment
/// can't overflow.
fn retry_after(wish: &str, now: DateTime<Utc>) -> Option<Duration> {
    const DAY: Duration = Duration::from_secs(86_400);
    let wish = wish.trim();
    if !wish.is_empty() && wish.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(wish.parse().map_or(DAY, Duration::from_secs).min(DAY));
    }
    let until = http_date(wish)?;
    Some((until - now).to_std().unwrap_or_default().min(DAY))
}

/// What an error tells about whether the call left. The HTTP client calls it a connection error
/// only if there was no connection to write to.
fn call_error(error: &reqwest::Error, proxy: Option<&str>) -> CallError {
    let mut seen = causes(error);
    let kind = if error.is_builder() {
        CallErrorKind::NotSendable
    } else if !error.is_connect() {
        CallErrorKind::NoAnswer
    } else if error.is_dns() {
        CallErrorKind::NameNotFound
    } else if seen.contains("proxy authorization required") {
        // The type of this error is private to hyper-util; a test holds its words.
        CallErrorKind::ProxyAuthentication
    } else if seen.contains("tunnel error") {
        CallErrorKind::ProxyFailed
    } else if is_tls(error) {
        CallErrorKind::TlsFailed
    } else {
        CallErrorKind::ConnectionFailed
    };
    if let Some(proxy) = proxy {
        seen = format!("through the proxy {proxy}: {seen}");
    }
    CallError::new(kind, &seen)
}

/// Looks into I/O errors too, in which others are wrapped without being their source.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    error.is::<rustls::Error>()
        || error.to_string() == "tls handshake eof"
        || error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .is_some_and(|inner| is_tls(inner))
        || error.source().is_some_and(is_tls)
}

#[cfg(test)]
mod tests;
