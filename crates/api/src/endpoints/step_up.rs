//! `/auth/step-up`: proving once more who one is, in the manner of RFC 9470.

use actix_web::{HttpResponse, web::Data};
use auth::Password;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    authenticate::Authenticated, error::ApiError, extract::Body, openapi::StepUpProblems,
    second_factor_code::SecondFactorCode, services::Services,
};

// No `Debug`: a code is good for a minute.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepUp {
    #[schema(value_type = String, example = "securepass123")]
    password: Password,
    /// For an account with a second factor: as for a login.
    #[schema(value_type = Option<String>, example = "123456", max_length = 64)]
    totp: Option<SecondFactorCode>,
}

/// Makes the session's sign-in recent again, for what asks for that.
#[utoipa::path(
    post, path = "/api/v1/auth/step-up", tag = "auth", operation_id = "step_up", security(("bearer" = [])),
    request_body = StepUp, responses((status = 204, description = "The sign-in is recent."), StepUpProblems),
)]
pub(crate) async fn step_up(
    caller: Authenticated,
    Body(body): Body<StepUp>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let (principal, limit) = (caller.principal(), services.login_limit);
    let (attempt, stored) = services
        .admitted(|| {
            services
                .identity
                .find_password(principal.into(), caller.address(), limit)
        })
        .await?;
    let verified = services
        .verify(attempt, body.password, stored, body.totp.map(Into::into))
        .await?
        .ok_or(ApiError::InvalidCredentials)?;
    let attempt = verified.attempt.clone();
    let proved = services.identity.step_up(principal.into(), verified).await;
    services.conclude(attempt, proved).await?;
    Ok(HttpResponse::NoContent().finish())
}
