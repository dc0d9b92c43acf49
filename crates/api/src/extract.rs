//! What a handler takes from a request: body, query, path. Body and query refuse with an `ApiError`
//! that says where the fault lies. Who asks is `authenticate.rs`.
//!
//! A handler's parameters are checked in their order: the caller stands first.

mod body;
mod fault;
mod path;
mod query;
mod unique_keys;
mod whole_query;

pub use body::{Body, BodyLimit, OptionalBody, Patch};
pub use path::{PathId, PathNumber};
pub use query::QueryParams;

pub(crate) use fault::escape;
pub(crate) use path::{NotAnId, parse_id};
pub(crate) use query::{Pairs, deserialize_pairs, pairs_of};
pub(crate) use whole_query::Strict;
#[cfg(test)]
pub(crate) use {query::pairs, unique_keys::refuse_duplicates};
