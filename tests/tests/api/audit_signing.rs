//! The ends of the chains are signed by the servers, and only of chains that hold where they have
//! grown; and each chain is examined from its beginning on, now and then.

use std::time::Duration;

use auth::CheckpointKey;
use chrono::Utc;
use rowhouse_tests::{Setup, TestApp, Work};
use store::{BrokenChain, ChainCheck, Next, Signing};
use tenant_db::diesel::connection::SimpleConnection as _;

use crate::state;

async fn seal(app: &TestApp) {
    for waiting in app.identity().tenants_to_seal(10).await.unwrap() {
        let sealed = app.identity().seal_events(waiting.tenant.into(), 100).await;
        assert!(sealed.unwrap() > 0);
    }
}

/// As a server does it, once an hour.
async fn sign(app: &TestApp) -> Result<(), Vec<BrokenChain>> {
    let folder = tempfile::tempdir().unwrap();
    let key = CheckpointKey::load_or_create(&folder.path().join("key.pem")).unwrap();
    let signed = app.identity().sign_chains(key, Duration::ZERO, Utc::now());
    match signed.await.unwrap() {
        Signing::Broken(chains) => Err(chains),
        Signing::Fine(next) => {
            assert_eq!(next, Next::Ran { is_finished: true });
            Ok(())
        }
    }
}

#[tokio::test]
async fn servers_sign_no_chain_that_does_not_hold() {
    let (app, alice, _) = TestApp::two_tenants().await;
    seal(&app).await;
    sign(&app).await.unwrap();
    let project = alice.create_project("Atlas").await.id();
    drop(alice.create_project("Borealis").await);
    seal(&app).await;
    let tenant = alice.get("/api/v1/tenant").await.expect(200).json()["id"].clone();
    let tenant: uuid::Uuid = tenant.as_str().unwrap().parse().unwrap();
    // The chain begins with one.
    let seq = state::count(
        &app,
        &format!(
            "tenancy.audit_seals WHERE tenant_id = '{tenant}' AND seq <= (SELECT s.seq \
             FROM tenancy.audit_seals s JOIN tenancy.audit_events e \
             ON e.tenant_id = s.tenant_id AND e.id = s.event_id WHERE e.object_id = '{project}')"
        ),
    );
    let breaks = |seq| vec![BrokenChain { tenant, seq }];
    let event = format!("FROM tenancy.audit_events WHERE object_id = '{project}'");
    for (harm, place) in [
        (
            format!("UPDATE tenancy.audit_events SET actor_id = 'x' WHERE object_id = '{project}'"),
            seq,
        ),
        (format!("DELETE {event}"), seq),
        (
            format!(
                "UPDATE tenancy.audit_seals SET hash = '\\x00' WHERE tenant_id = '{tenant}' AND seq = {seq}"
            ),
            seq,
        ),
        (
            format!("DELETE FROM tenancy.audit_seals WHERE tenant_id = '{tenant}' AND seq = {seq}"),
            seq + 1,
        ),
        (
            format!("DELETE FROM tenancy.audit_seals WHERE tenant_id = '{tenant}' AND seq > {seq}"),
            seq + 1,
        ),
        (
            format!("DELETE FROM tenancy.audit_seals WHERE tenant_id = '{tenant}' AND seq < {seq}"),
            seq,
        ),
    ] {
        state::change(
            &app,
            "CREATE TABLE kept_events AS TABLE tenancy.audit_events",
        );
        state::change(&app, "CREATE TABLE kept_seals AS TABLE tenancy.audit_seals");
        state::change(&app, &harm);
        assert_eq!(sign(&app).await.unwrap_err(), breaks(place), "{harm}");
        for table in ["events", "seals"] {
            state::change(&app, &format!("DELETE FROM tenancy.audit_{table}"));
            state::change(
                &app,
                &format!("INSERT INTO tenancy.audit_{table} TABLE kept_{table}"),
            );
            state::change(&app, &format!("DROP TABLE kept_{table}"));
        }
    }
    sign(&app).await.unwrap();
}

#[tokio::test]
async fn it_is_signed_whatever_a_tenant_locks_and_by_one_server_at_a_time() {
    let (app, _, _) = TestApp::two_tenants().await;
    seal(&app).await;
    // A lock by name is everybody's who knows the name.
    let mut tenant = app.database().connect_as("rowhouse_app");
    tenant
        .batch_execute(
            "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('rowhouse schedule audit_checkpoint', 0))",
        )
        .unwrap();
    sign(&app).await.unwrap();
    assert_eq!(
        state::count(&app, "schedule WHERE name = 'audit_checkpoint'"),
        1
    );

    let mut other = app.database().connect_as("rowhouse_auth");
    other
        .batch_execute("BEGIN; SELECT FROM schedule WHERE name = 'audit_checkpoint' FOR UPDATE")
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let key = CheckpointKey::load_or_create(&folder.path().join("key.pem")).unwrap();
    let signed = app.identity().sign_chains(key, Duration::ZERO, Utc::now());
    assert!(matches!(
        signed.await.unwrap(),
        Signing::Fine(Next::Elsewhere)
    ));
}

/// What is due of all chains, in pieces of two links; what was found of each.
async fn examine(app: &TestApp, hours: u16) -> Vec<ChainCheck> {
    let mut found: Vec<ChainCheck> = Vec::new();
    while let Some(piece) = app.identity().check_chain(hours, 2).await.unwrap() {
        assert!(piece.links <= 2);
        match found.last_mut() {
            Some(last) if last.tenant == piece.tenant => {
                last.links += piece.links;
                last.flaw = piece.flaw;
            }
            _ => found.push(piece),
        }
    }
    found
}

fn make_due(app: &TestApp) {
    state::change(
        app,
        "UPDATE tenancy.chain_checks SET checked_at = checked_at - interval '24 hours'",
    );
}

#[tokio::test]
async fn each_chain_is_examined_from_its_beginning_on_once_a_day() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    for number in 0..3 {
        drop(alice.create_project(&format!("Atlas {number}")).await);
        drop(bob.create_project(&format!("Borealis {number}")).await);
    }
    seal(&app).await;
    sign(&app).await.unwrap();
    let lengths = state::count(&app, "tenancy.audit_seals");
    let found = examine(&app, 24).await;
    assert_eq!(found.len(), 2);
    assert_eq!(found.iter().map(|check| check.links).sum::<i64>(), lengths);
    assert!(found.iter().all(|check| check.flaw.is_none()), "{found:?}");
    assert_eq!(examine(&app, 24).await, []);

    // Long before what servers look at when they sign.
    let tenant = alice.get("/api/v1/tenant").await.expect(200).json()["id"].clone();
    let tenant: uuid::Uuid = tenant.as_str().unwrap().parse().unwrap();
    let of_acme = format!("tenant_id = '{tenant}'");
    let length = state::count(&app, &format!("tenancy.audit_seals WHERE {of_acme}"));
    assert!(length > 4, "{length}");
    let event = format!("(SELECT event_id FROM tenancy.audit_seals WHERE {of_acme} AND seq = 3)");
    for (harm, flaw) in [
        (
            format!("UPDATE tenancy.audit_events SET actor_id = 'x' WHERE id = {event}"),
            3,
        ),
        (
            format!("UPDATE tenancy.audit_events SET changes = '{{}}' WHERE id = {event}"),
            3,
        ),
        (
            format!("DELETE FROM tenancy.audit_events WHERE id = {event}"),
            3,
        ),
        (
            format!("UPDATE tenancy.audit_seals SET hash = '\\x00' WHERE {of_acme} AND seq = 2"),
            2,
        ),
        (
            format!("DELETE FROM tenancy.audit_seals WHERE {of_acme} AND seq = 3"),
            4,
        ),
        (
            format!("DELETE FROM tenancy.audit_seals WHERE {of_acme} AND seq = {length}"),
            length,
        ),
        (
            format!("DELETE FROM tenancy.audit_seals WHERE {of_acme}"),
            1,
        ),
        (
            format!("UPDATE tenancy.audit_heads SET hash = '\\x00' WHERE {of_acme}"),
            length,
        ),
    ] {
        for table in ["events", "seals", "heads"] {
            state::change(
                &app,
                &format!("CREATE TABLE kept_{table} AS TABLE tenancy.audit_{table}"),
            );
        }
        state::change(&app, &harm);
        make_due(&app);
        let found = examine(&app, 24).await;
        let broken: Vec<_> = found.iter().filter(|check| check.flaw.is_some()).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(broken.len(), 1, "{harm}: {found:?}");
        assert_eq!(
            (broken[0].tenant, broken[0].flaw),
            (tenant, Some(flaw)),
            "{harm}"
        );
        for table in ["events", "seals", "heads"] {
            state::change(&app, &format!("DELETE FROM tenancy.audit_{table}"));
            state::change(
                &app,
                &format!("INSERT INTO tenancy.audit_{table} TABLE kept_{table}"),
            );
            state::change(&app, &format!("DROP TABLE kept_{table}"));
        }
    }

    // And by whoever works on jobs.
    make_due(&app);
    let done = "tenancy.chain_checks WHERE seq = 0 AND checked_at > now() - interval '1 hour'";
    assert_eq!(state::count(&app, done), 0);
    let worker = Setup {
        worker: Some(Work::default()),
        ..Setup::default()
    };
    let _beside = app.start_beside_as(worker).await;
    state::until(&app, done, 2).await;
}
