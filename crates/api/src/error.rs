//! The one error of this crate: what a request can fail of, as handlers and extractors say it with
//! `?`. How it looks on the wire is `problem.rs`, the codes are `error_code.rs`.
//!
//! `Display` is the problem's `detail`: any client may read it, so it never holds a cause. The
//! cause is `source()`, which only the log reads.

mod field;
mod translation;

use actix_cors::CorsError;
use actix_web::{HttpResponse, ResponseError, body::BoxBody, http::StatusCode};
use chrono::{DateTime, Utc};
use domain::{AccountId, Feature, PlanResource, TenantId};
use std::error::Error as StdError;

pub use self::field::{FieldError, FieldErrorCode};
use crate::error_code::ErrorCode;

type Cause = Box<dyn StdError + Send + Sync>;

/// How soon a client is asked to come back where nothing better is known, in seconds.
const RETRY_AFTER_SECONDS: u64 = 1;

/// Why a request was refused or failed. One variant per [`ErrorCode`], whose documentation says
/// what it means to a client.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "a variant's documentation is its ErrorCode's")]
pub enum ApiError {
    #[error("the request is not well-formed")]
    MalformedRequest(#[source] Cause),
    #[error("the body is not UTF-8")]
    MalformedBody,
    #[error("line {line}, column {column}: {problem}")]
    MalformedJson {
        line: usize,
        column: usize,
        problem: String,
    },
    #[error("this server does not answer for the host that the request names")]
    UnknownHost,
    #[error("{0}")]
    CorsRefused(CorsError),
    #[error("the request names two different tenants")]
    TenantAmbiguous,
    #[error("this route takes no Idempotency-Key")]
    IdempotencyKeyNotAllowed,
    #[error("{header} is neither * nor a list of entity tags")]
    MalformedCondition {
        /// The header's name.
        header: String,
    },
    #[error("Idempotency-Key {0}")]
    InvalidIdempotencyKey(String),
    #[error("the request carries no access token")]
    MissingToken,
    #[error("the token is not valid")]
    InvalidToken,
    #[error("e-mail address or password is wrong")]
    InvalidCredentials,
    #[error("the account asks for a second factor")]
    MfaRequired,
    #[error("prove once more who you are")]
    StepUpRequired { max_age_seconds: i32 },
    #[error("the session has ended")]
    SessionRevoked,
    /// As `SessionRevoked`, which the client cannot tell from it: somebody has a copy of a token.
    #[error("the session has ended")]
    RefreshReused {
        /// Whose session it was.
        account: AccountId,
        /// The tenant in which it stood.
        tenant: Option<TenantId>,
    },
    #[error("the access token is out of date")]
    TokenStale,
    #[error("the plan allows {limit} {resource}, and there are {current}")]
    PlanLimitExceeded {
        resource: PlanResource,
        limit: i64,
        current: i64,
        /// When there is more; `None` for what does not come back by itself.
        resets_at: Option<DateTime<Utc>>,
    },
    #[error("the tenant does not have {0}")]
    FeatureDisabled(Feature),
    #[error("the e-mail address is not verified yet")]
    EmailNotVerified,
    #[error("your role does not permit this")]
    Forbidden,
    #[error("this server is to be asked by HTTPS only")]
    HttpsRequired,
    #[error("an API key cannot do this, a person has to")]
    KeyNotAllowed,
    #[error("built-in roles cannot be changed")]
    BuiltInRole,
    #[error("the access token names no tenant")]
    NoTenant,
    #[error("the request selects another tenant than the access token names")]
    TenantMismatch,
    #[error("the tenant is suspended")]
    TenantSuspended,
    #[error("the tenant is about to be erased")]
    TenantDeleting,
    #[error("you are not a member of this tenant")]
    NotAMember,
    #[error("the invitation is for another e-mail address")]
    OtherAddress,
    #[error("this tenant takes new members by invitation only")]
    SignupClosed,
    #[error("there is nothing here that you can see")]
    NotFound,
    #[error("this path answers to {allow} only")]
    MethodNotAllowed {
        /// The value of the header `Allow` (RFC 9110, 10.2.1).
        allow: String,
    },
    #[error("the body did not arrive in time")]
    RequestTimeout,
    #[error("the request contradicts the current state")]
    Conflict,
    #[error("a tenant keeps at least one active owner")]
    LastOwner,
    #[error("the e-mail address already has an account")]
    EmailTaken,
    /// As `EmailTaken`, after a password was compared.
    #[error("the e-mail address already has an account")]
    EmailTakenByAnother,
    #[error("the invitation was accepted or revoked")]
    NotPending,
    #[error("it is not deleted")]
    NotDeleted,
    #[error("the slug is taken")]
    SlugTaken,
    #[error("an account owns at most {limit} tenants")]
    TooManyTenants { limit: i64 },
    #[error("the tenant has a role of this name")]
    RoleNameTaken,
    #[error("members have this role")]
    RoleInUse,
    #[error("a request with this Idempotency-Key is being worked on")]
    IdempotencyKeyInUse,
    #[error("this Idempotency-Key was used for another request")]
    IdempotencyKeyReused,
    #[error("it changed since the version that you know")]
    PreconditionFailed,
    #[error("the body may have at most {limit} bytes")]
    PayloadTooLarge { limit: usize },
    #[error("path and query may have at most {limit} bytes")]
    UriTooLong { limit: usize },
    #[error("there may be at most {count} headers, of {bytes} bytes together")]
    HeadersTooLarge { count: usize, bytes: usize },
    #[error("the body must be uncompressed {expected}")]
    UnsupportedMediaType { expected: &'static str },
    #[error("too many sign-ins from this address have failed")]
    TooManyAttempts { retry_after_seconds: u64 },
    #[error("too many requests")]
    RateLimited {
        /// Whose bucket is empty: `tenant`, `user`, `key` or `address`.
        limit: &'static str,
        retry_after_seconds: u64,
    },
    #[error("how many requests you made cannot be known now")]
    RateLimitsUnavailable,
    #[error("{}", count(.0))]
    ValidationFailed(Vec<FieldError>),
    #[error("the server failed to answer")]
    Internal(#[source] Cause),
    #[error("the server is busy")]
    Busy { retry_after_seconds: u64 },
    #[error("the request took too long")]
    DeadlineExceeded,
    #[error("the captcha cannot be verified now")]
    CaptchaUnavailable(#[source] Cause),
    #[error("the database is unavailable")]
    DatabaseUnavailable(#[source] Cause),
}

impl ApiError {
    /// A failure of ours: 500, opaque to the client; the cause goes to the log.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// A single refused value of the body.
    pub fn field(
        pointer: impl Into<String>,
        code: FieldErrorCode,
        detail: impl Into<String>,
    ) -> Self {
        Self::ValidationFailed(vec![FieldError {
            pointer: pointer.into(),
            parameter: None,
            code,
            detail: detail.into(),
        }])
    }

    /// A single refused query parameter.
    pub fn parameter(name: &str, code: FieldErrorCode, detail: impl Into<String>) -> Self {
        Self::ValidationFailed(vec![FieldError {
            pointer: format!("/{}", crate::extract::escape(name)),
            parameter: Some(name.to_owned()),
            code,
            detail: detail.into(),
        }])
    }

    /// The code that the client gets to see.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::MalformedRequest(_) => ErrorCode::MalformedRequest,
            Self::MalformedBody => ErrorCode::MalformedBody,
            Self::MalformedJson { .. } => ErrorCode::MalformedJson,
            Self::UnknownHost => ErrorCode::UnknownHost,
            Self::CorsRefused(_) => ErrorCode::CorsRefused,
            Self::TenantAmbiguous => ErrorCode::TenantAmbiguous,
            Self::MissingToken => ErrorCode::MissingToken,
            Self::InvalidToken => ErrorCode::InvalidToken,
            Self::InvalidCredentials => ErrorCode::InvalidCredentials,
            Self::MfaRequired => ErrorCode::MfaRequired,
            Self::StepUpRequired { .. } => ErrorCode::StepUpRequired,
            Self::SessionRevoked | Self::RefreshReused { .. } => ErrorCode::SessionRevoked,
            Self::TokenStale => ErrorCode::TokenStale,
            Self::PlanLimitExceeded { .. } => ErrorCode::PlanLimitExceeded,
            Self::FeatureDisabled(_) => ErrorCode::FeatureDisabled,
            Self::EmailNotVerified => ErrorCode::EmailNotVerified,
            Self::Forbidden => ErrorCode::Forbidden,
            Self::IdempotencyKeyNotAllowed => ErrorCode::IdempotencyKeyNotAllowed,
            Self::MalformedCondition { .. } => ErrorCode::MalformedCondition,
            Self::InvalidIdempotencyKey(_) => ErrorCode::InvalidIdempotencyKey,
            Self::IdempotencyKeyInUse => ErrorCode::IdempotencyKeyInUse,
            Self::IdempotencyKeyReused => ErrorCode::IdempotencyKeyReused,
            Self::HttpsRequired => ErrorCode::HttpsRequired,
            Self::KeyNotAllowed => ErrorCode::KeyNotAllowed,
            Self::BuiltInRole => ErrorCode::BuiltInRole,
            Self::RoleNameTaken => ErrorCode::RoleNameTaken,
            Self::RoleInUse => ErrorCode::RoleInUse,
            Self::NoTenant => ErrorCode::NoTenant,
            Self::TenantMismatch => ErrorCode::TenantMismatch,
            Self::TenantSuspended => ErrorCode::TenantSuspended,
            Self::TenantDeleting => ErrorCode::TenantDeleting,
            Self::NotAMember => ErrorCode::NotAMember,
            Self::OtherAddress => ErrorCode::OtherAddress,
            Self::NotPending => ErrorCode::NotPending,
            Self::SignupClosed => ErrorCode::SignupClosed,
            Self::NotFound => ErrorCode::NotFound,
            Self::MethodNotAllowed { .. } => ErrorCode::MethodNotAllowed,
            Self::RequestTimeout => ErrorCode::RequestTimeout,
            Self::Conflict => ErrorCode::Conflict,
            Self::LastOwner => ErrorCode::LastOwner,
            Self::EmailTaken | Self::EmailTakenByAnother => ErrorCode::EmailTaken,
            Self::NotDeleted => ErrorCode::NotDeleted,
            Self::SlugTaken => ErrorCode::SlugTaken,
            Self::TooManyTenants { .. } => ErrorCode::TooManyTenants,
            Self::PreconditionFailed => ErrorCode::PreconditionFailed,
            Self::PayloadTooLarge { .. } => ErrorCode::PayloadTooLarge,
            Self::UriTooLong { .. } => ErrorCode::UriTooLong,
            Self::HeadersTooLarge { .. } => ErrorCode::HeadersTooLarge,
            Self::UnsupportedMediaType { .. } => ErrorCode::UnsupportedMediaType,
            Self::TooManyAttempts { .. } => ErrorCode::TooManyAttempts,
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::RateLimitsUnavailable => ErrorCode::RateLimitsUnavailable,
            Self::ValidationFailed(_) => ErrorCode::ValidationFailed,
            Self::Internal(_) => ErrorCode::Internal,
            Self::Busy { .. } => ErrorCode::Busy,
            Self::DeadlineExceeded => ErrorCode::DeadlineExceeded,
            Self::CaptchaUnavailable(_) => ErrorCode::CaptchaUnavailable,
            Self::DatabaseUnavailable(_) => ErrorCode::DatabaseUnavailable,
        }
    }

    /// The values refused; empty but for [`ApiError::ValidationFailed`].
    #[must_use]
    pub fn field_errors(&self) -> &[FieldError] {
        match self {
            Self::ValidationFailed(errors) => errors,
            _ => &[],
        }
    }

    /// Whose limit was reached; only of a 429.
    #[must_use]
    pub fn limit(&self) -> Option<&'static str> {
        match self {
            Self::TooManyAttempts { .. } => Some("address"),
            Self::RateLimited { limit, .. } => Some(limit),
            _ => None,
        }
    }

    /// Why this refusal is a denial: somebody reached for what is not theirs, or might have. An
    /// operator counts these; the client is told less.
    #[must_use]
    pub fn denial(&self) -> Option<&'static str> {
        match self {
            Self::InvalidCredentials | Self::EmailTakenByAnother => Some("failed_login"),
            Self::RefreshReused { .. } => Some("refresh_reused"),
            Self::TooManyAttempts { .. } => Some("too_many_attempts"),
            Self::Internal(cause) => cause
                .downcast_ref::<tenant_db::Error>()
                .filter(|cause| cause.is_violation())
                .map(|_| "isolation_violation"),
            // Says how somebody came, or what their company pays for, not what they reached for.
            Self::HttpsRequired | Self::FeatureDisabled(_) => None,
            error if error.code().status() == StatusCode::FORBIDDEN => Some(error.code().as_str()),
            _ => None,
        }
    }

    /// When to come back, in seconds, for what passes by itself.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::Busy {
                retry_after_seconds,
            }
            | Self::TooManyAttempts {
                retry_after_seconds,
            }
            | Self::RateLimited {
                retry_after_seconds,
                ..
            } => Some(*retry_after_seconds),
            Self::DeadlineExceeded
            | Self::CaptchaUnavailable(_)
            | Self::DatabaseUnavailable(_)
            | Self::RateLimitsUnavailable => Some(RETRY_AFTER_SECONDS),
            _ => None,
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code().status()
    }

    /// The status alone. `frame` puts the problem document in its place, as only it knows the
    /// request id.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        HttpResponse::new(self.status_code())
    }
}

fn count(errors: &[FieldError]) -> String {
    match errors.len() {
        1 => "1 value was refused".to_owned(),
        n => format!("{n} values were refused"),
    }
}
