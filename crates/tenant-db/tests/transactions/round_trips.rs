//! What a transaction costs, counted in answers of PostgreSQL that crossed the wire.

use tenant_db::diesel::prelude::*;
use tenant_db::diesel::{self, sql_query};
use tenant_db::{Error, TenantConn};

use crate::fixtures::{Scene, pg_backend_pid, pid};
use crate::wire::Wire;

/// The round trips of a transaction on a connection that has run the same one before.
fn warm(work: fn(&mut TenantConn<'_>) -> Result<(), Error>) -> usize {
    let scene = Scene::new();
    let wire = Wire::to(&scene);
    let db = wire.connect(&scene, 1);
    let run = || db.run_blocking(scene.acme.context(), work).unwrap();
    run();
    let before = wire.round_trips();
    run();
    wire.round_trips() - before
}

#[test]
fn a_transaction_with_one_query_costs_three_round_trips() {
    assert_eq!(warm(|conn| pid(conn).map(|_| ()).map_err(Error::from)), 3);
}

#[test]
fn a_transaction_with_two_queries_costs_four() {
    let two = |conn: &mut TenantConn<'_>| {
        pid(conn)?;
        pid(conn)?;
        Ok(())
    };
    assert_eq!(warm(two), 4);
}

#[test]
fn sql_that_diesel_did_not_build_costs_a_look_before_commit_and_one_before_the_next_use() {
    let untyped = |conn: &mut TenantConn<'_>| {
        sql_query("SELECT 1").execute(conn)?;
        Ok(())
    };
    assert_eq!(warm(untyped), 5);
}

#[test]
fn a_reading_transaction_costs_the_same() {
    let scene = Scene::new();
    let wire = Wire::to(&scene);
    let db = wire.connect(&scene, 1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let read = || {
        let read = db.read(scene.acme.context(), |conn| Ok::<_, Error>(pid(conn)?));
        runtime.block_on(read).unwrap()
    };
    read();
    let before = wire.round_trips();
    read();
    assert_eq!(wire.round_trips() - before, 3);
}

#[test]
fn a_single_statement_of_a_service_costs_one() {
    let scene = Scene::new();
    let wire = Wire::to(&scene);
    let db = wire.connect_service(&scene);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ask = || {
        let asked = db.ask(|conn| diesel::select(pg_backend_pid()).get_result::<i32>(conn));
        runtime.block_on(asked).unwrap()
    };
    ask();
    let before = wire.round_trips();
    ask();
    assert_eq!(wire.round_trips() - before, 1);
}
