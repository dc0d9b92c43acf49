//! No way out of the transaction from inside the closure, and no silence about one that was
//! found.

use tenant_db::diesel::connection::{SimpleConnection as _, TransactionManager as _};
use tenant_db::diesel::pg::Pg;
use tenant_db::diesel::prelude::*;
use tenant_db::diesel::query_builder::{AstPass, QueryFragment, QueryId};
use tenant_db::diesel::result::Error as DieselError;
use tenant_db::diesel::{self, QueryResult, sql_query};
use tenant_db::{Error, Savepoints, TenantConn};

use crate::fixtures::{Scene, add, eventually, number, pid, pid_of};

/// SQL that hides from `TenantConn` that Diesel did not build it.
#[derive(QueryId)]
struct Disguised(&'static str);

impl QueryFragment<Pg> for Disguised {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql(self.0);
        Ok(())
    }
}

impl<C> diesel::RunQueryDsl<C> for Disguised {}

const CONTROL: [&str; 20] = [
    "COMMIT",
    "commit;",
    "/* */ commit",
    "/* one /* inside */ another */ -- and a line\n\tCOMMIT",
    "COMMIT AND CHAIN",
    "COMMIT PREPARED 'x'",
    "END",
    "ROLLBACK",
    "ROLLBACK AND CHAIN",
    "ROLLBACK TO SAVEPOINT diesel_savepoint_1",
    "ABORT",
    "BEGIN",
    "START TRANSACTION",
    "SAVEPOINT x",
    "RELEASE x",
    "PREPARE x AS SELECT 1",
    "PREPARE TRANSACTION 'x'",
    "DEALLOCATE ALL",
    "DISCARD ALL",
    ";;COMMIT",
];

/// As a query that answers rows.
fn load(conn: &mut TenantConn<'_>, sql: &'static str) -> QueryResult<Vec<i32>> {
    diesel::dsl::sql::<diesel::sql_types::Integer>(sql).load(conn)
}

#[track_caller]
fn assert_refused<T>(result: QueryResult<T>, what: &str) {
    match result {
        Err(DieselError::QueryBuilderError(_)) => {}
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what} was not refused"),
    }
}

#[test]
fn sql_that_controls_transactions_is_refused_before_it_is_sent() {
    let scene = Scene::new();
    let acme = scene.acme;
    scene
        .connect(1)
        .run_blocking(acme.context(), move |conn| {
            acme.add(conn, "Kept")?;
            for sql in CONTROL {
                assert_refused(sql_query(sql).execute(conn), sql);
                assert_refused(load(conn, sql), sql);
            }
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_eq!(scene.names(), ["Kept"]);
}

/// With COPY, libpq hands out the same result for ever, and Diesel waits for its end.
#[test]
fn copy_is_refused_before_it_is_sent() {
    let scene = Scene::new();
    let db = scene.connect(1);
    db.run_blocking(scene.acme.context(), |conn| {
        for sql in [
            "COPY projects TO STDOUT",
            "copy (SELECT 1) to stdout",
            "COPY projects FROM STDIN",
        ] {
            assert_refused(sql_query(sql).execute(conn), sql);
            assert_refused(load(conn, sql), sql);
        }
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn two_statements_in_one_string_are_refused_by_postgresql() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let acme = scene.acme;
    let result = db.run_blocking(acme.context(), move |conn| {
        acme.add(conn, "Not kept")?;
        sql_query("SELECT 1; COMMIT").execute(conn)?;
        Ok::<_, Error>(())
    });
    assert!(matches!(result, Err(Error::Query(_))), "{result:?}");
    assert_eq!(scene.names(), [""; 0]);
}

#[test]
fn batch_execute_is_refused() {
    let scene = Scene::new();
    let db = scene.connect(1);
    db.run_blocking(scene.acme.context(), |conn| {
        assert_refused(conn.batch_execute("SELECT 1"), "batch_execute");
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn a_tenant_conn_cannot_be_established() {
    let url = "postgresql://nobody@/nothing";
    let error = <TenantConn<'static> as diesel::Connection>::establish(url).unwrap_err();
    assert!(error.to_string().contains("TenantDb::run"), "{error}");
}

#[test]
fn the_transaction_itself_can_neither_be_committed_nor_rolled_back_by_hand() {
    let scene = Scene::new();
    let acme = scene.acme;
    scene
        .connect(1)
        .run_blocking(acme.context(), move |conn| {
            acme.add(conn, "Kept")?;
            for result in [
                Savepoints::commit_transaction(conn),
                Savepoints::rollback_transaction(conn),
            ] {
                assert!(
                    matches!(result, Err(DieselError::NotInTransaction)),
                    "{result:?}"
                );
            }
            Savepoints::begin_transaction(conn)?;
            acme.add(conn, "Kept too")?;
            Savepoints::commit_transaction(conn)?;
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_eq!(scene.names(), ["Kept", "Kept too"]);
}

#[test]
fn a_test_transaction_is_refused() {
    let scene = Scene::new();
    let result = scene.connect(1).run_blocking(scene.acme.context(), |conn| {
        Ok::<_, Error>(conn.begin_test_transaction()?)
    });
    assert!(matches!(result, Err(Error::Panicked)), "{result:?}");
}

/// What `work` ends in, on a pool of one: that, and another connection.
#[track_caller]
fn assert_ended_early(work: fn(&mut TenantConn<'_>) -> Result<(), Error>) -> Scene {
    let scene = Scene::new();
    let db = scene.connect(1);
    let acme = scene.acme;
    let before = pid_of(&db, &acme);
    let result = db.run_blocking(acme.context(), move |conn| {
        acme.add(conn, "Written before")?;
        work(conn)
    });
    assert!(matches!(result, Err(Error::EndedEarly)), "{result:?}");
    assert_ne!(pid_of(&db, &acme), before);
    let gone = format!("(SELECT count(*) FROM pg_stat_activity WHERE pid = {before})");
    eventually("the old backend is gone", || {
        (number(&mut scene.database.superuser(), &gone) == 0).then_some(())
    });
    scene
}

#[test]
fn a_commit_that_got_through_is_reported_and_its_connection_dropped() {
    assert_ended_early(|conn| {
        Disguised("COMMIT").execute(conn)?;
        Ok(())
    });
}

#[test]
fn a_rollback_that_got_through_is_reported_and_its_connection_dropped() {
    let scene = assert_ended_early(|conn| {
        Disguised("ROLLBACK").execute(conn)?;
        Ok(())
    });
    assert_eq!(scene.names(), [""; 0]);
}

#[test]
fn a_context_that_was_emptied_is_reported_and_nothing_is_written() {
    let scene = assert_ended_early(|conn| {
        sql_query("RESET ALL").execute(conn)?;
        Ok(())
    });
    assert_eq!(scene.names(), [""; 0]);
}

#[test]
fn a_savepoint_that_was_left_open_is_reported_and_nothing_is_written() {
    let scene = assert_ended_early(|conn| {
        Savepoints::begin_transaction(conn)?;
        Ok(())
    });
    assert_eq!(scene.names(), [""; 0]);
}

#[test]
fn after_a_commit_that_got_through_no_row_can_be_reached() {
    let scene = Scene::new();
    let db = scene.connect(1);
    for sql in ["COMMIT", "COMMIT AND CHAIN"] {
        let acme = scene.acme;
        let result = db.run_blocking(acme.context(), move |conn| {
            Disguised(sql).execute(conn)?;
            acme.add(conn, "Out of context")?;
            Ok::<_, Error>(())
        });
        assert!(result.is_err(), "{sql}");
    }
    assert_eq!(scene.names(), [""; 0]);
    add(&db, &scene.globex, "In context").unwrap();
}

#[test]
fn what_a_closure_sets_on_its_connection_is_not_there_for_the_next_one() {
    let scene = Scene::new();
    let db = scene.connect(1);
    db.run_blocking(scene.acme.context(), |conn| {
        // Both are ignored: the connection outlives the closure.
        conn.set_instrumentation(|_: diesel::connection::InstrumentationEvent<'_>| {
            panic!("this would see the next tenant's queries")
        });
        conn.set_prepared_statement_cache_size(diesel::connection::CacheSize::Disabled);
        Ok::<_, Error>(pid(conn)?)
    })
    .unwrap();
    add(&db, &scene.globex, "Unseen").unwrap();
}
