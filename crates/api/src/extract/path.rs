//! Ids in paths: `/projects/{id}`.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use std::{
    convert::Infallible,
    future::{Ready, ready},
};
use uuid::Uuid;

/// The path's segment `{id}` as an id of the domain.
///
/// Never refuses: what is no hyphenated UUID becomes the nil UUID, of which nothing is ever made.
/// So it takes the way of every id that does not exist, past the same checks in the same order,
/// and is answered byte for byte the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathId<Id>(pub Id);

impl<Id: From<Uuid> + 'static> FromRequest for PathId<Id> {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(parse);
        ready(Ok(Self(id.unwrap_or_default().into())))
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
