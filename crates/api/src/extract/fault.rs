//! What serde has against a value, told with a JSON Pointer (RFC 6901).

use serde_json::{Value, error::Category};
use serde_path_to_error::{Path, Segment};

use crate::error::{ApiError, FieldErrorCode};

const NUL: &str = "must not contain the character NUL";

/// A reference token of a JSON Pointer: `~` and `/` escaped.
pub(crate) fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// Not JSON at all. Says where, and what serde_json expected there.
pub(super) fn malformed(error: &serde_json::Error) -> ApiError {
    ApiError::MalformedJson {
        line: error.line(),
        column: error.column(),
        problem: without_position(&error.to_string()).to_owned(),
    }
}

/// What serde has against `text`. Also what serde_json calls a syntax error though it is one of
/// type: `7` where a word must stand.
pub(super) fn from_json(
    error: &serde_path_to_error::Error<serde_json::Error>,
    text: &str,
) -> ApiError {
    let message = error.inner().to_string();
    let fault = match error.inner().classify() {
        Category::Data => Fault::read(without_position(&message)),
        _ if serde_json::from_str::<Value>(text).is_ok() => Fault {
            code: FieldErrorCode::WrongType,
            field: None,
            detail: "has the wrong type".to_owned(),
        },
        _ => return malformed(error.inner()),
    };
    ApiError::field(pointer(error.path(), &fault), fault.code, fault.detail)
}

pub(super) fn from_query(error: &serde_path_to_error::Error<serde::de::value::Error>) -> ApiError {
    let message = error.inner().to_string();
    let fault = Fault::read(&message);
    let key = error.path().iter().find_map(|segment| match segment {
        Segment::Map { key } => Some(key.as_str()),
        _ => None,
    });
    let name = fault.field.or(key).unwrap_or_default();
    ApiError::parameter(name, fault.code, fault.detail)
}

/// PostgreSQL can store no NUL, neither as text nor in `jsonb`. In JSON it can only stand as the
/// escape sequence, hence the cheap look before the dear one.
pub(super) fn refuse_nul(text: &str) -> Result<(), ApiError> {
    if !text.contains(r"\u0000") {
        return Ok(());
    }
    // What is not JSON, the deserializer tells better.
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return Ok(());
    };
    match find_nul(&value) {
        Some(pointer) => Err(ApiError::field(pointer, FieldErrorCode::Invalid, NUL)),
        None => Ok(()),
    }
}

fn find_nul(value: &Value) -> Option<String> {
    let has_nul = |text: &str| text.contains('\0');
    match value {
        Value::String(text) => has_nul(text).then(String::new),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| find_nul(item).map(|rest| format!("/{index}{rest}"))),
        Value::Object(members) => members.iter().find_map(|(key, item)| {
            let rest = if has_nul(key) {
                String::new()
            } else {
                find_nul(item)?
            };
            Some(format!("/{}{rest}", escape(key)))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// What serde's message says. serde has no structured errors; its wordings are those of the default
/// methods of `serde::de::Error`, and the tests of this file hold them.
struct Fault<'a> {
    code: FieldErrorCode,
    /// The field at fault, where the message and not the path names it.
    field: Option<&'a str>,
    detail: String,
}

impl<'a> Fault<'a> {
    fn read(message: &'a str) -> Self {
        let named = |prefix: &str| message.strip_prefix(prefix)?.split('`').next();
        let (code, field, detail) = if let Some(field) = named("unknown field `") {
            let code = FieldErrorCode::UnknownField;
            (code, Some(field), "there is no such field".to_owned())
        } else if let Some(field) = named("missing field `") {
            let code = FieldErrorCode::MissingField;
            (code, Some(field), "is required".to_owned())
        } else if let Some(field) = named("duplicate field `") {
            let code = FieldErrorCode::Duplicate;
            (code, Some(field), "stands twice".to_owned())
        } else if let Some(rest) = message.strip_prefix("invalid type: ") {
            (FieldErrorCode::WrongType, None, expectation(rest))
        } else if let Some(rest) = message.strip_prefix("invalid value: ") {
            (FieldErrorCode::Invalid, None, expectation(rest))
        } else {
            (FieldErrorCode::Invalid, None, message.to_owned())
        };
        Self {
            code,
            field,
            detail,
        }
    }
}

/// Of `string "x", expected struct NewProject` the second half, in words of JSON: the value is the
/// client's and may be a secret, the name of a Rust type is nobody's business.
fn expectation(message: &str) -> String {
    let Some((_, expected)) = message.rsplit_once(", expected ") else {
        return "has the wrong type".to_owned();
    };
    let begins_with = |words: &[&str]| words.iter().any(|word| expected.starts_with(word));
    let expected = if begins_with(&["struct ", "a map", "internally tagged enum "]) {
        "an object".to_owned()
    } else if begins_with(&["a sequence", "a tuple", "tuple "]) {
        "an array".to_owned()
    } else if begins_with(&["enum ", "string or map"]) {
        "a string".to_owned()
    } else if let Some(bits) = width(expected, 'u') {
        format!("an integer of 0 or more that fits {bits} bits")
    } else if let Some(bits) = width(expected, 'i') {
        format!("an integer that fits {bits} bits")
    } else {
        expected.to_owned()
    };
    format!("expected {expected}")
}

/// Of `u32` the 32. No wire type has a `usize`.
fn width(expected: &str, kind: char) -> Option<u8> {
    expected.strip_prefix(kind)?.parse().ok()
}

fn pointer(path: &Path, fault: &Fault<'_>) -> String {
    let mut pointer: String = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", escape(key))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    if let Some(field) = fault.field {
        let last = format!("/{}", escape(field));
        if !pointer.ends_with(&last) {
            pointer.push_str(&last);
        }
    }
    pointer
}

/// serde_json ends its messages with ` at line 1 column 2`.
fn without_position(message: &str) -> &str {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(what, _)| what)
}
