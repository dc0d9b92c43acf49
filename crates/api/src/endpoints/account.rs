//! `/users/me`: the account behind the token.

use actix_web::web::{Data, Json};
use chrono::{DateTime, Utc};
use domain::{AccountId, MembershipId, Role, TenantId};
use serde::Serialize;
use store::SignedIn;
use utoipa::ToSchema;

use crate::{
    authenticate::Authenticated, error::ApiError, openapi::AccountProblems, services::Services,
};

/// An account as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountView {
    #[schema(value_type = Uuid)]
    id: AccountId,
    email: String,
    full_name: String,
    email_verified: bool,
    mfa_enabled: bool,
    created_at: DateTime<Utc>,
    /// The tenant in which the session stands.
    #[schema(required)]
    tenant: Option<StandingView>,
}

/// The tenant in which a session stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Standing)]
struct StandingView {
    #[schema(value_type = Uuid)]
    id: TenantId,
    slug: String,
    name: String,
    #[schema(schema_with = crate::openapi::role)]
    role: Role,
    #[schema(value_type = Uuid)]
    membership_id: MembershipId,
}

impl From<&SignedIn> for AccountView {
    fn from(who: &SignedIn) -> Self {
        let account = &who.account;
        Self {
            id: account.id,
            email: account.email.clone(),
            full_name: account.full_name.clone(),
            email_verified: account.email_verified,
            mfa_enabled: account.mfa_enabled,
            created_at: account.created_at,
            tenant: who.tenant.as_ref().map(|tenant| StandingView {
                id: tenant.tenant_id,
                slug: tenant.slug.clone(),
                name: tenant.name.clone(),
                role: tenant.role,
                membership_id: tenant.membership_id,
            }),
        }
    }
}

/// The account behind the token.
#[utoipa::path(
    get, path = "/api/v1/users/me", tag = "users", operation_id = "get_me", security(("bearer" = [])),
    responses((status = 200, body = AccountView), AccountProblems),
)]
pub(crate) async fn me(
    caller: Authenticated,
    services: Data<Services>,
) -> Result<Json<AccountView>, ApiError> {
    let principal = caller.principal();
    let tenant = principal.tenant.as_ref().map(|tenant| tenant.id);
    let who = services
        .identity
        .find_signed_in(principal.account, principal.session, tenant)
        .await?;
    Ok(Json(AccountView::from(&who)))
}
