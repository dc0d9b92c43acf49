//! `/invitations/accept`: how somebody takes the place that waits for them.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use auth::{MailPurpose, MailToken, Password};
use domain::FullName;
use serde::Deserialize;
use std::net::IpAddr;
use store::{Attempt, Guest, Invited};
use utoipa::ToSchema;

use super::auth::{address, device};
use super::token::{self, TokenView};
use crate::{
    authenticate::Bearer,
    error::{ApiError, FieldErrorCode},
    extract::Body,
    openapi::AcceptInvitationProblems,
    second_factor_code::SecondFactorCode,
    services::Services,
    state::AppState,
    validation::Validation,
};

// No `Debug`: it holds a token and a password in the clear.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptInvitation {
    /// Of the link in the mail.
    #[schema(example = "mt_AwEBmf5SzIh0")]
    token: String,
    /// The account's, or, for somebody new, the one that it shall have. Not needed with an access
    /// token.
    #[schema(example = "securepass123", max_length = 71)]
    password: Option<String>,
    /// For an account with a second factor: as for a login.
    #[schema(value_type = Option<String>, example = "123456", max_length = 64)]
    totp: Option<SecondFactorCode>,
    /// For somebody new. Default: what the invitation says.
    #[schema(example = "Vera Voss", min_length = 1, max_length = 200)]
    full_name: Option<String>,
}

/// Takes the place that an invitation keeps, and opens a session there.
///
/// Whoever has a personal account with the invitation's address proves it, by an access token or by
/// the password; for anybody else an account is made. Another address than the invitation's is
/// refused.
#[utoipa::path(
    post, path = "/api/v1/invitations/accept", tag = "invitations", operation_id = "accept_invitation",
    security((), ("bearer" = [])), request_body = AcceptInvitation,
    responses((status = 200, body = TokenView), AcceptInvitationProblems),
)]
pub(crate) async fn accept(
    request: HttpRequest,
    caller: Result<Bearer, ApiError>,
    Body(body): Body<AcceptInvitation>,
    state: Data<AppState>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let token = MailToken::parse(&body.token)
        .ok()
        .filter(|token| token.purpose() == MailPurpose::Invitation)
        .ok_or(ApiError::InvalidToken)?;
    let (tenant, hash) = (token.tenant().ok_or(ApiError::InvalidToken)?, token.hash());
    let from = address(&request, &state);
    let (guest, attempt) = match caller {
        Ok(caller) => (Guest::SignedIn(caller.principal().into()), None),
        Err(ApiError::MissingToken) => {
            let invited = services.identity.find_invitation(tenant, hash).await?;
            without_token(&services, invited, from, body).await?
        }
        Err(refusal) => return Err(refusal),
    };
    let (refresh, session) = services.new_session(device(&request), from);
    let accepted = services
        .identity
        .accept_invitation(tenant, hash, guest, session, services.limits)
        .await;
    let who = match attempt {
        Some(attempt) => services.conclude(attempt, accepted).await?,
        None => accepted?,
    };
    token::answer(StatusCode::OK, &state, &who, &refresh)
}

/// Whoever has an account with the invitation's address, and proves it by the password; or somebody
/// new. With the slot that the comparison of a password has taken.
async fn without_token(
    services: &Services,
    invited: Invited,
    from: IpAddr,
    body: AcceptInvitation,
) -> Result<(Guest, Option<Attempt>), ApiError> {
    let (email, limit) = (&invited.email, services.login_limit);
    let known = services
        .admitted_if_known(|| services.identity.find_personal(email.clone(), from, limit))
        .await?;
    let Some((slot, candidate)) = known else {
        let (password, full_name) = newcomer(&body)?;
        let newcomer = Guest::New {
            email: invited.email,
            full_name: full_name.unwrap_or(invited.full_name),
            password_hash: services.passwords.hash(password).await?,
        };
        return Ok((newcomer, None));
    };
    let Some(password) = body.password else {
        return Err(services.settle(slot, password_is_missing()).await?);
    };
    let (password, totp) = (Password::presented(password), body.totp.map(Into::into));
    let verified = services
        .verify(slot, password, Some(candidate.hash), totp)
        .await?
        .ok_or(ApiError::InvalidCredentials)?;
    let attempt = verified.attempt.clone();
    Ok((Guest::Known(candidate.account.id, verified), Some(attempt)))
}

/// What somebody who has no account yet must say.
fn newcomer(body: &AcceptInvitation) -> Result<(Password, Option<FullName>), ApiError> {
    let password = body.password.as_deref().ok_or_else(password_is_missing)?;
    let mut v = Validation::new();
    let password = v.parse("/password", Password::parse_new(password));
    let name = body.full_name.as_deref().map(FullName::parse);
    let full_name = v.optional("/full_name", name);
    v.finish(|| Some((password?, full_name?)))
}

fn password_is_missing() -> ApiError {
    let detail = "is needed without an access token";
    ApiError::field("/password", FieldErrorCode::MissingField, detail)
}
