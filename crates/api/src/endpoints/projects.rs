//! `/projects`: what a tenant works on.

use actix_web::{HttpResponse, http::Method, web::Data};
use auth::Permission;
use chrono::{DateTime, Utc};
use domain::{
    Description, MembershipId, NamePrefix, NewProject, Project, ProjectChanges, ProjectId,
    ProjectName, ProjectSort, ProjectStatus, TenantId,
};
use serde::{Deserialize, Serialize};
use store::{
    projects::{self, Filter, Position, Reach, Shown},
    within_plan,
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    authenticate::Authorized,
    error::{ApiError, FieldErrorCode},
    etag::{ETag, IfMatch, Versioned},
    extract::{Patch, PathId, QueryParams},
    idempotency::{Answer, Once, OnceBody},
    list::{List, ListQuery, PageParams},
    openapi::RestoreProblems,
    patchable::Patchable,
    require,
    services::Services,
    validation::Validation,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListFilters {
    #[param(schema_with = crate::openapi::project_status)]
    status: Option<ProjectStatus>,
    /// How the name begins, literally and regardless of case; at most 200 characters.
    #[param(max_length = 200)]
    q: Option<String>,
    /// `-` is descending; default `-created_at`.
    #[param(schema_with = crate::openapi::project_sort)]
    sort: Option<ProjectSort>,
    /// `true`: the deleted ones, for admins.
    deleted: Option<bool>,
}

impl ListFilters {
    fn prefix(&self) -> Result<Option<NamePrefix>, ApiError> {
        let parsed = self.q.as_deref().map(NamePrefix::parse).transpose();
        parsed.map_err(|error| ApiError::parameter("q", FieldErrorCode::Invalid, error.to_string()))
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FindQuery {
    /// `true`: a deleted one, for admins.
    deleted: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateProject {
    #[schema(example = "Atlas", min_length = 1, max_length = 200)]
    name: String,
    #[schema(example = "Maps of everything", max_length = 10_000)]
    description: Option<String>,
    #[serde(default)]
    #[schema(schema_with = crate::openapi::project_status)]
    status: ProjectStatus,
}

impl TryFrom<CreateProject> for NewProject {
    type Error = ApiError;

    fn try_from(body: CreateProject) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let name = v.parse("/name", ProjectName::parse(&body.name));
        let description = v.optional(
            "/description",
            body.description.as_deref().map(Description::parse),
        );
        v.finish(|| {
            Some(Self {
                name: name?,
                description: description?,
                status: body.status,
            })
        })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchProject {
    #[serde(default)]
    #[schema(value_type = String, required = false, example = "Atlas 2", min_length = 1, max_length = 200)]
    name: Patchable<String>,
    /// `null` removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false, max_length = 10_000)]
    description: Patchable<String>,
    #[serde(default)]
    #[schema(schema_with = crate::openapi::project_status, required = false)]
    status: Patchable<ProjectStatus>,
}

impl TryFrom<PatchProject> for ProjectChanges {
    type Error = ApiError;

    fn try_from(body: PatchProject) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let name = v.change("/name", body.name, |text| ProjectName::parse(&text));
        let description = v.nullable_change("/description", body.description, |text| {
            Description::parse(&text)
        });
        let status = v.change("/status", body.status, Ok::<_, std::convert::Infallible>);
        v.finish(|| {
            Some(Self {
                name: name?,
                description: description?,
                status: status?,
            })
        })
    }
}

/// A project as the members of its tenant see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Project)]
pub(crate) struct ProjectView {
    #[schema(value_type = Uuid)]
    id: ProjectId,
    #[schema(value_type = Uuid)]
    tenant_id: TenantId,
    #[schema(example = "Atlas")]
    name: String,
    #[schema(required)]
    description: Option<String>,
    #[schema(schema_with = crate::openapi::project_status)]
    status: ProjectStatus,
    /// A user of the tenant.
    #[schema(value_type = Uuid)]
    owner_id: MembershipId,
    is_deleted: bool,
    #[schema(required)]
    deleted_at: Option<DateTime<Utc>>,
    view_count: i64,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Project> for ProjectView {
    fn from(project: Project) -> Self {
        Self {
            id: project.id,
            tenant_id: project.tenant_id,
            name: project.name,
            description: project.description,
            status: project.status,
            owner_id: project.owner_id,
            is_deleted: project.is_deleted,
            deleted_at: project.deleted_at,
            view_count: project.view_count,
            version: project.version,
            created_at: project.created_at,
            updated_at: project.updated_at,
        }
    }
}

/// A page of projects, as a client gets it.
#[derive(ToSchema)]
#[schema(as = ProjectList)]
#[expect(dead_code, reason = "describes what list.rs writes")]
pub(crate) struct ProjectListView {
    data: Vec<ProjectView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The projects of the tenant, newest first where `sort` says nothing else.
#[utoipa::path(
    get, path = "/api/v1/projects", tag = "projects", operation_id = "list_projects", security(("bearer" = [])),
    params(PageParams, ListFilters),
    responses(
        (status = 200, body = ProjectListView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page")))
    ),
)]
pub(crate) async fn list(
    caller: Authorized<require::ProjectsRead>,
    query: ListQuery<ListFilters>,
    services: Data<Services>,
) -> Result<List<ProjectView>, ApiError> {
    let shown = shown(&caller, query.filters.deleted)?;
    let filter = Filter {
        status: query.filters.status,
        prefix: query.filters.prefix()?,
        shown,
    };
    let sort = query.filters.sort.unwrap_or_default();
    let page = query.page::<Position>(caller.tenant().id)?;
    let (after, limit) = (page.after().cloned(), page.rows_to_read());
    let rows = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(projects::list(conn, &filter, sort, after, limit)?)
        })
        .await?;
    let position = |(_, position): &(_, Position)| position.clone();
    page.answer(rows, position, |(project, _)| ProjectView::from(project))
}

/// One project.
#[utoipa::path(
    get, path = "/api/v1/projects/{id}", tag = "projects", operation_id = "get_project", security(("bearer" = [])),
    params(("id" = Uuid, Path), FindQuery, ("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, body = ProjectView, headers(("ETag" = String))),
        (status = 304, description = "The client has this version.")
    ),
)]
pub(crate) async fn find(
    caller: Authorized<require::ProjectsRead>,
    PathId(id): PathId<ProjectId>,
    QueryParams(query): QueryParams<FindQuery>,
    method: Method,
    services: Data<Services>,
) -> Result<Versioned<ProjectView>, ApiError> {
    let shown = shown(&caller, query.deleted)?;
    let project = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(projects::find(conn, id, shown)?)
        })
        .await?;
    if method == Method::GET && shown == Shown::Standing {
        services.views.count(project.tenant_id, project.id);
    }
    Ok(Versioned::ok(tag(&project), project.into()))
}

/// A new project, owned by the caller; by the key's maker where a key makes it.
#[utoipa::path(
    post, path = "/api/v1/projects", tag = "projects", operation_id = "create_project", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateProject,
    responses(
        (status = 201, body = ProjectView, headers(("ETag" = String), ("Location" = String)))
    ),
)]
pub(crate) async fn create(
    caller: Authorized<require::ProjectsWrite>,
    OnceBody(body, once): OnceBody<CreateProject>,
    services: Data<Services>,
) -> Result<Answer<ProjectView>, ApiError> {
    let new: NewProject = body.try_into()?;
    let (account, limits) = (caller.principal().account(), services.limits);
    once.run(&services, &caller, move |conn| {
        within_plan(conn, &limits, |conn, room| {
            let project = projects::insert(conn, room, account, &new)?;
            let location = format!("/api/v1/projects/{}", project.id);
            Ok(Versioned::created(tag(&project), location, project.into()))
        })
    })
    .await
}

/// Changes what the body names (JSON Merge Patch, RFC 7396).
#[utoipa::path(
    patch, path = "/api/v1/projects/{id}", tag = "projects", operation_id = "update_project", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    request_body(content(
        (PatchProject = "application/merge-patch+json"),
        (PatchProject = "application/json"),
    )),
    responses((status = 200, body = ProjectView, headers(("ETag" = String)))),
)]
pub(crate) async fn update(
    caller: Authorized<require::ProjectsWrite>,
    PathId(id): PathId<ProjectId>,
    if_match: IfMatch,
    Patch(body): Patch<PatchProject>,
    services: Data<Services>,
) -> Result<Versioned<ProjectView>, ApiError> {
    let changes: ProjectChanges = body.try_into()?;
    let project = services
        .tenants
        .run(caller.context(), move |conn| {
            if_match.check(|| Ok(tag(&projects::lock(conn, id, Shown::Standing)?)))?;
            Ok::<_, ApiError>(projects::update(conn, id, &changes)?)
        })
        .await?;
    Ok(Versioned::ok(tag(&project), project.into()))
}

/// Deletes it softly: an admin can restore it. Members delete what they own.
#[utoipa::path(
    delete, path = "/api/v1/projects/{id}", tag = "projects", operation_id = "delete_project", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "It is deleted.")),
)]
pub(crate) async fn delete(
    caller: Authorized<require::ProjectsWrite>,
    PathId(id): PathId<ProjectId>,
    if_match: IfMatch,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let reach = if caller.principal().permits(Permission::ProjectsDelete) {
        Reach::All
    } else {
        Reach::Own(caller.principal().account())
    };
    services
        .tenants
        .run(caller.context(), move |conn| {
            if_match.check(|| Ok(tag(&projects::lock(conn, id, Shown::Standing)?)))?;
            Ok::<_, ApiError>(projects::delete(conn, id, reach)?)
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Brings a deleted project back.
#[utoipa::path(
    post, path = "/api/v1/projects/{id}/restore", tag = "projects", operation_id = "restore_project", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = ProjectView, headers(("ETag" = String))), RestoreProblems),
)]
pub(crate) async fn restore(
    caller: Authorized<require::ProjectsRestore>,
    PathId(id): PathId<ProjectId>,
    if_match: IfMatch,
    once: Once,
    services: Data<Services>,
) -> Result<Answer<ProjectView>, ApiError> {
    let limits = services.limits;
    once.run(&services, &caller, move |conn| {
        match if_match.check(|| Ok(tag(&projects::lock(conn, id, Shown::Deleted)?))) {
            // Whether it stands, or is not there at all, `restore` says.
            Err(ApiError::NotFound) => {}
            checked => checked?,
        }
        within_plan(conn, &limits, |conn, room| {
            let project = projects::restore(conn, room, id)?;
            Ok(Versioned::ok(tag(&project), project.into()))
        })
    })
    .await
}

/// Deleted projects are for those who can restore them.
fn shown(
    caller: &Authorized<require::ProjectsRead>,
    deleted: Option<bool>,
) -> Result<Shown, ApiError> {
    match deleted {
        Some(true) if caller.principal().permits(Permission::ProjectsRestore) => Ok(Shown::Deleted),
        Some(true) => Err(ApiError::Forbidden),
        Some(false) | None => Ok(Shown::Standing),
    }
}

fn tag(project: &Project) -> ETag {
    ETag::new(project.id, project.version)
}
