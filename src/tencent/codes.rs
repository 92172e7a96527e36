//! One table of error codes: how each is treated. What it means, and what a person does about it,
//! is in `lang/codes.csv`.
//!
//! The first part are the service's own codes (PROTOCOL §d.1: the whole common list,
//! ModifyUserProfile's list, and a few from elsewhere in LCIC). A code that is not listed is
//! treated like its longest listed prefix, cut at dots: `FailedOperation.Anything` like
//! `FailedOperation`. Throttling comes in sub-codes that the official retry code misses (PROTOCOL
//! §f.1); here they need no line of their own.
//!
//! The second part are our own codes for calls that the service did not answer. They are in lower
//! case with blanks, so that nobody takes them for the service's.

use crate::model::{FatalCause, Passing};

/// How a code is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Over the quota: slow down, send again, no try used up.
    Throttled,
    /// It may pass: send again after a while, a few times.
    Passing(Passing),
    /// This row is refused; the others may do. (The engine stops a run in which every row meets
    /// the same refusal, rule P8: some of these are about the account in truth.)
    Row,
    /// No row can work until a person changes something.
    Fatal(FatalCause),
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The code, or the prefix of codes, or a pattern (`http 5xx`).
    pub code: &'static str,
    /// How it is treated.
    pub class: Class,
}

/// The line for `code`: that of the longest prefix listed; the last resort for a code whose first
/// part is not known. Takes the service's codes and ours.
pub fn lookup(code: &str) -> &'static Entry {
    own(code).unwrap_or_else(|| of_service(code))
}

/// All lines, in the order in which a person reads them.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    SERVICE.iter().chain([&UNKNOWN]).chain(OWN)
}

/// The line for a code that the service gave. Never one of ours, whatever the text.
pub(super) fn of_service(code: &str) -> &'static Entry {
    let mut prefix = code;
    loop {
        if let Some(entry) = SERVICE.iter().find(|entry| entry.code == prefix) {
            return entry;
        }
        match prefix.rsplit_once('.') {
            Some((shorter, _)) => prefix = shorter,
            None => return &UNKNOWN,
        }
    }
}

/// The line for one of our own codes; `http NNN` is found under its pattern.
fn own(code: &str) -> Option<&'static Entry> {
    if let Some(entry) = OWN.iter().find(|entry| entry.code == code) {
        return Some(entry);
    }
    let digits = code.strip_prefix("http ")?;
    let is_status = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let pattern = match digits.as_bytes()[..] {
        _ if !is_status => return None,
        [b'3', ..] => "http 3xx",
        [b'4', ..] => "http 4xx",
        [b'5', ..] => "http 5xx",
        _ => NOT_THE_SERVICE,
    };
    OWN.iter().find(|entry| entry.code == pattern)
}

/// Our code for a call that left and was not answered.
pub const NO_ANSWER: &str = "no answer";
/// Our code for an answer that is not the service's: no envelope, or one without sense.
pub const NOT_THE_SERVICE: &str = "not the service";
/// Our code for a host name that did not resolve.
pub const NAME_NOT_FOUND: &str = "name not found";
/// Our code for a connection that could not be made.
pub const CONNECTION_FAILED: &str = "connection failed";
/// Our code for a connection that could not be secured.
pub const TLS_FAILED: &str = "tls failed";
/// Our code for a proxy that would not connect us.
pub const PROXY_FAILED: &str = "proxy failed";
/// Our code for a request that could not be built.
pub const NOT_SENDABLE: &str = "not sendable";
/// Our code for temporary keys that ended before new ones came.
pub const KEYS_NOT_RENEWED: &str = "keys not renewed";
/// Our code for temporary keys that only a person can renew.
pub const KEYS_OVER: &str = "keys over";

const KEY: Class = Class::Fatal(FatalCause::Key);
const SETUP: Class = Class::Fatal(FatalCause::Service);

const fn entry(code: &'static str, class: Class) -> Entry {
    Entry { code, class }
}

const UNKNOWN: Entry = entry("any other code", Class::Row);

static SERVICE: &[Entry] = &[
    // Speed.
    entry("RequestLimitExceeded", Class::Throttled),
    entry("RequestLimitExceeded.IPLimitExceeded", Class::Throttled),
    entry("RequestLimitExceeded.UinLimitExceeded", Class::Throttled),
    entry(
        "RequestLimitExceeded.GlobalRegionUinLimitExceeded",
        Class::Throttled,
    ),
    entry("LimitExceeded.RateLimitExceeded", Class::Throttled),
    // It may pass.
    entry("InternalError", Class::Passing(Passing::Internal)),
    entry("ServiceUnavailable", Class::Passing(Passing::Internal)),
    entry("ResourceInUse", Class::Passing(Passing::Busy)),
    entry("ResourceUnavailable", Class::Passing(Passing::Busy)),
    entry(
        "FailedOperation.RequestTimedOut",
        Class::Passing(Passing::NoAnswer),
    ),
    // The row.
    entry("FailedOperation", Class::Row),
    entry("FailedOperation.ImageArgInvalid", Class::Row),
    entry("FailedOperation.OriginIdExists", Class::Row),
    entry("FailedOperation.ClassStarted", Class::Row),
    entry("FailedOperation.ClassTooLong", Class::Row),
    entry("FailedOperation.RoomNotEnd", Class::Row),
    entry("InvalidParameter", Class::Row),
    entry("InvalidParameter.Content", Class::Row),
    entry("InvalidParameter.SdkAppId", Class::Row),
    entry("InvalidParameter.StartTime", Class::Row),
    entry("InvalidParameter.EndTime", Class::Row),
    entry("InvalidParameterValue", Class::Row),
    entry("MissingParameter", Class::Row),
    entry("ResourceNotFound", Class::Row),
    entry("ResourceNotFound.User", Class::Row),
    entry("ResourceNotFound.Room", Class::Row),
    entry("ResourceNotFound.Document", Class::Row),
    entry("ResourceUnavailable.RoomStatistics", Class::Row),
    entry("OperationDenied", Class::Row),
    entry("RequestSizeLimitExceeded", Class::Row),
    entry("ResponseSizeLimitExceeded", Class::Row),
    entry("DryRunOperation", Class::Row),
    // The row, and the account when it repeats.
    entry("LimitExceeded", Class::Row),
    entry("ResourceInsufficient", Class::Row),
    entry("ResourceInsufficient.Record", Class::Row),
    entry("ResourceInsufficient.Room", Class::Row),
    entry("ResourcesSoldOut", Class::Row),
    entry("UnsupportedOperation", Class::Row),
    // Key, signature, permission.
    entry("AuthFailure", KEY),
    entry("AuthFailure.InvalidAuthorization", KEY),
    entry("AuthFailure.InvalidSecretId", KEY),
    entry("AuthFailure.MFAFailure", KEY),
    entry("AuthFailure.SecretIdNotFound", KEY),
    entry("AuthFailure.SignatureExpire", KEY),
    entry("AuthFailure.SignatureFailure", KEY),
    entry("AuthFailure.TokenFailure", KEY),
    entry("AuthFailure.UnauthorizedOperation", KEY),
    entry("UnauthorizedOperation", KEY),
    entry("IpInBlacklist", KEY),
    entry("IpNotInWhitelist", KEY),
    // Endpoint, action, version.
    entry("ActionOffline", SETUP),
    entry("InvalidAction", SETUP),
    entry("InvalidRequest", SETUP),
    entry("UnknownParameter", SETUP),
    entry("NoSuchProduct", SETUP),
    entry("NoSuchVersion", SETUP),
    entry("UnsupportedProtocol", SETUP),
    entry("UnsupportedRegion", SETUP),
    entry("RegionError", SETUP),
    entry("UnsupportedOperation.Version", SETUP),
];

static OWN: &[Entry] = &[
    entry(NAME_NOT_FOUND, Class::Passing(Passing::NotSent)),
    entry(CONNECTION_FAILED, Class::Passing(Passing::NotSent)),
    entry(TLS_FAILED, Class::Passing(Passing::NotSent)),
    entry(PROXY_FAILED, Class::Passing(Passing::NotSent)),
    entry(NOT_SENDABLE, SETUP),
    entry(KEYS_NOT_RENEWED, Class::Passing(Passing::NotSent)),
    entry(KEYS_OVER, KEY),
    entry(NO_ANSWER, Class::Passing(Passing::NoAnswer)),
    entry(NOT_THE_SERVICE, Class::Passing(Passing::NoAnswer)),
    entry("http 3xx", SETUP),
    entry("http 407", SETUP),
    entry("http 408", Class::Passing(Passing::NoAnswer)),
    entry("http 429", Class::Throttled),
    entry("http 4xx", SETUP),
    entry("http 5xx", Class::Passing(Passing::NoAnswer)),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_code_is_listed_once() {
        let mut seen = BTreeSet::new();
        for entry in entries() {
            assert!(seen.insert(entry.code), "{} is listed twice", entry.code);
        }
    }

    #[test]
    fn every_line_is_found_under_its_own_code() {
        for entry in entries() {
            assert_eq!(lookup(entry.code), entry);
        }
    }

    #[test]
    fn sub_codes_are_treated_like_their_longest_listed_prefix() {
        for (code, found) in [
            ("RequestLimitExceeded.NewKind", "RequestLimitExceeded"),
            (
                "RequestLimitExceeded.UinLimitExceeded.Deep.Er",
                "RequestLimitExceeded.UinLimitExceeded",
            ),
            ("AuthFailure.SomethingNew", "AuthFailure"),
            ("ResourceUnavailable.Other", "ResourceUnavailable"),
            ("FailedOperation.", "FailedOperation"),
            ("LimitExceeded.RoomLimit", "LimitExceeded"),
            // Not a prefix at a dot.
            ("RequestLimitExceededX", "any other code"),
            ("requestlimitexceeded", "any other code"),
            ("NeverSeen.AuthFailure", "any other code"),
            ("", "any other code"),
            (".", "any other code"),
            ("http 302", "http 3xx"),
            ("http 407", "http 407"),
            ("http 418", "http 4xx"),
            ("http 502", "http 5xx"),
            ("http 101", "not the service"),
            ("http 4", "any other code"),
            ("http x02", "any other code"),
            ("http ünd", "any other code"),
        ] {
            assert_eq!(lookup(code).code, found, "{code}");
        }
    }

    #[test]
    fn the_service_can_not_speak_in_our_words() {
        assert_eq!(of_service("no answer").class, Class::Row);
        assert_eq!(of_service("http 429").class, Class::Row);
    }

    /// The decisions taken from PROTOCOL §d.1, written down a second time.
    #[test]
    fn classes_are_those_of_the_protocol() {
        use FatalCause::{Key, Service};
        let classes: &[(Class, &[&str])] = &[
            (
                Class::Throttled,
                &[
                    "RequestLimitExceeded",
                    "RequestLimitExceeded.IPLimitExceeded",
                    "RequestLimitExceeded.UinLimitExceeded",
                    "RequestLimitExceeded.GlobalRegionUinLimitExceeded",
                    "LimitExceeded.RateLimitExceeded",
                ],
            ),
            (
                Class::Passing(Passing::Internal),
                &["InternalError", "ServiceUnavailable"],
            ),
            (
                Class::Passing(Passing::Busy),
                &["ResourceInUse", "ResourceUnavailable"],
            ),
            (
                Class::Passing(Passing::NoAnswer),
                &["FailedOperation.RequestTimedOut"],
            ),
            (
                Class::Row,
                &[
                    "DryRunOperation",
                    "FailedOperation",
                    "FailedOperation.ClassStarted",
                    "FailedOperation.ClassTooLong",
                    "FailedOperation.ImageArgInvalid",
                    "FailedOperation.OriginIdExists",
                    "FailedOperation.RoomNotEnd",
                    "InvalidParameter",
                    "InvalidParameter.Content",
                    "InvalidParameter.EndTime",
                    "InvalidParameter.SdkAppId",
                    "InvalidParameter.StartTime",
                    "InvalidParameterValue",
                    "LimitExceeded",
                    "MissingParameter",
                    "OperationDenied",
                    "RequestSizeLimitExceeded",
                    "ResourceInsufficient",
                    "ResourceInsufficient.Record",
                    "ResourceInsufficient.Room",
                    "ResourceNotFound",
                    "ResourceNotFound.Document",
                    "ResourceNotFound.Room",
                    "ResourceNotFound.User",
                    "ResourceUnavailable.RoomStatistics",
                    "ResourcesSoldOut",
                    "ResponseSizeLimitExceeded",
                    "UnsupportedOperation",
                ],
            ),
            (
                Class::Fatal(Key),
                &[
                    "AuthFailure",
                    "AuthFailure.InvalidAuthorization",
                    "AuthFailure.InvalidSecretId",
                    "AuthFailure.MFAFailure",
                    "AuthFailure.SecretIdNotFound",
                    "AuthFailure.SignatureExpire",
                    "AuthFailure.SignatureFailure",
                    "AuthFailure.TokenFailure",
                    "AuthFailure.UnauthorizedOperation",
                    "IpInBlacklist",
                    "IpNotInWhitelist",
                    "UnauthorizedOperation",
                ],
            ),
            (
                Class::Fatal(Service),
                &[
                    "ActionOffline",
                    "InvalidAction",
                    "InvalidRequest",
                    "NoSuchProduct",
                    "NoSuchVersion",
                    "RegionError",
                    "UnknownParameter",
                    "UnsupportedOperation.Version",
                    "UnsupportedProtocol",
                    "UnsupportedRegion",
                ],
            ),
        ];
        let mut listed = 0;
        for (class, codes) in classes {
            for code in *codes {
                let entry = of_service(code);
                assert_eq!((entry.code, entry.class), (*code, *class));
                listed += 1;
            }
        }
        assert_eq!(listed, SERVICE.len(), "the table holds no other line");
    }
}
