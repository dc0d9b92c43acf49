//! The ends of the chains are signed by the servers, and only of chains that hold.

use std::time::Duration;

use auth::CheckpointKey;
use chrono::Utc;
use rowhouse_tests::TestApp;
use store::{BrokenChain, Next, Signing};
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
