//! `/resources/{id}/versions`: what a resource was, and how it becomes that again.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use domain::{MembershipId, ResourceId, ResourceVersion};
use serde::Serialize;
use store::resource_versions;
use utoipa::ToSchema;

use super::NoFilters;
use super::resources::{ResourceView, tag};
use crate::{
    authenticate::Authorized,
    error::ApiError,
    etag::{IfMatch, Versioned},
    extract::{PathId, PathNumber},
    idempotency::{Answer, Once},
    list::{List, ListQuery, PageParams},
    openapi::ListResourcesProblems,
    require,
    services::Services,
};

/// What a resource was until it was replaced.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResourceVersion)]
pub(crate) struct ResourceVersionView {
    #[serde(flatten)]
    resource: ResourceView,
    replaced_at: DateTime<Utc>,
    /// A user of the tenant: whoever changed it, or whose API key did; `null`: no user.
    #[schema(value_type = Option<Uuid>, required)]
    replaced_by: Option<MembershipId>,
}

impl From<ResourceVersion> for ResourceVersionView {
    fn from(version: ResourceVersion) -> Self {
        Self {
            resource: version.resource.into(),
            replaced_at: version.replaced_at,
            replaced_by: version.replaced_by,
        }
    }
}

/// A page of versions, as a client gets it.
#[derive(ToSchema)]
#[schema(as = ResourceVersionList)]
#[expect(dead_code, reason = "describes what list.rs writes")]
pub(crate) struct ResourceVersionListView {
    data: Vec<ResourceVersionView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// What a resource was, newest first; the current version is not among them.
#[utoipa::path(
    get, path = "/api/v1/resources/{id}/versions", tag = "resources", operation_id = "list_resource_versions",
    security(("bearer" = [])),
    params(("id" = Uuid, Path), PageParams),
    responses(
        (status = 200, body = ResourceVersionListView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page"))),
        ListResourcesProblems,
    ),
)]
pub(crate) async fn list(
    caller: Authorized<require::ResourcesRead>,
    PathId(id): PathId<ResourceId>,
    query: ListQuery<NoFilters>,
    services: Data<Services>,
) -> Result<List<ResourceVersionView>, ApiError> {
    // The list is one resource's, and so is its cursor.
    let page = query.page::<i32>(id)?;
    let (before, limit) = (page.after().copied(), page.rows_to_read());
    let rows = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(resource_versions::list(conn, id, before, limit)?)
        })
        .await?;
    let number = |version: &ResourceVersion| version.resource.version;
    page.answer(rows, number, ResourceVersionView::from)
}

/// One former version.
#[utoipa::path(
    get, path = "/api/v1/resources/{id}/versions/{n}", tag = "resources", operation_id = "get_resource_version",
    security(("bearer" = [])),
    params(("id" = Uuid, Path), ("n" = i32, Path), ("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, body = ResourceVersionView, headers(("ETag" = String))),
        (status = 304, description = "The client has this version.")
    ),
)]
pub(crate) async fn find(
    caller: Authorized<require::ResourcesRead>,
    PathId(id): PathId<ResourceId>,
    PathNumber(number): PathNumber,
    services: Data<Services>,
) -> Result<Versioned<ResourceVersionView>, ApiError> {
    let version = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(resource_versions::find(conn, id, number)?)
        })
        .await?;
    Ok(Versioned::ok(tag(&version.resource), version.into()))
}

/// Makes the resource what it was: a change like any other, with a version of its own.
#[utoipa::path(
    post, path = "/api/v1/resources/{id}/versions/{n}/restore", tag = "resources",
    operation_id = "restore_resource_version", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("n" = i32, Path), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = ResourceView, headers(("ETag" = String)))),
)]
pub(crate) async fn restore(
    caller: Authorized<require::ResourcesWrite>,
    PathId(id): PathId<ResourceId>,
    PathNumber(number): PathNumber,
    if_match: IfMatch,
    once: Once,
    services: Data<Services>,
) -> Result<Answer<ResourceView>, ApiError> {
    once.run(&services, &caller, move |conn| {
        if_match.check(|| {
            // What is not there is 404, whatever the condition says of the rest.
            resource_versions::find(conn, id, number)?;
            Ok(tag(&store::resources::lock(conn, id)?))
        })?;
        let resource = resource_versions::restore(conn, id, number)?;
        Ok(Versioned::ok(tag(&resource), resource.into()))
    })
    .await
}
