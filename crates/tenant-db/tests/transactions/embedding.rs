//! What a service meets that brings its own tables: installation beside them, hardening, a
//! replica, timeouts.

use std::time::Duration;

use diesel_migrations::MigrationHarness as _;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use rowhouse_tests::{Database, seal_key};
use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::diesel::prelude::*;
use tenant_db::diesel::sql_types::Text;
use tenant_db::diesel::{self, PgConnection, dsl, sql_query};
use tenant_db::verify::{Catalog, Table, TenantTable, verify};
use tenant_db::{Error, PoolSettings, TenantConn, TenantDb};
use uuid::Uuid;

use crate::fixtures::{Scene, add, eventually, holds, number, projects};
use crate::own_cluster::{EmptyCluster, context, notes};

const NOTES: &str = "
SET ROLE rowhouse_owner;
CREATE TABLE notes (tenant_id uuid NOT NULL, id uuid NOT NULL, title text NOT NULL,
                    PRIMARY KEY (tenant_id, id));
SELECT tenancy.protect('notes');
RESET ROLE";

/// All that PUBLIC may do in this database, as PostgreSQL keeps it.
const RIGHTS_OF_PUBLIC: &str = "md5(concat(
    (SELECT string_agg(datacl::text, ',' ORDER BY oid) FROM pg_database WHERE datname <> current_database()),
    (SELECT string_agg(a.privilege_type, ',' ORDER BY a.privilege_type) FROM pg_database d, aclexplode(coalesce(datacl, acldefault('d', datdba))) a
        WHERE datname = current_database() AND a.grantee = 0),
    (SELECT string_agg(a.privilege_type, ',' ORDER BY a.privilege_type) FROM pg_namespace n, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a
        WHERE nspname = 'public' AND a.grantee = 0),
    (SELECT string_agg(lanname || a.privilege_type, ',' ORDER BY lanname) FROM pg_language l, aclexplode(coalesce(lanacl, acldefault('l', lanowner))) a
        WHERE a.grantee = 0),
    (SELECT string_agg(p.oid::text, ',' ORDER BY p.oid) FROM pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
        WHERE pronamespace = 'pg_catalog'::regnamespace AND a.grantee = 0)))";

fn text(conn: &mut PgConnection, expression: &str) -> String {
    diesel::select(dsl::sql::<Text>(expression))
        .get_result(conn)
        .unwrap()
}

fn catalog() -> Catalog {
    Catalog::new()
        .table(Table::of_migrations("public.__diesel_schema_migrations"))
        .tenant_table(TenantTable::new("public.notes"))
}

#[test]
fn install_leaves_public_alone_and_harden_takes_what_it_printed() {
    let cluster = EmptyCluster::start();
    let mut superuser = cluster.superuser();
    let before = text(&mut superuser, RIGHTS_OF_PUBLIC);
    tenant_db::install(&mut superuser).unwrap();
    tenant_db::install(&mut superuser).unwrap();
    superuser.batch_execute(NOTES).unwrap();
    let plan = tenant_db::harden(&mut superuser).unwrap();
    assert_eq!(text(&mut superuser, RIGHTS_OF_PUBLIC), before);

    // Each right that is left is a finding, and the plan is what mends it.
    let report = verify(&mut superuser, &catalog()).unwrap();
    assert!(!report.is_clean());
    let said = report.to_string();
    for expected in [
        "REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC",
        "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC",
        "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_terminate_backend(",
        "REVOKE EXECUTE ON FUNCTION pg_catalog.lo_open(",
    ] {
        assert!(plan.to_string().contains(expected), "{expected} of {plan}");
        assert!(said.contains(expected), "{expected} of {said}");
    }
    plan.apply(&mut superuser).unwrap();
    assert_ne!(text(&mut superuser, RIGHTS_OF_PUBLIC), before);
    let report = verify(&mut superuser, &catalog()).unwrap();
    assert!(report.is_clean(), "{report}");
    let again = tenant_db::harden(&mut superuser).unwrap();
    assert_eq!(again.statements(), [""; 0]);

    tenant_db::register_seal_key(&mut superuser, &seal_key()).unwrap();
    let db = TenantDb::builder(cluster.url("rowhouse_app"), seal_key())
        .connections(1)
        .connect()
        .unwrap();
    let seen = db.run_blocking(context(Uuid::from_u128(1)), |conn: &mut TenantConn<'_>| {
        Ok::<_, Error>(notes::table.count().get_result::<i64>(conn)?)
    });
    assert_eq!(seen.unwrap(), 0);
}

#[test]
fn a_record_of_migrations_that_is_not_declared_is_a_finding_that_says_how_to_declare_it() {
    let database = Database::fresh();
    let report = verify(&mut database.superuser(), &Catalog::new()).unwrap();
    let record = "public.__diesel_schema_migrations";
    let mut findings = report.findings().iter().filter(|f| f.object == record);
    let found = findings.find(|f| f.code == "table_unknown").unwrap();
    assert_eq!(
        found.remedy,
        format!("-- declare it in the catalog: Table::of_migrations(\"{record}\")")
    );
}

#[test]
fn the_plan_is_all_that_the_bootstrap_takes() {
    let cluster = EmptyCluster::start();
    let mut superuser = cluster.superuser();
    tenant_db::bootstrap(&mut superuser).unwrap();
    let plan = tenant_db::harden(&mut superuser).unwrap();
    assert_eq!(plan.statements(), [""; 0]);
}

#[test]
fn the_kernel_comes_even_where_diesel_has_recorded_its_version_for_another_one() {
    let cluster = EmptyCluster::start();
    let mut superuser = cluster.superuser();
    // As after `diesel setup`, whose first migration has the same version, and one numbered by hand.
    superuser.applied_migrations().unwrap();
    superuser
        .batch_execute(
            "INSERT INTO __diesel_schema_migrations (version) \
             VALUES ('00000000000000'), ('00000000000001')",
        )
        .unwrap();
    tenant_db::install(&mut superuser).unwrap();
    tenant_db::install(&mut superuser).unwrap();
    assert!(holds(
        &mut superuser,
        "to_regprocedure('tenancy.enter(text)') IS NOT NULL"
    ));
    let recorded = number(
        &mut superuser,
        "(SELECT count(*) FROM __diesel_schema_migrations)",
    );
    assert_eq!(recorded, 2);
    assert!(holds(
        &mut superuser,
        "to_regprocedure('tenancy.record_event()') IS NOT NULL"
    ));
}

#[tokio::test]
async fn reads_go_to_the_replica_and_writes_to_the_primary() {
    let scene = Scene::new();
    // Another database stands in for a replica: it has the same tenant, but other rows.
    let replica = Scene::new();
    let acme = scene.acme;
    replica.admit(&acme);
    let db = TenantDb::builder(scene.database.url("rowhouse_app"), seal_key())
        .replica(replica.database.url("rowhouse_app"))
        .connections(1)
        .connect()
        .unwrap();
    let db = tokio::task::spawn_blocking(move || {
        add(&db, &acme, "Written").unwrap();
        db
    })
    .await
    .unwrap();
    let names = |conn: &mut TenantConn<'_>| -> Result<Vec<String>, Error> {
        Ok(projects::table.select(projects::name).load(conn)?)
    };
    let read = db.read(acme.context(), names).await.unwrap();
    assert_eq!(read, [""; 0], "a read went to the primary");
    let run = db.run(acme.context(), names).await.unwrap();
    assert_eq!(run, ["Written"]);
    // Who may read is decided there as well.
    let stranger = scene.globex.context();
    assert!(matches!(
        db.read(stranger, names).await,
        Err(Error::SessionRevoked)
    ));
}

#[test]
fn a_replica_that_cannot_be_reached_or_whose_role_bypasses_is_told_at_the_start() {
    let scene = Scene::new();
    let connect = |replica| {
        TenantDb::builder(scene.database.url("rowhouse_app"), seal_key())
            .replica(replica)
            .connect()
    };
    let nowhere = "postgresql://rowhouse_app@/postgres?host=%2Fnowhere";
    assert!(matches!(
        connect(nowhere.into()),
        Err(Error::Unavailable(_))
    ));
    assert!(matches!(
        connect(scene.database.url("postgres")),
        Err(Error::RoleCanBypass { .. })
    ));
}

#[test]
fn a_transaction_may_have_a_timeout_of_its_own() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let shown = |db: &TenantDb| {
        db.run_blocking(scene.acme.context(), |conn: &mut TenantConn<'_>| {
            let shown = dsl::sql::<Text>("current_setting('statement_timeout')");
            Ok::<_, Error>(diesel::select(shown).get_result::<String>(conn)?)
        })
        .unwrap()
    };
    let long = db.with_statement_timeout(Duration::from_secs(120));
    assert_eq!(shown(&db), "15s");
    assert_eq!(shown(&long), "2min");
    assert_eq!(shown(&db), "15s", "it stayed on the connection");
    let endless = db.with_statement_timeout(Duration::MAX);
    assert_eq!(shown(&endless), "2147483647ms");
    // Zero would be none.
    let none = db.with_statement_timeout(Duration::ZERO);
    let result = none.run_blocking(scene.acme.context(), |conn: &mut TenantConn<'_>| {
        sql_query("SELECT pg_sleep(30)").execute(conn)?;
        Ok::<_, Error>(())
    });
    assert!(matches!(result, Err(Error::Timeout(_))), "{result:?}");
}

#[test]
fn a_pool_counts_what_became_of_its_transactions() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    let scene = Scene::new();
    let settings = PoolSettings {
        connections: 1,
        queue: 1,
        ..PoolSettings::default()
    };
    let db = scene.connect_with(&settings);
    let (acme, globex) = (scene.acme, scene.globex);
    add(&db, &acme, "Written").unwrap();
    let result: Result<(), Error> = db.run_blocking(acme.context(), |_| Err(Error::Stale));
    assert!(result.is_err());
    let result = db.run_blocking(acme.context_in(&globex), |_| Ok::<_, Error>(()));
    assert!(result.is_err());
    // One at work, one waits, no more may.
    let (begun, begins) = std::sync::mpsc::channel();
    let (finish, finished) = std::sync::mpsc::channel::<()>();
    let busy = db.clone();
    let worker = std::thread::spawn(move || {
        busy.run_blocking(acme.context(), move |_| {
            begun.send(()).unwrap();
            finished.recv().unwrap();
            Ok::<_, Error>(())
        })
    });
    begins.recv().unwrap();
    let patient = db.clone();
    let waiter =
        std::thread::spawn(move || patient.run_blocking(acme.context(), |_| Ok::<_, Error>(())));
    eventually("one waits", || (db.waiting() == 1).then_some(()));
    let refused = db.run_blocking(acme.context(), |_| Ok::<_, Error>(()));
    assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
    finish.send(()).unwrap();
    worker.join().unwrap().unwrap();
    waiter.join().unwrap().unwrap();
    drop(db);

    let seen: Vec<(String, DebugValue)> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels = key.key().labels();
            let labels: Vec<_> = labels
                .map(|l| format!("{}={}", l.key(), l.value()))
                .collect();
            (format!("{} {}", key.key().name(), labels.join(",")), value)
        })
        .collect();
    for expected in [
        "tenant_db_transactions_total pool=tenant,outcome=committed",
        "tenant_db_transactions_total pool=tenant,outcome=rolled_back",
        "tenant_db_transactions_total pool=tenant,outcome=not_begun",
        "tenant_db_refused_total pool=tenant,reason=queue",
        "tenant_db_wait_seconds pool=tenant",
        "tenant_db_connections_in_use pool=tenant",
    ] {
        let value = seen.iter().find(|(name, _)| name == expected);
        let (_, value) = value.unwrap_or_else(|| panic!("{expected} is not in {seen:?}"));
        match value {
            DebugValue::Counter(count) => assert!(*count > 0, "{expected}"),
            DebugValue::Histogram(waits) => assert!(!waits.is_empty(), "{expected}"),
            DebugValue::Gauge(in_use) => assert!(in_use.0 >= 0.0, "{expected}"),
        }
    }
}

#[tokio::test]
async fn health_asks_every_pool() {
    let scene = Scene::new();
    let replica = Database::fresh();
    let db = TenantDb::builder(scene.database.url("rowhouse_app"), seal_key())
        .replica(replica.url("rowhouse_app"))
        .connections(1)
        .connect()
        .unwrap();
    db.health().await.unwrap();
    drop(replica);
    let health = db.health().await;
    assert!(matches!(health, Err(Error::Unavailable(_))), "{health:?}");
}
