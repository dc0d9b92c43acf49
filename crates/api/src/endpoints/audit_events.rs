//! `/audit/events`: what was changed in the tenant, by whom, when. All of it at once is
//! `audit_export.rs`, that of one object `history.rs`.

use std::net::IpAddr;

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::audit_events::{self, Event, Filter, Stretch};
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

/// What of a member's row is no tenant's to know.
const HIDDEN: (&str, &str) = ("memberships", "account_id");

/// How a row is changed.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Insert,
    Update,
    Delete,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventFilters {
    /// What this user, or API key, did.
    #[param(value_type = Option<Uuid>)]
    pub(crate) actor: Option<String>,
    #[param(value_type = Option<String>, example = "update")]
    pub(crate) action: Option<Action>,
    /// What was done to objects of this type: `projects`, `resources`, `users`, …
    #[param(example = "projects")]
    pub(crate) object_type: Option<String>,
    /// What was done to this object; quick where `object_type` is given too.
    #[param(example = "01980e6f-a30b-7f0d-9a3c-5d2b8e41c07a")]
    pub(crate) object_id: Option<String>,
    /// From this time on (RFC 3339).
    #[param(example = "2026-01-31T09:30:00Z")]
    pub(crate) from: Option<String>,
    /// Before this time (RFC 3339).
    #[param(example = "2026-02-28T09:30:00Z")]
    pub(crate) to: Option<String>,
}

impl EventFilters {
    pub(crate) fn read(&self) -> Result<Filter, ApiError> {
        Ok(Filter {
            actor: self.actor.as_deref().map(trail::actor).transpose()?,
            action: self.action.map(|action| action.as_str().to_owned()),
            object_type: self
                .object_type
                .as_deref()
                .map(trail::table_of)
                .transpose()?,
            object_id: self.object_id.clone().map(trail::object_id).transpose()?,
            period: trail::period(self.from.as_deref(), self.to.as_deref())?,
        })
    }
}

/// A change of one object.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub(crate) struct EventView {
    id: Uuid,
    /// Its place in the tenant's chain; `null` until it is sealed, within seconds.
    #[schema(required, minimum = 1)]
    seq: Option<i64>,
    at: DateTime<Utc>,
    actor: ActorView,
    /// `insert`, `update` or `delete`.
    #[schema(example = "update")]
    action: String,
    object: ObjectView,
    /// By field what it was and what it became; `null` once it was erased for the sake of a person.
    #[schema(schema_with = crate::openapi::changes)]
    changes: Option<Value>,
    /// The request that did it.
    #[schema(required, example = "01980e6fa30b7f0d9a3c5d2b8e41c07a")]
    request_id: Option<String>,
    /// Where the request came from; `null` also once it was erased, and for whoever may not read the
    /// audit trail.
    #[schema(required, value_type = Option<String>, example = "192.0.2.7")]
    address: Option<IpAddr>,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        let mut changes = event.changes;
        if let Some(Value::Object(fields)) = &mut changes
            && event.object_type == HIDDEN.0
        {
            fields.remove(HIDDEN.1);
        }
        Self {
            id: event.id,
            seq: event.seq,
            at: event.at,
            actor: event.actor.into(),
            action: event.action,
            object: ObjectView::of_table(&event.object_type, event.object_id),
            changes,
            request_id: event.request_id,
            address: event.address,
        }
    }
}

/// What a line of CSV has, in its order.
pub(crate) const COLUMNS: [&str; 11] = [
    "id",
    "seq",
    "at",
    "actor_kind",
    "actor_id",
    "action",
    "object_type",
    "object_id",
    "changes",
    "request_id",
    "address",
];

impl EventView {
    /// The same, from nowhere.
    pub(crate) fn without_address(self) -> Self {
        Self {
            address: None,
            ..self
        }
    }

    /// A line of CSV; what is not there is empty.
    pub(crate) fn cells(&self) -> [String; 11] {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        [
            self.id.to_string(),
            self.seq.map(|seq| seq.to_string()).unwrap_or_default(),
            self.at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            self.actor.kind().to_owned(),
            text(self.actor.id()),
            self.action.clone(),
            self.object.kind().to_owned(),
            self.object.id().to_owned(),
            self.changes
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            text(self.request_id.as_deref()),
            self.address
                .map(|address| address.to_string())
                .unwrap_or_default(),
        ]
    }
}

/// A page of events, as a client gets it.
#[derive(ToSchema)]
#[schema(as = AuditEventList)]
#[expect(dead_code, reason = "describes what list.rs writes")]
pub(crate) struct EventListView {
    data: Vec<EventView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// What was changed in the tenant, newest first. What was deleted is still told of.
#[utoipa::path(
    get, path = "/api/v1/audit/events", tag = "audit", operation_id = "list_audit_events", security(("bearer" = [])),
    params(PageParams, EventFilters),
    responses(
        (status = 200, body = EventListView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page"))),
    ),
)]
pub(crate) async fn list(
    caller: Authorized<require::AuditRead>,
    query: ListQuery<EventFilters>,
    services: Data<Services>,
) -> Result<List<EventView>, ApiError> {
    let filter = query.filters.read()?;
    let page = query.page::<Uuid>(caller.tenant().id)?;
    let limit = page.rows_to_read();
    let stretch = Stretch {
        behind: page.after().copied(),
        to: None,
    };
    let rows = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(audit_events::list(conn, &filter, stretch, limit)?)
        })
        .await?;
    page.answer(rows, |event| event.id, EventView::from)
}
