//! What came back of a call ([`Reply`] or [`CallError`]) and what that means for the change that
//! was sent ([`verdict`]). Pure; the table of classes is in [`super::codes`].
//!
//! Three rules carry it:
//! - The envelope is believed, whatever the status and the content type (PROTOCOL §b); without
//!   one the status decides.
//! - Success needs a RequestId and no `Error`. Whatever makes no sense is "no answer": the change
//!   may have been made, and asking again is harmless (rule T4).
//! - A body that is not an envelope is described, never quoted: a gateway's page may repeat the
//!   request, and with it the signature and the pupil's name.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::codes::{self, Class};
use super::http;
use crate::model::{FatalCause, Fault, Passing, Verdict};

/// How many characters of a message are kept: enough for every message seen, and a result line
/// stays a line. Chosen.
const MESSAGE_LENGTH: usize = 300;

/// How many characters of a code or RequestId are kept. The longest code known has 49, a
/// RequestId 36. Chosen.
const WORD_LENGTH: usize = 100;

const SIGNATURE_EXPIRE: &str = "AuthFailure.SignatureExpire";

/// An HTTP answer, as far as it matters. Holds nothing of the request.
#[derive(Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The answer's `Date`, as it came: one of thousands is ever read.
    pub date: Option<HeaderValue>,
    /// How long the answer asks us to wait. Whoever waits puts a cap on it.
    pub retry_after: Option<Duration>,
    /// The body, whatever it is; empty when it was over the bound.
    pub body: Bytes,
    /// What the body says, where it is the service's.
    pub(super) envelope: Option<Envelope>,
    /// Whether the body was longer than any answer of the service.
    pub oversized: bool,
    /// The host that a redirection points to.
    pub redirected_to: Option<String>,
    /// The proxy on the way, as `host:port`.
    pub proxy: Option<Arc<str>>,
    /// Whether this answer told something about our clock.
    pub clock: ClockNote,
    /// Whether this answer told something about our keys.
    pub keys: KeysNote,
}

/// A refusal that may be about the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// `AuthFailure.TokenFailure`: the token is bad or has ended.
    Token,
    /// `AuthFailure.SignatureFailure` or `.SecretIdNotFound`: about a fresh key it can mean that
    /// the service does not know it yet; about a known one it means what it says.
    Key,
}

impl Doubt {
    /// What a code of the service means for the keys.
    pub fn of(code: &str) -> Option<Self> {
        match code {
            "AuthFailure.TokenFailure" => Some(Self::Token),
            "AuthFailure.SignatureFailure" | "AuthFailure.SecretIdNotFound" => Some(Self::Key),
            _ => None,
        }
    }
}

/// What an answer did to the keys that calls are signed with (PROTOCOL §d.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeysNote {
    /// Nothing.
    #[default]
    Untouched,
    /// The service refused the keys, and calls are signed with new ones from now on.
    Renewed,
    /// The service refused keys that had been replaced while this call was under way.
    RenewedBefore,
}

/// What a reply means for how calls are made; what it means for the change is its [`verdict`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The call was accepted.
    Accepted,
    /// The timestamp is too far from the service's time.
    ClockWrong,
    /// The keys are refused.
    KeysRefused(Doubt),
    /// Neither.
    Other,
}

/// What an answer did to the offset between our clock and the service's (PROTOCOL §a.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClockNote {
    /// Nothing.
    #[default]
    Untouched,
    /// The service found the timestamp too far off, and calls are signed with this offset to our
    /// clock from now on.
    Corrected(TimeDelta),
    /// The service found the timestamp too far off, but another answer had the clock corrected
    /// while this call was under way.
    CorrectedBefore,
}

impl Reply {
    /// A reply with this status and body and nothing else: what most tests and doubles need.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            status,
            date: None,
            retry_after: None,
            envelope: envelope(&body),
            body,
            oversized: false,
            redirected_to: None,
            proxy: None,
            clock: ClockNote::Untouched,
            keys: KeysNote::Untouched,
        }
    }

    /// The moment at which it was given, by the clock of who gave it.
    pub fn given_at(&self) -> Option<DateTime<Utc>> {
        self.date.as_ref().and_then(http::moment)
    }

    /// What it means for how calls are made.
    pub fn said(&self) -> Said {
        match &self.envelope {
            Some(Envelope::Accepted { .. }) => Said::Accepted,
            Some(Envelope::Failed { code, .. }) => {
                // A sub-code means what its line in the table means.
                let code = codes::of_service(code).code;
                match Doubt::of(code) {
                    Some(doubt) => Said::KeysRefused(doubt),
                    None if code == SIGNATURE_EXPIRE => Said::ClockWrong,
                    None => Said::Other,
                }
            }
            Some(Envelope::Senseless { .. }) | None => Said::Other,
        }
    }
}

impl fmt::Debug for Reply {
    /// Without the body: a message of the service may repeat what it was sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("date", &self.date)
            .field("retry_after", &self.retry_after)
            .field("body_len", &self.body.len())
            .field("oversized", &self.oversized)
            .field("clock", &self.clock)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", .kind.code())]
pub struct CallError {
    /// What went wrong, and so whether the call may have left.
    pub kind: CallErrorKind,
    /// What was seen. Holds nothing of the request.
    pub detail: String,
}

impl CallError {
    /// An error of this kind; `detail` is made fit for one line.
    pub fn new(kind: CallErrorKind, detail: &str) -> Self {
        Self {
            kind,
            detail: plain(detail, MESSAGE_LENGTH),
        }
    }
}

/// The kinds of [`CallError`]. Only what surely happened before anything was sent has a kind of
/// its own; everything else is [`NoAnswer`](Self::NoAnswer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallErrorKind {
    /// The host's name did not resolve.
    NameNotFound,
    /// No connection: refused, unreachable, too slow.
    ConnectionFailed,
    /// A connection, but no TLS on it.
    TlsFailed,
    /// The proxy would not connect us.
    ProxyFailed,
    /// The proxy wants a user and a password.
    ProxyAuthentication,
    /// The request could not be built.
    NotSendable,
    /// The keys have ended or were refused, and new ones came too late for this call, or not yet.
    KeysNotRenewed,
    /// The keys have ended or were refused, and there will be no new ones without a person.
    KeysOver,
    /// It left, or may have left: time-out, lost connection, answer cut off.
    NoAnswer,
}

impl CallErrorKind {
    /// The code under which it stands in results and in the table.
    pub fn code(self) -> &'static str {
        match self {
            Self::NameNotFound => codes::NAME_NOT_FOUND,
            Self::ConnectionFailed => codes::CONNECTION_FAILED,
            Self::TlsFailed => codes::TLS_FAILED,
            Self::ProxyFailed => codes::PROXY_FAILED,
            Self::ProxyAuthentication => "http 407",
            Self::NotSendable => codes::NOT_SENDABLE,
            Self::KeysNotRenewed => codes::KEYS_NOT_RENEWED,
            Self::KeysOver => codes::KEYS_OVER,
            Self::NoAnswer => codes::NO_ANSWER,
        }
    }
}

/// What the outcome of a call means for the change that was sent.
pub fn verdict(result: &Result<Reply, CallError>) -> Verdict {
    match result {
        Err(error) => {
            let fault = fault(error.kind.code(), error.detail.clone(), None);
            by_class(codes::lookup(&fault.code).class, fault, None)
        }
        Ok(reply) => match reply.envelope.clone() {
            Some(Envelope::Accepted { request_id }) => Verdict::Accepted { request_id },
            Some(Envelope::Failed {
                code,
                message,
                request_id,
            }) => {
                let entry = codes::of_service(&code);
                let fault = fault(code, message, request_id);
                let mended = match entry.code {
                    SIGNATURE_EXPIRE => reply.clock != ClockNote::Untouched,
                    code => Doubt::of(code).is_some() && reply.keys != KeysNote::Untouched,
                };
                if mended {
                    again(Passing::Mended, fault, None)
                } else {
                    by_class(entry.class, fault, reply.retry_after)
                }
            }
            Some(Envelope::Senseless { request_id }) => {
                let seen = format!(
                    "http {}, an answer that says neither success nor failure",
                    reply.status
                );
                let fault = fault(codes::NOT_THE_SERVICE, seen, request_id);
                again(Passing::NoAnswer, fault, reply.retry_after)
            }
            None => by_status(reply),
        },
    }
}

fn by_class(class: Class, fault: Fault, after: Option<Duration>) -> Verdict {
    match class {
        Class::Throttled => again(Passing::Throttled, fault, after),
        Class::Passing(passing) => again(passing, fault, after),
        Class::Row => Verdict::Refused(fault),
        Class::Fatal(cause) => Verdict::Fatal { cause, fault },
    }
}

/// What a status says when no envelope came with it (PROTOCOL §d.1, last paragraph).
fn by_status(reply: &Reply) -> Verdict {
    let status = reply.status;
    let code = format!("http {status}");
    let seen = describe(reply);
    match status {
        300..=399 => {
            let target = match &reply.redirected_to {
                Some(host) => format!("redirected to {}", plain(host, WORD_LENGTH)),
                None => format!("a redirection, {seen}"),
            };
            fatal(fault(code, target, None))
        }
        407 => {
            let proxy = reply.proxy.as_deref().unwrap_or("a proxy on the way");
            let asks = format!("{proxy} asks for a user and a password");
            fatal(fault(code, asks, None))
        }
        408 | 500..=599 => again(
            Passing::NoAnswer,
            fault(code, seen, None),
            reply.retry_after,
        ),
        429 => again(
            Passing::Throttled,
            fault(code, seen, None),
            reply.retry_after,
        ),
        400..=499 => fatal(fault(code, seen, None)),
        _ => {
            let seen = format!("http {status}, {seen}");
            let fault = fault(codes::NOT_THE_SERVICE, seen, None);
            again(Passing::NoAnswer, fault, reply.retry_after)
        }
    }
}

fn again(passing: Passing, fault: Fault, after: Option<Duration>) -> Verdict {
    Verdict::Again {
        passing,
        fault,
        after,
    }
}

fn fatal(fault: Fault) -> Verdict {
    Verdict::Fatal {
        cause: FatalCause::Service,
        fault,
    }
}

fn fault(code: impl Into<String>, message: String, request_id: Option<String>) -> Fault {
    Fault {
        code: code.into(),
        message,
        request_id,
    }
}

/// What the service said, in either of its forms (PROTOCOL §b).
#[derive(Clone)]
pub(super) enum Envelope {
    Accepted {
        request_id: String,
    },
    Failed {
        code: String,
        message: String,
        request_id: Option<String>,
    },
    /// The form of an envelope, without a content that decides anything.
    Senseless {
        request_id: Option<String>,
    },
}

/// Reads `body` as an envelope; `None` if it has not even the form of one.
fn envelope(body: &[u8]) -> Option<Envelope> {
    // Nearly every answer is this one: no tree is made for it.
    if let Ok(Success { response }) = serde_json::from_slice(body)
        && response.error.is_none()
        && let Some(request_id) = short(&response.request_id)
    {
        return Some(Envelope::Accepted { request_id });
    }
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let root: Value = serde_json::from_slice(body)
        .or_else(|_| serde_json::from_str(&without_broken_characters(body)))
        .ok()?;
    let Some(response) = root.get("Response") else {
        return old_style(&root);
    };
    let request_id = word(response.get("RequestId"));
    // `Error` present means failure; null is how some writers say "not present".
    let error = response.get("Error").filter(|error| !error.is_null());
    Some(match (error, request_id) {
        (None, Some(request_id)) => Envelope::Accepted { request_id },
        (None, None) => Envelope::Senseless { request_id: None },
        (Some(error), request_id) => match word(error.get("Code")) {
            Some(code) => Envelope::Failed {
                code,
                message: text(error.get("Message")),
                request_id,
            },
            None => Envelope::Senseless { request_id },
        },
    })
}

/// The form of a success; anything odd is not one, and is looked at more closely.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Success<'b> {
    #[serde(borrow)]
    response: Response<'b>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response<'b> {
    #[serde(borrow)]
    request_id: Cow<'b, str>,
    error: Option<IgnoredAny>,
}

/// A message that quotes a name and is cut to a number of bytes ends in half a character, as
/// bytes or as half of an escaped pair. The rest of such an answer still says what happened, so
/// broken bytes and all escaped surrogates become U+FFFD.
fn without_broken_characters(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let mut whole = String::with_capacity(body.len());
    let mut rest = &*body;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        whole.push_str(before);
        let is_surrogate = matches!(
            escape.as_bytes(),
            [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', third, fourth, ..]
                if third.is_ascii_hexdigit() && fourth.is_ascii_hexdigit()
        );
        if is_surrogate {
            whole.push('\u{FFFD}');
            rest = &escape[6..];
        } else {
            // The backslash and what it escapes, so that the second of two is not taken for the
            // beginning of another escape.
            let length = 1 + escape.chars().nth(1).map_or(0, char::len_utf8);
            whole.push_str(&escape[..length]);
            rest = &escape[length..];
        }
    }
    whole.push_str(rest);
    whole
}

/// `{"code":4100,"message":"...","codeDesc":"..."}`. Its success is none of ours: this action
/// never answers so (PROTOCOL §b).
fn old_style(root: &Value) -> Option<Envelope> {
    let number = root.get("code")?.as_i64()?;
    let code = word(root.get("codeDesc"))?;
    if number == 0 || code.eq_ignore_ascii_case("success") {
        return None;
    }
    Some(Envelope::Failed {
        code,
        message: text(root.get("message")),
        request_id: word(root.get("requestId")),
    })
}

/// A short text that is not empty.
fn word(value: Option<&Value>) -> Option<String> {
    short(value?.as_str()?)
}

fn short(text: &str) -> Option<String> {
    let word = plain(text, WORD_LENGTH);
    (!word.is_empty()).then_some(word)
}

/// A text, or nothing.
fn text(value: Option<&Value>) -> String {
    value
        .and_then(Value::as_str)
        .map(|text| plain(text, MESSAGE_LENGTH))
        .unwrap_or_default()
}

/// `text` on one line of at most `length` characters, without anything that steers a terminal or
/// hides what is written (control characters, line separators, changes of direction).
pub(super) fn plain(text: &str, length: usize) -> String {
    // Nearly all are.
    let text = text.trim();
    if text.len() <= length
        && text
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
    {
        return text.to_owned();
    }
    let mut kept = text.chars().filter_map(|c| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
        '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => None,
        c if c.is_control() => None,
        c => Some(c),
    });
    let mut plain: String = kept.by_ref().take(length).collect();
    if kept.next().is_some() {
        plain.pop();
        plain.push('…');
    }
    // What was dropped may have shielded blanks.
    if plain.trim().len() < plain.len() {
        plain = plain.trim().to_owned();
    }
    plain
}

/// A body that is not an envelope, in a few words of ours; of its own words only a page's title,
/// which tells a hotel's login page from a gateway's error page.
fn describe(reply: &Reply) -> String {
    if reply.oversized {
        return "a body of more than 64 KB".to_owned();
    }
    if reply.body.is_empty() {
        return "an empty body".to_owned();
    }
    let start = String::from_utf8_lossy(&reply.body[..reply.body.len().min(4096)]);
    match title(&start) {
        Some(title) => format!("a page with the title \"{}\"", plain(title, WORD_LENGTH)),
        None if start.trim_start().starts_with('<') => "a page without a title".to_owned(),
        None if serde_json::from_slice::<Value>(&reply.body).is_ok() => {
            format!("{} bytes of other JSON", reply.body.len())
        }
        None => format!("{} bytes that are no JSON", reply.body.len()),
    }
}

fn title(page: &str) -> Option<&str> {
    // ASCII lower case keeps every byte where it was.
    let lower = page.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let from = open + lower[open..].find('>')? + 1;
    let to = from + lower[from..].find("</title")?;
    let title = page[from..to].trim();
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests;
