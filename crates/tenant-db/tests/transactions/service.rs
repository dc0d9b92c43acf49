//! The same faults on a service's own connections, where the closure holds a plain PgConnection.

use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::diesel::connection::{AnsiTransactionManager, TransactionManager as _};
use tenant_db::diesel::prelude::*;
use tenant_db::diesel::{self, PgConnection, QueryResult, sql_query};
use tenant_db::{Error, PoolSettings, ServiceDb};

use crate::fixtures::{Scene, add, pg_backend_pid};

diesel::table! {
    accounts (id) {
        id -> Uuid,
        email -> Text,
        full_name -> Text,
        colour -> Text,
    }
}

fn connect(scene: &Scene) -> ServiceDb {
    let settings = PoolSettings {
        connections: 1,
        ..PoolSettings::default()
    };
    ServiceDb::connect(scene.database.url("rowhouse_auth"), &settings).unwrap()
}

fn insert(conn: &mut PgConnection, name: &str) -> QueryResult<usize> {
    diesel::insert_into(accounts::table)
        .values((
            accounts::id.eq(uuid::Uuid::now_v7()),
            accounts::email.eq(format!("{name}@service.example")),
            accounts::full_name.eq(name),
        ))
        .execute(conn)
}

fn pid(conn: &mut PgConnection) -> QueryResult<i32> {
    diesel::select(pg_backend_pid()).get_result(conn)
}

fn names(scene: &Scene) -> Vec<String> {
    accounts::table
        .select(accounts::full_name)
        .filter(accounts::email.like("%@service.example"))
        .order(accounts::full_name)
        .load(&mut scene.database.superuser())
        .unwrap()
}

/// Runs a closure that goes wrong, then one that does not, on a pool of one.
#[track_caller]
fn after(
    work: impl FnOnce(&mut PgConnection) -> Result<(), Error> + Send + 'static,
) -> Result<(), Error> {
    let scene = Scene::new();
    let db = connect(&scene);
    let result = db.run_blocking(|conn| {
        insert(conn, "Undone")?;
        work(conn)
    });
    db.run_blocking(|conn| {
        insert(conn, "Kept")?;
        Ok::<_, Error>(())
    })
    .unwrap();
    assert_eq!(names(&scene), ["Kept"]);
    // What a transaction of the next caller undoes, it undoes alone.
    let undone = db.run_blocking(|conn| {
        insert(conn, "Undone as well")?;
        Err::<(), _>(Error::Busy)
    });
    assert!(matches!(undone, Err(Error::Busy)), "{undone:?}");
    assert_eq!(names(&scene), ["Kept"]);
    result
}

#[test]
fn an_error_rolls_back() {
    let result = after(|_| Err(Error::Stale));
    assert!(matches!(result, Err(Error::Stale)), "{result:?}");
}

#[test]
fn a_panic_rolls_back() {
    let result = after(|_| panic!("on purpose"));
    assert!(matches!(result, Err(Error::Panicked)), "{result:?}");
}

#[test]
fn a_panic_inside_a_savepoint_rolls_all_of_it_back() {
    let result = after(|conn| {
        conn.transaction(|conn| {
            insert(conn, "Deeper")?;
            panic!("on purpose")
        })
    });
    assert!(matches!(result, Err(Error::Panicked)), "{result:?}");
}

#[test]
fn an_error_with_a_savepoint_left_open_rolls_all_of_it_back() {
    let result = after(|conn| {
        AnsiTransactionManager::begin_transaction(conn)?;
        Err(Error::Stale)
    });
    assert!(matches!(result, Err(Error::Stale)), "{result:?}");
}

#[test]
fn success_with_a_savepoint_left_open_is_reported() {
    let result = after(|conn| Ok(AnsiTransactionManager::begin_transaction(conn)?));
    assert!(matches!(result, Err(Error::EndedEarly)), "{result:?}");
}

#[test]
fn a_swallowed_error_is_not_reported_as_success() {
    let result = after(|conn| {
        drop(sql_query("SELECT 1 / 0").execute(conn));
        Ok(())
    });
    assert!(matches!(result, Err(Error::Swallowed)), "{result:?}");
}

#[test]
fn a_swallowed_error_costs_no_connection() {
    let scene = Scene::new();
    let db = connect(&scene);
    let before: i32 = db.run_blocking(|conn| Ok::<_, Error>(pid(conn)?)).unwrap();
    let result = db.run_blocking(|conn| {
        drop(sql_query("SELECT 1 / 0").execute(conn));
        Ok::<_, Error>(())
    });
    assert!(matches!(result, Err(Error::Swallowed)), "{result:?}");
    let after: i32 = db.run_blocking(|conn| Ok::<_, Error>(pid(conn)?)).unwrap();
    assert_eq!(before, after);
}

#[test]
fn a_swallowed_error_of_a_prepare_is_not_reported_as_success() {
    for loads in [true, false] {
        let result = after(move |conn| {
            if loads {
                drop(
                    accounts::table
                        .select(accounts::colour)
                        .load::<String>(conn),
                );
            } else {
                let red = accounts::colour.eq("red");
                drop(diesel::update(accounts::table).set(red).execute(conn));
            }
            Ok(())
        });
        assert!(matches!(result, Err(Error::Swallowed)), "{result:?}");
    }
}

#[test]
fn an_error_inside_a_savepoint_that_was_rolled_back_is_over() {
    let scene = Scene::new();
    let db = connect(&scene);
    db.run_blocking(|conn| {
        insert(conn, "Before")?;
        let inner = conn.transaction(|conn| {
            insert(conn, "Undone")?;
            accounts::table
                .select(accounts::colour)
                .load::<String>(conn)
        });
        assert!(inner.is_err());
        insert(conn, "After")?;
        Ok::<_, Error>(())
    })
    .unwrap();
    assert_eq!(names(&scene), ["After", "Before"]);
}

#[test]
fn a_commit_of_one_s_own_is_reported() {
    let scene = Scene::new();
    let db = connect(&scene);
    let before: i32 = db.run_blocking(|conn| Ok::<_, Error>(pid(conn)?)).unwrap();
    let result = db.run_blocking(|conn| {
        conn.batch_execute("COMMIT")?;
        Ok::<_, Error>(())
    });
    assert!(matches!(result, Err(Error::EndedEarly)), "{result:?}");
    let after: i32 = db.run_blocking(|conn| Ok::<_, Error>(pid(conn)?)).unwrap();
    assert_ne!(before, after);
}

#[test]
fn a_connection_that_died_in_the_pool_costs_no_error() {
    let scene = Scene::new();
    let db = connect(&scene);
    let before: i32 = db.run_blocking(|conn| Ok::<_, Error>(pid(conn)?)).unwrap();
    scene.terminate(before);
    db.run_blocking(|conn| {
        insert(conn, "Kept")?;
        Ok::<_, Error>(())
    })
    .unwrap();
    assert_eq!(names(&scene), ["Kept"]);
}

#[test]
fn a_connection_that_is_lost_during_the_closure_writes_nothing() {
    let scene = Scene::new();
    let db = connect(&scene);
    let mut superuser = scene.database.superuser();
    let result = db.run_blocking(move |conn| {
        insert(conn, "Undone")?;
        let kill = format!("SELECT pg_terminate_backend({}, 10000)", pid(conn)?);
        superuser.batch_execute(&kill)?;
        insert(conn, "Too late")?;
        Ok::<_, Error>(())
    });
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    db.run_blocking(|conn| {
        insert(conn, "Kept")?;
        Ok::<_, Error>(())
    })
    .unwrap();
    assert_eq!(names(&scene), ["Kept"]);
}

#[test]
fn neither_kind_of_transaction_opens_inside_the_other() {
    let scene = Scene::new();
    let (service, tenants) = (connect(&scene), scene.connect(1));
    let (inner, acme) = (tenants.clone(), scene.acme);
    service
        .run_blocking(move |_| {
            let result = add(&inner, &acme, "Nested");
            assert!(matches!(result, Err(Error::Nested)), "{result:?}");
            Ok::<_, Error>(())
        })
        .unwrap();
    tenants
        .run_blocking(acme.context(), move |_| {
            let result = service.run_blocking(|_| Ok::<_, Error>(()));
            assert!(matches!(result, Err(Error::Nested)), "{result:?}");
            Ok::<_, Error>(())
        })
        .unwrap();
}

fn ask<T: Send + 'static>(
    db: &ServiceDb,
    statement: impl Fn(&mut PgConnection) -> QueryResult<T> + Send + 'static,
) -> Result<T, Error> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(db.ask(statement))
}

#[test]
fn a_single_statement_stands_by_itself() {
    let scene = Scene::new();
    let db = connect(&scene);
    assert_eq!(ask(&db, |conn| insert(conn, "Kept")).unwrap(), 1);
    let refused = ask(&db, |conn| sql_query("SELECT 1 / 0").execute(conn));
    assert!(matches!(refused, Err(Error::Query(_))), "{refused:?}");
    assert_eq!(names(&scene), ["Kept"]);
}

#[test]
fn a_single_statement_finds_another_connection_where_its_own_has_died() {
    let scene = Scene::new();
    let db = connect(&scene);
    let before = ask(&db, pid).unwrap();
    scene.terminate(before);
    assert_ne!(ask(&db, pid).unwrap(), before);
}

#[test]
fn a_single_statement_that_panics_or_opens_a_transaction_leaves_nothing_behind() {
    let scene = Scene::new();
    let db = connect(&scene);
    let panicked = ask(&db, |_| -> QueryResult<()> { panic!("on purpose") });
    assert!(matches!(panicked, Err(Error::Panicked)), "{panicked:?}");
    let opened = ask(&db, |conn| {
        AnsiTransactionManager::begin_transaction(conn)?;
        insert(conn, "Undone")
    });
    assert!(matches!(opened, Err(Error::EndedEarly)), "{opened:?}");
    ask(&db, |conn| insert(conn, "Kept")).unwrap();
    assert_eq!(names(&scene), ["Kept"]);
}
