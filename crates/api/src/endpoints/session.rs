//! `/auth/refresh`, `/auth/switch`, `/auth/logout`: how a session goes on, moves and ends. The list
//! of one's sessions is `sessions.rs`.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use auth::RefreshToken;
use chrono::Utc;
use domain::TenantId;
use serde::Deserialize;
use store::{Ended, Goal, Proof};
use utoipa::ToSchema;

use super::token::{self, TokenView};
use crate::{
    authenticate::Bearer,
    client_address::client_address,
    error::{ApiError, FieldErrorCode},
    extract::{Body, OptionalBody},
    openapi::{LogoutProblems, RefreshProblems, SwitchProblems},
    services::Services,
    state::AppState,
    validation::Validation,
};

// No `Debug`: they hold tokens in the clear.

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    /// Of the last token answer.
    #[schema(example = "rt_3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu8")]
    refresh_token: String,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Logout {
    /// Says which session, where there is no valid access token.
    refresh_token: Option<String>,
    /// `true`: every session of the account. Default: this one.
    all: Option<bool>,
}

/// Exactly one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Switch {
    #[schema(example = "acme-corp")]
    tenant_slug: Option<String>,
    #[schema(value_type = Option<Uuid>)]
    tenant_id: Option<TenantId>,
}

impl TryFrom<Switch> for Goal {
    type Error = ApiError;

    fn try_from(body: Switch) -> Result<Self, ApiError> {
        goal(
            ("tenant_slug", body.tenant_slug),
            ("tenant_id", body.tenant_id),
        )
    }
}

/// The one of two fields that is there, each with its name.
pub(crate) fn goal(
    (slug_name, slug): (&str, Option<String>),
    (id_name, id): (&str, Option<TenantId>),
) -> Result<Goal, ApiError> {
    let mut v = Validation::new();
    let goal = match (slug, id) {
        (Some(slug), None) => Some(Goal::Slug(slug)),
        (None, Some(id)) => Some(Goal::Id(id)),
        (None, None) => {
            let detail = format!("is needed, or a {id_name} in its place");
            let pointer = format!("/{slug_name}");
            v.refuse(&pointer, FieldErrorCode::MissingField, detail);
            None
        }
        (Some(_), Some(_)) => {
            let detail = format!("must not stand beside a {slug_name}");
            v.refuse(&format!("/{id_name}"), FieldErrorCode::Invalid, detail);
            None
        }
    };
    v.finish(|| goal)
}

/// The next tokens of the session. A refresh token is good once; for ten seconds more it is
/// answered with the same successor. Presented later, it ends the session.
///
/// The access token has the current role; it names no tenant any more if the tenant, or the
/// membership, is not active.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh", tag = "auth", operation_id = "refresh", request_body = Refresh,
    responses((status = 200, body = TokenView), RefreshProblems),
)]
pub(crate) async fn refresh(
    request: HttpRequest,
    Body(body): Body<Refresh>,
    state: Data<AppState>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let now = Utc::now();
    let presented = parse(&body.refresh_token)?;
    let child = presented.child(&services.refresh_key);
    let address = client_address(&request, &state.settings.trusted_proxies);
    let who = services
        .identity
        .refresh(
            presented.hash(),
            services.new_refresh_token(&child, now),
            address,
            now,
        )
        .await?;
    token::answer(StatusCode::OK, &state, &who, &child)
}

/// The same session in another tenant of the account. The tokens handed out before are good for
/// nothing any more, except that the access token may switch again.
#[utoipa::path(
    post, path = "/api/v1/auth/switch", tag = "auth", operation_id = "switch", security(("bearer" = [])),
    request_body = Switch, responses((status = 200, body = TokenView), SwitchProblems),
)]
pub(crate) async fn switch(
    caller: Bearer,
    Body(body): Body<Switch>,
    state: Data<AppState>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    move_to(body.try_into()?, &caller, &state, &services).await
}

/// The answer to whoever goes there.
pub(crate) async fn move_to(
    goal: Goal,
    caller: &Bearer,
    state: &AppState,
    services: &Services,
) -> Result<HttpResponse, ApiError> {
    let now = Utc::now();
    let (principal, refresh) = (caller.principal(), RefreshToken::generate());
    let who = services
        .identity
        .switch(
            principal.account,
            principal.session,
            goal,
            services.new_refresh_token(&refresh, now),
            caller.address(),
            now,
        )
        .await?;
    token::answer(StatusCode::OK, state, &who, &refresh)
}

/// Ends the session, or all sessions of the account; their access tokens end with it.
///
/// A valid access token says whose; a refresh token does where there is none.
#[utoipa::path(
    post, path = "/api/v1/auth/logout", tag = "auth", operation_id = "logout", security((), ("bearer" = [])),
    request_body = Option<Logout>, responses((status = 204, description = "The session has ended."), LogoutProblems),
)]
pub(crate) async fn logout(
    caller: Result<Bearer, ApiError>,
    OptionalBody(body): OptionalBody<Logout>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let body = body.unwrap_or_default();
    let proof = match (caller, body.refresh_token) {
        (Ok(caller), _) => {
            Proof::AccessToken(caller.principal().account, caller.principal().session)
        }
        (Err(refusal @ ApiError::KeyNotAllowed), _) => return Err(refusal),
        (Err(_), Some(refresh_token)) => Proof::RefreshToken(parse(&refresh_token)?.hash()),
        (Err(refusal), None) => return Err(refusal),
    };
    let ended = if body.all.unwrap_or_default() {
        Ended::All
    } else {
        Ended::This
    };
    services.identity.log_out(proof, ended, Utc::now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What is no refresh token at all is as good as an unknown one.
fn parse(refresh_token: &str) -> Result<RefreshToken, ApiError> {
    RefreshToken::parse(refresh_token).map_err(|_| ApiError::InvalidToken)
}
