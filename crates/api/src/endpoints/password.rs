//! `/auth/password`: a new one for whoever knows the old one, or gets our mail.

use actix_web::{HttpResponse, web::Data};
use auth::{MailToken, MailTokenHash, Password};
use chrono::Utc;
use domain::{Email, MailKind, TenantSlug};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    authenticate::Authenticated,
    error::ApiError,
    extract::Body,
    openapi::{ChangePasswordProblems, FollowLinkProblems},
    services::Services,
    validation::Validation,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePassword {
    #[schema(value_type = String, example = "securepass123")]
    current_password: Password,
    /// At least 8 characters, at most 71 bytes.
    #[schema(example = "correct horse", min_length = 8, max_length = 71)]
    new_password: String,
}

struct PasswordChange {
    current: Password,
    new: Password,
}

impl TryFrom<ChangePassword> for PasswordChange {
    type Error = ApiError;

    fn try_from(body: ChangePassword) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let new = v.parse("/new_password", Password::parse_new(&body.new_password));
        v.finish(|| {
            Some(Self {
                current: body.current_password,
                new: new?,
            })
        })
    }
}

/// A new password. Ends every other session of the account.
#[utoipa::path(
    post, path = "/api/v1/auth/password/change", tag = "auth", operation_id = "change_password",
    security(("bearer" = [])), request_body = ChangePassword,
    responses((status = 204, description = "The password is another one."), ChangePasswordProblems),
)]
pub(crate) async fn change(
    caller: Authenticated,
    Body(body): Body<ChangePassword>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let PasswordChange { current, new } = body.try_into()?;
    let principal = caller.principal();
    let limit = services.login_limit;
    let (attempt, stored) = services
        .admitted(|| {
            services
                .identity
                .find_password(principal.into(), caller.address(), limit)
        })
        .await?;
    let verified = services
        .verify(attempt, current, stored, None)
        .await?
        .ok_or(ApiError::InvalidCredentials)?;
    let attempt = verified.attempt.clone();
    let new = match services.passwords.hash(new).await {
        Ok(new) => new,
        Err(error) => return Err(services.settle(attempt, error.into()).await?),
    };
    let changed = services
        .identity
        .change_password(principal.into(), verified, new)
        .await;
    services.conclude(attempt, changed).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForgotPassword {
    #[schema(example = "alice@acme.example", max_length = 254)]
    email: String,
    /// Which account, as at sign-in: that of the tenant, if it manages one with this address.
    #[schema(example = "acme-corp", min_length = 3, max_length = 63)]
    tenant_slug: Option<String>,
}

// No `Debug`: it holds a token in the clear.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetPassword {
    /// Of the link in the mail.
    #[schema(example = "mt_Q3nib99xvCqQn422-2Ae8ZdlDlhl1Kiic2ubGfmFWX4")]
    token: String,
    /// At least 8 characters, at most 71 bytes.
    #[schema(example = "correct horse", min_length = 8, max_length = 71)]
    password: String,
}

/// Asks for a mail with a link to a new password. Whether the address has an account is not said,
/// and takes no other time.
#[utoipa::path(
    post, path = "/api/v1/auth/password/forgot", tag = "auth", operation_id = "forgot_password",
    request_body = ForgotPassword,
    responses((status = 202, description = "If there is such an account, a mail is on its way.")),
)]
pub(crate) async fn forgot(
    Body(body): Body<ForgotPassword>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let mut v = Validation::new();
    let email = v.parse("/email", Email::parse(&body.email));
    let slug = body.tenant_slug.as_deref().map(TenantSlug::parse);
    let slug = v.optional("/tenant_slug", slug);
    let (email, slug) = v.finish(|| Some((email?, slug?)))?;
    services
        .identity
        .request_mail(MailKind::ResetPassword, email, slug)
        .await?;
    services.outbox.wake();
    Ok(HttpResponse::Accepted().finish())
}

/// A new password for whoever got the mail. Uses its link up, and ends every session of the
/// account.
#[utoipa::path(
    post, path = "/api/v1/auth/password/reset", tag = "auth", operation_id = "reset_password",
    request_body = ResetPassword,
    responses((status = 204, description = "The password is another one."), FollowLinkProblems),
)]
pub(crate) async fn reset(
    Body(body): Body<ResetPassword>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let mut v = Validation::new();
    let password = v.parse("/password", Password::parse_new(&body.password));
    let password = v.finish(|| password)?;
    let token = presented(&body.token)?;
    // Nobody has passwords hashed with tokens that were made up.
    services.identity.check_reset(token, Utc::now()).await?;
    let hash = services.passwords.hash(password).await?;
    services
        .identity
        .reset_password(token, hash, Utc::now())
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What is no token of a mail at all is as good as an unknown one.
pub(super) fn presented(token: &str) -> Result<MailTokenHash, ApiError> {
    let token = MailToken::parse(token).map_err(|_| ApiError::InvalidToken)?;
    Ok(token.hash())
}
