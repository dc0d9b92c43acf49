//! What is wrong with one value that a client sent.

use serde::Serialize;

/// One value that was refused, an element of the problem's `errors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// RFC 6901: into the body; for a query parameter into the query seen as one flat object.
    pub pointer: String,
    /// The query parameter's name; absent for a value of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What kind of fault.
    pub code: FieldErrorCode,
    /// What is wrong and what would be right, in a sentence's tail: `must not be empty`.
    pub detail: String,
}

/// The kind of fault of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldErrorCode {
    /// The field or parameter does not exist.
    UnknownField,
    /// The field is required.
    MissingField,
    /// Another JSON type than the field has.
    WrongType,
    /// The same key twice.
    Duplicate,
    /// The right type, but a value that breaks a rule.
    Invalid,
}

impl FieldErrorCode {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::UnknownField,
        Self::MissingField,
        Self::WrongType,
        Self::Duplicate,
        Self::Invalid,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownField => "unknown_field",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::Duplicate => "duplicate",
            Self::Invalid => "invalid",
        }
    }
}
