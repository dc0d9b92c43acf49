//! Connections that are lost: in the pool, in the prologue, in the closure, in COMMIT.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::{Error, TenantDb};

use crate::fixtures::{Scene, Tenant, add, eventually, pid, pid_of};
use crate::wire::{Fate, Wire, is_prologue};

/// The backends that serve this pool: as many transactions at once as it has connections.
fn pids_of(db: &TenantDb, tenant: &Tenant, connections: usize) -> Vec<i32> {
    let together = Arc::new(std::sync::Barrier::new(connections));
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let (db, context, together) = (db.clone(), tenant.context(), Arc::clone(&together));
            std::thread::spawn(move || {
                db.run_blocking(context, move |conn| {
                    together.wait();
                    Ok::<_, Error>(pid(conn)?)
                })
                .unwrap()
            })
        })
        .collect();
    let mut pids: Vec<i32> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), connections);
    pids
}

#[test]
fn a_connection_that_died_in_the_pool_costs_one_more_prologue_and_no_error() {
    let scene = Scene::new();
    let wire = Wire::to(&scene);
    let db = wire.connect(&scene, 1);
    let before = pid_of(&db, &scene.acme);
    scene.terminate(before);
    let prologues = wire.prologues();
    add(&db, &scene.acme, "Written once").unwrap();
    assert_eq!(wire.prologues() - prologues, 2);
    assert_eq!(scene.names(), ["Written once"]);
    assert_ne!(pid_of(&db, &scene.acme), before);
}

#[test]
fn all_connections_that_died_in_the_pool_cost_no_error() {
    let scene = Scene::new();
    let db = scene.connect(4);
    for round in 0..3 {
        let dead = pids_of(&db, &scene.acme, 4);
        for pid in &dead {
            scene.terminate(*pid);
        }
        for number in 0..8 {
            let tenant = if number % 2 == 0 {
                scene.acme
            } else {
                scene.globex
            };
            add(&db, &tenant, &format!("{round}-{number}")).unwrap();
        }
        let alive = pids_of(&db, &scene.globex, 4);
        assert!(alive.iter().all(|pid| !dead.contains(pid)));
    }
    assert_eq!(scene.names().len(), 24);
}

#[test]
fn a_prologue_that_is_lost_on_a_connection_made_for_it_is_not_sent_again() {
    let scene = Scene::new();
    let wire = Wire::to(&scene);
    let db = wire.connect(&scene, 1);
    pid_of(&db, &scene.acme);
    wire.plan(|sql| {
        if is_prologue(sql) {
            Fate::Lost
        } else {
            Fate::Arrives
        }
    });
    let prologues = wire.prologues();
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ran);
    let result = db.run_blocking(scene.acme.context(), move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Error>(())
    });
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    // One on the connection that had been there, one on the connection that took its place.
    assert_eq!(wire.prologues() - prologues, 2);
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    wire.plan(|_| Fate::Arrives);
    add(&db, &scene.acme, "Written after").unwrap();
}

#[test]
fn a_prologue_whose_answer_is_lost_leaves_no_open_transaction_behind() {
    let scene = Scene::new();
    let wire = Wire::to(&scene);
    let db = wire.connect(&scene, 1);
    pid_of(&db, &scene.acme);
    let mut once = true;
    wire.plan(move |sql| {
        if is_prologue(sql) && std::mem::take(&mut once) {
            Fate::AnswerLost
        } else {
            Fate::Arrives
        }
    });
    add(&db, &scene.acme, "Written once").unwrap();
    assert_eq!(scene.names(), ["Written once"]);
}

#[test]
fn a_connection_that_is_lost_during_the_closure_writes_nothing() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let acme = scene.acme;
    for swallows in [false, true] {
        let mut superuser = scene.database.superuser();
        let result = db.run_blocking(acme.context(), move |conn| {
            acme.add(conn, "Written before")?;
            let kill = format!("SELECT pg_terminate_backend({}, 10000)", pid(conn)?);
            superuser.batch_execute(&kill)?;
            let lost = acme.add(conn, "Written after");
            if !swallows {
                lost?;
            }
            Ok::<_, Error>(())
        });
        if swallows {
            assert!(matches!(result, Err(Error::Swallowed)), "{result:?}");
        } else {
            assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
        }
        assert_eq!(scene.names(), [""; 0]);
    }
    add(&db, &acme, "Written at last").unwrap();
}

#[test]
fn a_closure_is_never_run_a_second_time() {
    let scene = Scene::new();
    let wire = Wire::to(&scene);
    let db = wire.connect(&scene, 2);
    let acme = scene.acme;
    for fate in [Fate::Lost, Fate::AnswerLost] {
        wire.plan(move |sql| if sql == "COMMIT" { fate } else { Fate::Arrives });
        let ran = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ran);
        let result = db.run_blocking(acme.context(), move |conn| {
            counted.fetch_add(1, Ordering::SeqCst);
            acme.add(conn, "Perhaps")?;
            Ok::<_, Error>(())
        });
        assert!(
            matches!(result, Err(Error::OutcomeUnknown(_))),
            "{result:?}"
        );
        assert_eq!(ran.load(Ordering::SeqCst), 1);
    }
    // The first COMMIT never arrived, the second one did: nobody could tell them apart.
    eventually("the second one is there", || {
        (scene.names() == ["Perhaps"]).then_some(())
    });
    wire.plan(|_| Fate::Arrives);
    add(&db, &acme, "Surely").unwrap();
}

#[test]
fn a_backend_that_dies_in_commit_leaves_the_outcome_unknown() {
    let scene = Scene::new();
    scene
        .database
        .superuser()
        .batch_execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
                 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
             GRANT EXECUTE ON FUNCTION die() TO PUBLIC;
             CREATE CONSTRAINT TRIGGER die AFTER INSERT ON projects
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.name = 'Deadly') EXECUTE FUNCTION die();",
        )
        .unwrap();
    let db = scene.connect(1);
    let before = pid_of(&db, &scene.acme);
    let result = add(&db, &scene.acme, "Deadly");
    assert!(
        matches!(result, Err(Error::OutcomeUnknown(_))),
        "{result:?}"
    );
    add(&db, &scene.acme, "Harmless").unwrap();
    assert_eq!(scene.names(), ["Harmless"]);
    assert_ne!(pid_of(&db, &scene.acme), before);
}

#[test]
fn a_constraint_that_fails_in_commit_is_an_answer_and_no_loss() {
    let scene = Scene::new();
    scene
        .database
        .superuser()
        .batch_execute(
            "ALTER TABLE projects ADD CONSTRAINT one_name UNIQUE (tenant_id, name) DEFERRABLE INITIALLY DEFERRED",
        )
        .unwrap();
    let db = scene.connect(1);
    let acme = scene.acme;
    let before = pid_of(&db, &acme);
    let result = db.run_blocking(acme.context(), move |conn| {
        acme.add(conn, "Twice")?;
        acme.add(conn, "Twice")?;
        Ok::<_, Error>(())
    });
    match result {
        Err(Error::Query(tenant_db::diesel::result::Error::DatabaseError(_, info))) => {
            assert_eq!(info.constraint_name(), Some("one_name"));
        }
        result => panic!("{result:?}"),
    }
    assert_eq!(scene.names(), [""; 0]);
    assert_eq!(pid_of(&db, &acme), before);
}
