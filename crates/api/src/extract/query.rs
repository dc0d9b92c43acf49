//! Query strings. The query of a list, with its page, is `list.rs`.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::de::DeserializeOwned;
use std::{
    collections::HashSet,
    future::{Ready, ready},
};
use url::form_urlencoded;

use super::{fault, whole_query};
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
        let params = pairs_of(request).and_then(|pairs| deserialize_pairs(&pairs));
        ready(params.map(Self))
    }
}

/// The whole query of a request, for a parameter that refuses what it does not know.
pub(crate) fn pairs_of(request: &HttpRequest) -> Result<Pairs, ApiError> {
    whole_query::is_read(request);
    pairs(request.query_string())
}

/// Decodes; refuses what is ambiguous.
pub(crate) fn pairs(query: &str) -> Result<Pairs, ApiError> {
    let pairs: Pairs = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let raw = query.split('&').filter(|pair| !pair.is_empty());
    let mut seen = HashSet::new();
    for ((name, value), raw) in pairs.iter().zip(raw) {
        if !seen.insert(name) {
            let code = FieldErrorCode::Duplicate;
            return Err(ApiError::parameter(name, code, "stands twice"));
        }
        let is_odd = |text: &str| text.contains(['\0', char::REPLACEMENT_CHARACTER]);
        if !is_encoded(raw) || is_odd(name) || is_odd(value) {
            let code = FieldErrorCode::Invalid;
            let detail = "must be percent-encoded UTF-8 without the character NUL";
            return Err(ApiError::parameter(name, code, detail));
        }
    }
    Ok(pairs)
}

/// Whether two hexadecimal digits stand behind every `%` (RFC 3986, 2.1). The decoder would leave any
/// other as it is, and so guess.
fn is_encoded(text: &str) -> bool {
    let is_code = |part: &str| {
        let code = part.as_bytes().get(..2);
        code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))
    };
    text.split('%').skip(1).all(is_code)
}

pub(crate) fn deserialize_pairs<T: DeserializeOwned>(pairs: &Pairs) -> Result<T, ApiError> {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let pairs = form_urlencoded::parse(query.as_bytes());
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs))
        .map_err(|error| fault::from_query(&error))
}
