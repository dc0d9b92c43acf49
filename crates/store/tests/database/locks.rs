//! What somebody locks in their own tenant holds up nobody else: whoever waits fails here at once.

use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;
use rowhouse_tests::Database;
use uuid::Uuid;

use crate::sealed::{Tenant, count, enter, two_tenants};

/// The role that all tenants share; a wait is an error.
fn impatient(database: &Database) -> PgConnection {
    let mut auth = database.connect_as("rowhouse_auth");
    auth.batch_execute("SET lock_timeout = '1ms'").unwrap();
    auth
}

fn entry(tenant: &Tenant) -> String {
    format!(
        r#"{{"id": "{}", "at": "2026-11-21T10:00:00Z", "tenant_id": "{}", "actor_kind": "user", "actor_id": "{}",
            "route": "/api/v1/users", "reason": "role", "status": 403, "reaches_across": false, "request_id": "r"}}"#,
        Uuid::now_v7(),
        tenant.id,
        tenant.account
    )
}

/// One denial and one read of each.
fn write_trail(auth: &mut PgConnection, tenants: [&Tenant; 2]) {
    for door in ["deny", "note_reads"] {
        let entries = tenants.map(entry).join(", ");
        auth.batch_execute(&format!("SELECT directory.{door}('[{entries}]')"))
            .unwrap();
    }
}

#[test]
fn the_trail_is_written_while_a_tenant_s_row_is_locked() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    enter(&mut app, &acme.context()).unwrap();
    app.batch_execute("SELECT FROM tenants FOR UPDATE").unwrap();
    write_trail(&mut impatient(&database), [&acme, &globex]);
    let mut superuser = database.superuser();
    for table in ["denials", "reads"] {
        let written = format!("(SELECT count(DISTINCT tenant_id) FROM {table})");
        assert_eq!(count(&mut superuser, &written).unwrap(), 2, "{table}");
    }
}

#[test]
fn what_was_written_of_a_tenant_goes_with_it_or_by_its_age() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut auth = impatient(&database);
    let mut superuser = database.superuser();
    let mut left = |table: &str, tenant: &Tenant| {
        let sql = format!(
            "(SELECT count(*) FROM {table} WHERE tenant_id = '{}')",
            tenant.id
        );
        count(&mut superuser, &sql).unwrap()
    };
    write_trail(&mut auth, [&acme, &globex]);
    database
        .superuser()
        .batch_execute(&format!("DELETE FROM tenants WHERE id = '{}'", acme.id))
        .unwrap();
    for table in ["denials", "reads"] {
        assert_eq!((left(table, &acme), left(table, &globex)), (0, 1));
    }
    // Of a tenant that is gone nothing more is written as its own.
    write_trail(&mut auth, [&acme, &globex]);
    for table in ["denials", "reads"] {
        assert_eq!((left(table, &acme), left(table, &globex)), (0, 2));
    }
    // What was written while it went is forgotten in time, as all else is.
    database
        .superuser()
        .batch_execute(&format!(
            "UPDATE denials SET tenant_id = '{0}' WHERE id = (SELECT min(id::text)::uuid FROM denials);
             UPDATE reads SET tenant_id = '{0}' WHERE id = (SELECT min(id::text)::uuid FROM reads)",
            acme.id
        ))
        .unwrap();
    let latest = "'ffffffff-ffff-ffff-ffff-ffffffffffff'";
    let forget = format!("directory.forget_trail({latest}, {latest}, 100)");
    assert!(count(&mut auth, &forget).unwrap() > 0);
    for table in ["denials", "reads"] {
        assert_eq!((left(table, &acme), left(table, &globex)), (0, 0));
    }
}

#[test]
fn a_key_that_is_being_deleted_is_not_waited_for() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut superuser = database.superuser();
    superuser
        .batch_execute(&format!(
            "INSERT INTO api_keys (tenant_id, id, name, prefix, hash, role, scopes, created_by)
             VALUES ('{}', '{}', 'CI', 'rh_0123456789ab', sha256(''), 'viewer', '{{projects:read}}', '{}')",
            acme.id, acme.project, acme.member
        ))
        .unwrap();
    let mut app = database.connect_as("rowhouse_app");
    enter(&mut app, &acme.context()).unwrap();
    app.batch_execute("DELETE FROM api_keys").unwrap();
    let mut auth = impatient(&database);
    let note = format!(
        "SELECT directory.note_key_use('{}', '{}')",
        acme.id, acme.project
    );
    let used = "(SELECT count(*) FROM api_keys WHERE last_used_at IS NOT NULL)";
    auth.batch_execute(&note).unwrap();
    assert_eq!(count(&mut superuser, used).unwrap(), 0);
    app.batch_execute("ROLLBACK").unwrap();
    auth.batch_execute(&note).unwrap();
    assert_eq!(count(&mut superuser, used).unwrap(), 1);
}
