//! An error becomes a response: RFC 9457 (`application/problem+json`) and the headers that belong
//! to a status. The one place where the causes of a 5xx are logged.

use actix_cors::CorsError;
use actix_web::{
    HttpResponse, ResponseError as _,
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
};
use chrono::{DateTime, Utc};
use domain::PlanResource;
use problem_details::ProblemDetails;
use serde::Serialize;
use std::error::Error as StdError;

use crate::{
    error::{ApiError, FieldError},
    error_code::ErrorCode,
    request_id::RequestId,
};

const CHALLENGE: &str = r#"Bearer realm="rowhouse""#;
/// RFC 6750, 3.1: `error` only where a token was presented.
const CHALLENGE_INVALID_TOKEN: &str = r#"Bearer realm="rowhouse", error="invalid_token""#;

/// The extension members of our problem documents (RFC 9457, 3.2).
#[derive(Debug, Serialize)]
struct Members<'a> {
    code: ErrorCode,
    request_id: &'a str,
    /// Whose limit was reached: `tenant`, `user`, `key` or `address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    #[serde(flatten)]
    plan: Option<PlanMembers>,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

/// Those of a 402, whose `limit` is a number.
#[derive(Debug, Serialize)]
struct PlanMembers {
    resource: PlanResource,
    limit: i64,
    current: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<DateTime<Utc>>,
}

impl PlanMembers {
    fn of(error: &ApiError) -> Option<Self> {
        match *error {
            ApiError::PlanLimitExceeded {
                resource,
                limit,
                current,
                resets_at,
            } => Some(Self {
                resource,
                limit,
                current,
                resets_at,
            }),
            _ => None,
        }
    }
}

/// The response to an error of ours, of actix-cors, or of actix-web's own (which no route of ours
/// should raise: a client's fault becomes `malformed_request`, everything else `internal`).
pub(crate) fn response(error: &actix_web::Error, request_id: &RequestId) -> HttpResponse {
    if let Some(error) = error.as_error::<ApiError>() {
        return render(error, request_id);
    }
    if let Some(error) = error.as_error::<CorsError>() {
        return render(&ApiError::CorsRefused(error.clone()), request_id);
    }
    let cause = error.to_string();
    let is_client_error = error.as_response_error().status_code().is_client_error();
    let error = if is_client_error {
        ApiError::MalformedRequest(cause.into())
    } else {
        ApiError::internal(cause)
    };
    render(&error, request_id)
}

fn render(error: &ApiError, request_id: &RequestId) -> HttpResponse {
    let code = error.code();
    log_causes(error, request_id);
    let status = http::StatusCode::from_u16(code.status().as_u16())
        .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = ProblemDetails::from_status_code(status)
        .with_type(code.uri())
        .with_title(code.title())
        .with_detail(error.to_string())
        .with_extensions(Members {
            code,
            request_id: request_id.as_str(),
            limit: error.limit(),
            plan: PlanMembers::of(error),
            errors: error.field_errors(),
        })
        .error_response();
    add_headers(error, response.headers_mut());
    response
}

fn add_headers(error: &ApiError, headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match error {
        ApiError::MissingToken | ApiError::InvalidCredentials | ApiError::MfaRequired => {
            insert(headers, header::WWW_AUTHENTICATE, CHALLENGE);
        }
        ApiError::InvalidToken
        | ApiError::SessionRevoked
        | ApiError::RefreshReused { .. }
        | ApiError::TokenStale => {
            insert(headers, header::WWW_AUTHENTICATE, CHALLENGE_INVALID_TOKEN);
        }
        // RFC 9470, 3.
        ApiError::StepUpRequired { max_age_seconds } => {
            let challenge = format!(
                r#"{CHALLENGE}, error="insufficient_user_authentication", max_age="{max_age_seconds}""#
            );
            insert(headers, header::WWW_AUTHENTICATE, &challenge);
        }
        ApiError::MethodNotAllowed { allow } => insert(headers, header::ALLOW, allow),
        _ => {}
    }
    if let Some(seconds) = error.retry_after_seconds() {
        insert(headers, header::RETRY_AFTER, &seconds.to_string());
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A client's fault is in the access log; what is ours also says why. Overload is expected and
/// comes in crowds, hence a warning.
fn log_causes(error: &ApiError, request_id: &RequestId) {
    let code = error.code();
    let level = match code {
        ErrorCode::Busy | ErrorCode::RateLimitsUnavailable => log::Level::Warn,
        _ if code.status().is_server_error() => log::Level::Error,
        _ => return,
    };
    log::log!(
        level,
        request_id = request_id.as_str(), code = code.as_str(), cause = causes(error).as_str();
        "a request failed: {error}"
    );
}

/// What lies behind an error, outermost first.
fn causes(error: &dyn StdError) -> String {
    std::iter::successors(error.source(), |cause| (*cause).source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
