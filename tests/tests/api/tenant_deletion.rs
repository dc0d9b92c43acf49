//! `DELETE /tenant` and `POST /tenant/restore`: a company ends, or does not after all.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;
use rowhouse_tests::{Answer, Caller, TestApp, Work};
use serde_json::{Value, json};
use tenant_db::{Error, TenantConn};
use tokio::task::JoinSet;

use crate::projects::path;
use crate::refresh::{PROJECTS, Session, refresh, sign_in};
use crate::step_up::age_sign_ins;
use crate::{rows::context, state};

pub(crate) const TENANT: &str = "/api/v1/tenant";
const RESTORE: &str = "/api/v1/tenant/restore";
const ALICE: &str = "alice@acme.example";

async fn restore(caller: &Caller) -> Answer {
    caller.send(reqwest::Method::POST, RESTORE, None).await
}

fn erase_after(tenant: &Value) -> DateTime<Utc> {
    tenant["erase_after"].as_str().unwrap().parse().unwrap()
}

async fn login(app: &TestApp, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password, "tenant_slug": "acme-corp" });
    app.stranger().post("/api/v1/auth/login", body).await
}

#[tokio::test]
async fn a_deleted_tenant_is_closed_and_a_restored_one_is_as_it_was() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let anna = alice.colleague("admin").await;
    let (_, key) = alice.create_key(&["projects:read", "tenant:read"]).await;
    let body = json!({ "email": "ivan@acme.example", "role": "viewer" });
    let _ = alice.post("/api/v1/invitations", body).await.expect(201);
    let before = alice.get(TENANT).await.expect(200).json();
    let (rows, neighbour) = (
        state::rows_of(&app, "acme-corp"),
        state::rows_of(&app, "globex-inc"),
    );

    let asked = Utc::now();
    let deleted = alice.delete(TENANT).await.expect(202);
    deleted.assert_framed();
    let deleted = deleted.json();
    let mut expected = before.clone();
    expected["status"] = json!("deleting");
    expected["is_active"] = json!(false);
    for changed in ["erase_after", "updated_at"] {
        expected[changed] = deleted[changed].clone();
    }
    assert_eq!(deleted, expected);
    let grace = erase_after(&deleted) - asked;
    assert!(
        grace >= TimeDelta::days(30) - TimeDelta::minutes(5),
        "{grace}"
    );
    assert!(
        grace <= TimeDelta::days(30) + TimeDelta::minutes(5),
        "{grace}"
    );

    // Nobody works there, in whatever way.
    for caller in [&alice, &anna, &key] {
        for answer in [
            caller.get(PROJECTS).await,
            caller.get(&path(&project)).await,
        ] {
            answer.problem(403, "tenant_deleting");
        }
    }
    for answer in [
        alice.post(PROJECTS, json!({ "name": "Late" })).await,
        alice.patch(TENANT, json!({ "name": "Late" })).await,
        anna.get(TENANT).await,
        key.get(TENANT).await,
    ] {
        answer.problem(403, "tenant_deleting");
    }
    // Its owner reads it, and everybody reads their own account.
    assert_eq!(alice.get(TENANT).await.expect(200).json(), deleted);
    let tenants = alice.get("/api/v1/users/me/tenants").await.expect(200);
    assert_eq!(tenants.json()["data"][0]["status"], "deleting");
    let _ = anna.get("/api/v1/users/me").await.expect(200);
    assert_eq!(state::rows_of(&app, "globex-inc"), neighbour);
    let _ = bob.get(PROJECTS).await.expect(200);

    let restored = restore(&alice).await.expect(200).json();
    expected = before;
    expected["updated_at"] = restored["updated_at"].clone();
    assert_eq!(restored, expected);
    for caller in [&alice, &anna, &key] {
        let _ = caller.get(&path(&project)).await.expect(200);
    }
    let without_time = |rows: &str| {
        let mut rows: Value = serde_json::from_str(rows).unwrap();
        rows["tenants"][0]["updated_at"] = Value::Null;
        for key in rows["api_keys"].as_array_mut().unwrap() {
            key["last_used_at"] = Value::Null;
        }
        rows
    };
    assert_eq!(
        without_time(&state::rows_of(&app, "acme-corp")),
        without_time(&rows)
    );
}

#[tokio::test]
async fn only_an_owner_in_person_who_has_just_signed_in_deletes() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    for role in ["admin", "member", "viewer"] {
        let caller = alice.colleague(role).await;
        caller.delete(TENANT).await.problem(403, "forbidden");
        restore(&caller).await.problem(403, "forbidden");
    }
    let (_, key) = alice.create_key(&["tenant:read", "tenant:write"]).await;
    key.delete(TENANT).await.problem(403, "forbidden");
    restore(&key).await.problem(403, "forbidden");
    restore(&alice).await.problem(409, "not_deleted");
    age_sign_ins(&app, "1 hour");
    alice.delete(TENANT).await.problem(401, "step_up_required");
    assert_eq!(state::count(&app, "tenants WHERE status = 'active'"), 2);
    let body = json!({ "password": "securepass123" });
    let _ = bob.post("/api/v1/auth/step-up", body).await.expect(204);
    let _ = bob.delete(TENANT).await.expect(202);
    // Bringing it back asks for nothing more.
    age_sign_ins(&app, "1 hour");
    let _ = restore(&bob).await.expect(200);
    assert_eq!(state::count(&app, "tenants WHERE status = 'active'"), 2);
}

#[tokio::test]
async fn the_database_itself_refuses_whoever_is_no_owner() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let anna = alice.colleague("admin").await;
    let delete = |conn: &mut TenantConn<'_>| store::tenants::delete(conn, 30);
    let refused = app.tenants().run(context(&anna), delete).await.unwrap_err();
    let expected = Error::RoleMayNotWrite.to_string();
    assert_eq!(refused.to_string(), expected);
    // The columns are nobody's to write, not even an owner's.
    let by_hand = |conn: &mut TenantConn<'_>| {
        diesel::sql_query("UPDATE tenants SET status = 'deleting', erase_after = now()")
            .execute(conn)
            .map_err(Error::from)
    };
    let refused = app.tenants().run(context(&alice), by_hand).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(state::count(&app, "tenants WHERE status = 'active'"), 2);
    // A grace of nothing is a day.
    let now = |conn: &mut TenantConn<'_>| store::tenants::delete(conn, 0);
    assert!(app.tenants().run(context(&alice), now).await.unwrap());
    let a_day = "tenants WHERE erase_after > now() + interval '23 hours'";
    assert_eq!(state::count(&app, a_day), 1);
}

#[tokio::test]
async fn deleted_twice_the_first_time_counts() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let first = alice.delete(TENANT).await.expect(202).json();
    state::change(
        &app,
        "UPDATE tenants SET erase_after = erase_after - interval '3 days' WHERE status = 'deleting'",
    );
    let second = alice.delete(TENANT).await.expect(202).json();
    assert_eq!(
        erase_after(&first) - erase_after(&second),
        TimeDelta::days(3)
    );
    let mails = "jobs WHERE kind = 'mail_tenant_deleting'";
    assert_eq!(state::count(&app, mails), 1);
    let _ = restore(&alice).await.expect(200);
    restore(&alice).await.problem(409, "not_deleted");
}

#[tokio::test]
async fn owners_sign_in_to_a_deleted_tenant_and_nobody_else_does() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let session = sign_in(&app, ALICE).await;
    let _ = alice.colleague("admin").await;
    let olga = alice.colleague("owner").await;
    let _ = alice.delete(TENANT).await.expect(202);
    let answer = login(&app, "admin@acme-corp.example", "correct horse").await;
    answer.problem(403, "tenant_deleting");
    for (email, password) in [
        (ALICE, "securepass123"),
        ("owner@acme-corp.example", "correct horse"),
    ] {
        let entered = login(&app, email, password).await.expect(200);
        assert_eq!(entered.json()["tenant"]["slug"], "acme-corp");
        let owner = Session::of(&app, &entered).caller;
        let tenant = owner.get(TENANT).await.expect(200).json();
        assert_eq!(tenant["status"], "deleting");
    }
    // A session goes on where it stood, and comes back to it.
    let session = Session::of(&app, &refresh(&app, &session.refresh).await.expect(200));
    assert_eq!(session.tenant().as_deref(), Some("acme-corp"));
    let body = json!({ "tenant_slug": "acme-corp" });
    let switched = session.caller.post("/api/v1/auth/switch", body).await;
    let session = Session::of(&app, &switched.expect(200));
    let _ = restore(&session.caller).await.expect(200);
    let _ = olga.get(PROJECTS).await.expect(200);
    let _ = login(&app, "admin@acme-corp.example", "correct horse")
        .await
        .expect(200);
}

#[tokio::test]
async fn whoever_is_no_owner_any_more_does_not_restore() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let olga = alice.colleague("owner").await;
    let _ = alice.delete(TENANT).await.expect(202);
    let email = "owner@acme-corp.example";
    state::update_member(&app, email, "role = 'admin'");
    restore(&olga).await.problem(401, "token_stale");
    olga.get(TENANT).await.problem(403, "tenant_deleting");
    olga.delete(TENANT).await.problem(403, "tenant_deleting");
    state::update_member(&app, email, "role = 'owner', status = 'suspended'");
    restore(&olga).await.problem(403, "not_a_member");
    olga.get(TENANT).await.problem(403, "tenant_deleting");
    state::revoke_sessions(&app, email);
    restore(&olga).await.problem(401, "session_revoked");
    olga.get(TENANT).await.problem(401, "session_revoked");
    assert_eq!(state::count(&app, "tenants WHERE status = 'deleting'"), 1);
}

#[tokio::test]
async fn when_the_grace_is_over_nothing_brings_it_back() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let _ = alice.delete(TENANT).await.expect(202);
    let over =
        "UPDATE tenants SET erase_after = now() - interval '1 second' WHERE status = 'deleting'";
    state::change(&app, over);
    restore(&alice).await.problem(403, "tenant_deleting");
    assert_eq!(
        alice.get(TENANT).await.expect(200).json()["status"],
        "deleting"
    );
}

#[tokio::test]
async fn whoever_restores_looks_at_the_clock_when_nobody_erases_meanwhile() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let _ = alice.delete(TENANT).await.expect(202);
    // Whoever erases holds the row; and while the owner waits for it the grace ends.
    let mut eraser = app.database().superuser();
    eraser
        .batch_execute(
            "BEGIN; UPDATE tenants SET erase_after = clock_timestamp() WHERE status = 'deleting'",
        )
        .unwrap();
    let owner = alice.clone();
    let late = tokio::spawn(async move { restore(&owner).await });
    state::until_waiting(&app, 1).await;
    eraser.batch_execute("COMMIT").unwrap();
    let answer = late.await.unwrap();
    answer.problem(403, "tenant_deleting");
    assert_eq!(state::count(&app, "tenants WHERE status = 'deleting'"), 1);
}

#[tokio::test]
async fn deleting_and_restoring_does_not_lift_a_suspension() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    state::set_tenant_status(&app, "acme-corp", "suspended");
    alice.delete(TENANT).await.problem(403, "tenant_suspended");
    restore(&alice).await.problem(403, "tenant_suspended");
    assert_eq!(state::count(&app, "tenants WHERE status = 'suspended'"), 1);
}

#[tokio::test]
async fn nobody_joins_a_deleted_tenant() {
    let app = TestApp::start_with_mails().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let _ = alice
        .patch(TENANT, json!({ "signup": "open" }))
        .await
        .expect(200);
    let body = json!({ "email": "ivan@home.example", "role": "viewer" });
    let _ = alice.post("/api/v1/invitations", body).await.expect(201);
    let link = app.mail_to("ivan@home.example", 1).await.token();
    let _ = alice.delete(TENANT).await.expect(202);
    let body = json!({ "email": "carol@home.example", "password": "securepass123", "full_name": "Carol",
        "tenant_slug": "acme-corp" });
    let joined = app.stranger().post("/api/v1/auth/register", body).await;
    joined.problem(403, "signup_closed");
    let body = json!({ "token": link, "password": "securepass123", "full_name": "Ivan" });
    let accept = async || {
        app.stranger()
            .post("/api/v1/invitations/accept", body.clone())
            .await
    };
    accept().await.problem(401, "invalid_token");
    let _ = restore(&alice).await.expect(200);
    assert_eq!(
        accept().await.expect(200).json()["tenant"]["role"],
        "viewer"
    );
}

#[tokio::test]
async fn every_owner_hears_of_both_and_nobody_else() {
    let app = TestApp::start_with_mails().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let _ = app.register("bob@globex.example", "globex-inc").await;
    let (olga, anna) = ("owner@acme-corp.example", "admin@acme-corp.example");
    let _ = alice.colleague("owner").await;
    let _ = alice.colleague("admin").await;
    for others in [ALICE, olga, anna, "bob@globex.example"] {
        let _ = app.mail_to(others, 1).await;
    }
    let deleted = alice.delete(TENANT).await.expect(202).json();
    for owner in [ALICE, olga] {
        let mail = app.mail_to(owner, 2).await;
        assert_eq!(mail.subject, "Your company is to be deleted");
        let day = erase_after(&deleted).format("%Y-%m-%d %H:%M UTC");
        assert!(mail.source.contains(&day.to_string()), "{}", mail.source);
        assert!(mail.source.contains("acme-corp"));
    }
    let _ = restore(&alice).await.expect(200);
    for owner in [ALICE, olga] {
        let mail = app.mail_to(owner, 3).await;
        assert_eq!(mail.subject, "Your company is back");
    }
    state::until(&app, "jobs WHERE status <> 'done'", 0).await;
    assert_eq!(app.mails().len(), 4 + 4);
}

#[tokio::test]
async fn other_jobs_of_a_deleted_tenant_wait() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    state::change(&app, "DELETE FROM account_mails");
    let _ = alice.colleague("viewer").await;
    let _ = alice.delete(TENANT).await.expect(202);
    let worker = app.start_worker(&Work::default());
    let done = "jobs WHERE kind = 'mail_tenant_deleting' AND status = 'done'";
    state::until(&app, done, 1).await;
    let waiting = "jobs WHERE kind = 'welcome_member' AND status = 'queued' AND attempts = 0";
    assert_eq!(state::count(&app, waiting), 1);
    let _ = restore(&alice).await.expect(200);
    let _ = app.mail_to("viewer@acme-corp.example", 1).await;
    drop(worker);
}

#[tokio::test]
async fn beside_a_deletion_every_answer_is_true() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let mut calls = JoinSet::new();
    for number in 0..24 {
        let alice = alice.clone();
        calls.spawn(async move {
            match number {
                12 => ("delete", alice.delete(TENANT).await),
                _ => {
                    let body = json!({ "name": format!("Project {number}") });
                    ("create", alice.post(PROJECTS, body).await)
                }
            }
        });
    }
    let mut made = 0;
    for (what, answer) in calls.join_all().await {
        match (what, answer.status()) {
            ("delete", 202) => {}
            ("create", 201) => made += 1,
            _ => drop(answer.problem(403, "tenant_deleting")),
        }
    }
    // What was said to be there is there once the tenant is back; what was refused is not.
    assert_eq!(state::count(&app, "projects"), made);
    alice.get(PROJECTS).await.problem(403, "tenant_deleting");
    let _ = restore(&alice).await.expect(200);
    let list = alice.get("/api/v1/projects?limit=100").await.expect(200);
    let listed = list.json()["data"].as_array().unwrap().len();
    assert_eq!(i64::try_from(listed).unwrap(), made);
}

#[tokio::test]
async fn of_deletions_and_restorations_at_once_the_last_word_counts() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let mut calls = JoinSet::new();
    for number in 0..32 {
        let alice = alice.clone();
        calls.spawn(async move {
            match number % 2 {
                0 => ("delete", alice.delete(TENANT).await),
                _ => ("restore", restore(&alice).await),
            }
        });
    }
    for (what, answer) in calls.join_all().await {
        match (what, answer.status()) {
            ("delete", 202) | ("restore", 200) => {}
            ("restore", _) => drop(answer.problem(409, "not_deleted")),
            // It was deleted already, and is back.
            ("delete", 409) => drop(answer.problem(409, "conflict")),
            _ => panic!("{what}: {} {}", answer.status(), answer.text()),
        }
    }
    // Each turn was told once, and they took turns.
    let deletions = state::count(&app, "jobs WHERE kind = 'mail_tenant_deleting'");
    let restorations = state::count(&app, "jobs WHERE kind = 'mail_tenant_restored'");
    let tenant = alice.get(TENANT).await.expect(200).json();
    let is_deleting = i64::from(tenant["status"] == "deleting");
    assert!(deletions >= 1);
    assert_eq!(deletions - restorations, is_deleting);
    assert_eq!(tenant["erase_after"].is_string(), is_deleting == 1);
    let expected = if is_deleting == 1 { 403 } else { 200 };
    assert_eq!(alice.get(PROJECTS).await.status(), expected);
}
