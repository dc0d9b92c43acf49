//! Who was refused, and for what. Written by `trail_db.rs`; read inside one tenant, by its admins
//! alone: a door of the database asks.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use diesel::declare_sql_function;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Nullable, Text, Uuid as SqlUuid};
use domain::{TenantId, TenantSlug};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::actors::{Actor, Actors};
use crate::error::Error;
use crate::period::Period;
use crate::trail_db::{Moment, Who};

#[declare_sql_function]
extern "SQL" {
    /// The door by which admins read them; see the migration `denials_and_reads`.
    #[sql_name = "directory.denials"]
    fn denials_of_tenant(
        lowest: SqlUuid,
        highest: SqlUuid,
        reason: Nullable<Text>,
        most: Integer,
    ) -> Jsonb;
}

/// A refusal that is to be written.
#[derive(Debug, Clone, Serialize)]
pub struct NewDenial {
    /// When.
    #[serde(flatten)]
    pub moment: Moment,
    /// The tenant of the caller's token.
    pub tenant_id: Option<TenantId>,
    /// Without a token: the tenant that somebody wanted to sign in to.
    #[serde(serialize_with = "slug")]
    pub slug: Option<TenantSlug>,
    /// What was refused.
    #[serde(flatten)]
    pub asked: Asked,
    /// Why: a word of the API's.
    pub reason: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Whether it is the operator's matter too, as it reaches from one tenant to another.
    pub reaches_across: bool,
    /// The tenant that was reached for, as the request named it. Only the operator sees it.
    pub selected: Option<String>,
}

/// A request, as trails name it.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// The method and the route's pattern; `None` where there is no route.
    pub route: Option<String>,
    /// What kind of object the route is about, where it is about one.
    pub object_type: Option<String>,
    /// Which one.
    pub object_id: Option<Uuid>,
    /// The request's id.
    pub request_id: String,
    /// Where it came from.
    pub address: IpAddr,
}

fn slug<S: serde::Serializer>(slug: &Option<TenantSlug>, to: S) -> Result<S::Ok, S::Error> {
    slug.as_ref().map(TenantSlug::as_str).serialize(to)
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Its id, by which they are sorted.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Actor,
    /// The method and the route's pattern.
    pub route: Option<String>,
    /// Why.
    pub reason: String,
    /// The HTTP status.
    pub status: u16,
    /// What it was about: kind and id.
    pub object: Option<(String, Uuid)>,
    /// The request.
    pub request_id: String,
    /// Where it came from.
    pub address: Option<IpAddr>,
}

/// At most `limit` refusals of the tenant, newest first, those behind `after`; of one `reason` where
/// one is given.
///
/// # Errors
/// [`tenant_db::Error::RoleMayNotWrite`] for whoever is no admin.
pub fn list(
    conn: &mut TenantConn<'_>,
    reason: Option<&str>,
    period: Period,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Denial>, Error> {
    let most = i32::try_from(limit).unwrap_or(i32::MAX);
    let found = denials_of_tenant(period.lowest(), period.highest(after), reason, most);
    let rows: Value = diesel::select(found).get_result(conn)?;
    let rows: Vec<Row> = serde_json::from_value(rows).map_err(Error::unreadable)?;
    let users = rows
        .iter()
        .filter_map(|row| Some((row.actor_kind.as_str(), row.actor_id.as_deref()?)));
    let known = Actors::find(conn, users)?;
    let denial = |row: Row| Denial {
        id: row.id,
        at: row.at,
        actor: known.of(&row.actor_kind, row.actor_id.as_deref()),
        route: row.route,
        reason: row.reason,
        status: row.status,
        object: row.object_type.zip(row.object_id),
        request_id: row.request_id,
        address: row.address,
    };
    Ok(rows.into_iter().map(denial).collect())
}

#[derive(Deserialize)]
struct Row {
    id: Uuid,
    at: DateTime<Utc>,
    actor_kind: String,
    actor_id: Option<String>,
    route: Option<String>,
    reason: String,
    status: u16,
    object_type: Option<String>,
    object_id: Option<Uuid>,
    request_id: String,
    address: Option<IpAddr>,
}
