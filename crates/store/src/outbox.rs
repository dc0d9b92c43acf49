//! The outbox of one tenant, inside its context. How workers find what is due, without one, is in
//! `directory.rs`.

use diesel::declare_sql_function;
use diesel::prelude::*;
use domain::JobId;
use serde_json::Value;
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::error::Error;
use crate::schema::jobs;

#[declare_sql_function]
extern "SQL" {
    /// The door by which a job comes into the outbox; see the migration `jobs`.
    #[sql_name = "directory.enqueue_job"]
    fn enqueue_job(
        kind: diesel::sql_types::Text,
        payload: diesel::sql_types::Jsonb,
    ) -> diesel::sql_types::Uuid;

    /// The door by which the job that acts is done.
    #[sql_name = "directory.complete_job"]
    fn complete_job() -> diesel::sql_types::Uuid;
}

/// A job of this kind: it will run at least once if this transaction is committed, never
/// otherwise. `payload` is an object of ids.
///
/// # Errors
/// [`Error::Database`].
pub fn enqueue(conn: &mut TenantConn<'_>, kind: &str, payload: &Value) -> Result<JobId, Error> {
    let id: Uuid = diesel::select(enqueue_job(kind, payload)).get_result(conn)?;
    Ok(id.into())
}

/// What a job is about.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none with this id.
pub fn find_payload(conn: &mut TenantConn<'_>, id: JobId) -> Result<Value, Error> {
    Ok(jobs::table
        .find((conn.tenant(), id.uuid()))
        .select(jobs::payload)
        .first(conn)?)
}

/// The job that acts is done, with all that it did in this transaction: once, however often it
/// was tried.
///
/// # Errors
/// [`tenant_db::Error::Stale`] when another worker has it by now, or the caller is no job; then
/// nothing of this transaction may stay.
pub fn complete(conn: &mut TenantConn<'_>) -> Result<(), Error> {
    let _: Uuid = diesel::select(complete_job()).get_result(conn)?;
    Ok(())
}
