//! What happened in a tenant, inside of it: the events that the trigger of tenant-db writes, newest
//! first, and who has set each field of an object last.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::declare_sql_function;
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Uuid as SqlUuid};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::actors::{self, Actor, Actors};
use crate::error::Error;
use crate::period::Period;

use self::table::audit_events;

mod table {
    diesel::table! {
        tenancy.audit_events (tenant_id, id) {
            tenant_id -> Uuid,
            id -> Uuid,
            at -> Timestamptz,
            actor_kind -> Text,
            actor_id -> Text,
            action -> Text,
            object_type -> Text,
            object_id -> Text,
            changes -> Nullable<Jsonb>,
            request_id -> Nullable<Text>,
            address -> Nullable<Inet>,
        }
    }
}

#[declare_sql_function]
extern "SQL" {
    /// The place of an event in the tenant's chain; see the migration `denials_and_reads`.
    #[sql_name = "tenancy.seq_of"]
    fn seq_of(event: SqlUuid) -> Nullable<BigInt>;

    /// Who has set each field of an object last.
    #[sql_name = "tenancy.blame"]
    fn blame(object_type: Text, object_id: Text) -> Jsonb;
}

/// The columns of audited tables that are times. The trail keeps them as PostgreSQL writes them, and
/// proves that text; what reads it shows them as it shows all times.
pub const TIMES: [&str; 8] = [
    "accepted_at",
    "created_at",
    "deleted_at",
    "erase_after",
    "expires_at",
    "last_used_at",
    "removed_at",
    "updated_at",
];

/// A change of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id, by which events are sorted.
    pub id: Uuid,
    /// Its place in the tenant's chain; `None` until it is sealed.
    pub seq: Option<i64>,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Actor,
    /// `insert`, `update` or `delete`.
    pub action: String,
    /// The table.
    pub object_type: String,
    /// The row.
    pub object_id: String,
    /// Per column that changed `{"before", "after"}`, times in UTC; `None` once they are erased.
    pub changes: Option<Value>,
    /// The request that did it.
    pub request_id: Option<String>,
    /// Where the request came from; `None` also once it is erased.
    pub address: Option<IpAddr>,
}

/// Which events a list shows; all where nothing is said.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those of this actor: a membership, a key or a job.
    pub actor: Option<Uuid>,
    /// Those of this action.
    pub action: Option<String>,
    /// Those about rows of this table.
    pub object_type: Option<String>,
    /// Those about rows with this id.
    pub object_id: Option<String>,
    /// Those of this time.
    pub period: Period,
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stretch {
    /// Behind this event; from the newest on where there is none.
    pub behind: Option<Uuid>,
    /// To this one; to the oldest where there is none.
    pub to: Option<Uuid>,
}

/// A part of a list that is as large as was asked, or as there is.
#[derive(Debug, Clone)]
pub struct Portion {
    /// Newest first.
    pub events: Vec<Event>,
    /// Whether nothing is behind them.
    pub is_last: bool,
}

/// Where an export ends that takes no more than it may.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// Its last event.
    pub last: Uuid,
    /// Whether there are older ones.
    pub is_more: bool,
}

/// Who has set a field last, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Who.
    pub actor: Actor,
    /// When.
    pub at: DateTime<Utc>,
}

/// A page of what happened to one object, and whose its fields are.
#[derive(Debug, Clone)]
pub struct History {
    /// By field; `None` where no event tells, as it is older than the trail, or erased.
    pub fields: BTreeMap<&'static str, Option<Author>>,
    /// Newest first.
    pub events: Vec<Event>,
}

/// A field of an object as the API calls it, and the columns that make it.
pub type Field = (&'static str, &'static [&'static str]);

/// At most `limit` events, newest first.
///
/// # Errors
/// [`Error::Database`].
pub fn list(
    conn: &mut TenantConn<'_>,
    filter: &Filter,
    stretch: Stretch,
    limit: i64,
) -> Result<Vec<Event>, Error> {
    let rows = rows(conn, filter, stretch, limit)?;
    let known = Actors::find(conn, rows.iter().map(|(row, _)| row.actor()))?;
    Ok(rows.into_iter().map(|row| event(row, &known)).collect())
}

/// At most `limit` events, and none more once what they changed makes `most_bytes`, but at least one.
/// Of the others their size alone is read.
///
/// # Errors
/// [`Error::Database`].
pub fn portion(
    conn: &mut TenantConn<'_>,
    filter: &Filter,
    stretch: Stretch,
    limit: i64,
    most_bytes: i64,
) -> Result<Portion, Error> {
    let sizes: Vec<(Uuid, i64)> = matching(conn, filter, stretch)?
        .select((
            audit_events::id,
            sql::<BigInt>("coalesce(octet_length(changes::text), 0)::bigint"),
        ))
        .limit(limit)
        .load(conn)?;
    let mut bytes = 0_i64;
    let fitting = sizes.iter().take_while(|(_, size)| {
        let fits = bytes < most_bytes.max(1);
        bytes = bytes.saturating_add(*size);
        fits
    });
    let taken: Vec<Uuid> = fitting.map(|(id, _)| *id).collect();
    let count = i64::try_from(taken.len()).unwrap_or(limit);
    let is_last = taken.len() == sizes.len() && count < limit;
    let Some(last) = taken.last() else {
        return Ok(Portion {
            events: Vec::new(),
            is_last: true,
        });
    };
    let stretch = Stretch {
        to: Some(*last),
        ..stretch
    };
    let events = list(conn, filter, stretch, count)?;
    Ok(Portion { events, is_last })
}

/// Where the `most`-th event behind `after` is; `None`: there are fewer.
///
/// # Errors
/// [`Error::Database`].
pub fn bound(
    conn: &mut TenantConn<'_>,
    filter: &Filter,
    after: Option<Uuid>,
    most: i64,
) -> Result<Option<Bound>, Error> {
    let stretch = Stretch {
        behind: after,
        to: None,
    };
    let ids: Vec<Uuid> = matching(conn, filter, stretch)?
        .select(audit_events::id)
        .offset(most.saturating_sub(1))
        .limit(2)
        .load(conn)?;
    Ok(ids.first().map(|last| Bound {
        last: *last,
        is_more: ids.len() > 1,
    }))
}

/// What happened to the row of a table, and who has set each of `fields` last.
///
/// # Errors
/// [`Error::Database`].
pub fn history(
    conn: &mut TenantConn<'_>,
    table: &str,
    id: Uuid,
    fields: &[Field],
    after: Option<Uuid>,
    limit: i64,
) -> Result<History, Error> {
    let object_id = id.to_string();
    let filter = Filter {
        object_type: Some(table.to_owned()),
        object_id: Some(object_id.clone()),
        ..Filter::default()
    };
    let stretch = Stretch {
        behind: after,
        to: None,
    };
    let rows = rows(conn, &filter, stretch, limit)?;
    let blamed: Value = diesel::select(blame(table, object_id)).get_result(conn)?;
    let last: HashMap<String, Last> = serde_json::from_value(blamed).map_err(Error::unreadable)?;
    let actors = rows.iter().map(|(row, _)| row.actor());
    let authors = last
        .values()
        .map(|last| (last.kind.as_str(), last.id.as_str()));
    let known = Actors::find(conn, actors.chain(authors))?;
    let fields = fields.iter().map(|(field, columns)| {
        let set = columns.iter().filter_map(|column| last.get(*column));
        // What was empty from the start is its maker's.
        let last = set.max_by_key(|last| last.at).or_else(|| last.get(""));
        let author = last.map(|last| Author {
            actor: known.of(&last.kind, Some(&last.id)),
            at: last.at,
        });
        (*field, author)
    });
    Ok(History {
        fields: fields.collect(),
        events: rows.into_iter().map(|row| event(row, &known)).collect(),
    })
}

fn rows(
    conn: &mut TenantConn<'_>,
    filter: &Filter,
    stretch: Stretch,
    limit: i64,
) -> Result<Vec<(Row, Option<i64>)>, Error> {
    let query = matching(conn, filter, stretch)?;
    Ok(query
        .select((Row::as_select(), seq_of(audit_events::id)))
        .limit(limit)
        .load(conn)?)
}

fn matching(
    conn: &mut TenantConn<'_>,
    filter: &Filter,
    stretch: Stretch,
) -> Result<audit_events::BoxedQuery<'static, Pg>, Error> {
    let mut query = audit_events::table
        .filter(audit_events::tenant_id.eq(conn.tenant()))
        .order(audit_events::id.desc())
        .into_boxed();
    if let Some(actor) = filter.actor {
        query = match actors::account_of(conn, actor)? {
            Some(account) => query
                .filter(audit_events::actor_id.eq(account.to_string()))
                .filter(audit_events::actor_kind.eq("user")),
            None => query
                .filter(audit_events::actor_id.eq(actor.to_string()))
                .filter(audit_events::actor_kind.ne("user")),
        };
    }
    if let Some(action) = &filter.action {
        query = query.filter(audit_events::action.eq(action.clone()));
    }
    if let Some(object_type) = &filter.object_type {
        query = query.filter(audit_events::object_type.eq(object_type.clone()));
    }
    if let Some(object_id) = &filter.object_id {
        query = query.filter(audit_events::object_id.eq(object_id.clone()));
    }
    // Said by id too, so that the index leads there.
    let period = filter.period;
    if let Some(from) = period.from {
        query = query
            .filter(audit_events::at.ge(from))
            .filter(audit_events::id.ge(period.lowest_with_fractions()));
    }
    if let Some(to) = period.to {
        query = query.filter(audit_events::at.lt(to));
    }
    if period.to.is_some() || stretch.behind.is_some() {
        query = query.filter(audit_events::id.lt(period.highest(stretch.behind)));
    }
    if let Some(last) = stretch.to {
        query = query.filter(audit_events::id.ge(last));
    }
    Ok(query)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_events, check_for_backend(Pg))]
struct Row {
    id: Uuid,
    at: DateTime<Utc>,
    actor_kind: String,
    actor_id: String,
    action: String,
    object_type: String,
    object_id: String,
    changes: Option<Value>,
    request_id: Option<String>,
    address: Option<IpNet>,
}

impl Row {
    fn actor(&self) -> (&str, &str) {
        (&self.actor_kind, &self.actor_id)
    }
}

#[derive(Deserialize)]
struct Last {
    kind: String,
    id: String,
    at: DateTime<Utc>,
}

fn event((row, seq): (Row, Option<i64>), known: &Actors) -> Event {
    Event {
        id: row.id,
        seq,
        at: row.at,
        actor: known.of(&row.actor_kind, Some(&row.actor_id)),
        action: row.action,
        object_type: row.object_type,
        object_id: row.object_id,
        changes: row.changes.map(with_times),
        request_id: row.request_id,
        address: row.address.map(|address| address.addr()),
    }
}

fn with_times(mut changes: Value) -> Value {
    let fields = changes.as_object_mut().into_iter().flatten();
    let times = fields.filter(|(field, _)| TIMES.contains(&field.as_str()));
    for value in times.flat_map(|(_, change)| change.as_object_mut().into_iter().flatten()) {
        let time = value.1.as_str().map(DateTime::parse_from_rfc3339);
        // What is no time, such as `infinity`, stays what it is.
        if let Some(Ok(time)) = time {
            *value.1 = Value::from(time.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true));
        }
    }
    changes
}
