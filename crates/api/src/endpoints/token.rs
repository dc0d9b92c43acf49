//! The answer of everything that hands out tokens.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use auth::RefreshToken;
use domain::TenantId;
use serde::Serialize;
use store::SignedIn;
use utoipa::ToSchema;

use super::account::AccountView;
use crate::{error::ApiError, services::access_token, state::AppState};

/// What a client keeps: both tokens, and whom they stand for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenView {
    /// A JSON Web Token, to be sent as `Authorization: Bearer`.
    #[schema(example = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMTk4In0.c2lnbmF0dXJl")]
    access_token: String,
    #[schema(example = "rt_Q3nib99xvCqQn422-2Ae8ZdlDlhl1Kiic2ubGfmFWX4")]
    refresh_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token ends.
    #[schema(example = 1800)]
    expires_in: i64,
    user: AccountView,
    #[schema(required)]
    tenant: Option<TenantView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TokenTenant)]
struct TenantView {
    #[schema(value_type = Uuid)]
    id: TenantId,
    #[schema(example = "acme-corp")]
    slug: String,
    #[schema(example = "Acme Corp")]
    name: String,
    /// Built-in or of the tenant's own making.
    #[schema(example = "member")]
    role: String,
}

/// The answer that hands out a refresh token, and an access token that says where the session stands.
pub(crate) fn answer(
    status: StatusCode,
    state: &AppState,
    who: &SignedIn,
    refresh: &RefreshToken,
) -> Result<HttpResponse, ApiError> {
    let view = TokenView {
        access_token: access_token(&state.access_tokens, who)?,
        refresh_token: refresh.reveal(),
        token_type: "Bearer",
        expires_in: state.access_tokens.lifetime_seconds(),
        user: AccountView::from(who),
        tenant: who.tenant.as_ref().map(|tenant| TenantView {
            id: tenant.tenant_id,
            slug: tenant.slug.clone(),
            name: tenant.name.clone(),
            role: tenant.role_name().to_owned(),
        }),
    };
    Ok(HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(view))
}
