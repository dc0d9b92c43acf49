//! Versions: the `ETag` of what is read, and the conditions that a client sets by it (RFC 9110,
//! 8.8.3 and 13).

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    dev::Payload,
    http::{
        Method, StatusCode,
        header::{self, EntityTag, Header as _, IfNoneMatch},
    },
};
use serde::Serialize;
use std::future::{Ready, ready};
use uuid::Uuid;

use crate::error::ApiError;

/// The strong ETag of one version of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag(EntityTag);

/// The request's `If-Match`, if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMatch(Option<header::IfMatch>);

/// A view of one thing with its ETag. As the answer to a `GET` or `HEAD` it heeds `If-Match` (412)
/// and then `If-None-Match` (304), in this order (RFC 9110, 13.2.2).
#[derive(Debug)]
pub struct Versioned<V> {
    tag: ETag,
    status: StatusCode,
    location: Option<String>,
    view: V,
}

impl ETag {
    /// Two versions of one thing differ, as do two things.
    #[must_use]
    pub fn new(id: impl Into<Uuid>, version: i32) -> Self {
        let id: Uuid = id.into();
        Self(EntityTag::new_strong(format!("{}-{version}", id.simple())))
    }
}

impl IfMatch {
    /// Whether the client set a condition at all; without one, nothing need be read to check it.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a write to what stands at `current` may go ahead. To be called inside the
    /// transaction, with the row locked or compared again by the `UPDATE`.
    ///
    /// # Errors
    /// 412 `precondition_failed` if the header names only other versions, or only weak tags.
    pub fn check(&self, current: &ETag) -> Result<(), ApiError> {
        let holds = match &self.0 {
            None | Some(header::IfMatch::Any) => true,
            Some(header::IfMatch::Items(tags)) => tags.iter().any(|tag| tag.strong_eq(&current.0)),
        };
        holds.then_some(()).ok_or(ApiError::PreconditionFailed)
    }

    fn of(request: &HttpRequest) -> Self {
        let header = request.headers().contains_key(header::IF_MATCH).then(|| {
            // What cannot be read matches nothing: better a 412 than a lost update.
            header::IfMatch::parse(request).unwrap_or(header::IfMatch::Items(Vec::new()))
        });
        Self(header)
    }
}

impl<V> Versioned<V> {
    /// 200: this is it.
    #[must_use]
    pub fn ok(tag: ETag, view: V) -> Self {
        Self {
            tag,
            status: StatusCode::OK,
            location: None,
            view,
        }
    }

    /// 201: it was made, and stands at `location`.
    #[must_use]
    pub fn created(tag: ETag, location: String, view: V) -> Self {
        Self {
            tag,
            status: StatusCode::CREATED,
            location: Some(location),
            view,
        }
    }
}

impl FromRequest for IfMatch {
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

impl<V: Serialize> Responder for Versioned<V> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if is_read && let Err(error) = IfMatch::of(request).check(&self.tag) {
            return HttpResponse::from_error(error);
        }
        let is_known = is_read && is_known(request, &self.tag);
        let status = if is_known {
            StatusCode::NOT_MODIFIED
        } else {
            self.status
        };
        let mut response = HttpResponse::build(status);
        response.insert_header((header::ETAG, self.tag.0.to_string()));
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

/// Weak comparison (RFC 9110, 13.1.2). What cannot be read is no reason to withhold the answer.
fn is_known(request: &HttpRequest, current: &ETag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&current.0)),
        Err(_) => false,
    }
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
        IfMatch::of(&request.to_http_request())
            .check(&tag(2))
            .is_ok()
    }

    fn get(header: (header::HeaderName, &str)) -> u16 {
        let request = TestRequest::get().insert_header(header).to_http_request();
        let response = Versioned::ok(tag(2), "view").respond_to(&request);
        assert!(response.status() == 412 || response.headers().contains_key(header::ETAG));
        response.status().as_u16()
    }

    #[test]
    fn a_write_needs_a_strong_match_if_it_asks_for_one() {
        let ours = tag(2).0.to_string();
        assert!(may_write(&[]));
        assert!(may_write(&["*"]));
        assert!(may_write(&[&ours]));
        assert!(may_write(&[&format!("\"a,b\" , W/\"x\",{ours}")]));
        assert!(may_write(&["\"x\"", &ours]));
        assert!(!may_write(&[&format!("W/{ours}")]));
        assert!(!may_write(&[&tag(1).0.to_string()]));
        for unreadable in ["", ",", ours.trim_matches('"'), "\"", "ü"] {
            assert!(!may_write(&[unreadable]), "{unreadable:?}");
        }
    }

    #[test]
    fn a_read_answers_304_to_a_weak_match() {
        let ours = tag(2).0.to_string();
        let none_match = header::IF_NONE_MATCH;
        assert_eq!(get((none_match.clone(), &ours)), 304);
        assert_eq!(get((none_match.clone(), &format!("W/{ours}"))), 304);
        assert_eq!(get((none_match.clone(), &format!("\"x\", {ours}"))), 304);
        assert_eq!(get((none_match.clone(), "*")), 304);
        assert_eq!(get((none_match.clone(), "\"x\"")), 200);
        assert_eq!(get((none_match, "nonsense")), 200);
        assert_eq!(get((header::IF_MATCH, "\"x\"")), 412);
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
