//! What SQL that Diesel did not build leaves on a connection, the next transaction does not find.

use tenant_db::diesel::prelude::*;
use tenant_db::diesel::sql_query;
use tenant_db::diesel::sql_types::Text;
use tenant_db::{Error, PoolSettings, TenantDb};

use crate::fixtures::{Scene, Tenant, add, count, holds, pid_of};

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    setting: String,
}

fn setting(db: &TenantDb, tenant: &Tenant, name: &'static str) -> String {
    db.run_blocking(tenant.context(), move |conn| {
        let sql = format!("SELECT current_setting('{name}') AS setting");
        let row: Setting = sql_query(sql).get_result(conn)?;
        Ok::<_, Error>(row.setting)
    })
    .unwrap()
}

fn run_untyped(db: &TenantDb, tenant: &Tenant, sql: &'static str) -> Result<(), Error> {
    db.run_blocking(tenant.context(), move |conn| {
        sql_query(sql).execute(conn)?;
        Ok(())
    })
}

/// Leaves something behind, and counts it in the next transaction.
fn left_by(sql: &'static str, counted: &'static str) -> (bool, i64) {
    let scene = Scene::new();
    let db = scene.connect(1);
    let before = pid_of(&db, &scene.acme);
    run_untyped(&db, &scene.acme, sql).unwrap();
    let left = db
        .run_blocking(scene.globex.context(), move |conn| {
            Ok::<_, Error>(count(conn, counted)?)
        })
        .unwrap();
    (pid_of(&db, &scene.globex) == before, left)
}

#[test]
fn a_connection_that_listens_is_replaced() {
    assert_eq!(
        left_by("LISTEN x", "(SELECT count(*) FROM pg_listening_channels())"),
        (false, 0)
    );
}

#[test]
fn a_connection_with_a_cursor_that_outlives_its_transaction_is_replaced() {
    assert_eq!(
        left_by(
            "DECLARE x CURSOR WITH HOLD FOR SELECT name FROM projects",
            "(SELECT count(*) FROM pg_cursors WHERE is_holdable)"
        ),
        (false, 0)
    );
}

#[test]
fn a_lock_of_the_session_is_released_on_the_same_connection() {
    assert_eq!(
        left_by(
            "SELECT pg_advisory_lock(7)",
            "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
        ),
        (true, 0)
    );
}

#[test]
fn settings_are_reset_on_the_same_connection() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let before = pid_of(&db, &scene.acme);
    for (name, sql) in [
        ("statement_timeout", "SET statement_timeout = 0"),
        ("search_path", "SET search_path = pg_temp"),
        ("row_security", "SET row_security = off"),
        (
            "default_transaction_read_only",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        ),
        ("client_encoding", "SET client_encoding = 'LATIN1'"),
        ("TimeZone", "SET TimeZone = 'Asia/Tokyo'"),
        (
            "application_name",
            "SELECT set_config('application_name', 'somebody else', false)",
        ),
        (
            "rowhouse.tenant",
            "SELECT set_config('rowhouse.tenant', 'acme-corp', false)",
        ),
    ] {
        let clean = if name == "rowhouse.tenant" {
            String::new()
        } else {
            setting(&db, &scene.globex, name)
        };
        run_untyped(&db, &scene.acme, sql).unwrap();
        assert_eq!(setting(&db, &scene.globex, name), clean, "{sql}");
    }
    add(&db, &scene.globex, "Written").unwrap();
    assert_eq!(pid_of(&db, &scene.acme), before);
}

/// The look at the connection must not itself run under what was set.
#[test]
fn a_statement_timeout_of_a_millisecond_costs_at_most_the_connection() {
    let scene = Scene::new();
    let db = scene.connect(1);
    run_untyped(&db, &scene.acme, "SET statement_timeout = 1").unwrap();
    assert_eq!(setting(&db, &scene.globex, "statement_timeout"), "15s");
}

#[test]
fn what_a_rolled_back_transaction_would_have_left_costs_no_connection() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let before = pid_of(&db, &scene.acme);
    let result = db.run_blocking(scene.acme.context(), |conn| {
        sql_query("LISTEN x").execute(conn)?;
        sql_query("SET statement_timeout = 0").execute(conn)?;
        Err::<(), _>(Error::Busy)
    });
    assert!(matches!(result, Err(Error::Busy)), "{result:?}");
    assert_eq!(setting(&db, &scene.globex, "statement_timeout"), "15s");
    assert_eq!(pid_of(&db, &scene.globex), before);
}

#[test]
fn a_search_path_of_several_schemas_reaches_the_session() {
    let scene = Scene::new();
    let db = scene.connect_with(&PoolSettings {
        connections: 1,
        search_path: "public, pg_catalog, \"a \\ schema\"".to_owned(),
        ..PoolSettings::default()
    });
    assert_eq!(
        setting(&db, &scene.acme, "search_path"),
        "public, pg_catalog, \"a \\ schema\""
    );
    add(&db, &scene.acme, "Written").unwrap();
}

/// PostgreSQL lets every role change its own defaults; a connection made later brings its own.
#[test]
fn what_a_closure_sets_for_its_role_is_not_there_for_later_connections() {
    let scene = Scene::new();
    let settings = [
        ("row_security", "off", "on"),
        ("transform_null_equals", "on", "off"),
        ("default_transaction_read_only", "on", "off"),
        ("lock_timeout", "1", "0"),
        ("idle_session_timeout", "1", "0"),
    ];
    let database = scene.database_name();
    for (name, set, _) in settings {
        let sql = format!("ALTER ROLE rowhouse_app IN DATABASE {database} SET {name} = '{set}'");
        scene
            .connect(1)
            .run_blocking(scene.acme.context(), move |conn| {
                sql_query(sql).execute(conn)?;
                Ok::<_, Error>(())
            })
            .unwrap();
    }
    let db = scene.connect(1);
    for (name, _, expected) in settings {
        assert_eq!(setting(&db, &scene.globex, name), expected, "{name}");
    }
    add(&db, &scene.globex, "Written").unwrap();
}

#[test]
fn typed_traffic_keeps_its_connection() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let before = pid_of(&db, &scene.acme);
    for number in 0..20 {
        add(&db, &scene.acme, &format!("Of acme {number}")).unwrap();
        add(&db, &scene.globex, &format!("Of globex {number}")).unwrap();
    }
    assert_eq!(pid_of(&db, &scene.globex), before);
}

#[test]
fn the_application_can_neither_write_the_slot_nor_make_temporary_tables_nor_prepare() {
    let scene = Scene::new();
    let db = scene.connect(1);
    for sql in [
        "SET backtrace_functions = 'x'",
        "SELECT set_config('backtrace_functions', 'x', true)",
        "UPDATE pg_settings SET setting = 'x' WHERE name = 'backtrace_functions'",
        "CREATE TEMPORARY TABLE projects (id uuid)",
        "ALTER ROLE rowhouse_app SET backtrace_functions = 'x'",
        "PREPARE x AS SELECT 1",
        "SELECT tenancy.enter('')",
        "SET ROLE rowhouse_owner",
        "SET SESSION AUTHORIZATION rowhouse_owner",
    ] {
        let result = run_untyped(&db, &scene.acme, sql);
        assert!(
            matches!(result, Err(Error::Query(_) | Error::Tainted)),
            "{sql}: {result:?}"
        );
    }
    assert!(holds(
        &mut scene.database.superuser(),
        "NOT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole WHERE r.rolname = 'rowhouse_app')"
    ));
}
