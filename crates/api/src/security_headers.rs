//! Headers that every response carries unless its handler has set them otherwise.

use actix_web::http::{
    Method,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};

/// For an API: nothing here is a page, to be framed, sniffed or referred from.
const ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
];

/// Adds what is missing. What was read may be kept by its reader and must be asked for again (the
/// ETag makes that cheap); the answer to a write is not kept at all.
pub(crate) fn write(method: &Method, hsts_max_age: Option<u32>, headers: &mut HeaderMap) {
    for (name, value) in ALWAYS {
        add(headers, name, value);
    }
    // RFC 6797. Subdomains are tenants of the same server, or somebody else's to decide about.
    let hsts = hsts_max_age.and_then(|seconds| format!("max-age={seconds}").try_into().ok());
    if let Some(hsts) = hsts {
        add(headers, header::STRICT_TRANSPORT_SECURITY, hsts);
    }
    let caching = match *method {
        Method::GET | Method::HEAD => "private, no-cache",
        _ => "no-store",
    };
    add(
        headers,
        header::CACHE_CONTROL,
        HeaderValue::from_static(caching),
    );
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, value);
    }
}
