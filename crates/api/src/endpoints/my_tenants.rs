//! `/users/me/tenants`: where the account can switch to.

use actix_web::web::Data;
use domain::{MembershipId, TenantId, TenantMembership, TenantStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::NoFilters;
use crate::{
    authenticate::Authenticated,
    error::ApiError,
    list::{List, ListQuery, PageParams},
    services::Services,
};

/// A tenant that the account is an active member of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MyTenant)]
pub(crate) struct MyTenantView {
    #[schema(value_type = Uuid)]
    id: TenantId,
    #[schema(example = "acme-corp")]
    slug: String,
    #[schema(example = "Acme Corp")]
    name: String,
    /// Built-in or of the tenant's own making.
    #[schema(example = "member")]
    role: String,
    /// Of the tenant: only an active one can be switched to.
    #[schema(schema_with = crate::openapi::tenant_status)]
    status: TenantStatus,
    #[schema(value_type = Uuid)]
    membership_id: MembershipId,
}

impl From<TenantMembership> for MyTenantView {
    fn from(membership: TenantMembership) -> Self {
        Self {
            id: membership.tenant_id,
            role: membership.role_name().to_owned(),
            slug: membership.slug,
            name: membership.name,
            status: membership.tenant_status,
            membership_id: membership.membership_id,
        }
    }
}

/// A page of one's tenants, as a client gets it.
#[derive(ToSchema)]
#[schema(as = MyTenantList)]
#[expect(dead_code, reason = "describes what list.rs writes")]
pub(crate) struct MyTenantListView {
    data: Vec<MyTenantView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The tenants that the account is an active member of, by name.
#[utoipa::path(
    get, path = "/api/v1/users/me/tenants", tag = "users", operation_id = "list_my_tenants",
    security(("bearer" = [])), params(PageParams),
    responses(
        (status = 200, body = MyTenantListView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page")))
    ),
)]
pub(crate) async fn list(
    caller: Authenticated,
    query: ListQuery<NoFilters>,
    services: Data<Services>,
) -> Result<List<MyTenantView>, ApiError> {
    let principal = caller.principal();
    let page = query.page::<(String, TenantId)>(principal.account)?;
    let mut tenants = services.identity.list_tenants(principal.into()).await?;
    // Sorted here, so that a page begins where the one before ended, whatever the database's
    // collation is. One person's tenants are few.
    tenants.sort_by_cached_key(place);
    if let Some(after) = page.after() {
        tenants.retain(|tenant| place(tenant) > *after);
    }
    page.answer(tenants, place, MyTenantView::from)
}

/// By name, whatever its case, and by age where names are alike.
fn place(tenant: &TenantMembership) -> (String, TenantId) {
    (tenant.name.to_lowercase(), tenant.tenant_id)
}
