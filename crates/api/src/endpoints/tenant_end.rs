//! How a tenant ends, and how its owners bring it back.

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};
use domain::TenantStatus;
use store::{memberships, tenants};

use super::tenant::{TenantView, tag};
use crate::{
    authenticate::Authorized,
    error::ApiError,
    etag::IfMatch,
    openapi::{DeleteTenantProblems, RestoreTenantProblems},
    require,
    services::Services,
};

/// Deletes the tenant: from now on nobody works in it, and after `erase_after` all of it is erased for
/// good, accounts that it manages too. Until then its owners can read it and bring it back. They hear
/// of it by mail. Asked for twice, the first time counts. Asks for a recent sign-in.
#[utoipa::path(
    delete, path = "/api/v1/tenant", tag = "tenant", operation_id = "delete_tenant", security(("bearer" = [])),
    params(("If-Match" = Option<String>, Header)),
    responses((status = 202, body = TenantView), DeleteTenantProblems),
)]
pub(crate) async fn delete(
    caller: Authorized<require::TenantDelete>,
    if_match: IfMatch,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let user = caller.principal().user().ok_or(ApiError::KeyNotAllowed)?;
    let max_age = services.step_up_max_age_seconds;
    let grace_days = services.deletion_grace_days.into();
    let deleted = services
        .tenants
        .run(caller.context(), move |conn| {
            memberships::require_recent_sign_in(conn, max_age)?;
            if_match.check(|| tag(tenants::lock(conn)?))?;
            tenants::delete(conn, grace_days)?;
            Ok::<_, ApiError>(tenants::find(conn)?)
        })
        .await;
    let tenant = match deleted {
        Err(ApiError::TenantDeleting) => {
            services.identity.find_deleting_tenant(user.into()).await?
        }
        deleted => deleted?,
    };
    // Deleted before, and restored while we looked.
    if tenant.status != TenantStatus::Deleting {
        return Err(ApiError::Conflict);
    }
    services.outbox.wake();
    Ok(HttpResponse::Accepted().json(TenantView::from(tenant)))
}

/// Brings the tenant back that was deleted: all is as it was. Its owners hear of it by mail.
#[utoipa::path(
    post, path = "/api/v1/tenant/restore", tag = "tenant", operation_id = "restore_tenant", security(("bearer" = [])),
    responses((status = 200, body = TenantView), RestoreTenantProblems),
)]
pub(crate) async fn restore(
    caller: Authorized<require::TenantDelete>,
    services: Data<Services>,
) -> Result<Json<TenantView>, ApiError> {
    let user = caller.principal().user().ok_or(ApiError::KeyNotAllowed)?;
    let tenant = services.identity.restore_tenant(user.into()).await?;
    services.outbox.wake();
    Ok(Json(tenant.into()))
}
