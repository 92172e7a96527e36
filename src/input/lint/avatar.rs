//! What is suspicious about a picture's address. Whether a picture is there is not asked: no call
//! but the service's own ever leaves.

use std::borrow::Cow;
use std::net::IpAddr;

use url::{Host, Url};

use super::class::{CONTROL, HIGH, NOT_IN_URL};
use super::{Hits, Lint, any, classes};
use crate::input::rules::Column;

/// Looks at an address; its ends are trimmed. `encode` gives it back with what may not stand in it
/// written as `%XX`.
pub fn avatar<'t>(text: &'t str, encode: bool, hits: &mut Hits) -> Cow<'t, str> {
    let column = Column::Avatar;
    let classes = classes(text);
    any(text, classes, column, hits);
    let is_encoded = classes & (HIGH | NOT_IN_URL) == 0;
    if is_encoded && is_plain(text) {
        return text.into();
    }
    let url = match Url::parse(text) {
        Ok(url) if is_of_the_web(&url, text) => url,
        _ => {
            hits.add(Lint::NotAnAddress, column);
            return text.into();
        }
    };
    if url.scheme() == "http" {
        hits.add(Lint::PlainHttp, column);
    }
    if url.host().is_some_and(|host| is_private(&host)) {
        hits.add(Lint::PrivateHost, column);
    }
    if url.query().is_some_and(expires) {
        hits.add(Lint::ExpiringAddress, column);
    }
    if is_encoded || classes & CONTROL != 0 {
        return text.into();
    }
    if encode {
        return String::from(url).into();
    }
    hits.add(Lint::UnencodedAddress, column);
    text.into()
}

/// With http or https, the slashes that a browser would put in, and nobody's password.
fn is_of_the_web(url: &Url, text: &str) -> bool {
    let rest = text.get(url.scheme().len()..).unwrap_or_default();
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && rest.starts_with("://")
        && url.username().is_empty()
        && url.password().is_none()
}

/// An address as nearly all are, told without parsing it: https, a public name in lower case, and
/// a query that does not expire.
fn is_plain(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://") else {
        return false;
    };
    // One look at each byte of the name. Odd ones are judged by who knows all about names.
    let bytes = rest.as_bytes();
    let (mut before, mut dot, mut end) = (b'.', 0, 0);
    loop {
        match bytes.get(end) {
            Some(b'/') => break,
            Some(b'a'..=b'z' | b'0'..=b'9') => {}
            Some(b'.') if before != b'.' => dot = end,
            Some(b'-') if before != b'-' => {}
            _ => return false,
        }
        before = bytes[end];
        end += 1;
    }
    let (path, top) = (&rest[end..], &rest[dot..end]);
    let is_public = dot > 0
        && top.len() > 2
        && top.bytes().skip(1).all(|byte| byte.is_ascii_lowercase())
        && !PRIVATE_ENDS.contains(&&top[1..]);
    is_public && memchr::memchr(b'?', path.as_bytes()).is_none_or(|at| !expires(&path[at + 1..]))
}

const PRIVATE_ENDS: [&str; 7] = [
    "local",
    "localhost",
    "lan",
    "internal",
    "intranet",
    "corp",
    "home",
];

fn is_private(host: &Host<&str>) -> bool {
    let ip = match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let end = name.rsplit_once('.').map(|(_, end)| end);
            return end.is_none_or(|end| PRIVATE_ENDS.contains(&end))
                || name.ends_with(".home.arpa");
        }
        Host::Ipv4(ip) => IpAddr::from(*ip),
        Host::Ipv6(ip) => IpAddr::from(*ip).to_canonical(),
    };
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || is_shared
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
        }
    }
}

/// Whether a query is the signature of some cloud's storage that ends.
fn expires(query: &str) -> bool {
    const NAMES: [&str; 12] = [
        "expires",
        "x-amz-expires",
        "x-amz-signature",
        "x-oss-expires",
        "x-oss-signature",
        "q-sign-time",
        "q-key-time",
        "sign",
        "signature",
        "auth_key",
        // Azure's and Qiniu's.
        "sig",
        "token",
    ];
    let mut pairs = query.as_bytes().split(|byte| *byte == b'&');
    pairs.any(|pair| {
        let end = pair.iter().position(|byte| *byte == b'=');
        let name = &pair[..end.unwrap_or(pair.len())];
        // Nearly all names are told by their first letter.
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        b"exqsat".contains(&first)
            && NAMES
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    })
}
