//! `/auth/password`: a new one for whoever knows the old one.

use actix_web::{HttpResponse, web::Data};
use auth::Password;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    authenticate::Authenticated, error::ApiError, extract::Body, openapi::ChangePasswordProblems,
    services::Services, validation::Validation,
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
