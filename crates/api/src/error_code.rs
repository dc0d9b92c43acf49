//! The table of error codes: what a client may rely on. `docs/errors.md` is generated from it.
//! What made the server answer with one of them is `error.rs`.

use actix_web::http::StatusCode;
use serde::{Serialize, Serializer};

macro_rules! error_codes {
    ($($variant:ident = $code:literal, $status:literal, $title:literal, $meaning:literal;)+) => {
        /// What went wrong, as the member `code` of a problem document says it. A code never
        /// changes its meaning; new ones may be added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = $meaning] $variant,)+
        }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code on the wire: `snake_case`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// A short summary that does not change from occurrence to occurrence
            /// (RFC 9457, 3.1.3).
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What it means and what the client can do, for the documentation.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),+ }
            }

            /// The HTTP status that it is answered with.
            #[must_use]
            pub fn status(self) -> StatusCode {
                let status: u16 = match self { $(Self::$variant => $status),+ };
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }

            /// The member `type`: a relative reference, to be resolved against the request
            /// (RFC 9457, 3.1.1). A path and not a fragment, as `problem_details` cannot carry one.
            #[must_use]
            pub fn uri(self) -> http::Uri {
                http::Uri::from_static(match self {
                    $(Self::$variant => concat!("/docs/errors/", $code)),+
                })
            }
        }
    };
}

error_codes! {
    MalformedRequest = "malformed_request", 400, "Malformed request",
        "The request is not well-formed HTTP, or its body broke off. Do not repeat it unchanged.";
    MalformedBody = "malformed_body", 400, "The body is not text",
        "The body is not UTF-8 (RFC 8259, 8.1).";
    MalformedJson = "malformed_json", 400, "The body is not JSON",
        "The body is not JSON, or nests deeper than 128 levels. `detail` names line and column.";
    UnknownHost = "unknown_host", 400, "Unknown host",
        "The host name of the request is none that this server answers for.";
    CorsRefused = "cors_refused", 400, "Cross-origin request refused",
        "A browser asked whether a page may send a request, and it may not: `detail` says whether that is for the page's origin, the method or a header.";
    TenantAmbiguous = "tenant_ambiguous", 400, "Two tenants named",
        "`X-Tenant-Slug`, the host name and `X-Tenant-ID` do not all name the same tenant. Send one of them, or none.";
    MalformedCondition = "malformed_condition", 400, "Malformed condition",
        "`If-Match` or `If-None-Match` is neither `*` nor a list of entity tags, each in quotes (RFC 9110, 13.1). Send an `ETag` as it was received.";
    IdempotencyKeyNotAllowed = "idempotency_key_not_allowed", 400, "No idempotency key here",
        "The answer may hold a secret that is shown once and kept nowhere, or belongs to no tenant, so it cannot be repeated. Nothing was done. Send the request without `Idempotency-Key`.";
    InvalidIdempotencyKey = "invalid_idempotency_key", 400, "Invalid idempotency key",
        "`Idempotency-Key` stands once and has 1 to 255 visible ASCII characters, in quotes or without; a UUID does well. `detail` says what is wrong.";
    MissingToken = "missing_token", 401, "No access token",
        "The request needs `Authorization: Bearer <access token>`, or an API key in its place.";
    InvalidToken = "invalid_token", 401, "Invalid token",
        "The access token is malformed, forged, expired or not meant for this server: refresh it, or sign in. Where a refresh token was sent: it is unknown, expired or replaced; sign in. Where an API key was sent: it is malformed, unknown, expired or revoked, or whoever made it may no longer do all that it may. Where a token of a mail was sent: it is unknown, used, expired or replaced by that of a newer mail; ask for another.";
    InvalidCredentials = "invalid_credentials", 401, "Invalid credentials",
        "No such account, or another password, or a wrong second factor. Which of them is not said.";
    MfaRequired = "mfa_required", 401, "Second factor required",
        "The password is right, and the account has a second factor: repeat the request with a code of the authenticator app, or a recovery code, in `totp`.";
    StepUpRequired = "step_up_required", 401, "Recent sign-in required",
        "The last sign-in of this session is too long ago for this. Prove once more who you are at `/api/v1/auth/step-up`, then repeat the request (RFC 9470).";
    SessionRevoked = "session_revoked", 401, "Session revoked",
        "The session was logged out or revoked, or a refresh token was presented again long after its use. Sign in again.";
    TokenStale = "token_stale", 401, "Access token out of date",
        "The role, or the tenant of the session, changed since the token was made. Refresh it and repeat the request.";
    PlanLimitExceeded = "plan_limit_exceeded", 402, "Plan limit reached",
        "The tenant has as many of `resource` as its plan allows: `limit` says how many that are, `current` how many there are. Nothing was done. What is there stays, also after a change to a smaller plan. Calls of the API (`api_calls`) begin anew at `resets_at`.";
    EmailNotVerified = "email_not_verified", 403, "E-mail address not verified",
        "The password is right, but nobody has followed the link in the mail to this address yet. `POST /api/v1/auth/verify-email/resend` sends another one.";
    Forbidden = "forbidden", 403, "Not permitted",
        "Your role, or the key's scopes, lack the permission for this; or it would give somebody more than you have.";
    FeatureDisabled = "feature_disabled", 403, "Feature is off",
        "The tenant does not have this feature: `GET /api/v1/tenant/features` says what it has. What was made with it stays.";
    HttpsRequired = "https_required", 403, "HTTPS required",
        "The request came by plain HTTP, and there is no redirect. Ask by HTTPS; a token that was sent in the clear is better revoked.";
    KeyNotAllowed = "key_not_allowed", 403, "Not for API keys",
        "This concerns an account or a session, and an API key has neither. Sign in.";
    BuiltInRole = "built_in_role", 403, "Built-in role",
        "The built-in roles are the same in every tenant and cannot be changed. Make a role of your own, based on one of them.";
    NoTenant = "no_tenant", 403, "No tenant selected",
        "The access token names no tenant. Switch to one first.";
    TenantMismatch = "tenant_mismatch", 403, "Another tenant",
        "A header or the host name selects a tenant that is not the access token's. Switch first.";
    TenantSuspended = "tenant_suspended", 403, "Tenant suspended",
        "The tenant is suspended; only its operator can change that.";
    TenantDeleting = "tenant_deleting", 403, "Tenant to be erased",
        "An owner has deleted the tenant, and nobody works in it any more. Until `erase_after` its owners can read it (`GET /api/v1/tenant`) and bring it back (`POST /api/v1/tenant/restore`).";
    NotAMember = "not_a_member", 403, "Not a member",
        "You are not, or no longer, a member of this tenant, or there is no such tenant.";
    OtherAddress = "other_address", 403, "Invitation for another address",
        "The invitation was sent to another e-mail address than your account has. Sign in with that one, or send no access token.";
    SignupClosed = "signup_closed", 403, "Sign-up closed",
        "This tenant takes new members by invitation only.";
    NotFound = "not_found", 404, "Not found",
        "There is no such thing, or it is not yours to see, or its id is none. Which of them is not said.";
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed",
        "The path exists, the method does not. The header `Allow` lists those that do.";
    RequestTimeout = "request_timeout", 408, "Request too slow",
        "The body did not arrive in time. Repeat the request on a new connection.";
    Conflict = "conflict", 409, "Conflict",
        "The request contradicts what is there. Read the current state, then decide.";
    LastOwner = "last_owner", 409, "Last owner",
        "A tenant keeps at least one active owner. Make somebody else an owner first.";
    EmailTaken = "email_taken", 409, "E-mail address taken",
        "The address already has an account, and the password given is not that account's.";
    NotPending = "not_pending", 409, "Not pending",
        "The invitation was accepted or revoked already.";
    NotDeleted = "not_deleted", 409, "Not deleted",
        "Only what is deleted can be restored.";
    SlugTaken = "slug_taken", 409, "Slug taken",
        "Another tenant has this slug. Choose another one.";
    TooManyTenants = "too_many_tenants", 409, "Too many tenants",
        "An account owns at most so many tenants as `detail` says, deleted ones too until they are erased. Hand one over, or ask whoever runs this server for more.";
    RoleNameTaken = "role_name_taken", 409, "Role name taken",
        "The tenant has a role of this name. Choose another one.";
    RoleInUse = "role_in_use", 409, "Role in use",
        "Members have this role. Give them another one first.";
    IdempotencyKeyInUse = "idempotency_key_in_use", 409, "Still at work",
        "A request with this `Idempotency-Key` is being worked on. Repeat it after a moment: you get its answer.";
    PreconditionFailed = "precondition_failed", 412, "Precondition failed",
        "The thing changed since the version that `If-Match` names. Read it again, then decide.";
    PayloadTooLarge = "payload_too_large", 413, "Body too large",
        "The body is larger than this server accepts.";
    UriTooLong = "uri_too_long", 414, "URI too long",
        "Path and query together are longer than this server reads.";
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported media type",
        "The body must be uncompressed `application/json`; for `PATCH` also `application/merge-patch+json`.";
    ValidationFailed = "validation_failed", 422, "Validation failed",
        "The request is well-formed, but values in it are not acceptable. `errors` lists them: `pointer` (RFC 6901, into the body), `parameter` for a query parameter, `code` (`unknown_field`, `missing_field`, `wrong_type`, `duplicate`, `invalid`), `detail`. Unknown fields and wrong types are reported one at a time, everything else at once.";
    IdempotencyKeyReused = "idempotency_key_reused", 422, "Idempotency key of another request",
        "This `Idempotency-Key` was used within the last 24 hours for another request: another path, another body, another `If-Match`. Nothing was done. Take a new key for a new request.";
    HeadersTooLarge = "headers_too_large", 431, "Headers too large",
        "The headers are more, or larger, than this server reads. Beyond 96 of them, or 128 KiB, the connection is closed with a bare status.";
    TooManyAttempts = "too_many_attempts", 429, "Too many attempts",
        "Too many sign-ins from this address have failed for this e-mail. Nothing was compared; whether the account exists is not said. Repeat after `Retry-After` seconds.";
    RateLimited = "rate_limited", 429, "Too many requests",
        "A bucket is empty, and `limit` says whose: the tenant's, the user's, the API key's, or that of the address. Nothing was done. Repeat after `Retry-After` seconds; `RateLimit` says how all buckets of the request stand.";
    Internal = "internal", 500, "Internal error",
        "The server failed. The request id leads its operators to the cause.";
    Busy = "busy", 503, "Busy",
        "The server has more work than it can do in time, or requests waited for each other and this one gave way. Nothing was done. Repeat after `Retry-After` seconds.";
    DeadlineExceeded = "deadline_exceeded", 503, "Took too long",
        "The request was not done within the server's limit, and is not waited for any more. What it was writing happens as a whole or not at all, and may yet happen: read before you repeat it.";
    CaptchaUnavailable = "captcha_unavailable", 503, "Captcha cannot be verified",
        "The service that verifies captchas does not answer. Repeat after `Retry-After` seconds; the captcha may have to be solved again.";
    RateLimitsUnavailable = "rate_limits_unavailable", 503, "Rate limits unavailable",
        "How many requests you made cannot be known now, and this server serves none without. Nothing was done. Repeat after `Retry-After` seconds.";
    DatabaseUnavailable = "database_unavailable", 503, "Database unavailable",
        "The database does not answer. Repeat after `Retry-After` seconds.";
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_row_of_the_table_is_an_error_with_a_code_of_its_own() {
        let mut codes = HashSet::new();
        for &code in ErrorCode::ALL {
            let word = code.as_str();
            assert!(codes.insert(word), "{word} stands twice");
            assert!(
                word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_')),
                "{word}"
            );
            let status = code.status();
            assert!(
                status.is_client_error() || status.is_server_error(),
                "{word}"
            );
            assert_eq!(code.uri().path(), format!("/docs/errors/{word}"));
            assert!(
                !code.title().ends_with('.'),
                "{word}: a title is no sentence"
            );
            assert!(
                code.meaning().ends_with('.'),
                "{word}: a meaning is a sentence"
            );
        }
    }
}
