//! PgBouncer in transaction pooling between pools and database, with the `pgbouncer.ini` of
//! `docs/pgbouncer.md`: many share few backends, and nobody finds what another one left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rowhouse_tests::{PgBouncer, seal_key};
use secrecy::ExposeSecret as _;
use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::diesel::prelude::*;
use tenant_db::diesel::sql_types::Text;
use tenant_db::diesel::{self, PgConnection, dsl, sql_query};
use tenant_db::{Error, PoolSettings, SealKey, ServiceDb, TenantConn, TenantDb, register_seal_key};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixtures::{
    Scene, Tenant, add, count, eventually, holds, number, pid, pid_of, projects,
};

/// Two tenants behind a PgBouncer.
struct Pooled {
    bouncer: PgBouncer,
    scene: Scene,
}

impl Pooled {
    fn new(backends: u32) -> Self {
        Self::on(Scene::new(), backends)
    }

    /// The same at level managed.
    fn managed(backends: u32) -> Self {
        Self::on(Scene::managed(), backends)
    }

    fn on(scene: Scene, backends: u32) -> Self {
        register_seal_key(&mut scene.database.superuser(), &seal_key().unbound()).unwrap();
        Self {
            bouncer: PgBouncer::start(&scene.database, backends),
            scene,
        }
    }

    fn connect(&self, connections: u32) -> TenantDb {
        self.connect_with(connections, seal_key()).unwrap()
    }

    fn connect_with(&self, connections: u32, key: SealKey) -> Result<TenantDb, Error> {
        TenantDb::builder(self.bouncer.url("rowhouse_app"), key)
            .connections(connections)
            .pgbouncer()
            .connect()
    }

    /// Somebody else who came by the application's password.
    fn stranger(&self) -> PgConnection {
        PgConnection::establish(self.bouncer.url("rowhouse_app").expose_secret()).unwrap()
    }
}

fn run_untyped(db: &TenantDb, tenant: &Tenant, sql: &str) -> Result<(), Error> {
    let sql = sql.to_owned();
    db.run_blocking(tenant.context(), move |conn| {
        sql_query(sql).execute(conn)?;
        Ok(())
    })
}

fn setting(db: &TenantDb, tenant: &Tenant, name: &str) -> String {
    let shown = dsl::sql::<Text>(&format!("current_setting('{name}')"));
    db.run_blocking(tenant.context(), move |conn| {
        Ok::<_, Error>(diesel::select(shown).get_result(conn)?)
    })
    .unwrap()
}

/// What a transaction saw: its backend, and whose projects.
type Seen = (i32, Vec<Uuid>);

fn look(conn: &mut TenantConn<'_>) -> Result<Seen, Error> {
    let tenants = projects::table
        .select(projects::tenant_id)
        .distinct()
        .load(conn)?;
    Ok((pid(conn)?, tenants))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_with_many_tenants_transactions_share_two_backends_and_no_rows() {
    share_backends_and_no_rows(&Pooled::new(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_do_so_at_level_managed() {
    share_backends_and_no_rows(&Pooled::managed(2)).await;
}

async fn share_backends_and_no_rows(pooled: &Pooled) {
    let tenants = [pooled.scene.acme, pooled.scene.globex];
    let servers = [pooled.connect(6), pooled.connect(6)];
    let mut runs = JoinSet::new();
    for number in 0..240_usize {
        let (server, tenant) = (number % 2, tenants[number / 2 % 2]);
        let db = servers[server].clone();
        runs.spawn(async move {
            let name = format!("{number} of {}", tenant.id);
            let work = move |conn: &mut TenantConn<'_>| {
                tenant.add(conn, &name)?;
                if number % 5 == 0 {
                    sql_query("SET search_path = pg_temp").execute(conn)?;
                    sql_query("LISTEN x").execute(conn)?;
                    sql_query("SET search_path = public").execute(conn)?;
                }
                let seen = look(conn)?;
                if number % 7 == 0 {
                    return Err(Error::Stale);
                }
                Ok(seen)
            };
            let seen = match db.run(tenant.context(), work).await {
                Err(Error::Stale) if number % 7 == 0 => db.read(tenant.context(), look).await,
                seen => seen,
            };
            let (pid, seen) = seen.unwrap();
            assert!(seen.iter().all(|id| *id == tenant.id), "{number}: {seen:?}");
            (pid, (server, tenant.id))
        });
    }
    let mut served: BTreeMap<i32, BTreeSet<(usize, Uuid)>> = BTreeMap::new();
    for (pid, whom) in runs.join_all().await {
        served.entry(pid).or_default().insert(whom);
    }
    // Each backend served both tenants of both servers.
    let all: Vec<usize> = served.values().map(BTreeSet::len).collect();
    assert_eq!(all, [4, 4], "{served:?}");
    let written = number(
        &mut pooled.scene.database.superuser(),
        "(SELECT count(*) FROM projects)",
    );
    assert_eq!(written, 240 - 35);
    let crossed = "(SELECT count(*) FROM projects WHERE name NOT LIKE '% of ' || tenant_id)";
    assert_eq!(number(&mut pooled.scene.database.superuser(), crossed), 0);
}

/// SQL that leaves something on its backend, and how to count it there.
const LEAVINGS: [(&str, &str); 5] = [
    ("LISTEN x", "(SELECT count(*) FROM pg_listening_channels())"),
    (
        "DECLARE x CURSOR WITH HOLD FOR SELECT name FROM projects",
        "(SELECT count(*) FROM pg_cursors WHERE is_holdable)",
    ),
    (
        "SELECT pg_advisory_lock(7)",
        "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())",
    ),
    (
        "CREATE TEMPORARY TABLE projects (id uuid)",
        "(SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema())",
    ),
    // Not by the work of a transaction, which may not prepare: by whoever else is there.
    (
        "PREPARE x AS SELECT name FROM projects",
        "(SELECT count(*) FROM pg_prepared_statements WHERE name = 'x')",
    ),
];

/// As before `harden`.
fn allow_temporary_tables(scene: &Scene) {
    let grant = format!(
        "GRANT TEMPORARY ON DATABASE {} TO rowhouse_app",
        scene.database_name()
    );
    scene.database.superuser().batch_execute(&grant).unwrap();
}

#[test]
fn nothing_is_left_on_a_backend_when_the_transaction_of_a_tenant_ends() {
    let pooled = Pooled::new(1);
    allow_temporary_tables(&pooled.scene);
    let db = pooled.connect(1);
    let before = pid_of(&db, &pooled.scene.acme);
    let mut next = pooled.stranger();
    for (sql, counted) in LEAVINGS {
        if sql.starts_with("PREPARE") {
            continue;
        }
        run_untyped(&db, &pooled.scene.acme, sql).unwrap();
        assert_eq!(number(&mut next, counted), 0, "{sql}");
        let failed = db.run_blocking(pooled.scene.acme.context(), move |conn| {
            sql_query(sql).execute(conn)?;
            Err::<(), _>(Error::Busy)
        });
        assert!(matches!(failed, Err(Error::Busy)), "{sql}: {failed:?}");
        assert_eq!(number(&mut next, counted), 0, "{sql}, rolled back");
        let aborted = db.run_blocking(pooled.scene.acme.context(), move |conn| {
            sql_query(sql).execute(conn)?;
            sql_query("SELECT 1 / 0").execute(conn)?;
            Ok::<_, Error>(())
        });
        assert!(
            matches!(aborted, Err(Error::Query(_))),
            "{sql}: {aborted:?}"
        );
        assert_eq!(number(&mut next, counted), 0, "{sql}, aborted");
    }
    assert_eq!(
        number(&mut next, "pg_backend_pid()::bigint"),
        i64::from(before)
    );
}

#[test]
fn what_somebody_else_left_on_a_backend_is_not_there_for_the_next_tenant() {
    let pooled = Pooled::new(1);
    allow_temporary_tables(&pooled.scene);
    let db = pooled.connect(1);
    add(&db, &pooled.scene.globex, "Written").unwrap();
    let mut before = pooled.stranger();
    // A cursor needs a context; the others do not.
    for (sql, counted) in
        LEAVINGS.map(|(sql, counted)| (sql.replace("name FROM projects", "1"), counted))
    {
        before.batch_execute(&sql).unwrap();
        assert_eq!(number(&mut before, counted), 1, "{sql}");
        let left = || {
            db.run_blocking(pooled.scene.globex.context(), move |conn| {
                let mine: Vec<String> = projects::table.select(projects::name).load(conn)?;
                assert_eq!(mine, ["Written"]);
                Ok::<_, Error>(count(conn, counted)?)
            })
            .unwrap()
        };
        // Nobody stops listening before COMMIT.
        assert_eq!(left(), i64::from(sql.starts_with("LISTEN")), "{sql}");
        assert_eq!(left(), 0, "{sql}");
    }
}

#[test]
fn settings_of_a_neighbour_are_not_those_of_the_next_on_the_same_backend() {
    let pooled = Pooled::new(1);
    let (a, b) = (pooled.connect(1), pooled.connect(1));
    let before = pid_of(&a, &pooled.scene.acme);
    for (sql, name, expected) in [
        ("SET statement_timeout = 1", "statement_timeout", "15s"),
        ("SET search_path = pg_temp", "search_path", "public"),
        ("SET row_security = off", "row_security", "on"),
        ("SET client_encoding = 'LATIN1'", "client_encoding", "UTF8"),
        ("SET TimeZone = 'Asia/Tokyo'", "TimeZone", "UTC"),
        ("SET application_name = 'x'", "application_name", "rowhouse"),
        ("SET lock_timeout = 1", "lock_timeout", "0"),
        (
            "SET transform_null_equals = on",
            "transform_null_equals",
            "off",
        ),
        (
            "SET plan_cache_mode = auto",
            "plan_cache_mode",
            "force_generic_plan",
        ),
        (
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
            "transaction_isolation",
            "read committed",
        ),
    ] {
        run_untyped(&a, &pooled.scene.acme, sql).unwrap();
        assert_eq!(setting(&b, &pooled.scene.globex, name), expected, "{sql}");
        add(&b, &pooled.scene.globex, sql).unwrap();
    }
    assert_eq!(pid_of(&b, &pooled.scene.globex), before);
}

/// PostgreSQL lets every role change its own defaults; a backend made later brings them.
#[test]
fn defaults_that_injected_sql_sets_for_its_role_reach_no_later_transaction() {
    let pooled = Pooled::new(1);
    let db = pooled.connect(1);
    let database = pooled.scene.database_name();
    let before = pid_of(&db, &pooled.scene.acme);
    let defaults = [
        ("row_security", "off", "on"),
        ("transform_null_equals", "on", "off"),
        ("default_transaction_read_only", "on", "off"),
        (
            "default_transaction_isolation",
            "serializable",
            "read committed",
        ),
        ("lock_timeout", "1", "0"),
        ("statement_timeout", "1min", "15s"),
        ("search_path", "pg_temp", "public"),
        ("standard_conforming_strings", "off", "off"),
    ];
    for (name, value, _) in defaults {
        let sql = format!("ALTER ROLE rowhouse_app IN DATABASE {database} SET {name} = '{value}'");
        run_untyped(&db, &pooled.scene.acme, &sql).unwrap();
    }
    pooled.scene.terminate(before);
    for (name, _, expected) in defaults {
        let shown = match name {
            "default_transaction_read_only" => "transaction_read_only",
            "default_transaction_isolation" => "transaction_isolation",
            name => name,
        };
        assert_eq!(
            setting(&db, &pooled.scene.globex, shown),
            expected,
            "{name}"
        );
    }
    add(&db, &pooled.scene.globex, "Written").unwrap();
    assert_ne!(pid_of(&db, &pooled.scene.acme), before);
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs().try_into().unwrap()
}

#[test]
fn what_is_forged_or_comes_late_is_refused_here_too() {
    let pooled = Pooled::new(2);
    let (acme, globex) = (pooled.scene.acme, pooled.scene.globex);
    let db = pooled.connect(1);
    add(&db, &acme, "Secret").unwrap();
    // Another key under the same name.
    let forger = SealKey::new("test", &[9; 32]).unwrap();
    let forged = pooled.connect_with(1, forger).unwrap();
    let answer = add(&forged, &acme, "Forged");
    assert!(matches!(answer, Err(Error::SealRefused(_))), "{answer:?}");
    // No context, and one entered inside somebody's transaction.
    let mut stranger = pooled.stranger();
    let read = projects::table.count().get_result::<i64>(&mut stranger);
    assert!(matches!(
        read.map_err(Error::from),
        Err(Error::NoContext(_))
    ));
    let seal = seal_key().seal(&acme.context(), 0, now());
    let late = run_untyped(&db, &globex, &format!("SELECT tenancy.enter('{seal}')"));
    assert!(matches!(late, Err(Error::Tainted)), "{late:?}");
    let slot = run_untyped(&db, &globex, "SET backtrace_functions = 'x'");
    assert!(matches!(slot, Err(Error::Query(_))), "{slot:?}");
    // A session that belongs to somebody else, and a tenant that is not the session's.
    let other = db.run_blocking(globex.context_in(&acme), look);
    assert!(matches!(other, Err(Error::Stale)), "{other:?}");
}

/// At level managed everybody may write the setting in which the context lies.
#[test]
fn a_token_of_a_neighbour_on_the_same_backend_opens_nothing_at_level_managed() {
    let pooled = Pooled::managed(1);
    let (acme, globex) = (pooled.scene.acme, pooled.scene.globex);
    let db = pooled.connect(1);
    add(&db, &acme, "Secret").unwrap();
    let token = setting(&db, &acme, "tenancy.context");
    assert!(token.starts_with(&acme.id.simple().to_string()), "{token}");
    let backend = pid_of(&db, &acme);
    // For the transaction, and for the backend's next one, which is another tenant's.
    for set in ["SET LOCAL", "SET"] {
        let sql = format!("{set} tenancy.context = '{token}'");
        let stolen = db.run_blocking(globex.context(), move |conn| {
            sql_query(sql).execute(conn)?;
            look(conn)
        });
        assert!(matches!(stolen, Err(Error::SealRefused(_))), "{stolen:?}");
        let mut stranger = pooled.stranger();
        stranger
            .batch_execute(&format!("SET tenancy.context = '{token}'"))
            .unwrap();
        let read = projects::table.count().get_result::<i64>(&mut stranger);
        let read = read.map_err(Error::from);
        assert!(matches!(read, Err(Error::SealRefused(_))), "{read:?}");
        let (pid, seen) = db.run_blocking(globex.context(), look).unwrap();
        assert_eq!((pid, seen), (backend, vec![]));
    }
}

/// There PUBLIC sees what others of its role run, and an unbound seal would open a context on every backend.
#[test]
fn a_seal_is_in_no_statement_that_others_see_at_level_managed() {
    let pooled = Pooled::managed(2);
    let db = pooled.connect(1);
    let backend = pid_of(&db, &pooled.scene.globex);
    let mut watcher = pooled.scene.database.connect_as("rowhouse_app");
    // What waits in tenancy.enter goes on showing the message that called it.
    let mut blocker = pooled.scene.database.superuser();
    blocker
        .batch_execute("BEGIN; LOCK TABLE tenancy.session IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let context = pooled.scene.globex.context();
    let work = std::thread::spawn(move || db.run_blocking(context, |_| Ok::<_, Error>(())));
    let waits = format!("pid = {backend} AND wait_event_type = 'Lock'");
    eventually("it waits in tenancy.enter", || {
        holds(
            &mut watcher,
            &format!("EXISTS (SELECT FROM pg_stat_activity WHERE {waits})"),
        )
        .then_some(())
    });
    let shown: String = diesel::select(dsl::sql::<Text>(&format!(
        "(SELECT query FROM pg_stat_activity WHERE pid = {backend})"
    )))
    .get_result(&mut watcher)
    .unwrap();
    blocker.batch_execute("ROLLBACK").unwrap();
    work.join().unwrap().unwrap();
    assert_eq!(shown.trim(), "");
}

/// What is lost by an unbound key, and what is not.
#[test]
fn a_seal_of_an_unbound_key_opens_a_context_on_any_backend_for_ten_seconds() {
    let pooled = Pooled::new(2);
    let acme = pooled.scene.acme;
    add(&pooled.connect(1), &acme, "Secret").unwrap();
    let enter = |issued_at| {
        let seal = seal_key().seal(&acme.context(), 0, issued_at);
        let mut thief = pooled.stranger();
        let begin = format!("BEGIN; SELECT tenancy.enter('{seal}')");
        thief.batch_execute(&begin).map_err(Error::from)?;
        let names: Vec<String> = projects::table.select(projects::name).load(&mut thief)?;
        thief.batch_execute("ROLLBACK")?;
        Ok::<_, Error>(names)
    };
    assert_eq!(enter(now()).unwrap(), ["Secret"]);
    assert!(matches!(enter(now() - 12), Err(Error::SealRefused(_))));
    // Registered as it was before, it holds for one backend, and opens nothing here.
    register_seal_key(&mut pooled.scene.database.superuser(), &seal_key()).unwrap();
    assert!(matches!(enter(now()), Err(Error::SealRefused(_))));
    let answer = add(&pooled.connect(1), &acme, "Written");
    assert!(matches!(answer, Err(Error::SealRefused(_))), "{answer:?}");
}

#[test]
fn a_timeout_ends_one_statement_and_the_backend_serves_the_next() {
    let pooled = Pooled::new(1);
    let db = pooled.connect(1);
    let before = pid_of(&db, &pooled.scene.acme);
    let hasty = db.with_statement_timeout(Duration::from_millis(50));
    let late = run_untyped(&hasty, &pooled.scene.acme, "SELECT pg_sleep(30)");
    assert!(matches!(late, Err(Error::Timeout(_))), "{late:?}");
    assert_eq!(
        setting(&db, &pooled.scene.globex, "statement_timeout"),
        "15s"
    );
    assert_eq!(pid_of(&db, &pooled.scene.globex), before);
}

#[test]
fn a_backend_that_dies_idle_is_replaced_and_one_that_dies_at_work_harms_its_transaction_alone() {
    let pooled = Pooled::new(1);
    let db = pooled.connect(2);
    let idle = pid_of(&db, &pooled.scene.acme);
    pooled.scene.terminate(idle);
    eventually("another backend serves", || {
        add(&db, &pooled.scene.acme, "After").ok()
    });
    let result = db.run_blocking(pooled.scene.acme.context(), {
        let acme = pooled.scene.acme;
        let mut superuser = pooled.scene.database.superuser();
        move |conn| {
            acme.add(conn, "Lost")?;
            let pid = pid(conn)?;
            assert!(holds(
                &mut superuser,
                &format!("pg_terminate_backend({pid}, 10000)")
            ));
            acme.add(conn, "Lost too")?;
            Ok::<_, Error>(())
        }
    });
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    add(&db, &pooled.scene.globex, "Next").unwrap();
    assert_eq!(pooled.scene.names(), ["After", "Next"]);
}

#[tokio::test]
async fn a_read_writes_nothing_and_leaves_nothing() {
    let pooled = Pooled::new(1);
    let db = pooled.connect(1);
    let acme = pooled.scene.acme;
    let written = db
        .read(acme.context(), move |conn| {
            acme.add(conn, "Written")?;
            Ok::<_, Error>(())
        })
        .await;
    assert!(matches!(written, Err(Error::Query(_))), "{written:?}");
    db.health().await.unwrap();
    let lock = |conn: &mut TenantConn<'_>| {
        sql_query("SELECT pg_advisory_lock(7)").execute(conn)?;
        Ok::<_, Error>(())
    };
    db.read(acme.context(), lock).await.unwrap();
    let locks = "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
    let left = number(&mut pooled.scene.database.superuser(), locks);
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_service_asks_and_writes_through_it_under_its_own_settings() {
    let pooled = Pooled::new(1);
    let settings = PoolSettings {
        connections: 2,
        pgbouncer: true,
        ..PoolSettings::default()
    };
    let service = ServiceDb::connect(pooled.bouncer.url("rowhouse_auth"), &settings).unwrap();
    let database = pooled.scene.database_name();
    let role = format!("ALTER ROLE rowhouse_auth IN DATABASE {database} SET search_path = pg_temp");
    service
        .run(move |conn| {
            conn.batch_execute(&role)?;
            conn.batch_execute("SET statement_timeout = '1h'; PREPARE x AS SELECT 1")?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    let shown = |name: &'static str| {
        service.ask(move |conn| {
            let shown = dsl::sql::<Text>(&format!("current_setting('{name}')"));
            diesel::select(shown).get_result::<String>(conn)
        })
    };
    assert_eq!(shown("statement_timeout").await.unwrap(), "15s");
    assert_eq!(shown("search_path").await.unwrap(), "public");
    let prepared = service
        .run(|conn| {
            Ok::<_, Error>(number(
                conn,
                "(SELECT count(*) FROM pg_prepared_statements)",
            ))
        })
        .await;
    assert_eq!(prepared.unwrap(), 0);
}
