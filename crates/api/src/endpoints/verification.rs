//! `/auth/verify-email`: that mail to an account's address arrives.

use actix_web::{HttpResponse, web::Data};
use chrono::Utc;
use domain::{Email, MailKind};
use serde::Deserialize;
use utoipa::ToSchema;

use super::password::presented;
use crate::{
    error::ApiError, extract::Body, openapi::FollowLinkProblems, services::Services,
    validation::Validation,
};

// No `Debug`: it holds a token in the clear.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyEmail {
    /// Of the link in the mail.
    #[schema(example = "mt_Q3nib99xvCqQn422-2Ae8ZdlDlhl1Kiic2ubGfmFWX4")]
    token: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResendVerification {
    #[schema(example = "alice@acme.example", max_length = 254)]
    email: String,
}

/// Verifies the address to which the mail went. Uses its link up.
#[utoipa::path(
    post, path = "/api/v1/auth/verify-email", tag = "auth", operation_id = "verify_email",
    request_body = VerifyEmail,
    responses((status = 204, description = "The address is verified."), FollowLinkProblems),
)]
pub(crate) async fn verify(
    Body(body): Body<VerifyEmail>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let token = presented(&body.token)?;
    services.identity.verify_email(token, Utc::now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Asks for another mail, whose link takes the place of the one before. Whether there is anything
/// to verify is not said, and takes no other time.
#[utoipa::path(
    post, path = "/api/v1/auth/verify-email/resend", tag = "auth", operation_id = "resend_verification",
    request_body = ResendVerification,
    responses((status = 202, description = "If there is something to verify, a mail is on its way.")),
)]
pub(crate) async fn resend(
    Body(body): Body<ResendVerification>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let mut v = Validation::new();
    let email = v.parse("/email", Email::parse(&body.email));
    let email = v.finish(|| email)?;
    services
        .identity
        .request_mail(MailKind::VerifyEmail, email, None)
        .await?;
    services.outbox.wake();
    Ok(HttpResponse::Accepted().finish())
}
