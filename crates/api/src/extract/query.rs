//! Query strings. The query of a list, with its page, is `list.rs`.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::de::DeserializeOwned;
use std::{
    collections::HashSet,
    future::{Ready, ready},
};
use url::form_urlencoded;

use super::fault;
use crate::error::{ApiError, FieldErrorCode};

/// The parameters of a query string, in their order, decoded.
pub(crate) type Pairs = Vec<(String, String)>;

/// The query string as a struct that derives `Deserialize` with `#[serde(deny_unknown_fields)]`
/// and has only fields that are read from text: strings, numbers, booleans, words of the domain,
/// and options of them.
///
/// # Errors
/// 422 `validation_failed` for the first parameter that is unknown, repeated, not what its field
/// reads, not UTF-8, or contains NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryParams<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for QueryParams<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let params = pairs(request.query_string()).and_then(|pairs| deserialize_pairs(&pairs));
        ready(params.map(Self))
    }
}

/// Decodes; refuses what is ambiguous.
pub(crate) fn pairs(query: &str) -> Result<Pairs, ApiError> {
    let pairs: Pairs = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let mut seen = HashSet::new();
    for (name, value) in &pairs {
        if !seen.insert(name) {
            let code = FieldErrorCode::Duplicate;
            return Err(ApiError::parameter(name, code, "stands twice"));
        }
        if value.contains('\0') || value.contains(char::REPLACEMENT_CHARACTER) {
            let code = FieldErrorCode::Invalid;
            let detail = "must be UTF-8 without the character NUL";
            return Err(ApiError::parameter(name, code, detail));
        }
    }
    Ok(pairs)
}

pub(crate) fn deserialize_pairs<T: DeserializeOwned>(pairs: &Pairs) -> Result<T, ApiError> {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let pairs = form_urlencoded::parse(query.as_bytes());
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs))
        .map_err(|error| fault::from_query(&error))
}
