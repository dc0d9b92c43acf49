//! JSON bodies: media type, size, speed, UTF-8, JSON, shape; in this order. What the values mean is
//! the wire type's `TryFrom`.

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    body::{BodyStream, to_bytes_limited},
    dev::Payload,
    http::header,
    rt::time::timeout,
    web::Bytes,
};
use serde::de::{DeserializeOwned, IgnoredAny};
use std::{
    future::{Future, ready},
    pin::Pin,
};

use super::{fault, unique_keys};
use crate::{
    error::{ApiError, FieldErrorCode},
    state::AppState,
};

const JSON: &str = "application/json";
/// RFC 7396.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// A JSON object as the body of a request, at most [`BodyLimit`] bytes, sent as
/// `application/json`. `T` derives `Deserialize` with `#[serde(deny_unknown_fields)]`; a leaf that
/// the domain has a parser for is a `String` here, so that all refusals are reported at once.
///
/// # Errors
/// 415 `unsupported_media_type`, 413 `payload_too_large`, 408 `request_timeout`, 400
/// `malformed_body` or `malformed_json`, and 422 `validation_failed` for the first value of the
/// wrong shape. A NUL character anywhere is refused, as PostgreSQL can store none, and a key that
/// stands twice in its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body<T>(pub T);

/// As [`Body`], for `PATCH`: also `application/merge-patch+json`. The fields of `T` are
/// [`Patchable`](crate::Patchable).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch<T>(pub T);

/// As [`Body`], where a request may also come without one: no bytes, then `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionalBody<T>(pub Option<T>);

/// The most bytes that a body may have: on a route by
/// [`Endpoint::body_limit`](crate::routes::Endpoint::body_limit), else `server.max_body_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit(pub usize);

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

impl<T: DeserializeOwned> Body<T> {
    /// The body, and the text that it was read from.
    pub(crate) async fn with_text(
        request: HttpRequest,
        payload: Payload,
    ) -> Result<(Self, Bytes), ApiError> {
        let text = read(request, payload, &[JSON], JSON).await?;
        Ok((Self(parse(&text)?), text))
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = Self::with_text(request.clone(), payload.take());
        Box::pin(async move { read.await.map(|(body, _)| body) })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Patch<T> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        const EXPECTED: &str = "application/merge-patch+json or application/json";
        let text = read(
            request.clone(),
            payload.take(),
            &[MERGE_PATCH, JSON],
            EXPECTED,
        );
        Box::pin(async move { parse(&text.await?).map(Self) })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for OptionalBody<T> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !has_body(request) {
            return Box::pin(ready(Ok(Self(None))));
        }
        let body = Body::from_request(request, payload);
        Box::pin(async move { body.await.map(|Body(body)| Self(Some(body))) })
    }
}

/// RFC 9112, 6.3: a request without either header has none.
fn has_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(header::TRANSFER_ENCODING) || content_length(request) > Some(0)
}

async fn read(
    request: HttpRequest,
    payload: Payload,
    accepted: &'static [&'static str],
    expected: &'static str,
) -> Result<Bytes, ApiError> {
    if !has_media_type(&request, accepted) || is_encoded(&request) {
        return Err(ApiError::UnsupportedMediaType { expected });
    }
    let state = AppState::of(&request)?;
    let limit = request
        .app_data::<BodyLimit>()
        .map_or(state.settings.max_body_bytes, |limit| limit.0);
    let too_large = || ApiError::PayloadTooLarge { limit };
    if content_length(&request).is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    timeout(
        state.settings.body_timeout(),
        to_bytes_limited(BodyStream::new(payload), limit),
    )
    .await
    .map_err(|_| ApiError::RequestTimeout)?
    .map_err(|_| too_large())?
    .map_err(|broken| ApiError::MalformedRequest(broken.to_string().into()))
}

/// Parameters are ignored: JSON is UTF-8, whatever `charset` says (RFC 8259, 11).
fn has_media_type(request: &HttpRequest, accepted: &[&str]) -> bool {
    matches!(request.mime_type(), Ok(Some(mime)) if accepted.contains(&mime.essence_str()))
}

fn is_encoded(request: &HttpRequest) -> bool {
    request
        .headers()
        .get_all(header::CONTENT_ENCODING)
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn content_length(request: &HttpRequest) -> Option<usize> {
    let length = request.headers().get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.trim().parse().ok()
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ApiError::MalformedBody)?;
    // serde would also take a struct from an array, by position.
    if !text.trim_ascii_start().starts_with('{') {
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| fault::malformed(&error))?;
        let code = FieldErrorCode::WrongType;
        return Err(ApiError::field("", code, "expected an object"));
    }
    fault::refuse_nul(text)?;
    unique_keys::refuse_duplicates(text)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| fault::from_json(&error, text))?;
    deserializer
        .end()
        .map_err(|error| fault::malformed(&error))?;
    Ok(value)
}
