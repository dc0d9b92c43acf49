//! The ends of the chains are signed by the servers, and only of chains that hold where they have
//! grown; and each chain is examined from its beginning on, now and then.

use std::time::Duration;

use auth::CheckpointKey;
use chrono::Utc;
use rowhouse_tests::{Caller, Setup, TestApp, Work};
use store::{BrokenChain, ChainCheck, Next, Pace, Signing};
use tenant_db::diesel::connection::SimpleConnection as _;
use uuid::Uuid;

use crate::state;

async fn seal(app: &TestApp) {
    for waiting in app.identity().tenants_to_seal(10).await.unwrap() {
        let sealed = app.identity().seal_events(waiting.tenant.into(), 100).await;
        assert!(sealed.unwrap() > 0);
    }
}

/// As a server does it, once an hour, in pieces of this size.
async fn sign_at(app: &TestApp, pace: Pace) -> Signing {
    let folder = tempfile::tempdir().unwrap();
    let key = CheckpointKey::load_or_create(&folder.path().join("key.pem")).unwrap();
    let signed = app
        .identity()
        .sign_chains(key, Duration::ZERO, pace, Utc::now());
    let signing = signed.await.unwrap();
    assert!(signing.unread.is_empty());
    signing
}

/// The chains that were not signed.
async fn sign(app: &TestApp) -> Vec<BrokenChain> {
    let signing = sign_at(app, Pace::default()).await;
    assert_eq!(signing.next, Next::Ran { is_finished: true });
    signing.broken
}

/// How many links of its chain a tenant has, and how many of them are signed.
fn lengths(app: &TestApp, tenant: Uuid) -> (i64, i64) {
    let of = |column: &str| {
        let chain = format!("tenancy.audit_heads h, generate_series(1, h.{column})");
        state::count(app, &format!("{chain} WHERE h.tenant_id = '{tenant}'"))
    };
    (of("seq"), of("signed_seq"))
}

async fn tenant_of(caller: &Caller) -> Uuid {
    let tenant = caller.get("/api/v1/tenant").await.expect(200).json();
    tenant["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn servers_sign_no_chain_that_does_not_hold() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    seal(&app).await;
    assert_eq!(sign(&app).await, []);
    let project = alice.create_project("Atlas").await.id();
    drop(alice.create_project("Borealis").await);
    seal(&app).await;
    let tenant = tenant_of(&alice).await;
    let bobs = tenant_of(&bob).await;
    let signed = lengths(&app, tenant).1;
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
        // What was looked at before; from here on that is more with each harm.
        (
            format!("DELETE FROM tenancy.audit_seals WHERE tenant_id = '{tenant}' AND seq < {seq}"),
            signed,
        ),
        (
            format!(
                "UPDATE tenancy.audit_seals SET hash = '\\x00' WHERE tenant_id = '{tenant}' AND seq = {signed}"
            ),
            signed,
        ),
        (
            format!("DELETE FROM tenancy.audit_seals WHERE tenant_id = '{tenant}' AND seq > {seq}"),
            seq + 1,
        ),
        (
            format!("UPDATE tenancy.audit_heads SET hash = '\\x00' WHERE tenant_id = '{tenant}'"),
            lengths(&app, tenant).0,
        ),
        (
            format!("UPDATE tenancy.audit_heads SET seq = 1 WHERE tenant_id = '{tenant}'"),
            2,
        ),
        (
            format!("DELETE FROM tenancy.audit_heads WHERE tenant_id = '{tenant}'"),
            1,
        ),
    ] {
        drop(bob.create_project("Cumulus").await);
        seal(&app).await;
        state::change(
            &app,
            "CREATE TABLE kept_events AS TABLE tenancy.audit_events",
        );
        state::change(&app, "CREATE TABLE kept_seals AS TABLE tenancy.audit_seals");
        state::change(&app, "CREATE TABLE kept_heads AS TABLE tenancy.audit_heads");
        state::change(&app, &harm);
        // Each time, until it is mended; and the neighbour is not made to wait for that.
        for _ in 0..2 {
            assert_eq!(sign(&app).await, breaks(place), "{harm}");
        }
        let (length, signed_now) = lengths(&app, bobs);
        assert_eq!(length, signed_now, "{harm}");
        state::change(
            &app,
            &format!("UPDATE kept_heads SET signed_seq = {length} WHERE tenant_id = '{bobs}'"),
        );
        for table in ["events", "seals", "heads"] {
            state::change(&app, &format!("DELETE FROM tenancy.audit_{table}"));
            state::change(
                &app,
                &format!("INSERT INTO tenancy.audit_{table} TABLE kept_{table}"),
            );
            state::change(&app, &format!("DROP TABLE kept_{table}"));
        }
        assert_eq!(lengths(&app, tenant).1, signed, "{harm}");
    }
    assert_eq!(sign(&app).await, []);
    let (length, signed) = lengths(&app, tenant);
    assert_eq!(length, signed);
}

#[tokio::test]
async fn a_long_chain_is_looked_at_in_pieces_and_keeps_nobody_waiting() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let (alices, bobs) = (tenant_of(&alice).await, tenant_of(&bob).await);
    seal(&app).await;
    assert_eq!(sign(&app).await, []);
    for n in 0..9 {
        drop(alice.create_project(&format!("Project {n}")).await);
    }
    drop(bob.create_project("Cumulus").await);
    seal(&app).await;
    let start = lengths(&app, alices).1;
    assert_eq!(lengths(&app, alices).0, start + 9);

    // Two pieces of two links; each piece is kept.
    let by_links = Pace {
        links: 2,
        bytes: i64::MAX,
        pieces: 2,
    };
    let signing = sign_at(&app, by_links).await;
    assert_eq!(signing.next, Next::Ran { is_finished: false });
    assert_eq!(lengths(&app, alices), (start + 9, start + 4));
    let (length, signed) = lengths(&app, bobs);
    assert_eq!(length, signed);

    // Pieces that end with the first value are one link long.
    let by_bytes = Pace {
        links: 100,
        bytes: 1,
        pieces: 3,
    };
    let signing = sign_at(&app, by_bytes).await;
    assert_eq!(signing.next, Next::Ran { is_finished: false });
    assert_eq!(lengths(&app, alices), (start + 9, start + 7));

    // What breaks in a later piece is found there, and what came before it stays signed.
    let last = format!(
        "WHERE id IN (SELECT event_id FROM tenancy.audit_seals \
         WHERE tenant_id = '{alices}' AND seq = {})",
        start + 9
    );
    state::change(
        &app,
        &format!("UPDATE tenancy.audit_events SET action = 'x' {last}"),
    );
    let broken = [BrokenChain {
        tenant: alices,
        seq: start + 9,
    }];
    assert_eq!(sign(&app).await, broken);
    assert_eq!(lengths(&app, alices), (start + 9, start + 7));
    state::change(
        &app,
        &format!("UPDATE tenancy.audit_events SET action = 'insert' {last}"),
    );
    assert_eq!(sign(&app).await, []);
    assert_eq!(lengths(&app, alices), (start + 9, start + 9));
}

#[tokio::test]
async fn a_chain_that_cannot_be_read_keeps_nobody_waiting() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let (alices, bobs) = (tenant_of(&alice).await, tenant_of(&bob).await);
    seal(&app).await;
    // As of a value that is too large, or a page of the disk that is lost.
    state::change(
        &app,
        &format!(
            "CREATE FUNCTION tenancy.fail() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE 'unreadable'; END $$;
             CREATE TRIGGER fail BEFORE UPDATE ON tenancy.checked_chains
             FOR EACH ROW WHEN (NEW.tenant_id = '{alices}') EXECUTE FUNCTION tenancy.fail()"
        ),
    );
    let folder = tempfile::tempdir().unwrap();
    let key = CheckpointKey::load_or_create(&folder.path().join("key.pem")).unwrap();
    let pace = Pace::default();
    let signed = app
        .identity()
        .sign_chains(key, Duration::ZERO, pace, Utc::now());
    let unread = signed.await.unwrap().unread;
    let unread: Vec<Uuid> = unread.iter().map(|(tenant, _)| *tenant).collect();
    assert_eq!(unread, [alices]);
    assert_eq!(lengths(&app, alices).1, 0);
    let (length, signed) = lengths(&app, bobs);
    assert!(length > 0 && length == signed);
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
    assert_eq!(sign(&app).await, []);
    assert_eq!(
        state::count(&app, "schedule WHERE name = 'audit_checkpoint'"),
        1
    );

    let mut other = app.database().connect_as("rowhouse_auth");
    other
        .batch_execute("BEGIN; SELECT FROM schedule WHERE name = 'audit_checkpoint' FOR UPDATE")
        .unwrap();
    let signing = sign_at(&app, Pace::default()).await;
    assert_eq!(signing.next, Next::Elsewhere);
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
    assert_eq!(sign(&app).await, []);
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
