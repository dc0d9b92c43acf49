//! `DELETE /users/me`: how an account ends.

use rowhouse_tests::TestApp;
use serde_json::json;
use tokio::task::JoinSet;

use crate::refresh::{ME, Session, refresh, sign_in, sign_in_managed};
use crate::state;
use crate::step_up::age_sign_ins;

const ALICE: &str = "alice@acme.example";
const CAROL: &str = "carol@home.example";
const LIVE: &str = "removed_at IS NULL AND status = 'active'";

async fn carol(app: &TestApp) -> Session {
    let body = json!({ "email": CAROL, "password": "securepass123", "full_name": "Carol Carter" });
    let answer = app.stranger().post("/api/v1/auth/register", body).await;
    Session::of(app, &answer.expect(201))
}

#[tokio::test]
async fn an_account_ends_with_its_sessions_and_its_address_is_free() {
    let app = TestApp::start().await;
    let first = carol(&app).await;
    let second = sign_in(&app, CAROL).await;
    drop(first.caller.delete(ME).await.expect(204));
    for session in [first, second] {
        let me = session.caller.get(ME).await;
        drop(me.problem(401, "session_revoked"));
        let next = refresh(&app, &session.refresh).await;
        drop(next.problem(401, "session_revoked"));
    }
    let login = json!({ "email": CAROL, "password": "securepass123" });
    drop(
        app.stranger()
            .post("/api/v1/auth/login", login)
            .await
            .problem(401, "invalid_credentials"),
    );
    let traces = format!("accounts WHERE email = '{CAROL}' OR full_name = 'Carol Carter'");
    assert_eq!(state::count(&app, &traces), 0);
    let again = carol(&app).await;
    again.assert_lives().await;
}

#[tokio::test]
async fn the_last_owner_of_a_tenant_stays_and_nothing_of_the_account_is_lost() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let made = alice
        .post("/api/v1/tenants", json!({ "name": "Second" }))
        .await;
    drop(made.expect(201));
    state::set_signup(&app, "globex-inc", "open");
    let join = json!({ "email": ALICE, "password": "securepass123", "full_name": "A", "tenant_slug": "globex-inc" });
    drop(
        app.stranger()
            .post("/api/v1/auth/register", join)
            .await
            .expect(201),
    );
    drop(alice.delete(ME).await.problem(409, "last_owner"));
    let of_alice = format!("memberships WHERE email = '{ALICE}' AND {LIVE}");
    assert_eq!(state::count(&app, &of_alice), 3);
    drop(alice.get("/api/v1/projects").await.expect(200));
    sign_in(&app, ALICE).await.assert_lives().await;

    // With another owner in each of her tenants she may go, from all of them at once.
    drop(alice.colleague("owner").await);
    drop(alice.delete(ME).await.problem(409, "last_owner"));
    let switched = alice
        .post("/api/v1/auth/switch", json!({ "tenant_slug": "second" }))
        .await;
    let at_second = Session::of(&app, &switched.expect(200)).caller;
    drop(at_second.colleague("owner").await);
    drop(at_second.create_project("Kept").await);
    drop(at_second.delete(ME).await.expect(204));
    assert_eq!(state::count(&app, &of_alice), 0);
    assert_eq!(state::count(&app, "projects WHERE name = 'Kept'"), 1);
}

#[tokio::test]
async fn a_managed_account_ends_itself_and_can_be_made_anew() {
    let (app, alice, _) = TestApp::two_tenants().await;
    drop(alice.colleague("member").await);
    let max = sign_in_managed(&app, "member").await;
    drop(max.caller.delete(ME).await.expect(204));
    max.assert_ended(&app).await;
    drop(alice.colleague("member").await.get(ME).await.expect(200));
}

#[tokio::test]
async fn a_token_that_somebody_found_ends_no_account() {
    let app = TestApp::start().await;
    let carol = carol(&app).await;
    age_sign_ins(&app, "901 seconds");
    // Whatever the caller knows of the account.
    let outdated = carol.caller.with_header("if-match", "\"0\"");
    for caller in [&carol.caller, &outdated] {
        drop(caller.delete(ME).await.problem(401, "step_up_required"));
    }
    carol.assert_lives().await;
    let proof = json!({ "password": "securepass123" });
    let proved = carol.caller.post("/api/v1/auth/step-up", proof).await;
    drop(proved.expect(204));
    drop(
        outdated
            .delete(ME)
            .await
            .problem(412, "precondition_failed"),
    );
    drop(carol.caller.delete(ME).await.expect(204));
}

/// Whoever founds a tenant while the account ends either has no tenant then, or the account stays.
#[tokio::test]
async fn no_tenant_is_left_with_an_owner_who_is_gone() {
    let app = TestApp::start().await;
    let mut calls = JoinSet::new();
    for number in 0..12 {
        let email = format!("founder{number}@home.example");
        let body = json!({ "email": email, "password": "securepass123", "full_name": "F" });
        let made = app.stranger().post("/api/v1/auth/register", body).await;
        let founder = Session::of(&app, &made.expect(201)).caller;
        let other = founder.clone();
        let name = json!({ "name": format!("Founded {number}") });
        calls.spawn(async move { founder.post("/api/v1/tenants", name).await.status() });
        calls.spawn(async move { other.delete(ME).await.status() });
    }
    while let Some(status) = calls.join_next().await {
        let status = status.unwrap();
        assert!(matches!(status, 201 | 204 | 401 | 403 | 409), "{status}");
    }
    let ownerless = "tenants t WHERE NOT EXISTS (SELECT FROM memberships m JOIN accounts a ON a.id = m.account_id
        WHERE m.tenant_id = t.id AND m.role = 'owner' AND m.removed_at IS NULL AND a.removed_at IS NULL)";
    assert_eq!(state::count(&app, ownerless), 0);
}

/// Two who own two tenants together, and go at once: one of them stays, and neither waits in a
/// circle for the other.
#[tokio::test]
async fn owners_of_the_same_tenants_who_go_at_once_leave_one_behind() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    for (slug, email) in [("acme-corp", "bob@globex.example"), ("globex-inc", ALICE)] {
        state::set_signup(&app, slug, "open");
        let join = json!({ "email": email, "password": "securepass123", "full_name": "J", "tenant_slug": slug });
        let joined = app.stranger().post("/api/v1/auth/register", join).await;
        drop(joined.expect(201));
        state::change(
            &app,
            &format!("UPDATE memberships SET role = 'owner' WHERE email = '{email}'"),
        );
    }
    let (alice, bob) = tokio::join!(alice.delete(ME), bob.delete(ME));
    let mut statuses = [alice.status(), bob.status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
}
