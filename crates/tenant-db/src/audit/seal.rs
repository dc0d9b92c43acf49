//! The sealer's work: committed events are appended to their tenant's chain. Any number of servers
//! may do it at once; nothing of it waits for a request, or lets one wait.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Double, Integer, Uuid as SqlUuid};
use uuid::Uuid;

/// A tenant with events that are not sealed yet.
#[derive(Debug, Clone, Copy, PartialEq, QueryableByName)]
pub struct Waiting {
    /// Which tenant.
    #[diesel(sql_type = SqlUuid)]
    pub tenant: Uuid,
    /// For how many seconds the oldest has waited.
    #[diesel(sql_type = Double)]
    pub seconds: f64,
}

/// At most so many tenants with events to seal, those that wait longest first: the first one's
/// seconds are how far the sealer lags behind.
///
/// # Errors
/// What the database answers.
pub fn tenants_to_seal(conn: &mut PgConnection, most: i32) -> QueryResult<Vec<Waiting>> {
    diesel::sql_query(
        "SELECT tenant_id AS tenant,
            greatest(0, extract(epoch FROM clock_timestamp() - waiting_since))::float8 AS seconds
         FROM tenancy.tenants_to_seal($1)",
    )
    .bind::<Integer, _>(most)
    .load(conn)
}

/// Appends at most so many events of a tenant to its chain; a transaction by itself, or it keeps
/// other sealers of this tenant waiting. Answers how many there were.
///
/// # Errors
/// What the database answers.
pub fn seal_events(conn: &mut PgConnection, tenant: Uuid, most: i32) -> QueryResult<i32> {
    #[derive(QueryableByName)]
    struct Sealed {
        #[diesel(sql_type = Integer)]
        sealed: i32,
    }
    let row: Sealed = diesel::sql_query("SELECT tenancy.seal_events($1, $2) AS sealed")
        .bind::<SqlUuid, _>(tenant)
        .bind::<Integer, _>(most)
        .get_result(conn)?;
    Ok(row.sealed)
}
