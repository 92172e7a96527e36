//! What of a cell is shown to who asks what is wrong with it: on a terminal, in a log of a build, in
//! a mail. So nothing of it may steer, hide or open anything.

use std::borrow::Cow;

use super::{is_control, is_lost, is_unseen};

/// Stands for what is not shown.
const HIDDEN: &str = "…";

/// A text that is safe to show and says what can't be seen: what steers, hides or breaks is shown
/// as a code point, what is no text as bytes, and what is long is cut; of an address no secret is.
pub fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 60;
    let bytes = &*without_secrets(bytes);
    let mut shown = String::new();
    let mut n_chars = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if n_chars == LONGEST {
                return shown + "…";
            }
            n_chars += 1;
            let is_odd = c.is_control() || is_control(c) || is_unseen(c);
            if is_odd || (c.is_whitespace() && c != ' ') || is_lost(c) {
                shown += &format!("<U+{:04X}>", u32::from(c));
            } else {
                shown.push(c);
            }
        }
        for byte in chunk.invalid() {
            shown += &format!("<{byte:02X}>");
        }
    }
    shown
}

/// An address without its password and without what signs it: who reads that could fetch what it
/// was signed for, or all that its key opens.
fn without_secrets(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(colon) = memchr::memchr(b':', bytes) else {
        return bytes.into();
    };
    let is_slash = |byte: &&u8| matches!(**byte, b'/' | b'\\');
    let slashes = bytes[colon + 1..].iter().take_while(is_slash).count();
    let scheme = bytes[..colon].to_ascii_lowercase();
    // Without either, the colon is the one between a name and its password.
    let begins = match slashes > 0 || matches!(&*scheme, b"http" | b"https") {
        true => colon + 1 + slashes,
        false => 0,
    };
    let (start, rest) = bytes.split_at(begins);
    let is_end = |byte: &u8| matches!(byte, b'/' | b'\\' | b'?' | b'#');
    let host = &rest[..rest.iter().position(is_end).unwrap_or(rest.len())];
    // A password with one of these in it ends the host too early, behind a colon.
    let port = memchr::memchr(b':', host).map(|at| &host[at + 1..]);
    let is_odd = port.is_some_and(|port| !port.iter().all(u8::is_ascii_digit));
    let at = memchr::memrchr(b'@', if is_odd { rest } else { host });
    let at = at.filter(|at| begins > 0 || *at > colon);
    let mut shown = start.to_vec();
    if at.is_some() {
        shown.extend(HIDDEN.as_bytes());
    }
    let rest = &rest[at.unwrap_or(0)..];
    let path = rest.iter().position(|byte| matches!(byte, b'?' | b'#'));
    let (place, query) = rest.split_at(path.unwrap_or(rest.len()));
    shown.extend(place);
    for pair in query.split_inclusive(|byte| matches!(byte, b'?' | b'#' | b'&')) {
        let value = memchr::memchr(b'=', pair).filter(|at| is_secret(&pair[..*at]));
        let Some(value) = value else {
            shown.extend(pair);
            continue;
        };
        shown.extend(&pair[..=value]);
        shown.extend(HIDDEN.as_bytes());
        let end = pair
            .last()
            .filter(|byte| matches!(byte, b'?' | b'#' | b'&'));
        shown.extend(end);
    }
    shown.into()
}

/// Whether a part of a query is a signature, a key or the like, by what clouds call them; the word
/// may stand anywhere in the name.
fn is_secret(name: &[u8]) -> bool {
    const WORDS: [&str; 7] = ["sig", "key", "token", "secret", "pass", "auth", "cred"];
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    name == "q-ak" || WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_no_password_and_no_signature_is_shown() {
        for (text, expected) in [
            (
                "https://ann:hush@a.example/p.png",
                "https://…@a.example/p.png",
            ),
            ("https://ann:hu/sh@a.example/p", "https://…@a.example/p"),
            ("https://ann:hu@sh@a.example", "https://…@a.example"),
            ("https://ann:hu?sh@a.example", "https://…@a.example"),
            (
                "https://ann@a.example?key=hush",
                "https://…@a.example?key=…",
            ),
            ("https:\\\\ann:hush@a.example", "https:\\\\…@a.example"),
            ("https:/ann:hush@a.example", "https:/…@a.example"),
            (
                "https://a.example:8443/a@b.png",
                "https://a.example:8443/a@b.png",
            ),
            (
                "https://a.example/p?a=1&sign=hush&w=2",
                "https://a.example/p?a=1&sign=…&w=2",
            ),
            (
                "HTTPS://a.example/?X-Amz-Signature=hush",
                "HTTPS://a.example/?X-Amz-Signature=…",
            ),
            (
                "https://a.example/?q-ak=hush&q-key-time=1;2",
                "https://a.example/?q-ak=…&q-key-time=…",
            ),
            (
                "https://a.example/#access_token=hush",
                "https://a.example/#access_token=…",
            ),
            ("https://a.example/p.png?v=3", "https://a.example/p.png?v=3"),
            ("https:ann:hush@a.example", "https:…@a.example"),
            ("ann:hush@a.example/p", "…@a.example/p"),
            ("ann@a.example:80/p", "ann@a.example:80/p"),
            ("张伟@x", "张伟@x"),
        ] {
            assert_eq!(shown(text.as_bytes()), expected);
        }
    }
}
