//! The name of one request, by which client, log, problem documents and audit trail speak of it.

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::Payload,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};
use std::{convert::Infallible, fmt, future::Ready, future::ready, sync::Arc};
use uuid::Uuid;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MAX: usize = 64;

/// 1 to 64 of `A-Z`, `a-z`, `0-9`, `_` and `-`: harmless in a log line, a header and the seal.
///
/// The client's `X-Request-Id` if it is of that form, else a new UUIDv7 without hyphens. Also an
/// extractor, which never fails. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The id of this request; the first call decides it.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        if let Some(id) = request.extensions().get::<Self>() {
            return id.clone();
        }
        let id = request
            .headers()
            .get(HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(Self::parse)
            .unwrap_or_else(|| Self(Uuid::now_v7().simple().to_string().into()));
        request.extensions_mut().insert(id.clone());
        id
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            headers.insert(HEADER, value);
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let is_valid = (1..=MAX).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        is_valid.then(|| Self(text.into()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromRequest for RequestId {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_well_formed_id_of_the_client_is_kept() {
        for id in ["a", "01JD-abc_9", &"x".repeat(64)] {
            let request = TestRequest::default()
                .insert_header((HEADER, id))
                .to_http_request();
            assert_eq!(RequestId::of(&request).as_str(), id);
        }
    }

    #[test]
    fn anything_else_is_replaced_by_an_id_that_stays_the_same() {
        for id in ["", " ", "a b", "a|b", "ü", &"x".repeat(65)] {
            let request = TestRequest::default()
                .insert_header((HEADER, id))
                .to_http_request();
            let first = RequestId::of(&request);
            assert_ne!(first.as_str(), id);
            assert_eq!(
                Uuid::try_parse(first.as_str()).unwrap().get_version_num(),
                7
            );
            assert_eq!(RequestId::of(&request), first);
        }
    }
}
