//! Cross-Origin Resource Sharing: which pages of other origins may call the API from a browser.
//! Section `cors`.

use actix_cors::Cors;
use actix_web::http::{
    Method,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use serde::Deserialize;
use std::{collections::HashSet, str::FromStr};
use url::Url;

const METHODS: [Method; 5] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PATCH,
    Method::DELETE,
];

/// What a page may send.
const ALLOWED: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-tenant-slug"),
    HeaderName::from_static("x-tenant-id"),
];

/// What a page may read, beyond what every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Location, Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, \
     Idempotency-Replayed, Deprecation",
);

/// Section `cors`. Every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct CorsSettings {
    /// `cors.allowed_origins`: the origins whose pages may call the API, exactly as a browser sends
    /// them: `https://app.example`. `*` is any, and refused in production. Default none.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// `cors.max_age_seconds`: how long a browser may remember what it was allowed. Default 600.
    pub max_age_seconds: u32,
}

/// An origin as a browser serializes it (RFC 6454, 6.2), or `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct AllowedOrigin(String);

/// Not an origin, or not as a browser would write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an origin as a browser sends it, such as https://app.example: http or https, a host \
     in lower case, a port where it is not the usual one, and nothing behind it"
)]
pub struct NotAnOrigin;

impl Default for CorsSettings {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            max_age_seconds: 600,
        }
    }
}

impl CorsSettings {
    /// Whether pages of any origin may call the API.
    #[must_use]
    pub fn allows_any(&self) -> bool {
        self.allowed_origins.iter().any(AllowedOrigin::is_any)
    }
}

impl AllowedOrigin {
    const ANY: &str = "*";

    fn is_any(&self) -> bool {
        self.0 == Self::ANY
    }

    fn parse(text: &str) -> Option<Self> {
        let is_origin = || {
            let url = Url::parse(text).ok()?;
            let is_web = matches!(url.scheme(), "http" | "https");
            // No wildcard within a name: whoever gets hold of one subdomain would be let in.
            let is_exact = !text.contains('*') && url.origin().ascii_serialization() == text;
            (is_web && is_exact).then_some(())
        };
        (text == Self::ANY || is_origin().is_some()).then(|| Self(text.to_owned()))
    }
}

impl FromStr for AllowedOrigin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or(NotAnOrigin)
    }
}

impl TryFrom<String> for AllowedOrigin {
    type Error = NotAnOrigin;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The middleware. A page of an unknown origin is served like any other client, and its browser
/// keeps the answer from it; its preflight is refused. No credentials: tokens are sent by whoever
/// has them, never by the browser itself.
pub(crate) fn middleware(settings: &CorsSettings) -> Cors {
    let cors = Cors::default()
        .allowed_methods(METHODS)
        .allowed_headers(ALLOWED)
        .max_age(usize::try_from(settings.max_age_seconds).ok());
    if settings.allows_any() {
        return cors.allow_any_origin().send_wildcard();
    }
    let allowed: HashSet<Vec<u8>> = settings
        .allowed_origins
        .iter()
        .map(|origin| origin.0.clone().into_bytes())
        .collect();
    cors.allowed_origin_fn(move |origin, _| allowed.contains(origin.as_bytes()))
}

/// Says what may be read of an answer that may be. Not left to actix-cors, whose list has another
/// order on each thread: answers that are alike shall be the same.
pub(crate) fn expose(headers: &mut HeaderMap) {
    let is_preflight = headers.contains_key(header::ACCESS_CONTROL_ALLOW_METHODS);
    if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) && !is_preflight {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for text in [
            "https://app.example",
            "http://localhost:3000",
            "http://127.0.0.1:5173",
            "http://[::1]:5173",
            "*",
        ] {
            assert!(text.parse::<AllowedOrigin>().is_ok(), "{text}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_no_origin() {
        for text in [
            "",
            "null",
            "app.example",
            "https://app.example/",
            "https://app.example/path",
            "https://App.example",
            "https://app.example:443",
            "http://app.example:80",
            "https://user@app.example",
            "https://*.example",
            "https://*",
            "ftp://app.example",
            "file:///etc",
            "https://app.example https://b.example",
        ] {
            assert_eq!(text.parse::<AllowedOrigin>(), Err(NotAnOrigin), "{text}");
        }
    }
}
