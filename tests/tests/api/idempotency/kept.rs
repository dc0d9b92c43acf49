//! Which answers are kept, for how long, and for whom.

use diesel::prelude::*;
use rowhouse_tests::TestApp;
use serde_json::{Value, json};
use store::{Chore, Next, Retention};

use super::routes::TRANSFER;
use super::{PROJECTS, assert_replays, create, keyed};
use crate::rows::context;
use crate::state;

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let caller = keyed(&alice, "a");
    let role = json!({ "name": "auditor", "based_on": "viewer", "permissions": [] });
    let taken = alice.post("/api/v1/roles", role.clone()).await.expect(201);
    for _ in 0..2 {
        let refused = caller.post("/api/v1/roles", role.clone()).await;
        refused.problem(409, "role_name_taken");
    }
    let resource = json!({ "project_id": taken.id(), "name": "Sheet" });
    let refused = caller.post("/api/v1/resources", resource).await;
    refused.problem(404, "not_found");
    caller
        .post(PROJECTS, json!({ "name": "" }))
        .await
        .problem(422, "validation_failed");
    let taken = format!("/api/v1/roles/{}", taken.id());
    let _ = alice.delete(&taken).await.expect(204);
    let first = caller.post("/api/v1/roles", role.clone()).await.expect(201);
    assert_replays(&caller.post("/api/v1/roles", role).await, &first);
}

#[tokio::test]
async fn whoever_lost_the_right_gets_no_answer_again() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let member = alice.colleague("member").await;
    let first = create(&member, "a", "Atlas").await.expect(201);
    state::update_member(&app, "member@acme-corp.example", "role = 'viewer'");
    let stale = create(&member, "a", "Atlas").await;
    stale.problem(401, "token_stale");
    let login = json!({ "email": "member@acme-corp.example", "password": "correct horse", "tenant_slug": "acme-corp" });
    let viewer = alice.login(login.clone()).await;
    create(&viewer, "a", "Atlas")
        .await
        .problem(403, "forbidden");
    state::update_member(&app, "member@acme-corp.example", "role = 'member'");
    let member = alice.login(login).await;
    assert_replays(&create(&member, "a", "Atlas").await, &first);
    // A suspended tenant answers nothing, and has forgotten nothing.
    state::set_tenant_status(&app, "acme-corp", "suspended");
    create(&member, "a", "Atlas")
        .await
        .problem(403, "tenant_suspended");
    state::set_tenant_status(&app, "acme-corp", "active");
    assert_replays(&create(&member, "a", "Atlas").await, &first);
    let id = state::rows(
        &app,
        "(SELECT * FROM memberships WHERE email LIKE 'member@%')",
    );
    let id = serde_json::from_str::<Value>(&id).unwrap()[0]["id"].clone();
    let removed = format!("/api/v1/users/{}", id.as_str().unwrap());
    let _ = alice.delete(&removed).await.expect(204);
    let answer = create(&member, "a", "Atlas").await;
    assert!(matches!(answer.status(), 401 | 403), "{}", answer.text());
    assert!(!answer.text().contains("Atlas"));
}

#[tokio::test]
async fn ownership_is_handed_over_once_and_its_answer_is_for_owners() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let colleague = alice.colleague("admin").await;
    let me = colleague.get("/api/v1/users/me").await.json();
    let caller = keyed(&alice, "a");
    let body = json!({ "user_id": me["tenant"]["membership_id"] });
    let first = caller.post(TRANSFER, body.clone()).await.expect(200);
    assert!(!first.header("etag").is_empty());
    let again = caller.post(TRANSFER, body.clone()).await;
    again.problem(401, "token_stale");
    let alice = alice.login(json!({ "email": "alice@acme.example", "password": "securepass123" }));
    let again = keyed(&alice.await, "a").post(TRANSFER, body).await;
    again.problem(403, "forbidden");
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day_and_then_forgotten() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let day = "idempotency_keys WHERE expires_at - now() BETWEEN interval '23 hours 59 minutes' AND interval '24 hours'";
    let first = create(&alice, "old", "Atlas").await.expect(201);
    let _ = create(&bob, "old", "Globex").await.expect(201);
    let _ = create(&alice, "young", "Young").await.expect(201);
    assert_eq!(state::count(&app, day), 3);
    state::change(
        &app,
        "UPDATE idempotency_keys SET expires_at = now() WHERE key = 'old'",
    );
    state::set_tenant_status(&app, "globex-inc", "suspended");
    // Expired, it is a new key, for whatever request, whether or not it was forgotten.
    let second = create(&alice, "old", "Atlas again").await.expect(201);
    assert_ne!(first.id(), second.id());
    assert_replays(&create(&alice, "old", "Atlas again").await, &second);

    let retention = Retention {
        session_days: 30,
        job_days: 7,
        project_days: 30,
        denial_days: 90,
        read_days: 90,
    };
    let period = std::time::Duration::from_secs(3600);
    let run = || {
        app.identity()
            .run_chore(Chore::ForgetAnswers, period, retention, chrono::Utc::now())
    };
    let ran = |is_finished| Next::Ran { is_finished };
    // More than one batch.
    state::change(
        &app,
        "INSERT INTO idempotency_keys (tenant_id, actor_kind, actor_id, key, fingerprint, status, body, expires_at)
         SELECT id, 'user', id, n::text, sha256(''), 201, '{}', now() - interval '1 second'
         FROM tenants, generate_series(1, 600) n",
    );
    assert_eq!(state::count(&app, "idempotency_keys"), 1203);
    assert_eq!(run().await.unwrap(), ran(false));
    assert_eq!(state::count(&app, "idempotency_keys"), 203);
    assert_eq!(run().await.unwrap(), ran(true));
    assert_eq!(state::count(&app, "idempotency_keys"), 2);
    assert!(matches!(run().await.unwrap(), Next::In(_)));
    assert_replays(&create(&alice, "old", "Atlas again").await, &second);
}

#[tokio::test]
async fn the_longest_answer_is_kept_too() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let project = alice.create_project("First").await.id();
    // {"a":""} has eight bytes.
    let data = json!({ "a": "x".repeat(65_536 - 8) });
    let body = json!({ "project_id": project, "name": "x".repeat(200), "data": data });
    let caller = keyed(&alice, "a");
    let first = caller.post("/api/v1/resources", body.clone()).await;
    let first = first.expect(201);
    assert_replays(&caller.post("/api/v1/resources", body).await, &first);
}

#[tokio::test]
async fn a_kept_answer_is_seen_by_nobody_but_its_caller_and_holds_no_password() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let body = json!({ "email": "new@acme.example", "full_name": "New", "role": "viewer", "password": "correct horse" });
    let made = keyed(&alice, "a").post("/api/v1/users", body).await;
    let made = made.expect(201);
    let kept = state::rows(&app, "(SELECT key AS id, * FROM idempotency_keys)");
    assert!(kept.contains("new@acme.example"));
    assert!(!kept.contains("correct horse"), "{kept}");
    let table = |conn: &mut tenant_db::TenantConn<'_>| {
        let read = diesel::sql_query("SELECT FROM idempotency_keys").execute(conn);
        Ok::<_, tenant_db::Error>(read.map(drop)?)
    };
    let refused = app.tenants().run(context(&alice), table).await.unwrap_err();
    let tenant_db::Error::PermissionDenied(refused) = refused else {
        unreachable!("{refused:?}")
    };
    let denied = "permission denied for table idempotency_keys";
    assert_eq!(refused.to_string(), denied);
    drop(made);
}

#[tokio::test]
async fn a_new_secret_key_knows_what_the_one_before_it_has_kept() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let first = create(&alice, "a", "Atlas").await.expect(201);
    let old = "a secret key of at least thirty-two bytes";
    let new = "another secret key of at least thirty-two bytes";
    for (previous, is_known) in [(vec![old.into()], true), (Vec::new(), false)] {
        let keys = auth::SecretKeys::new(new.into(), previous);
        let key = auth::FingerprintKey::derive(&keys);
        let beside = app
            .start_beside(|_, services| services.fingerprint_key = key)
            .await;
        let caller = beside.stranger().with_token(alice.token());
        let again = create(&caller, "a", "Atlas").await;
        if is_known {
            assert_replays(&again, &first);
        } else {
            again.problem(422, "idempotency_key_reused");
        }
    }
}
