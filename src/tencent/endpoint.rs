//! Where the calls go: a scheme, a host and maybe a port, and nothing else.
//!
//! Every call goes to `/` without a query (PROTOCOL §a.1), so an endpoint with more than a host is
//! a mistake that is better told at once. Without TLS, keys and names would be readable on the way
//! and the answers could be forged; plain `http` is for services on this machine only.

use std::fmt;

use url::{Host, Url};

/// A checked endpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    host_header: String,
}

/// Why a text is not an endpoint. A lower-case fragment that follows the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Only a host, or something else without a scheme.
    #[error("has no scheme (expected https://host or https://host:port)")]
    NoScheme,
    /// Not a URL.
    #[error("is not a URL (expected https://host or https://host:port)")]
    NotUrl,
    /// A scheme that is neither `https` nor `http`.
    #[error("has a scheme other than https")]
    OtherScheme,
    /// `http` to another machine.
    #[error("uses http, which is for this machine only (127.0.0.0/8, [::1], localhost): use https")]
    PlainHttp,
    /// More than scheme, host and port.
    #[error("has {0}; only scheme, host and port are expected")]
    Extra(&'static str),
}

impl Endpoint {
    /// Checks `text`: `https://host[:port]`, or `http` for a loopback host. A single `/` behind it
    /// is accepted, since it means the same.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        // The URL parser drops line breaks and turns backslashes into slashes; a setting with one
        // inside is a slip that nobody should have to find on the wire.
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(EndpointError::NotUrl);
        }
        if !text.contains("://") {
            return Err(EndpointError::NoScheme);
        }
        let url = Url::parse(text).map_err(|_| EndpointError::NotUrl)?;
        let host = url.host().ok_or(EndpointError::NotUrl)?;
        let extra = if text.contains('@') {
            Some("a user")
        } else if url.query().is_some() {
            Some("a query")
        } else if url.fragment().is_some() {
            Some("a fragment")
        } else if url.path() != "/" {
            Some("a path")
        } else {
            None
        };
        match (url.scheme(), extra) {
            (_, Some(extra)) => return Err(EndpointError::Extra(extra)),
            ("https", None) => {}
            ("http", None) if is_loopback(&host) => {}
            ("http", None) => return Err(EndpointError::PlainHttp),
            _ => return Err(EndpointError::OtherScheme),
        }
        let host_header = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        Ok(Self { url, host_header })
    }

    /// The value of the `Host` header, which is also what is signed: with the port unless it is
    /// the scheme's own (PROTOCOL §a.2).
    pub fn host_header(&self) -> &str {
        &self.host_header
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        self.url.host().is_some_and(|host| is_loopback(&host))
    }

    /// Whether calls travel under TLS.
    pub fn is_secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// What is asked for: the endpoint with the path `/`.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => *name == "localhost",
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.host_header)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_scheme_a_host_and_maybe_a_port() {
        for (text, shown, host, loopback) in [
            (
                "https://lcic.tencentcloudapi.com",
                "https://lcic.tencentcloudapi.com",
                "lcic.tencentcloudapi.com",
                false,
            ),
            (
                "HTTPS://LCIC.tencentcloudapi.com:443/",
                "https://lcic.tencentcloudapi.com",
                "lcic.tencentcloudapi.com",
                false,
            ),
            ("https://h:8443", "https://h:8443", "h:8443", false),
            (
                "http://127.0.0.1:18080",
                "http://127.0.0.1:18080",
                "127.0.0.1:18080",
                true,
            ),
            ("http://127.8.9.10", "http://127.8.9.10", "127.8.9.10", true),
            (
                "http://[::1]:18080",
                "http://[::1]:18080",
                "[::1]:18080",
                true,
            ),
            ("http://localhost:80", "http://localhost", "localhost", true),
            (
                "https://localhost:8443",
                "https://localhost:8443",
                "localhost:8443",
                true,
            ),
        ] {
            let endpoint = Endpoint::parse(text).expect(text);
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(endpoint.host_header(), host);
            assert_eq!(endpoint.is_loopback(), loopback, "{text}");
            assert_eq!(endpoint.url().path(), "/");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        use EndpointError::*;
        for (text, error) in [
            ("", NoScheme),
            ("lcic.tencentcloudapi.com", NoScheme),
            ("localhost:8080", NoScheme),
            ("https://", NotUrl),
            ("https://h:99999", NotUrl),
            (" https://h", NotUrl),
            ("https://h\n", NotUrl),
            ("https://h\\x", NotUrl),
            ("ftp://h", OtherScheme),
            ("http://lcic.tencentcloudapi.com", PlainHttp),
            ("http://localhost.evil.example", PlainHttp),
            ("http://128.0.0.1", PlainHttp),
            ("http://[::2]", PlainHttp),
            ("https://h/api", Extra("a path")),
            ("https://h//", Extra("a path")),
            ("https://h?", Extra("a query")),
            ("https://h/?a=b", Extra("a query")),
            ("https://h#x", Extra("a fragment")),
            ("https://user:hush@h", Extra("a user")),
            ("https://@h", Extra("a user")),
        ] {
            assert_eq!(Endpoint::parse(text), Err(error), "{text:?}");
        }
    }
}
