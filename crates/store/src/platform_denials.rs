//! Refusals that are no single tenant's matter: of whoever came without a tenant, or reached from one
//! to another. The operator reads them; nobody inside a tenant does. Written by `trail_db.rs`.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Jsonb, Nullable, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::error::Error;
use crate::ops_db::OpsDb;

/// A refusal, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformDenial {
    /// Its id, by which they are sorted.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// The tenant of the caller's token, which may be erased since.
    pub tenant_id: Option<Uuid>,
    /// The tenant that was reached for, as the request named it.
    pub selected: Option<String>,
    /// `user`, `key` or `stranger`.
    pub actor_kind: String,
    /// The account, or the key.
    pub actor_id: Option<Uuid>,
    /// The method and the route's pattern.
    pub route: Option<String>,
    /// Why.
    pub reason: String,
    /// The HTTP status.
    pub status: u16,
    /// What kind of object it was about.
    pub object_type: Option<String>,
    /// Which one.
    pub object_id: Option<Uuid>,
    /// The request's id.
    pub request_id: String,
    /// Where it came from.
    pub address: Option<IpAddr>,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Jsonb)]
    found: Value,
}

impl OpsDb {
    /// At most so many, newest first, those behind `before`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn platform_denials(
        &mut self,
        before: Option<Uuid>,
        most: i32,
    ) -> Result<Vec<PlatformDenial>, Error> {
        let row: Found = diesel::sql_query("SELECT directory.platform_denials($1, $2) AS found")
            .bind::<Nullable<SqlUuid>, _>(before)
            .bind::<Integer, _>(most)
            .get_result(self.conn())?;
        serde_json::from_value(row.found).map_err(Error::unreadable)
    }
}
