//! The recipe for Axum. A test of `tenant-db` holds it against the documentation.

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use diesel::prelude::*;
use tenant_db::{Context, Error, TenantConn, TenantDb};
use uuid::Uuid;

use crate::notes;

/// Whoever asks. A service of its own would verify a token here.
pub struct Caller {
    context: Context,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, StatusCode> {
        let id =
            |name: &str| -> Option<Uuid> { parts.headers.get(name)?.to_str().ok()?.parse().ok() };
        let (tenant, user) = id("x-tenant")
            .zip(id("x-user"))
            .ok_or(StatusCode::UNAUTHORIZED)?;
        let context = crate::member(tenant, user, Uuid::nil());
        Ok(Self { context })
    }
}

pub struct AppError(Error);

impl<E: Into<Error>> From<E> for AppError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        match self.0 {
            Error::NotAMember => StatusCode::FORBIDDEN.into_response(),
            _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

async fn titles(State(db): State<TenantDb>, caller: Caller) -> Result<Json<Vec<String>>, AppError> {
    let work = |conn: &mut TenantConn<'_>| {
        Ok::<_, AppError>(notes::table.select(notes::title).load(conn)?)
    };
    Ok(Json(db.read(caller.context, work).await?))
}

pub fn router(db: TenantDb) -> Router {
    Router::new().route("/notes", get(titles)).with_state(db)
}
