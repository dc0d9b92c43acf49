//! Ids and numbers in paths: `/projects/{id}`, `/resources/{id}/versions/{n}`.

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

/// The path's segment `{n}`: a number from 1. Never refuses, as [`PathId`]: what is none becomes 0,
/// which nothing has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathNumber(pub i32);

/// Where an id must stand, something else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an id")]
pub(crate) struct NotAnId;

impl<Id: From<Uuid> + 'static> FromRequest for PathId<Id> {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").map(parse_id::<Id>);
        ready(Ok(Self(match id {
            Some(Ok(id)) => id,
            Some(Err(NotAnId)) | None => Uuid::nil().into(),
        })))
    }
}

impl FromRequest for PathNumber {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let number = request.match_info().get("n").and_then(parse_number);
        ready(Ok(Self(number.unwrap_or_default())))
    }
}

/// One spelling only (RFC 9562, 4, in either case): the crate `uuid` would also take braces, a URN
/// and a form without hyphens, and a thing shall not have four addresses.
pub(crate) fn parse_id<Id: From<Uuid>>(text: &str) -> Result<Id, NotAnId> {
    const HYPHENATED: usize = 36;
    (text.len() == HYPHENATED)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
        .map(Id::from)
        .ok_or(NotAnId)
}

/// One spelling only: no sign, no leading zero.
fn parse_number(text: &str) -> Option<i32> {
    let number: i32 = text.parse().ok()?;
    (number > 0 && number.to_string() == text).then_some(number)
}
