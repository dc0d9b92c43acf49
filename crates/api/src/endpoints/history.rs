//! `/{projects,resources,users}/{id}/history`: what happened to one object, and who has set each of
//! its fields last, as `git blame` tells it of lines. What was deleted has no history here; admins
//! find its events at `/audit/events`.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody, web::Data};
use auth::Permission;
use chrono::{DateTime, Utc};
use domain::{MembershipId, ProjectId, ResourceId};
use serde::Serialize;
use store::audit_events::{self, Author, Field, History};
use store::projects::Shown;
use store::{memberships, projects, resources};
use tenant_db::TenantConn;
use utoipa::ToSchema;
use uuid::Uuid;

use super::NoFilters;
use super::audit_events::EventView;
use super::trail::ActorView;
use crate::{
    authenticate::Authorized,
    error::ApiError,
    extract::PathId,
    list::{List, ListQuery, PageParams},
    require,
    services::Services,
};

const PROJECT: &[Field] = &[
    ("name", &["name"]),
    ("description", &["description"]),
    ("status", &["status"]),
    ("owner_id", &["owner_id"]),
    ("is_deleted", &["is_deleted"]),
    ("deleted_at", &["deleted_at"]),
    ("version", &["version"]),
    ("created_at", &["created_at"]),
];
const RESOURCE: &[Field] = &[
    ("project_id", &["project_id"]),
    ("name", &["name"]),
    ("type", &["type"]),
    ("data", &["data"]),
    ("version", &["version"]),
    ("created_by", &["created_by"]),
    ("created_at", &["created_at"]),
];
const USER: &[Field] = &[
    ("email", &["email"]),
    ("full_name", &["full_name"]),
    ("role", &["role", "custom_role_id"]),
    ("status", &["status"]),
    ("created_at", &["created_at"]),
];

/// Who has set a field last.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldAuthor)]
pub(crate) struct AuthorView {
    actor: ActorView,
    at: DateTime<Utc>,
}

impl From<Author> for AuthorView {
    fn from(author: Author) -> Self {
        Self {
            actor: author.actor.into(),
            at: author.at,
        }
    }
}

/// A page of what happened to an object, as a client gets it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = History)]
pub(crate) struct HistoryView {
    /// For each field who has set it last, and when, by the latest 1000 events; `null` where none tells.
    #[schema(schema_with = crate::openapi::authors)]
    fields: BTreeMap<&'static str, Option<AuthorView>>,
    /// Newest first.
    data: Vec<EventView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A page, and the link to the next one.
pub(crate) struct HistoryPage(BTreeMap<&'static str, Option<AuthorView>>, List<EventView>);

impl Responder for HistoryPage {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.1.respond_as(|data, next_cursor| HistoryView {
            fields: self.0,
            data,
            next_cursor,
        })
    }
}

/// What happened to a project that stands.
#[utoipa::path(
    get, path = "/api/v1/projects/{id}/history", tag = "projects", operation_id = "get_project_history", security(("bearer" = [])),
    params(("id" = Uuid, Path), PageParams),
    responses(
        (status = 200, body = HistoryView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page"))),
    ),
)]
pub(crate) async fn of_project(
    caller: Authorized<require::ProjectsRead>,
    PathId(id): PathId<ProjectId>,
    query: ListQuery<NoFilters>,
    services: Data<Services>,
) -> Result<HistoryPage, ApiError> {
    let find = move |conn: &mut TenantConn<'_>| {
        projects::find(conn, id, Shown::Standing)?;
        Ok(())
    };
    page(
        &caller,
        &services,
        &query,
        ("projects", PROJECT),
        id.uuid(),
        find,
    )
    .await
}

/// What happened to a resource whose project stands.
#[utoipa::path(
    get, path = "/api/v1/resources/{id}/history", tag = "resources", operation_id = "get_resource_history", security(("bearer" = [])),
    params(("id" = Uuid, Path), PageParams),
    responses(
        (status = 200, body = HistoryView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page"))),
    ),
)]
pub(crate) async fn of_resource(
    caller: Authorized<require::ResourcesRead>,
    PathId(id): PathId<ResourceId>,
    query: ListQuery<NoFilters>,
    services: Data<Services>,
) -> Result<HistoryPage, ApiError> {
    let find = move |conn: &mut TenantConn<'_>| {
        resources::find(conn, id)?;
        Ok(())
    };
    page(
        &caller,
        &services,
        &query,
        ("resources", RESOURCE),
        id.uuid(),
        find,
    )
    .await
}

/// What happened to a member of the tenant, as a member.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/history", tag = "users", operation_id = "get_user_history", security(("bearer" = [])),
    params(("id" = Uuid, Path), PageParams),
    responses(
        (status = 200, body = HistoryView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page"))),
    ),
)]
pub(crate) async fn of_user(
    caller: Authorized<require::UsersRead>,
    PathId(id): PathId<MembershipId>,
    query: ListQuery<NoFilters>,
    services: Data<Services>,
) -> Result<HistoryPage, ApiError> {
    let find = move |conn: &mut TenantConn<'_>| {
        memberships::find(conn, id)?;
        Ok(())
    };
    page(
        &caller,
        &services,
        &query,
        ("memberships", USER),
        id.uuid(),
        find,
    )
    .await
}

async fn page<P>(
    caller: &Authorized<P>,
    services: &Services,
    query: &ListQuery<NoFilters>,
    (table, fields): (&'static str, &'static [Field]),
    id: Uuid,
    find: impl FnOnce(&mut TenantConn<'_>) -> Result<(), ApiError> + Send + 'static,
) -> Result<HistoryPage, ApiError> {
    // The list is one object's, and so is its cursor.
    let page = query.page::<Uuid>(id)?;
    let (after, limit) = (page.after().copied(), page.rows_to_read());
    let History { fields, events } = services
        .tenants
        .read(caller.context(), move |conn| {
            find(conn)?;
            let history = audit_events::history(conn, table, id, fields, after, limit);
            Ok::<_, ApiError>(history?)
        })
        .await?;
    let shows_addresses = caller.principal().permits(Permission::AuditRead);
    let view = |event| {
        let view = EventView::from(event);
        if shows_addresses {
            view
        } else {
            view.without_address()
        }
    };
    let fields = fields
        .into_iter()
        .map(|(field, author)| (field, author.map(Into::into)));
    Ok(HistoryPage(
        fields.collect(),
        page.answer(events, |event| event.id, view)?,
    ))
}
