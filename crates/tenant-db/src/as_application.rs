//! To stand where the application stands, in a context that no seal opened: for administrators,
//! inside a transaction that is rolled back.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use uuid::Uuid;

use crate::context::Role;
use crate::error::Error;
use crate::level::Level;

/// Lets the role of `conn` become the application's until the transaction ends. A superuser may
/// anyway; whoever made the roles may say so itself, and nobody sees it before a COMMIT.
pub(crate) fn allow(conn: &mut PgConnection) -> QueryResult<()> {
    conn.batch_execute(ALLOW)
}

const ALLOW: &str = "DO $$
BEGIN
    IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        SET LOCAL client_min_messages = error;
        EXECUTE format('GRANT rowhouse_app TO %I%s', current_user,
            CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END);
    END IF;
END
$$";

/// The key of the contexts' tokens, which a copy of the schema lacks at level managed.
pub(crate) fn make_key(conn: &mut PgConnection) -> Result<(), Error> {
    if Level::of_database(conn)? == Some(Level::Managed) {
        conn.batch_execute(
            "SET LOCAL ROLE rowhouse_tenancy; SELECT tenancy.renew_context_key(); SET LOCAL ROLE NONE",
        )?;
    }
    Ok(())
}

/// The context that `tenancy.enter` would open for a user of this role, as the application; until `SET
/// LOCAL ROLE NONE` and the end of the savepoint around it. For who is [allowed](allow) to.
pub(crate) fn enter(conn: &mut PgConnection, tenant: Uuid, role: Role) -> QueryResult<()> {
    open(conn, tenant, role)?;
    conn.batch_execute("SET LOCAL ROLE rowhouse_app")
}

/// The same context, without any role: that of `conn` may become `rowhouse_tenancy`.
pub(crate) fn open(conn: &mut PgConnection, tenant: Uuid, role: Role) -> QueryResult<()> {
    let slot = format!(
        "{}_user_{}__{role}_0_7c",
        tenant.simple(),
        Uuid::nil().simple()
    );
    conn.batch_execute("SET LOCAL ROLE rowhouse_tenancy")?;
    diesel::sql_query("SELECT tenancy.fill_slot($1)")
        .bind::<Text, _>(slot)
        .execute(conn)?;
    conn.batch_execute("SET LOCAL ROLE NONE")
}

/// Whether no policy binds the role of `conn`.
pub(crate) fn sees_past_policies(conn: &mut PgConnection) -> QueryResult<bool> {
    let row: Sees = diesel::sql_query(
        "SELECT rolsuper OR rolbypassrls AS past FROM pg_catalog.pg_roles WHERE rolname = current_user",
    )
    .get_result(conn)?;
    Ok(row.past)
}

#[derive(QueryableByName)]
struct Sees {
    #[diesel(sql_type = Bool)]
    past: bool,
}
