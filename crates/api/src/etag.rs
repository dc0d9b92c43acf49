//! Versions: the `ETag` of what is read, and the conditions that a client sets by it (RFC 9110,
//! 8.8.3 and 13).

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    dev::Payload,
    http::{Method, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::future::{Ready, ready};
use store::idempotency_keys::KeptAnswer;
use uuid::Uuid;

use crate::{condition::Condition, error::ApiError};

/// The strong ETag of one version of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag(String);

/// The request's `If-Match`, if it has one.
///
/// # Errors
/// 400 `malformed_condition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMatch(Option<Condition>);

/// A view of one thing with its ETag. As the answer to a `GET` or `HEAD` it heeds `If-Match` (412)
/// and then `If-None-Match` (304), in this order (RFC 9110, 13.2.2).
#[derive(Debug)]
pub struct Versioned<V> {
    tag: Option<ETag>,
    status: StatusCode,
    location: Option<String>,
    view: V,
}

impl ETag {
    /// Of a thing whose versions are counted. Two versions of one thing differ, as do two things.
    #[must_use]
    pub fn new(id: impl Into<Uuid>, version: i32) -> Self {
        let id: Uuid = id.into();
        Self(format!("{}-{version}", id.simple()))
    }

    /// Of a thing that is more than one row, or changes with the time: a hash of all that can be
    /// seen of it.
    ///
    /// # Errors
    /// 500 if it cannot be written as JSON.
    pub fn of(view: &impl Serialize) -> Result<Self, ApiError> {
        let text = serde_json::to_vec(view).map_err(ApiError::internal)?;
        let hash: [u8; 32] = Sha256::digest(&text).into();
        Ok(Self(URL_SAFE_NO_PAD.encode(hash)))
    }

    /// The header's value.
    fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl IfMatch {
    /// Whether the client set a condition at all.
    #[must_use]
    pub(crate) fn is_present(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a write to what stands at `current` may go ahead. Only a client that set a condition
    /// costs the look at what it is: `current` locks the row, inside the transaction that writes.
    ///
    /// # Errors
    /// 412 `precondition_failed` if the header names only other versions, or only weak tags; those of
    /// `current`.
    pub fn check(&self, current: impl FnOnce() -> Result<ETag, ApiError>) -> Result<(), ApiError> {
        let holds = match &self.0 {
            None => true,
            Some(condition) => condition.holds_strongly(&current()?.0),
        };
        holds.then_some(()).ok_or(ApiError::PreconditionFailed)
    }

    pub(crate) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        Condition::of(request, &header::IF_MATCH).map(Self)
    }
}

impl<V> Versioned<V> {
    /// 200: this is it.
    #[must_use]
    pub fn ok(tag: ETag, view: V) -> Self {
        Self {
            tag: Some(tag),
            status: StatusCode::OK,
            location: None,
            view,
        }
    }

    /// 201: it was made, and stands at `location`.
    #[must_use]
    pub fn created(tag: ETag, location: String, view: V) -> Self {
        Self {
            tag: Some(tag),
            status: StatusCode::CREATED,
            location: Some(location),
            view,
        }
    }

    /// 201: these were made. Several things have neither a version nor a place.
    #[must_use]
    pub fn several(view: V) -> Self {
        Self {
            tag: None,
            status: StatusCode::CREATED,
            location: None,
            view,
        }
    }
}

impl<V: Serialize> Versioned<V> {
    /// 200: this is it, with a tag [`of`](ETag::of) all that can be seen of it.
    ///
    /// # Errors
    /// Those of [`ETag::of`].
    pub fn whole(view: V) -> Result<Self, ApiError> {
        Ok(Self::ok(ETag::of(&view)?, view))
    }

    /// As [`whole`](Self::whole), 201: it was made, and stands at `location`.
    ///
    /// # Errors
    /// Those of [`ETag::of`].
    pub fn made(location: String, view: V) -> Result<Self, ApiError> {
        Ok(Self::created(ETag::of(&view)?, location, view))
    }

    /// The same answer, to be given again later.
    pub(crate) fn keep(self) -> Result<KeptAnswer, ApiError> {
        Ok(KeptAnswer {
            status: self.status.as_u16(),
            location: self.location,
            etag: self.tag.map(|tag| tag.quoted()),
            body: serde_json::to_string(&self.view).map_err(ApiError::internal)?,
        })
    }
}

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl<V: Serialize> Responder for Versioned<V> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let tag = self.tag.as_ref().filter(|_| is_read);
        let is_known = match tag.map(|tag| is_known(request, tag)) {
            Some(Err(error)) => return HttpResponse::from_error(error),
            Some(Ok(is_known)) => is_known,
            None => false,
        };
        let status = if is_known {
            StatusCode::NOT_MODIFIED
        } else {
            self.status
        };
        let mut response = HttpResponse::build(status);
        if let Some(tag) = self.tag {
            response.insert_header((header::ETAG, tag.quoted()));
        }
        if let Some(location) = self.location {
            response.insert_header((header::LOCATION, location));
        }
        if is_known {
            response.finish()
        } else {
            response.json(self.view)
        }
    }
}

/// Whether whoever reads has this version already; in this order (RFC 9110, 13.2.2).
fn is_known(request: &HttpRequest, current: &ETag) -> Result<bool, ApiError> {
    IfMatch::of(request)?.check(|| Ok(current.clone()))?;
    let condition = Condition::of(request, &header::IF_NONE_MATCH)?;
    Ok(condition.is_some_and(|condition| condition.holds_weakly(&current.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn tag(version: i32) -> ETag {
        ETag::new(Uuid::from_u128(7), version)
    }

    fn may_write(if_match: &[&str]) -> bool {
        let mut request = TestRequest::default();
        for line in if_match {
            request = request.append_header((header::IF_MATCH, *line));
        }
        let if_match = IfMatch::of(&request.to_http_request()).unwrap();
        if_match.check(|| Ok(tag(2))).is_ok()
    }

    fn get(header: (header::HeaderName, &str)) -> u16 {
        let request = TestRequest::get().insert_header(header).to_http_request();
        let response = Versioned::ok(tag(2), "view").respond_to(&request);
        assert!(
            response.status().is_client_error() || response.headers().contains_key(header::ETAG)
        );
        response.status().as_u16()
    }

    #[test]
    fn a_write_needs_a_strong_match_if_it_asks_for_one() {
        let ours = tag(2).quoted();
        assert!(may_write(&[]));
        assert!(may_write(&["*"]));
        assert!(may_write(&[&ours]));
        assert!(may_write(&[&format!("\"a,b\" , W/\"x\",{ours}")]));
        assert!(may_write(&["\"x\"", &ours]));
        assert!(!may_write(&[&format!("W/{ours}")]));
        assert!(!may_write(&[&tag(1).quoted()]));
        for unreadable in ["", ",", ours.trim_matches('"'), "\"", "ü"] {
            let request = TestRequest::default().insert_header((header::IF_MATCH, unreadable));
            let error = IfMatch::of(&request.to_http_request()).unwrap_err();
            assert_eq!(error.code().as_str(), "malformed_condition");
        }
    }

    #[test]
    fn a_read_answers_304_to_a_weak_match() {
        let ours = tag(2).quoted();
        let none_match = header::IF_NONE_MATCH;
        assert_eq!(get((none_match.clone(), &ours)), 304);
        assert_eq!(get((none_match.clone(), &format!("W/{ours}"))), 304);
        assert_eq!(get((none_match.clone(), &format!("\"x\", {ours}"))), 304);
        assert_eq!(get((none_match.clone(), "*")), 304);
        assert_eq!(get((none_match.clone(), "\"x\"")), 200);
        assert_eq!(get((none_match, "nonsense")), 400);
        assert_eq!(get((header::IF_MATCH, "\"x\"")), 412);
        assert_eq!(get((header::IF_MATCH, "x")), 400);
        assert_eq!(get((header::IF_MATCH, &ours)), 200);
    }

    #[test]
    fn a_creation_heeds_no_condition_and_says_where() {
        let request = TestRequest::post()
            .insert_header((header::IF_NONE_MATCH, "*"))
            .to_http_request();
        let made = Versioned::created(tag(1), "/things/7".to_owned(), "view");
        let response = made.respond_to(&request);
        assert_eq!(response.status(), 201);
        assert_eq!(
            response.headers().get(header::LOCATION).unwrap(),
            "/things/7"
        );
    }
}
