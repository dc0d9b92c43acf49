//! `/resources`: what projects are made of. What they were before is `resource_versions.rs`.

use actix_web::{HttpResponse, web::Data};
use chrono::{DateTime, Utc};
use domain::{
    MembershipId, NewResource, ProjectId, Resource, ResourceData, ResourceDataError, ResourceId,
    ResourceName, ResourcePatch, ResourceType, TenantId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::convert::Infallible;
use store::resources::{self, Filter};
use utoipa::{IntoParams, ToSchema};

use crate::{
    authenticate::Authorized,
    error::{ApiError, FieldErrorCode},
    etag::{ETag, IfMatch, Versioned},
    extract::{NotAnId, Patch, PathId, parse_id},
    idempotency::{Answer, OnceBody},
    list::{List, ListQuery, PageParams},
    openapi::{CreateResourceProblems, ListResourcesProblems},
    patchable::Patchable,
    require,
    services::Services,
    validation::Validation,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListFilters {
    /// Those of one project.
    #[param(value_type = Option<Uuid>)]
    project_id: Option<String>,
}

impl ListFilters {
    fn project_id(&self) -> Result<Option<ProjectId>, ApiError> {
        let parsed = self.project_id.as_deref().map(parse_id).transpose();
        parsed.map_err(|NotAnId| {
            let code = FieldErrorCode::Invalid;
            ApiError::parameter("project_id", code, NotAnId.to_string())
        })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateResource {
    #[schema(value_type = Uuid)]
    project_id: String,
    #[schema(example = "Sheet 12", min_length = 1, max_length = 200)]
    name: String,
    /// What kind of thing it is, in your own words.
    #[schema(example = "map", min_length = 1, max_length = 50)]
    r#type: Option<String>,
    /// An object of at most 65,536 bytes and 32 levels; default `{}`.
    #[serde(default)]
    #[schema(schema_with = crate::openapi::data, required = false)]
    data: Map<String, Value>,
}

impl TryFrom<CreateResource> for NewResource {
    type Error = ApiError;

    fn try_from(body: CreateResource) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let project_id = v.parse("/project_id", parse_id(&body.project_id));
        let name = v.parse("/name", ResourceName::parse(&body.name));
        let kind = v.optional("/type", body.r#type.as_deref().map(ResourceType::parse));
        let data = v.parse("/data", ResourceData::parse(body.data));
        v.finish(|| {
            Some(Self {
                project_id: project_id?,
                name: name?,
                kind: kind?,
                data: data?,
            })
        })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchResource {
    #[serde(default)]
    #[schema(example = "Sheet 13", value_type = String, required = false, min_length = 1, max_length = 200)]
    name: Patchable<String>,
    /// `null` removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false, min_length = 1, max_length = 50)]
    r#type: Patchable<String>,
    /// Merged into what is there: members that are `null` are removed.
    #[serde(default)]
    #[schema(schema_with = crate::openapi::data, required = false)]
    data: Patchable<Map<String, Value>>,
}

impl TryFrom<PatchResource> for ResourcePatch {
    type Error = ApiError;

    fn try_from(body: PatchResource) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let name = v.change("/name", body.name, |text| ResourceName::parse(&text));
        let kind = v.nullable_change("/type", body.r#type, |text| ResourceType::parse(&text));
        let data = v.change("/data", body.data, Ok::<_, Infallible>);
        v.finish(|| {
            Some(Self {
                name: name?,
                kind: kind?,
                data: data?,
            })
        })
    }
}

/// A resource as the members of its tenant see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Resource)]
pub(crate) struct ResourceView {
    #[schema(value_type = Uuid)]
    id: ResourceId,
    #[schema(value_type = Uuid)]
    tenant_id: TenantId,
    #[schema(value_type = Uuid)]
    project_id: ProjectId,
    #[schema(example = "Sheet 12")]
    name: String,
    #[schema(required)]
    r#type: Option<String>,
    #[schema(schema_with = crate::openapi::data)]
    data: Value,
    version: i32,
    /// A user of the tenant: whoever made it, or whose API key did.
    #[schema(value_type = Uuid)]
    created_by: MembershipId,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Resource> for ResourceView {
    fn from(resource: Resource) -> Self {
        Self {
            id: resource.id,
            tenant_id: resource.tenant_id,
            project_id: resource.project_id,
            name: resource.name,
            r#type: resource.kind,
            data: resource.data,
            version: resource.version,
            created_by: resource.created_by,
            created_at: resource.created_at,
            updated_at: resource.updated_at,
        }
    }
}

/// A page of resources, as a client gets it.
#[derive(ToSchema)]
#[schema(as = ResourceList)]
#[expect(dead_code, reason = "describes what list.rs writes")]
pub(crate) struct ResourceListView {
    data: Vec<ResourceView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The resources of the tenant, newest first; those of deleted projects are left out.
#[utoipa::path(
    get, path = "/api/v1/resources", tag = "resources", operation_id = "list_resources", security(("bearer" = [])),
    params(PageParams, ListFilters),
    responses(
        (status = 200, body = ResourceListView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page"))),
        ListResourcesProblems,
    ),
)]
pub(crate) async fn list(
    caller: Authorized<require::ResourcesRead>,
    query: ListQuery<ListFilters>,
    services: Data<Services>,
) -> Result<List<ResourceView>, ApiError> {
    let filter = Filter {
        project_id: query.filters.project_id()?,
    };
    let page = query.page::<ResourceId>(caller.tenant().id)?;
    let (after, limit) = (page.after().copied(), page.rows_to_read());
    let rows = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(resources::list(conn, filter, after, limit)?)
        })
        .await?;
    page.answer(rows, |resource| resource.id, ResourceView::from)
}

/// One resource.
#[utoipa::path(
    get, path = "/api/v1/resources/{id}", tag = "resources", operation_id = "get_resource", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, body = ResourceView, headers(("ETag" = String))),
        (status = 304, description = "The client has this version.")
    ),
)]
pub(crate) async fn find(
    caller: Authorized<require::ResourcesRead>,
    PathId(id): PathId<ResourceId>,
    services: Data<Services>,
) -> Result<Versioned<ResourceView>, ApiError> {
    let resource = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(resources::find(conn, id)?)
        })
        .await?;
    Ok(Versioned::ok(tag(&resource), resource.into()))
}

/// A new resource, in a project that stands.
#[utoipa::path(
    post, path = "/api/v1/resources", tag = "resources", operation_id = "create_resource", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateResource,
    responses(
        (status = 201, body = ResourceView, headers(("ETag" = String), ("Location" = String))),
        CreateResourceProblems,
    ),
)]
pub(crate) async fn create(
    caller: Authorized<require::ResourcesWrite>,
    OnceBody(body, once): OnceBody<CreateResource>,
    services: Data<Services>,
) -> Result<Answer<ResourceView>, ApiError> {
    let new: NewResource = body.try_into()?;
    once.run(&services, &caller, move |conn| {
        let resource = resources::insert(conn, &new)?;
        let location = format!("/api/v1/resources/{}", resource.id);
        Ok(Versioned::created(
            tag(&resource),
            location,
            resource.into(),
        ))
    })
    .await
}

/// Changes what the body names (JSON Merge Patch, RFC 7396), `data` member by member. What it was
/// stays as a version.
#[utoipa::path(
    patch, path = "/api/v1/resources/{id}", tag = "resources", operation_id = "update_resource", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    request_body(content(
        (PatchResource = "application/merge-patch+json"),
        (PatchResource = "application/json"),
    )),
    responses((status = 200, body = ResourceView, headers(("ETag" = String)))),
)]
pub(crate) async fn update(
    caller: Authorized<require::ResourcesWrite>,
    PathId(id): PathId<ResourceId>,
    if_match: IfMatch,
    Patch(body): Patch<PatchResource>,
    services: Data<Services>,
) -> Result<Versioned<ResourceView>, ApiError> {
    let patch: ResourcePatch = body.try_into()?;
    let resource = services
        .tenants
        .run(caller.context(), move |conn| {
            let current = resources::lock(conn, id)?;
            if_match.check(|| Ok(tag(&current)))?;
            let changes = patch.onto(&current).map_err(refused_data)?;
            Ok::<_, ApiError>(resources::update(conn, id, &changes)?)
        })
        .await?;
    Ok(Versioned::ok(tag(&resource), resource.into()))
}

/// Deletes it for good, with its versions.
#[utoipa::path(
    delete, path = "/api/v1/resources/{id}", tag = "resources", operation_id = "delete_resource", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "It is gone.")),
)]
pub(crate) async fn delete(
    caller: Authorized<require::ResourcesWrite>,
    PathId(id): PathId<ResourceId>,
    if_match: IfMatch,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    services
        .tenants
        .run(caller.context(), move |conn| {
            if_match.check(|| Ok(tag(&resources::lock(conn, id)?)))?;
            Ok::<_, ApiError>(resources::delete(conn, id)?)
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) fn tag(resource: &Resource) -> ETag {
    ETag::new(resource.id, resource.version)
}

fn refused_data(error: ResourceDataError) -> ApiError {
    ApiError::field("/data", FieldErrorCode::Invalid, error.to_string())
}
