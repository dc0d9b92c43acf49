//! Who has read what is sensitive. Written by `trail_db.rs`; read inside one tenant, by its admins
//! alone: a door of the database asks.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use diesel::declare_sql_function;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Nullable, Uuid as SqlUuid};
use domain::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::actors::{self, Actor, Actors};
use crate::denials::Asked;
use crate::error::Error;
use crate::period::Period;
use crate::trail_db::Moment;

#[declare_sql_function]
extern "SQL" {
    /// The door by which admins read them; see the migration `denials_and_reads`.
    #[sql_name = "directory.reads"]
    fn reads_of_tenant(
        lowest: SqlUuid,
        highest: SqlUuid,
        actor: Nullable<SqlUuid>,
        most: Integer,
    ) -> Jsonb;
}

/// A read that is to be written down.
#[derive(Debug, Clone, Serialize)]
pub struct NewRead {
    /// When.
    #[serde(flatten)]
    pub moment: Moment,
    /// In which tenant.
    pub tenant_id: TenantId,
    /// Who has read what.
    #[serde(flatten)]
    pub asked: Asked,
}

/// A read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Its id, by which they are sorted.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Actor,
    /// The method and the route's pattern.
    pub route: String,
    /// What was read: kind and id; `None` for a list.
    pub object: Option<(String, Uuid)>,
    /// The request.
    pub request_id: String,
    /// Where it came from.
    pub address: Option<IpAddr>,
}

/// At most `limit` reads of the tenant, newest first, those behind `after`; those of one actor, a
/// membership or a key, where one is given.
///
/// # Errors
/// [`tenant_db::Error::RoleMayNotWrite`] for whoever is no admin.
pub fn list(
    conn: &mut TenantConn<'_>,
    actor: Option<Uuid>,
    period: Period,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Read>, Error> {
    let most = i32::try_from(limit).unwrap_or(i32::MAX);
    let actor = match actor {
        Some(actor) => Some(actors::account_of(conn, actor)?.unwrap_or(actor)),
        None => None,
    };
    let found = reads_of_tenant(period.lowest(), period.highest(after), actor, most);
    let rows: Value = diesel::select(found).get_result(conn)?;
    let rows: Vec<Row> = serde_json::from_value(rows).map_err(Error::unreadable)?;
    let users = rows
        .iter()
        .map(|row| (row.actor_kind.as_str(), row.actor_id.as_str()));
    let known = Actors::find(conn, users)?;
    let read = |row: Row| Read {
        id: row.id,
        at: row.at,
        actor: known.of(&row.actor_kind, Some(&row.actor_id)),
        route: row.route,
        object: row.object_type.zip(row.object_id),
        request_id: row.request_id,
        address: row.address,
    };
    Ok(rows.into_iter().map(read).collect())
}

#[derive(Deserialize)]
struct Row {
    id: Uuid,
    at: DateTime<Utc>,
    actor_kind: String,
    actor_id: String,
    route: String,
    object_type: Option<String>,
    object_id: Option<Uuid>,
    request_id: String,
    address: Option<IpAddr>,
}
