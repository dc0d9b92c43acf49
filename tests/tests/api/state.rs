//! The state of the database, read and changed behind the server's back: what an operator does, or
//! an endpoint that is not there yet.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use rowhouse_tests::TestApp;

/// Runs this SQL as a superuser.
pub(crate) fn change(app: &TestApp, sql: &str) {
    app.database().superuser().batch_execute(sql).unwrap();
}

/// How many rows of `table` (with `WHERE …` behind it, if need be) there are in all tenants.
pub(crate) fn count(app: &TestApp, table: &str) -> i64 {
    let query = format!("SELECT count(*) FROM {table}");
    diesel::select(diesel::dsl::sql::<BigInt>(&format!("({query})")))
        .get_result(&mut app.database().superuser())
        .unwrap()
}

/// Waits until `table` (with `WHERE …` behind it, if need be) has this many rows.
pub(crate) async fn until(app: &TestApp, table: &str, rows: i64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found = count(app, table);
        if found == rows {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{found} rows, not {rows}: {table}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A table's rows, as JSON.
pub(crate) fn rows(app: &TestApp, table: &str) -> String {
    let query = format!("(SELECT jsonb_agg(to_jsonb(r) ORDER BY r.id)::text FROM {table} r)");
    diesel::select(diesel::dsl::sql::<Text>(&query))
        .get_result(&mut app.database().superuser())
        .unwrap()
}

/// Waits until this many connections wait for a lock that the test holds.
pub(crate) async fn until_waiting(app: &TestApp, connections: i64) {
    let waiting =
        "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let deadline = Instant::now() + Duration::from_secs(30);
    while count(app, waiting) < connections {
        assert!(Instant::now() < deadline, "nobody waits");
        tokio::task::yield_now().await;
    }
}

/// Every row that belongs to a tenant or leads into it, as JSON.
pub(crate) fn rows_of(app: &TestApp, slug: &str) -> String {
    let tenant = format!("(SELECT id FROM tenants WHERE slug = '{slug}')");
    let rows = |table: &str, column: &str| {
        format!(
            "'{table}', (SELECT jsonb_agg(to_jsonb(r) ORDER BY to_jsonb(r)::text) FROM {table} r WHERE r.{column} = {tenant})"
        )
    };
    let query = format!(
        "jsonb_build_object({}, {}, {}, {}, {}, {}, {}, {}, {}, {})::text",
        rows("tenants", "id"),
        rows("accounts", "home_tenant_id"),
        rows("memberships", "tenant_id"),
        rows("projects", "tenant_id"),
        rows("resources", "tenant_id"),
        rows("resource_versions", "tenant_id"),
        rows("roles", "tenant_id"),
        rows("api_keys", "tenant_id"),
        rows("idempotency_keys", "tenant_id"),
        rows("sessions", "tenant_id"),
    );
    diesel::select(diesel::dsl::sql::<Text>(&query))
        .get_result(&mut app.database().superuser())
        .unwrap()
}

/// What an operator does to a tenant.
pub(crate) fn set_tenant_status(app: &TestApp, slug: &str, status: &str) {
    change(
        app,
        &format!(
            "UPDATE tenants SET status = '{status}',
                 erase_after = CASE WHEN '{status}' = 'deleting' THEN now() + interval '30 days' END
             WHERE slug = '{slug}'"
        ),
    );
}

/// Whom a tenant takes in: `closed`, `open`, `domain`.
pub(crate) fn set_signup(app: &TestApp, slug: &str, signup: &str) {
    change(
        app,
        &format!("UPDATE tenants SET signup = '{signup}' WHERE slug = '{slug}'"),
    );
}

/// What an admin does to a member, `assignment` being `role = 'viewer'` and the like.
pub(crate) fn update_member(app: &TestApp, email: &str, assignment: &str) {
    change(
        app,
        &format!("UPDATE memberships SET {assignment} WHERE email = '{email}'"),
    );
}

/// What a logout does to the sessions of an account.
pub(crate) fn revoke_sessions(app: &TestApp, email: &str) {
    change(
        app,
        &format!(
            "UPDATE sessions SET revoked_at = now()
             WHERE account_id IN (SELECT id FROM accounts WHERE email = '{email}')"
        ),
    );
}
