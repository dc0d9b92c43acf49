//! Ids in paths: `/projects/{id}`.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use std::future::{Ready, ready};
use uuid::Uuid;

use crate::error::ApiError;

/// The path's segment `{id}` as an id of the domain.
///
/// # Errors
/// What is no hyphenated UUID is 404 `not_found`, word for word as if nothing of that id existed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathId<Id>(pub Id);

impl<Id: From<Uuid> + 'static> FromRequest for PathId<Id> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(parse);
        ready(id.map(|id| Self(id.into())).ok_or(ApiError::NotFound))
    }
}

/// One spelling only (RFC 9562, 4, in either case): the crate `uuid` would also take braces, a URN
/// and a form without hyphens, and a thing shall not have four addresses.
fn parse(text: &str) -> Option<Uuid> {
    const HYPHENATED: usize = 36;
    (text.len() == HYPHENATED)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}
