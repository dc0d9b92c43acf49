//! `/users/me`: the account behind the token.

use actix_web::{HttpResponse, web::Data};
use chrono::{DateTime, Utc};
use domain::{AccountId, FullName, MembershipId, TenantId};
use serde::{Deserialize, Serialize};
use store::SignedIn;
use utoipa::ToSchema;

use crate::{
    authenticate::Authenticated,
    error::ApiError,
    etag::{ETag, IfMatch, Versioned},
    extract::Patch,
    openapi::DeleteAccountProblems,
    patchable::Patchable,
    services::Services,
    validation::Validation,
};

/// An account as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountView {
    #[schema(value_type = Uuid)]
    id: AccountId,
    #[schema(example = "jo@acme.example")]
    email: String,
    #[schema(example = "Jo Miller")]
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
    #[schema(example = "acme-corp")]
    slug: String,
    #[schema(example = "Acme Corp")]
    name: String,
    /// Built-in or of the tenant's own making.
    #[schema(example = "member")]
    role: String,
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
                role: tenant.role_name().to_owned(),
                membership_id: tenant.membership_id,
            }),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchAccount {
    #[serde(default)]
    #[schema(value_type = String, required = false, example = "Alice Adams", min_length = 1, max_length = 200)]
    full_name: Patchable<String>,
}

/// The account behind the token.
#[utoipa::path(
    get, path = "/api/v1/users/me", tag = "users", operation_id = "get_me", security(("bearer" = [])),
    params(("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, body = AccountView, headers(("ETag" = String))),
        (status = 304, description = "The client has this version.")
    ),
)]
pub(crate) async fn me(
    caller: Authenticated,
    services: Data<Services>,
) -> Result<Versioned<AccountView>, ApiError> {
    let caller = caller.principal().into();
    let who = services.identity.find_signed_in(caller).await?;
    Versioned::whole(AccountView::from(&who))
}

/// Changes what the body names (JSON Merge Patch, RFC 7396). What tenants call the person is theirs.
#[utoipa::path(
    patch, path = "/api/v1/users/me", tag = "users", operation_id = "update_me", security(("bearer" = [])),
    params(("If-Match" = Option<String>, Header)),
    request_body(content(
        (PatchAccount = "application/merge-patch+json"),
        (PatchAccount = "application/json"),
    )),
    responses((status = 200, body = AccountView, headers(("ETag" = String)))),
)]
pub(crate) async fn update(
    caller: Authenticated,
    if_match: IfMatch,
    Patch(body): Patch<PatchAccount>,
    services: Data<Services>,
) -> Result<Versioned<AccountView>, ApiError> {
    let mut v = Validation::new();
    let full_name = v.change("/full_name", body.full_name, |text| FullName::parse(&text));
    let full_name = v.finish(|| full_name)?;
    let caller = caller.principal().into();
    let renamed = services
        .identity
        .rename(caller, full_name, condition(if_match));
    Versioned::whole(AccountView::from(&renamed.await?))
}

/// Ends the account: its sessions, its password, its memberships. What it made stays its tenants'.
/// Asks for a recent sign-in.
#[utoipa::path(
    delete, path = "/api/v1/users/me", tag = "users", operation_id = "delete_me", security(("bearer" = [])),
    params(("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "The account is gone."), DeleteAccountProblems),
)]
pub(crate) async fn delete(
    caller: Authenticated,
    if_match: IfMatch,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let caller = caller.principal().into();
    let max_age = services.step_up_max_age_seconds;
    let deleted = services
        .identity
        .delete_account(caller, max_age, condition(if_match));
    deleted.await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Whether an account is still what the client knows, where it asks for that.
fn condition(if_match: IfMatch) -> Option<impl FnOnce(&SignedIn) -> bool + Send> {
    let is_set = if_match.is_present();
    let holds = move |who: &SignedIn| {
        let current = AccountView::from(who);
        if_match.check(|| ETag::of(&current)).is_ok()
    };
    is_set.then_some(holds)
}
