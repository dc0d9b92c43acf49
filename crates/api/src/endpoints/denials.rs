//! `/audit/denials`: who was refused in the tenant, or at its door, and for what.

use std::net::IpAddr;

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use store::denials::{self, Denial};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::trail::{self, ActorView, ObjectView};
use crate::{
    authenticate::Authorized,
    error::{ApiError, FieldErrorCode},
    list::{List, ListQuery, PageParams},
    require,
    services::Services,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DenialFilters {
    /// Those for this reason.
    #[param(example = "forbidden")]
    reason: Option<String>,
    /// From this time on (RFC 3339).
    #[param(example = "2026-01-31T09:30:00Z")]
    from: Option<String>,
    /// Before this time (RFC 3339).
    #[param(example = "2026-02-28T09:30:00Z")]
    to: Option<String>,
}

impl DenialFilters {
    fn reason(&self) -> Result<Option<String>, ApiError> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let is_reason = |reason: &String| reason.len() <= 64 && reason.bytes().all(is_word);
        if self.reason.as_ref().is_none_or(is_reason) {
            return Ok(self.reason.clone());
        }
        let detail = "must be a reason, such as forbidden";
        let code = FieldErrorCode::Invalid;
        Err(ApiError::parameter("reason", code, detail))
    }
}

/// A refusal of somebody who reached beyond what is theirs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Denial)]
pub(crate) struct DenialView {
    id: Uuid,
    at: DateTime<Utc>,
    actor: ActorView,
    /// Method and route; `null` where there is none.
    #[schema(required, example = "POST /api/v1/projects")]
    route: Option<String>,
    /// The code of the answer where it was a 403, or one of `failed_login`, `refresh_reused`,
    /// `too_many_attempts`, `isolation_violation`.
    #[schema(example = "forbidden")]
    reason: String,
    #[schema(example = 403)]
    status: u16,
    /// What the path named; `null` where it names nothing.
    #[schema(required)]
    object: Option<ObjectView>,
    #[schema(example = "01980e6fa30b7f0d9a3c5d2b8e41c07a")]
    request_id: String,
    #[schema(required, value_type = Option<String>, example = "192.0.2.7")]
    address: Option<IpAddr>,
}

impl From<Denial> for DenialView {
    fn from(denial: Denial) -> Self {
        Self {
            id: denial.id,
            at: denial.at,
            actor: denial.actor.into(),
            route: denial.route,
            reason: denial.reason,
            status: denial.status,
            object: denial.object.map(ObjectView::of_route),
            request_id: denial.request_id,
            address: denial.address,
        }
    }
}

/// A page of denials, as a client gets it.
#[derive(ToSchema)]
#[schema(as = DenialList)]
#[expect(dead_code, reason = "describes what list.rs writes")]
pub(crate) struct DenialListView {
    data: Vec<DenialView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Who was refused in the tenant, or at its door, newest first. They are written down within a
/// second, and kept for 90 days unless the operator says else.
#[utoipa::path(
    get, path = "/api/v1/audit/denials", tag = "audit", operation_id = "list_denials", security(("bearer" = [])),
    params(PageParams, DenialFilters),
    responses(
        (status = 200, body = DenialListView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page"))),
    ),
)]
pub(crate) async fn list(
    caller: Authorized<require::AuditRead>,
    query: ListQuery<DenialFilters>,
    services: Data<Services>,
) -> Result<List<DenialView>, ApiError> {
    let reason = query.filters.reason()?;
    let period = trail::period(query.filters.from.as_deref(), query.filters.to.as_deref())?;
    let page = query.page::<Uuid>(caller.tenant().id)?;
    let (after, limit) = (page.after().copied(), page.rows_to_read());
    let rows = services
        .tenants
        .read(caller.context(), move |conn| {
            let reason = reason.as_deref();
            Ok::<_, ApiError>(denials::list(conn, reason, period, after, limit)?)
        })
        .await?;
    page.answer(rows, |denial| denial.id, DenialView::from)
}
