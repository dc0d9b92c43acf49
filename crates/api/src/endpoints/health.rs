//! Whether the server lives, and whether it can work.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    rt::time::timeout,
    web::{Data, Json},
};
use rate_limit::Health as Limits;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{services::Services, state::AppState};

/// A database that takes longer to say whether it has all migrations serves nobody: who asks for
/// readiness asks often, and waits for seconds.
const DATABASE_TIME: Duration = Duration::from_secs(2);

/// The server lives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(example = "0.1.0")]
    version: &'static str,
}

/// What the server depends on.
#[derive(Debug, Serialize, ToSchema)]
struct Readiness {
    /// `ok`, `degraded` or `unavailable`.
    #[schema(example = "ok")]
    status: &'static str,
    checks: Checks,
}

/// `ok`, `unavailable`, `degraded` for what is gone and can be done without, or `off` for what is not
/// used.
#[derive(Debug, Serialize, ToSchema)]
struct Checks {
    #[schema(example = "ok")]
    database: &'static str,
    #[schema(example = "ok")]
    migrations: &'static str,
    /// Whether the database accepts the key under which this server seals its requests.
    #[schema(example = "ok")]
    seal: &'static str,
    #[schema(example = "off")]
    redis: &'static str,
}

/// The same as `/health/live`.
#[utoipa::path(get, path = "/health", tag = "health", operation_id = "health", responses((status = 200, body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    live().await
}

/// Asks nobody else, so that an orchestrator does not restart a server for a fault of the database.
#[utoipa::path(get, path = "/health/live", tag = "health", operation_id = "health_live", responses((status = 200, body = Health)))]
pub(crate) async fn live() -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// 200 while requests can be served, `degraded` while something is gone that they can do without; 503
/// while they cannot.
#[utoipa::path(
    get, path = "/health/ready", tag = "health", operation_id = "health_ready",
    responses(
        (status = 200, body = Readiness, description = "Requests can be served."),
        (status = 503, body = Readiness, description = "Requests cannot be served."),
    ),
)]
pub(crate) async fn ready(state: Data<AppState>, services: Data<Services>) -> HttpResponse {
    let asked = timeout(DATABASE_TIME, services.identity.is_migrated()).await;
    let (database, migrations) = match asked {
        Ok(Ok(true)) => ("ok", "ok"),
        Ok(Ok(false)) => ("ok", "unavailable"),
        Ok(Err(_)) | Err(_) => ("unavailable", "unavailable"),
    };
    let seals =
        migrations == "ok" && timeout(DATABASE_TIME, is_sealing(&services)).await == Ok(true);
    let seal = if seals { "ok" } else { "unavailable" };
    let redis = match state.rate_limits.health() {
        None | Some(Limits::Local) => "off",
        Some(Limits::Shared) => "ok",
        Some(Limits::Degraded) => "degraded",
    };
    let checks = Checks {
        database,
        migrations,
        seal,
        redis,
    };
    if seal == "ok" {
        let status = if redis == "degraded" { redis } else { "ok" };
        HttpResponse::Ok().json(Readiness { status, checks })
    } else {
        HttpResponse::ServiceUnavailable().json(Readiness {
            status: "unavailable",
            checks,
        })
    }
}

/// Whether the database accepts this server's seals. Who waits for tenants' connections has passed by
/// that, and readiness does not queue up behind them.
async fn is_sealing(services: &Services) -> bool {
    if services.tenants.waiting() > 0 {
        return true;
    }
    match services.tenants.health().await {
        Ok(()) | Err(tenant_db::Error::Busy) => true,
        Err(error) => {
            log::error!(error:% = error; "no request can be served");
            false
        }
    }
}
