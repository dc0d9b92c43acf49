//! Level managed: what the slot gives elsewhere, by a token of the database's own.

use std::thread;
use std::time::{Duration, Instant};

use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::diesel::prelude::*;
use tenant_db::diesel::sql_types::{Integer, Text};
use tenant_db::diesel::{self, PgConnection};
use tenant_db::{Error, Hardening, Level};

use crate::fixtures::{Scene, holds, pid_of, projects};

#[test]
fn each_context_sees_its_own_rows_and_ends_with_its_transaction() {
    let scene = Scene::managed();
    let db = scene.connect(1);
    let backend = pid_of(&db, &scene.acme);
    for tenant in [scene.acme, scene.globex] {
        let name = tenant.id.to_string();
        db.run_blocking(tenant.context(), move |conn| {
            Ok::<_, Error>(tenant.add(conn, &name)?)
        })
        .unwrap();
    }
    for tenant in [scene.acme, scene.globex, scene.acme] {
        let names: Vec<String> = db
            .run_blocking(tenant.context(), |conn| {
                Ok::<_, Error>(projects::table.select(projects::name).load(conn)?)
            })
            .unwrap();
        assert_eq!(names, [tenant.id.to_string()]);
    }
    let globex = scene.globex;
    let error = db
        .run_blocking(scene.acme.context(), move |conn| {
            Ok::<_, Error>(globex.add(conn, "planted")?)
        })
        .unwrap_err();
    assert!(matches!(error, Error::Violation(_)), "{error:?}");
    assert_eq!(pid_of(&db, &scene.acme), backend);
    let mut bare = scene.database.connect_as("rowhouse_app");
    let refused = projects::table.count().get_result::<i64>(&mut bare);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("no tenant context")
    );
}

/// Where PUBLIC may call what shows the statements of other sessions, all sessions of the
/// application are open to each other: but not the seals, with which a context could be opened
/// again on the same backend.
#[test]
fn a_seal_is_in_no_statement_that_other_sessions_see() {
    let scene = Scene::managed();
    let db = scene.connect(1);
    let backend = pid_of(&db, &scene.globex);
    let mut watcher = scene.database.connect_as("rowhouse_app");

    // What waits in tenancy.enter goes on showing the message that called it.
    let mut blocker = scene.database.superuser();
    let lock = "BEGIN; LOCK TABLE tenancy.session IN ACCESS EXCLUSIVE MODE";
    blocker.batch_execute(lock).unwrap();
    let context = scene.globex.context();
    let work = thread::spawn(move || db.run_blocking(context, |_| Ok::<_, Error>(())));
    let shown = shown_while_waiting(&mut watcher, backend);
    blocker.batch_execute("ROLLBACK").unwrap();
    work.join().unwrap().unwrap();
    assert_eq!(shown.trim(), "");

    // It would be seen, did the message begin with it.
    let mut plain = scene.database.connect_as("rowhouse_app");
    let pid = diesel::select(diesel::dsl::sql::<Integer>("pg_backend_pid()"))
        .get_result(&mut plain)
        .unwrap();
    let seal = rowhouse_tests::seal_key().seal(&scene.globex.context(), pid, now());
    blocker.batch_execute(lock).unwrap();
    let message = format!("BEGIN; SELECT tenancy.enter('{seal}')");
    let work = thread::spawn(move || plain.batch_execute(&message));
    let shown = shown_while_waiting(&mut watcher, pid);
    blocker.batch_execute("ROLLBACK").unwrap();
    work.join().unwrap().unwrap();
    assert!(shown.contains(&seal), "{shown}");
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_secs()).unwrap()
}

/// What others see of this backend once it waits for a lock.
fn shown_while_waiting(watcher: &mut PgConnection, pid: i32) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    let waits = format!(
        "EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock')"
    );
    while !holds(watcher, &waits) {
        assert!(Instant::now() < deadline, "{pid} waits for nothing");
        thread::yield_now();
    }
    let query = format!("(SELECT query FROM pg_stat_activity WHERE pid = {pid})");
    diesel::select(diesel::dsl::sql::<Text>(&query))
        .get_result(watcher)
        .unwrap()
}

#[test]
fn a_role_that_makes_roles_bootstraps_installs_and_hardens_as_far_as_it_can() {
    let scene = Scene::managed();
    let mut owner = scene.database.connect_as("cloud_admin");
    assert_eq!(Level::of_role(&mut owner).unwrap(), Level::Managed);
    assert_eq!(
        Level::of_database(&mut owner).unwrap(),
        Some(Level::Managed)
    );
    assert_eq!(tenant_db::bootstrap(&mut owner).unwrap(), Level::Managed);
    assert_eq!(tenant_db::install(&mut owner).unwrap(), Level::Managed);
    // It proposes only what it can do.
    let plan = |owner: &mut PgConnection| -> Hardening { tenant_db::harden(owner).unwrap() };
    assert_eq!(plan(&mut owner).statements(), Vec::<String>::new());
    scene
        .database
        .superuser()
        .batch_execute(&format!(
            "GRANT TEMPORARY ON DATABASE {} TO PUBLIC",
            scene.database_name()
        ))
        .unwrap();
    let hardening = plan(&mut owner);
    assert_eq!(hardening.statements().len(), 1, "{hardening}");
    hardening.apply(&mut owner).unwrap();
    assert_eq!(plan(&mut owner).statements(), Vec::<String>::new());
}

#[test]
fn a_role_that_may_not_make_roles_is_told_what_is_needed() {
    let scene = Scene::managed();
    let error = tenant_db::bootstrap(&mut scene.database.connect_as("rowhouse_ops")).unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    assert!(text.contains("rowhouse_ops may not make roles"), "{text}");
}
