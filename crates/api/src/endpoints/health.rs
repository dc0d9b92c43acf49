//! Whether the server lives, and whether it can work.

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};
use serde::Serialize;

use crate::services::Services;

/// `GET /health/live`.
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    status: &'static str,
    version: &'static str,
}

/// `GET /health/ready`.
#[derive(Debug, Serialize)]
struct Readiness {
    status: &'static str,
    checks: Checks,
}

#[derive(Debug, Serialize)]
struct Checks {
    database: &'static str,
    migrations: &'static str,
    redis: &'static str,
}

/// Asks nobody else, so that an orchestrator does not restart a server for a fault of the database.
pub(crate) async fn live() -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// 200 while requests can be served, 503 while they cannot.
pub(crate) async fn ready(services: Data<Services>) -> HttpResponse {
    let (database, migrations) = match services.identity.is_migrated().await {
        Ok(true) => ("ok", "ok"),
        Ok(false) => ("ok", "unavailable"),
        Err(_) => ("unavailable", "unavailable"),
    };
    // No part of the server uses Redis yet.
    let checks = Checks {
        database,
        migrations,
        redis: "off",
    };
    if database == "ok" && migrations == "ok" {
        HttpResponse::Ok().json(Readiness {
            status: "ok",
            checks,
        })
    } else {
        HttpResponse::ServiceUnavailable().json(Readiness {
            status: "unavailable",
            checks,
        })
    }
}
