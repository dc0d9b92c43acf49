//! `/audit/reads`: who has read what is sensitive. Which routes are says `routes.rs`.

use std::net::IpAddr;

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use store::reads::{self, Read};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::trail::{self, ActorView, ObjectView};
use crate::{
    authenticate::Authorized,
    error::ApiError,
    list::{List, ListQuery, PageParams},
    require,
    services::Services,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReadFilters {
    /// What this user, or API key, has read.
    #[param(value_type = Option<Uuid>)]
    actor: Option<String>,
    /// From this time on (RFC 3339).
    #[param(example = "2026-01-31T09:30:00Z")]
    from: Option<String>,
    /// Before this time (RFC 3339).
    #[param(example = "2026-02-28T09:30:00Z")]
    to: Option<String>,
}

/// A read of what is sensitive.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SensitiveRead)]
pub(crate) struct ReadView {
    id: Uuid,
    at: DateTime<Utc>,
    actor: ActorView,
    /// Method and route.
    #[schema(example = "GET /api/v1/users/{id}")]
    route: String,
    /// What was read; `null` for a list.
    #[schema(required)]
    object: Option<ObjectView>,
    #[schema(example = "01980e6fa30b7f0d9a3c5d2b8e41c07a")]
    request_id: String,
    #[schema(required, value_type = Option<String>, example = "192.0.2.7")]
    address: Option<IpAddr>,
}

impl From<Read> for ReadView {
    fn from(read: Read) -> Self {
        Self {
            id: read.id,
            at: read.at,
            actor: read.actor.into(),
            route: read.route,
            object: read.object.map(ObjectView::of_route),
            request_id: read.request_id,
            address: read.address,
        }
    }
}

/// A page of reads, as a client gets it.
#[derive(ToSchema)]
#[schema(as = SensitiveReadList)]
#[expect(dead_code, reason = "describes what list.rs writes")]
pub(crate) struct ReadListView {
    data: Vec<ReadView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Who has read what is sensitive, newest first: the members and their histories, invitations, API
/// keys, and the audit trail itself. Reads are written down within a second, and kept for 90 days
/// unless the operator says else.
#[utoipa::path(
    get, path = "/api/v1/audit/reads", tag = "audit", operation_id = "list_reads", security(("bearer" = [])),
    params(PageParams, ReadFilters),
    responses(
        (status = 200, body = ReadListView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page"))),
    ),
)]
pub(crate) async fn list(
    caller: Authorized<require::AuditRead>,
    query: ListQuery<ReadFilters>,
    services: Data<Services>,
) -> Result<List<ReadView>, ApiError> {
    let actor = query
        .filters
        .actor
        .as_deref()
        .map(trail::actor)
        .transpose()?;
    let period = trail::period(query.filters.from.as_deref(), query.filters.to.as_deref())?;
    let page = query.page::<Uuid>(caller.tenant().id)?;
    let (after, limit) = (page.after().copied(), page.rows_to_read());
    let rows = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(reads::list(conn, actor, period, after, limit)?)
        })
        .await?;
    page.answer(rows, |read| read.id, ReadView::from)
}
