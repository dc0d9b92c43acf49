//! COMMIT of an aborted transaction is a silent ROLLBACK: `Ok` from the closure must not become
//! `Ok` for the caller.

use tenant_db::diesel::connection::TransactionManager as _;
use tenant_db::diesel::prelude::*;
use tenant_db::diesel::{self, QueryResult, sql_query};
use tenant_db::{Error, Savepoints, TenantConn};

use crate::fixtures::{Scene, Tenant, projects};
use crate::wire::{Fate, Wire};

diesel::table! {
    /// A column that the database does not have: Diesel prepares the query, and that fails.
    #[sql_name = "projects"]
    mistaken (id) {
        id -> Uuid,
        colour -> Text,
    }
}

fn typed_load(conn: &mut TenantConn<'_>) -> QueryResult<()> {
    mistaken::table
        .select(mistaken::colour)
        .load::<String>(conn)
        .map(drop)
}

fn typed_execute(conn: &mut TenantConn<'_>) -> QueryResult<()> {
    diesel::update(mistaken::table)
        .set(mistaken::colour.eq("red"))
        .execute(conn)
        .map(drop)
}

fn untyped_load(conn: &mut TenantConn<'_>) -> QueryResult<()> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        colour: String,
    }
    sql_query("SELECT colour FROM projects")
        .load::<Row>(conn)
        .map(|rows| drop(rows.into_iter().map(|row| row.colour)))
}

fn untyped_execute(conn: &mut TenantConn<'_>) -> QueryResult<()> {
    sql_query("UPDATE projects SET colour = 'red'")
        .execute(conn)
        .map(drop)
}

fn violated_constraint(conn: &mut TenantConn<'_>) -> QueryResult<()> {
    // Every project has a name.
    let values = (
        projects::tenant_id.eq(conn.tenant()),
        projects::id.eq(uuid::Uuid::nil()),
        projects::name.eq(""),
        projects::owner_id.eq(uuid::Uuid::nil()),
    );
    diesel::insert_into(projects::table)
        .values(values)
        .execute(conn)
        .map(drop)
}

type Failure = fn(&mut TenantConn<'_>) -> QueryResult<()>;

const FAILURES: [(&str, Failure); 5] = [
    ("a typed query whose prepare fails", typed_load),
    ("a typed command whose prepare fails", typed_execute),
    ("an untyped query", untyped_load),
    ("an untyped command", untyped_execute),
    ("a violated constraint", violated_constraint),
];

/// Every failure in turn, before and after a write, on one connection: what the caller learns.
#[track_caller]
fn each(
    work: fn(&mut TenantConn<'_>, &Tenant, Failure) -> Result<(), Error>,
    check: fn(&Result<(), Error>) -> bool,
    names: &[&str],
) {
    let scene = Scene::new();
    let db = scene.connect(1);
    for (what, failure) in FAILURES {
        let acme = scene.acme;
        let result = db.run_blocking(acme.context(), move |conn| work(conn, &acme, failure));
        let told = format!("{what}: {result:?}");
        assert!(check(&result), "{told}");
        assert_eq!(scene.names(), names, "{told}");
    }
}

fn is_swallowed(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::Swallowed))
}

#[test]
fn a_swallowed_error_is_not_reported_as_success_and_nothing_is_written() {
    each(
        |conn, acme, failure| {
            acme.add(conn, "Written before")?;
            drop(failure(conn));
            Ok(())
        },
        is_swallowed,
        &[],
    );
}

#[test]
fn a_swallowed_error_is_noticed_after_all_that_follows_it() {
    each(
        |conn, acme, failure| {
            acme.add(conn, "Written before")?;
            drop(failure(conn));
            drop(acme.add(conn, "Written after"));
            drop(conn.transaction(|conn| acme.add(conn, "Written deeper")));
            Ok(())
        },
        is_swallowed,
        &[],
    );
}

#[test]
fn an_error_swallowed_inside_a_savepoint_that_was_committed_is_noticed() {
    each(
        |conn, acme, failure| {
            acme.add(conn, "Written before")?;
            drop(conn.transaction(|conn| {
                drop(failure(conn));
                Ok::<_, diesel::result::Error>(())
            }));
            Ok(())
        },
        is_swallowed,
        &[],
    );
}

#[test]
fn a_savepoint_that_is_rolled_back_undoes_no_error_from_before_it() {
    each(
        |conn, acme, failure| {
            acme.add(conn, "Written before")?;
            drop(failure(conn));
            drop(conn.transaction(|conn| {
                Err::<(), _>(conn.transaction(|conn| failure(conn)).unwrap_err())
            }));
            Ok(())
        },
        is_swallowed,
        &[],
    );
}

#[test]
fn an_error_inside_a_savepoint_that_was_rolled_back_is_over_and_the_rest_commits() {
    let scene = Scene::new();
    let db = scene.connect(1);
    for (what, failure) in FAILURES {
        let acme = scene.acme;
        db.run_blocking(acme.context(), move |conn| {
            acme.add(conn, &format!("Before {what}"))?;
            let inner = conn.transaction(|conn| {
                acme.add(conn, "Undone")?;
                conn.transaction(|conn| failure(conn))
            });
            assert!(inner.is_err());
            acme.add(conn, &format!("After {what}"))?;
            Ok::<_, Error>(())
        })
        .unwrap_or_else(|error| panic!("{what}: {error:?}"));
    }
    let mut names: Vec<String> = FAILURES
        .iter()
        .flat_map(|(what, _)| [format!("Before {what}"), format!("After {what}")])
        .collect();
    names.sort();
    assert_eq!(scene.names(), names);
}

#[test]
fn an_error_that_the_closure_hands_on_is_the_caller_s() {
    each(
        |conn, acme, failure| {
            acme.add(conn, "Written before")?;
            failure(conn)?;
            Ok(())
        },
        |result| matches!(result, Err(Error::Query(_))),
        &[],
    );
}

#[test]
fn a_refusal_by_tenant_conn_itself_harms_nothing() {
    let scene = Scene::new();
    let acme = scene.acme;
    scene
        .connect(1)
        .run_blocking(acme.context(), move |conn| {
            acme.add(conn, "Kept")?;
            assert!(sql_query("COMMIT").execute(conn).is_err());
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_eq!(scene.names(), ["Kept"]);
}

/// Diesel tolerates that in a transaction which failed: it then answers `Ok`.
#[test]
fn a_savepoint_that_could_not_be_rolled_back_undoes_no_error() {
    let scene = Scene::new();
    let wire = Wire::to(&scene);
    wire.plan(|sql| {
        if sql.starts_with("ROLLBACK TO SAVEPOINT") {
            Fate::Becomes("ROLLBACK TO SAVEPOINT that_does_not_exist")
        } else {
            Fate::Arrives
        }
    });
    let db = wire.connect(&scene, 1);
    let acme = scene.acme;
    let result = db.run_blocking(acme.context(), move |conn| {
        acme.add(conn, "Written before")?;
        Savepoints::begin_transaction(conn)?;
        assert!(violated_constraint(conn).is_err());
        Savepoints::rollback_transaction(conn)?;
        Ok::<_, Error>(())
    });
    assert!(matches!(result, Err(Error::Swallowed)), "{result:?}");
    assert_eq!(scene.names(), [""; 0]);
}
