//! `/users/me/sessions`: where the account is signed in.

use actix_web::{HttpResponse, web::Data};
use chrono::{DateTime, Utc};
use domain::SessionId;
use serde::Serialize;
use std::net::IpAddr;
use utoipa::ToSchema;

use super::NoFilters;
use crate::{
    authenticate::Authenticated,
    error::ApiError,
    extract::PathId,
    list::{List, ListQuery, PageParams},
    services::Services,
};

/// One sign-in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView {
    #[schema(value_type = Uuid)]
    id: SessionId,
    /// The `User-Agent` that signed in.
    #[schema(required)]
    device: Option<String>,
    /// Where it last got a token from.
    #[schema(required, value_type = Option<String>, example = "203.0.113.9")]
    address: Option<IpAddr>,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    current: bool,
}

/// A page of sessions, as a client gets it.
#[derive(ToSchema)]
#[schema(as = SessionList)]
#[expect(dead_code, reason = "describes what list.rs writes")]
pub(crate) struct SessionListView {
    data: Vec<SessionView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The live sessions of the account, newest first.
#[utoipa::path(
    get, path = "/api/v1/users/me/sessions", tag = "users", operation_id = "list_my_sessions",
    security(("bearer" = [])), params(PageParams),
    responses(
        (status = 200, body = SessionListView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page")))
    ),
)]
pub(crate) async fn list(
    caller: Authenticated,
    query: ListQuery<NoFilters>,
    services: Data<Services>,
) -> Result<List<SessionView>, ApiError> {
    let principal = caller.principal();
    let page = query.page::<SessionId>(principal.account)?;
    let (after, limit) = (page.after().copied(), page.rows_to_read());
    let sessions = services
        .identity
        .list_sessions(principal.into(), after, limit, Utc::now())
        .await?;
    page.answer(
        sessions,
        |session| session.id,
        |session| SessionView {
            id: session.id,
            device: session.device,
            address: session.address,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            current: session.id == principal.session,
        },
    )
}

/// Ends a session of the account, which may be the one that asks.
#[utoipa::path(
    delete, path = "/api/v1/users/me/sessions/{id}", tag = "users", operation_id = "delete_my_session",
    security(("bearer" = [])), params(("id" = Uuid, Path)),
    responses((status = 204, description = "The session has ended.")),
)]
pub(crate) async fn delete(
    caller: Authenticated,
    PathId(id): PathId<SessionId>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    services
        .identity
        .revoke_session(caller.principal().into(), id)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
