//! What the trail adds to a change makes nobody wait in a circle who would not without it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use auth::CheckpointKey;
use chrono::Utc;
use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rowhouse_tests::Database;
use store::OpsDb;
use tenant_db::audit;
use uuid::Uuid;

use crate::sealed::{Tenant, code, count, enter, pid, texts, two_tenants};

/// How many write at once, and how many transactions each makes.
const SESSIONS: u64 = 6;
const TRANSACTIONS: u64 = 15;

const WITHOUT_AUDIT: &str = "ALTER TABLE projects DISABLE TRIGGER tenancy_audit";

/// What the trail would do if each change were chained at once.
const CHAINED_AT_ONCE: &str = "
CREATE FUNCTION lock_chain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM tenancy.lock_chain(NEW.tenant_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER chained_at_once AFTER UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION lock_chain()";

/// Two tenants; whoever waits in a circle is told so soon.
fn stage() -> (Database, [Tenant; 2]) {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    database
        .superuser()
        .batch_execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''20ms''', current_database()); END $$",
        )
        .unwrap();
    (database, [acme, globex])
}

fn projects(database: &Database, tenant: &Tenant) -> Vec<String> {
    let sql = format!(
        "SELECT id::text AS text FROM projects WHERE tenant_id = '{}' ORDER BY id",
        tenant.id
    );
    texts(&mut database.superuser(), &sql).unwrap()
}

/// Changes a row, in the transaction that is open. Answers whether it waited in a circle.
fn change(conn: &mut PgConnection, project: &str) -> bool {
    let sql = format!("UPDATE projects SET version = version + 1 WHERE id = '{project}'");
    match conn.batch_execute(&sql) {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(code::<()>(Err(error)), "deadlock detected");
            true
        }
    }
}

/// Random transactions that change rows in the order of their ids, while the chains are sealed and
/// signed. Answers how many of them waited in a circle.
fn deadlocks_of_many(database: &Database, tenants: &[Tenant; 2], seed: u64) -> usize {
    let is_done = AtomicBool::new(false);
    let work = |number: u64| {
        let mut random = StdRng::seed_from_u64(seed.wrapping_add(number));
        let [acme, globex] = tenants;
        let tenant = if number.is_multiple_of(3) {
            globex
        } else {
            acme
        };
        let projects = projects(database, tenant);
        let mut app = database.connect_as("rowhouse_app");
        let transaction = |_: u64| {
            enter(&mut app, &tenant.context()).unwrap();
            let mut chosen = projects.iter().filter(|_| random.random_bool(0.7));
            let is_circle = chosen.any(|project| change(&mut app, project));
            let end = if is_circle { "ROLLBACK" } else { "COMMIT" };
            app.batch_execute(end).unwrap();
            usize::from(is_circle)
        };
        (0..TRANSACTIONS).map(transaction).sum::<usize>()
    };
    let keep_chains = || {
        let mut auth = database.connect_as("rowhouse_auth");
        let mut ops = OpsDb::connect(&database.url("rowhouse_ops")).unwrap();
        let path = std::env::temp_dir().join(format!("audit-{}.pem", Uuid::new_v4()));
        let key = CheckpointKey::load_or_create(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        while !is_done.load(Ordering::Relaxed) {
            for waiting in audit::tenants_to_seal(&mut auth, 10).unwrap() {
                let _ = audit::seal_events(&mut auth, waiting.tenant, 5).unwrap();
            }
            let _ = ops.sign_chains(&key, Utc::now()).unwrap();
        }
    };
    thread::scope(|scope| {
        let keeper = scope.spawn(keep_chains);
        let writers: Vec<_> = (0..SESSIONS)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        let found = writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .sum();
        is_done.store(true, Ordering::Relaxed);
        keeper.join().unwrap();
        found
    })
}

/// One changes the first row and then the second, another the second in between: nobody waits in a
/// circle, unless a change holds something that both need.
fn deadlocks_of_two(database: &Database, tenant: &Tenant) -> usize {
    let projects = projects(database, tenant);
    let [first, second] = projects.as_slice() else {
        panic!("{projects:?}")
    };
    let (mut one, mut other) = (
        database.connect_as("rowhouse_app"),
        database.connect_as("rowhouse_app"),
    );
    let mut watch = database.superuser();
    enter(&mut one, &tenant.context()).unwrap();
    enter(&mut other, &tenant.context()).unwrap();
    let mut found = usize::from(change(&mut one, first));
    let others = pid(&mut other);
    thread::scope(|scope| {
        let between = scope.spawn(move || {
            let is_circle = change(&mut other, second);
            other
                .batch_execute(if is_circle { "ROLLBACK" } else { "COMMIT" })
                .unwrap();
            usize::from(is_circle)
        });
        let waits = format!(
            "(SELECT count(*) FROM pg_stat_activity WHERE pid = {others} AND wait_event_type = 'Lock')"
        );
        let deadline = Instant::now() + Duration::from_secs(30);
        while !between.is_finished() && count(&mut watch, &waits) == Ok(0) {
            assert!(Instant::now() < deadline, "neither done nor waiting");
            thread::yield_now();
        }
        let is_circle = change(&mut one, second);
        one.batch_execute(if is_circle { "ROLLBACK" } else { "COMMIT" })
            .unwrap();
        found += usize::from(is_circle) + between.join().unwrap();
    });
    found
}

#[test]
fn the_same_changes_wait_in_a_circle_as_often_with_the_trail_as_without() {
    let seed: u64 = rand::random();
    let (database, tenants) = stage();
    let [acme, _] = &tenants;
    let deadlocks = || {
        (
            deadlocks_of_many(&database, &tenants, seed),
            deadlocks_of_two(&database, acme),
        )
    };
    let events = "(SELECT count(*) FROM tenancy.audit_events)";
    let mut superuser = database.superuser();
    let before = count(&mut superuser, events).unwrap();
    let with = deadlocks();
    let left = count(&mut superuser, events).unwrap() - before;
    assert!(left > 50, "{left} events");
    superuser.batch_execute(WITHOUT_AUDIT).unwrap();
    let without = deadlocks();
    assert_eq!(count(&mut superuser, events).unwrap() - before, left);
    assert_eq!((with, without), ((0, 0), (0, 0)), "seed {seed}");
    // It would be seen.
    superuser.batch_execute(CHAINED_AT_ONCE).unwrap();
    assert_eq!(deadlocks_of_two(&database, acme), 1);
}
