//! Wire to domain: parses several values and reports every refusal at once.

use std::fmt::Display;

use crate::{
    error::{ApiError, FieldError, FieldErrorCode},
    patchable::Patchable,
};

/// Collects refusals. The `TryFrom` of a wire type reads:
///
/// ```
/// # use domain::{Email, FullName};
/// # struct Register { email: String, full_name: String }
/// # struct NewAccount { email: Email, full_name: FullName }
/// impl TryFrom<Register> for NewAccount {
///     type Error = api::ApiError;
///
///     fn try_from(body: Register) -> Result<Self, Self::Error> {
///         let mut v = api::Validation::new();
///         let email = v.parse("/email", Email::parse(&body.email));
///         let full_name = v.parse("/full_name", FullName::parse(&body.full_name));
///         v.finish(|| Some(Self { email: email?, full_name: full_name? }))
///     }
/// }
/// # let body = Register { email: "-".into(), full_name: "".into() };
/// # let error = NewAccount::try_from(body).err().unwrap();
/// # assert_eq!(error.field_errors().len(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Validation {
    errors: Vec<FieldError>,
}

impl Validation {
    /// Nothing refused yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The parsed value, or `None` and a refusal at `pointer` (RFC 6901, into the body).
    pub fn parse<T, E: Display>(&mut self, pointer: &str, parsed: Result<T, E>) -> Option<T> {
        parsed
            .inspect_err(|error| self.refuse(pointer, FieldErrorCode::Invalid, error))
            .ok()
    }

    /// As [`Validation::parse`] for a value that may be missing: `Some(None)` if it is.
    pub fn optional<T, E: Display>(
        &mut self,
        pointer: &str,
        parsed: Option<Result<T, E>>,
    ) -> Option<Option<T>> {
        match parsed {
            Some(parsed) => self.parse(pointer, parsed).map(Some),
            None => Some(None),
        }
    }

    /// As [`Validation::parse`] for a field of a merge patch that cannot be removed: `Some(None)`
    /// leaves it alone, `null` is refused.
    pub fn change<V, T, E: Display>(
        &mut self,
        pointer: &str,
        field: Patchable<V>,
        parse: impl FnOnce(V) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match field {
            Patchable::Absent => Some(None),
            Patchable::Null => {
                self.refuse(pointer, FieldErrorCode::WrongType, "must not be null");
                None
            }
            Patchable::Value(value) => self.parse(pointer, parse(value)).map(Some),
        }
    }

    /// As [`Validation::change`] for a field that can be removed: `Some(Some(None))` removes it.
    pub fn nullable_change<V, T, E: Display>(
        &mut self,
        pointer: &str,
        field: Patchable<V>,
        parse: impl FnOnce(V) -> Result<T, E>,
    ) -> Option<Option<Option<T>>> {
        match field {
            Patchable::Null => Some(Some(None)),
            field => self
                .change(pointer, field, parse)
                .map(|changed| changed.map(Some)),
        }
    }

    /// Refuses for a reason that no parser knows, such as two fields that exclude each other.
    pub fn refuse(&mut self, pointer: &str, code: FieldErrorCode, detail: impl Display) {
        self.errors.push(FieldError {
            pointer: pointer.to_owned(),
            parameter: None,
            code,
            detail: detail.to_string(),
        });
    }

    /// The whole, made of the parts; `build` is called only if nothing was refused.
    ///
    /// # Errors
    /// 422 `validation_failed` with every refusal. 500 if `build` finds a part missing that was not
    /// refused, which is a bug of the caller.
    pub fn finish<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, ApiError> {
        if !self.errors.is_empty() {
            return Err(ApiError::ValidationFailed(self.errors));
        }
        build().ok_or_else(|| ApiError::internal("a part is missing that nobody refused"))
    }
}
