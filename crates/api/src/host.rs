//! The host that a request is for: its name, and whether it is one of ours.

use actix_web::{HttpRequest, http::header};
use serde::Deserialize;
use std::{net::Ipv6Addr, str::FromStr};

/// An exact host name (`api.rowhouse.example`, `127.0.0.1`, `[::1]`), or all names below one
/// (`*.rowhouse.example`, which is not that name itself). Case and port do not count.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostPattern(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Exactly(String),
    /// With its leading dot.
    Below(String),
}

/// Neither a host name nor `*.` before one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a host name, or *. and a host name, without scheme and port")]
pub struct NotAHostPattern;

impl HostPattern {
    /// Whether the host, without its port, is one of these.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let host = normal(host);
        match &self.0 {
            Pattern::Exactly(name) => host == *name,
            Pattern::Below(suffix) => {
                let labels = host.strip_suffix(suffix.as_str());
                labels.is_some_and(is_name)
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let text = normal(text);
        if let Some(name) = text.strip_prefix("*.") {
            return is_name(name).then(|| Self(Pattern::Below(format!(".{name}"))));
        }
        let is_host = is_name(&text) || is_ipv6(&text);
        is_host.then_some(Self(Pattern::Exactly(text)))
    }
}

impl FromStr for HostPattern {
    type Err = NotAHostPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or(NotAHostPattern)
    }
}

impl TryFrom<String> for HostPattern {
    type Error = NotAHostPattern;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The host without its port. The request line goes before the header (RFC 9112, 3.2.2); of a
/// request with several headers `Host`, which is none (3.2), nothing is read.
pub(crate) fn host(request: &HttpRequest) -> Option<&str> {
    request.uri().host().or_else(|| {
        let mut headers = request.headers().get_all(header::HOST);
        let host = headers.next()?.to_str().ok()?;
        headers.next().is_none().then(|| without_port(host))
    })
}

/// A name may end in a dot, which says nothing.
fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// The colons of an IPv6 address stand in brackets (RFC 3986, 3.2.2).
fn without_port(host: &str) -> &str {
    match host.split_once(']') {
        Some((address, _)) if host.starts_with('[') => {
            host.get(..=address.len()).unwrap_or_default()
        }
        _ => host.split(':').next().unwrap_or_default(),
    }
}

fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    text.split('.').all(is_label)
}

fn is_ipv6(text: &str) -> bool {
    let address = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn matches(pattern: &str, host: &str) -> bool {
        pattern.parse::<HostPattern>().unwrap().matches(host)
    }

    #[test]
    fn an_exact_name_is_that_name_alone() {
        assert!(matches("api.rowhouse.example", "API.Rowhouse.Example."));
        assert!(matches("127.0.0.1", "127.0.0.1"));
        assert!(matches("[::1]", "[::1]"));
        for host in [
            "rowhouse.example",
            "a.api.rowhouse.example",
            "api.rowhouse.example.evil",
            "evil-api.rowhouse.example",
            "",
        ] {
            assert!(!matches("api.rowhouse.example", host), "{host}");
        }
    }

    #[test]
    fn a_star_is_what_stands_below() {
        for host in ["acme.rowhouse.example", "a.b.rowhouse.example"] {
            assert!(matches("*.rowhouse.example", host), "{host}");
        }
        for host in [
            "rowhouse.example",
            ".rowhouse.example",
            "..rowhouse.example",
            "evilrowhouse.example",
            "rowhouse.example.evil",
            "evil/.rowhouse.example",
            "evil#.rowhouse.example",
            "*.rowhouse.example",
        ] {
            assert!(!matches("*.rowhouse.example", host), "{host}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "*.*.example",
            "a.*.example",
            "*example",
            "https://a.example",
            "a.example:8000",
            "a.example/",
            "a b",
            "[::1",
            "[x]",
            "a..b",
            "ä.example",
        ] {
            assert_eq!(text.parse::<HostPattern>(), Err(NotAHostPattern), "{text}");
        }
    }

    #[test]
    fn the_host_comes_without_its_port_and_from_the_request_line_first() {
        let of = |request: TestRequest| {
            let request = request.to_http_request();
            host(&request).map(ToOwned::to_owned)
        };
        let header = |value: &str| TestRequest::default().insert_header(("host", value));
        assert_eq!(of(header("a.example:8000")).as_deref(), Some("a.example"));
        assert_eq!(of(header("[::1]:8000")).as_deref(), Some("[::1]"));
        assert_eq!(of(header("[::1]")).as_deref(), Some("[::1]"));
        assert_eq!(of(header("[::1")).as_deref(), Some("["));
        assert_eq!(of(header("")).as_deref(), Some(""));
        let absolute = header("b.example").uri("http://a.example:1/x");
        assert_eq!(of(absolute).as_deref(), Some("a.example"));
        let twice = header("a.example").append_header(("host", "b.example"));
        assert_eq!(of(twice), None);
        assert_eq!(of(TestRequest::default()), None);
    }
}
