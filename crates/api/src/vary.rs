//! `Vary`: which request headers an answer depends on, for caches between us and the client
//! (RFC 9110, 12.5.5). `Origin` is written where it is looked at, in `cors.rs`. Answers are never
//! compressed, so `Accept-Encoding` is none of them.

use actix_web::http::header::{self, HeaderMap, HeaderValue};

/// Who asks, and which tenant is selected.
const CALLER: HeaderValue = HeaderValue::from_static("Authorization, X-Tenant-Slug, X-Tenant-ID");

/// Adds the caller's headers, unless everybody gets the same answer and may keep it.
pub(crate) fn write(headers: &mut HeaderMap) {
    let is_public = headers
        .get(header::CACHE_CONTROL)
        .is_some_and(|value| value.as_bytes().starts_with(b"public"));
    if !is_public {
        headers.append(header::VARY, CALLER);
    }
}
