//! One table of error codes: what each means, how it is treated, what a person does about it.
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
    /// What it means.
    pub meaning: &'static str,
    /// What a person does about it.
    pub advice: &'static str,
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

const fn entry(
    code: &'static str,
    class: Class,
    meaning: &'static str,
    advice: &'static str,
) -> Entry {
    Entry {
        code,
        class,
        meaning,
        advice,
    }
}

const UNKNOWN: Entry = entry(
    "any other code",
    Class::Row,
    "a code that is not in this table",
    "read the message; report the RequestId to Tencent Cloud support if it does not help",
);

const NOT_EXPECTED: &str = "not expected from this action: report the RequestId to support";
const OUR_BUG: &str = "not the data's fault: update lcic-sync, or report this as its bug";

static SERVICE: &[Entry] = &[
    // Speed.
    entry(
        "RequestLimitExceeded",
        Class::Throttled,
        "the action's frequency limit is used up",
        "nothing, the run slows down; if it stays slow, look who else calls with this account, or ask for a higher limit",
    ),
    entry(
        "RequestLimitExceeded.IPLimitExceeded",
        Class::Throttled,
        "the frequency limit of this IP address is used up",
        "nothing, the run slows down; other clients behind the same address share the limit",
    ),
    entry(
        "RequestLimitExceeded.UinLimitExceeded",
        Class::Throttled,
        "the frequency limit of the root account is used up",
        "nothing, the run slows down; all sub-accounts share the limit",
    ),
    entry(
        "RequestLimitExceeded.GlobalRegionUinLimitExceeded",
        Class::Throttled,
        "the frequency limit of the root account over all regions is used up",
        "nothing, the run slows down; another region would not help",
    ),
    entry(
        "LimitExceeded.RateLimitExceeded",
        Class::Throttled,
        "a frequency limit is used up, in the words of some products",
        "nothing, the run slows down",
    ),
    // It may pass.
    entry(
        "InternalError",
        Class::Passing(Passing::Internal),
        "the service failed without saying why",
        "run again later; if it stays, only a support ticket with the RequestId helps",
    ),
    entry(
        "ServiceUnavailable",
        Class::Passing(Passing::Internal),
        "the service is down for now",
        "run again later",
    ),
    entry(
        "ResourceInUse",
        Class::Passing(Passing::Busy),
        "the user is busy with another operation",
        "run again later",
    ),
    entry(
        "ResourceUnavailable",
        Class::Passing(Passing::Busy),
        "the user is not available just now",
        "run again later",
    ),
    entry(
        "FailedOperation.RequestTimedOut",
        Class::Passing(Passing::NoAnswer),
        "the service ran out of time; the change may have been made",
        "run again: setting the same values twice is harmless",
    ),
    // The row.
    entry(
        "FailedOperation",
        Class::Row,
        "the operation failed, no reason given",
        "run failures.csv again; if it stays, report the RequestId to support",
    ),
    entry(
        "FailedOperation.ImageArgInvalid",
        Class::Row,
        "the picture's URL is not accepted",
        "correct the Avatar of this row",
    ),
    entry(
        "FailedOperation.OriginIdExists",
        Class::Row,
        "the OriginId is taken by another user",
        NOT_EXPECTED,
    ),
    entry(
        "FailedOperation.ClassStarted",
        Class::Row,
        "the class has begun",
        NOT_EXPECTED,
    ),
    entry(
        "FailedOperation.ClassTooLong",
        Class::Row,
        "the class is too long",
        NOT_EXPECTED,
    ),
    entry(
        "FailedOperation.RoomNotEnd",
        Class::Row,
        "the class has not ended",
        NOT_EXPECTED,
    ),
    entry(
        "InvalidParameter",
        Class::Row,
        "a parameter has a wrong format or type",
        "read the message and correct the row",
    ),
    entry(
        "InvalidParameter.Content",
        Class::Row,
        "the text holds sensitive words",
        "change the Nickname of this row",
    ),
    entry(
        "InvalidParameter.SdkAppId",
        Class::Row,
        "the application id is wrong",
        "check that the users belong to this account",
    ),
    entry(
        "InvalidParameter.StartTime",
        Class::Row,
        "the start time is wrong",
        NOT_EXPECTED,
    ),
    entry(
        "InvalidParameter.EndTime",
        Class::Row,
        "the end time is wrong",
        NOT_EXPECTED,
    ),
    entry(
        "InvalidParameterValue",
        Class::Row,
        "a value is not allowed",
        "read the message and correct the row",
    ),
    entry(
        "MissingParameter",
        Class::Row,
        "a required parameter is absent",
        "check that the row has a UserId and something to set",
    ),
    entry(
        "ResourceNotFound",
        Class::Row,
        "there is no such thing",
        "check the UserId, and that it belongs to this account",
    ),
    entry(
        "ResourceNotFound.User",
        Class::Row,
        "there is no such user",
        "check the UserId, and that it belongs to this account",
    ),
    entry(
        "ResourceNotFound.Room",
        Class::Row,
        "there is no such class",
        NOT_EXPECTED,
    ),
    entry(
        "ResourceNotFound.Document",
        Class::Row,
        "there is no such document",
        NOT_EXPECTED,
    ),
    entry(
        "ResourceUnavailable.RoomStatistics",
        Class::Row,
        "the statistics of the class are not ready",
        NOT_EXPECTED,
    ),
    entry(
        "OperationDenied",
        Class::Row,
        "the operation was refused",
        "read the message; report the RequestId to support if it does not help",
    ),
    entry(
        "RequestSizeLimitExceeded",
        Class::Row,
        "the request is larger than 10 MB",
        "shorten the texts of this row",
    ),
    entry(
        "ResponseSizeLimitExceeded",
        Class::Row,
        "the answer would be too large",
        NOT_EXPECTED,
    ),
    entry(
        "DryRunOperation",
        Class::Row,
        "it would have worked, but was asked for as a trial only",
        NOT_EXPECTED,
    ),
    // The row, and the account when it repeats.
    entry(
        "LimitExceeded",
        Class::Row,
        "a quota (not of speed) is used up",
        "look at the quotas of the account in the console",
    ),
    entry(
        "ResourceInsufficient",
        Class::Row,
        "resources are lacking",
        "look at the package of the account in the console",
    ),
    entry(
        "ResourceInsufficient.Record",
        Class::Row,
        "the recording package is used up, or the account is in arrears",
        "look at the package and the balance of the account in the console",
    ),
    entry(
        "ResourceInsufficient.Room",
        Class::Row,
        "the class package is used up, or the account is in arrears",
        "look at the package and the balance of the account in the console",
    ),
    entry(
        "ResourcesSoldOut",
        Class::Row,
        "resources are sold out",
        "look at the package of the account in the console",
    ),
    entry(
        "UnsupportedOperation",
        Class::Row,
        "the operation is not supported",
        "read the message; check what the account's package includes",
    ),
    // Key, signature, permission.
    entry(
        "AuthFailure",
        KEY,
        "signature or permission is wrong",
        "check the key and its lcic permission",
    ),
    entry(
        "AuthFailure.InvalidAuthorization",
        KEY,
        "the Authorization header is malformed",
        "check the SecretId for odd characters; otherwise report this as a bug of lcic-sync",
    ),
    entry(
        "AuthFailure.InvalidSecretId",
        KEY,
        "the SecretId is not one of an API key",
        "check the SecretId",
    ),
    entry(
        "AuthFailure.MFAFailure",
        KEY,
        "multi-factor authentication failed",
        "use a key of a sub-account that needs none",
    ),
    entry(
        "AuthFailure.SecretIdNotFound",
        KEY,
        "the key is deleted, disabled or mistyped",
        "check the SecretId, also for blanks around it, and the state of the key in the console",
    ),
    entry(
        "AuthFailure.SignatureExpire",
        KEY,
        "the clock of this machine is off by more than 5 minutes",
        "set the clock (the time zone does not matter)",
    ),
    entry(
        "AuthFailure.SignatureFailure",
        KEY,
        "the signature is wrong",
        "check the SecretKey, also for blanks around it, and that nothing on the way changes requests",
    ),
    entry(
        "AuthFailure.TokenFailure",
        KEY,
        "the token of the temporary key is wrong or expired",
        "fetch new temporary keys and run again",
    ),
    entry(
        "AuthFailure.UnauthorizedOperation",
        KEY,
        "the access policy denies the call",
        "attach a policy that allows lcic:ModifyUserProfile to the sub-account",
    ),
    entry(
        "UnauthorizedOperation",
        KEY,
        "the account may not do this",
        "attach a policy that allows lcic:ModifyUserProfile to the sub-account",
    ),
    entry(
        "IpInBlacklist",
        KEY,
        "the IP address of this machine is on the account's black list",
        "change the account's setting, or run from elsewhere",
    ),
    entry(
        "IpNotInWhitelist",
        KEY,
        "the IP address of this machine is not on the account's white list",
        "add it to the account's setting, or run from elsewhere",
    ),
    // Endpoint, action, version.
    entry(
        "ActionOffline",
        SETUP,
        "the action has been withdrawn",
        "look for an update of lcic-sync",
    ),
    entry(
        "InvalidAction",
        SETUP,
        "there is no such action here",
        "check the endpoint",
    ),
    entry("InvalidRequest", SETUP, "the request is malformed", OUR_BUG),
    entry(
        "UnknownParameter",
        SETUP,
        "a parameter is not defined",
        OUR_BUG,
    ),
    entry(
        "NoSuchProduct",
        SETUP,
        "there is no such product here",
        "check the endpoint",
    ),
    entry(
        "NoSuchVersion",
        SETUP,
        "there is no such version of the product here",
        "check the endpoint; look for an update of lcic-sync",
    ),
    entry(
        "UnsupportedProtocol",
        SETUP,
        "the protocol or method is not supported",
        "check the endpoint",
    ),
    entry(
        "UnsupportedRegion",
        SETUP,
        "the region is not served",
        "check the endpoint",
    ),
    entry(
        "RegionError",
        SETUP,
        "the region is wrong",
        "check the endpoint",
    ),
    entry(
        "UnsupportedOperation.Version",
        SETUP,
        "the account's package lacks this feature",
        "look at the package of the account in the console",
    ),
];

static OWN: &[Entry] = &[
    entry(
        NAME_NOT_FOUND,
        Class::Passing(Passing::NotSent),
        "the host name did not resolve; nothing was sent",
        "check the endpoint and this machine's name resolution",
    ),
    entry(
        CONNECTION_FAILED,
        Class::Passing(Passing::NotSent),
        "no connection could be made; nothing was sent",
        "check the network, firewall and proxy settings",
    ),
    entry(
        TLS_FAILED,
        Class::Passing(Passing::NotSent),
        "the connection could not be secured; nothing was sent",
        "check for a portal or an inspecting proxy on the way; its certificate authority can be added",
    ),
    entry(
        PROXY_FAILED,
        Class::Passing(Passing::NotSent),
        "the proxy did not connect us; nothing was sent",
        "check that the proxy works and lets this host through",
    ),
    entry(
        NOT_SENDABLE,
        SETUP,
        "the request could not be built; nothing was sent",
        "check the key's texts for odd characters; otherwise report this as a bug of lcic-sync",
    ),
    entry(
        KEYS_NOT_RENEWED,
        Class::Passing(Passing::NotSent),
        "the temporary keys ended before new ones came; nothing was changed",
        "nothing if it passes; else check that this machine reaches its metadata service or STS",
    ),
    entry(
        KEYS_OVER,
        KEY,
        "the temporary keys ended and there will be no new ones; nothing was changed",
        "read the message; log in again with tccli, or check the role; then run again",
    ),
    entry(
        NO_ANSWER,
        Class::Passing(Passing::NoAnswer),
        "the call left and was not answered in time or in full; the change may have been made",
        "run again: setting the same values twice is harmless",
    ),
    entry(
        NOT_THE_SERVICE,
        Class::Passing(Passing::NoAnswer),
        "something answered that is not the service; the change may have been made",
        "check the endpoint, and for a portal or a proxy that answers in its place; then run again",
    ),
    entry(
        "http 3xx",
        SETUP,
        "a redirection, which the service never sends",
        "check the endpoint, and for a portal or a proxy that answers in its place",
    ),
    entry(
        "http 407",
        SETUP,
        "the proxy asks for a user and a password",
        "put them into the proxy's URL, percent-encoded, or have this host bypass the proxy",
    ),
    entry(
        "http 408",
        Class::Passing(Passing::NoAnswer),
        "a server on the way waited in vain; the change may have been made",
        "run again: setting the same values twice is harmless",
    ),
    entry(
        "http 429",
        Class::Throttled,
        "a server on the way says that we are too fast",
        "nothing, the run slows down",
    ),
    entry(
        "http 4xx",
        SETUP,
        "refused by something that is not the service",
        "check the endpoint, and for a proxy or a firewall that answers in its place",
    ),
    entry(
        "http 5xx",
        Class::Passing(Passing::NoAnswer),
        "a gateway answered in the service's place; the change may have been made",
        "run again: setting the same values twice is harmless",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_code_is_listed_once_with_a_line_of_meaning_and_a_line_of_advice() {
        let mut seen = BTreeSet::new();
        for entry in entries() {
            assert!(seen.insert(entry.code), "{} is listed twice", entry.code);
            for text in [entry.meaning, entry.advice] {
                assert!(!text.is_empty() && !text.contains('\n'), "{}", entry.code);
                assert!(!text.ends_with('.'), "{}", entry.code);
            }
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
