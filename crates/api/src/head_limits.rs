//! How large the head of a request may be. Beyond what actix-web reads at all (96 headers, 128 KiB)
//! it answers by itself, without a body.

use actix_web::HttpRequest;

use crate::error::ApiError;

/// Of path and query together, in bytes.
const MAX_URI: usize = 8 * 1024;
const MAX_HEADERS: usize = 64;
/// Of all headers together, in bytes, with what separates them on the wire.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Colon, blank, and the end of the line.
const SEPARATORS: usize = 4;

/// Refuses a head that is larger.
pub(crate) fn check(request: &HttpRequest) -> Result<(), ApiError> {
    let target = request.uri().path_and_query();
    if target.is_some_and(|target| target.as_str().len() > MAX_URI) {
        return Err(ApiError::UriTooLong { limit: MAX_URI });
    }
    let headers = request.headers();
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + SEPARATORS)
        .sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err(ApiError::HeadersTooLarge {
            count: MAX_HEADERS,
            bytes: MAX_HEADER_BYTES,
        });
    }
    Ok(())
}
