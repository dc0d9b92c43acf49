//! What a token was worth a moment ago: its session, its role, its tenant are others by now.

use auth::UserPrincipal;
use domain::Role;
use rowhouse_tests::TestApp;
use serde_json::{Value, json};

use super::requests::{assert_refused, assert_refused_in_tenant};
use super::{INVALID, issue};
use crate::projects::path;
use crate::{rows::principal, state};

#[tokio::test]
async fn a_revoked_session_ends_its_tokens_and_no_others() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let again = json!({ "email": "alice@acme.example", "password": "securepass123" });
    let other = app.stranger().login(again.clone()).await;
    let _ = alice.get("/api/v1/projects").await.expect(200);
    let session = principal(&alice).session;
    state::change(
        &app,
        &format!("UPDATE sessions SET revoked_at = now() WHERE id = '{session}'"),
    );
    assert_refused(&alice, 401, "session_revoked", INVALID).await;
    for caller in [&other, &bob] {
        let _ = caller.get("/api/v1/projects").await.expect(200);
    }
    state::change(
        &app,
        "DELETE FROM sessions WHERE revoked_at IS NULL AND device IS NULL",
    );
    assert_refused(&other, 401, "session_revoked", INVALID).await;
    let back = app.stranger().login(again).await;
    let _ = back.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn a_session_that_moved_to_another_tenant_leaves_its_old_tokens_behind() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let labs = json!({ "email": "alice@acme.example", "password": "securepass123", "full_name": "Alice", "tenant_slug": "acme-labs" });
    let answer = app.stranger().post("/api/v1/auth/register", labs).await;
    let labs = answer.expect(201).json()["tenant"]["id"].clone();
    let who = principal(&alice);
    for standing in [format!("'{}'", labs.as_str().unwrap()), "NULL".to_owned()] {
        state::change(
            &app,
            &format!(
                "UPDATE sessions SET tenant_id = {standing} WHERE id = '{}'",
                who.session
            ),
        );
        assert_refused(&alice, 401, "token_stale", INVALID).await;
    }
    let nowhere = UserPrincipal {
        tenant: None,
        ..who.clone()
    };
    let nowhere = app.stranger().with_token(issue(&nowhere));
    let me = nowhere.get("/api/v1/users/me").await.expect(200).json();
    assert_eq!(me["tenant"], Value::Null);
    let home = who.tenant.unwrap().id;
    state::change(
        &app,
        &format!(
            "UPDATE sessions SET tenant_id = '{home}' WHERE id = '{}'",
            who.session
        ),
    );
    let _ = alice.get("/api/v1/projects").await.expect(200);
    nowhere
        .get("/api/v1/users/me")
        .await
        .problem(401, "token_stale");
}

#[tokio::test]
async fn a_changed_role_makes_the_token_stale_also_when_it_is_changed_back() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let member = alice.colleague("member").await;
    let _ = member.get("/api/v1/projects").await.expect(200);
    let email = "member@acme-corp.example";
    let again = json!({ "email": email, "password": "correct horse", "tenant_slug": "acme-corp" });
    for role in ["admin", "viewer"] {
        state::update_member(&app, email, &format!("role = '{role}'"));
        // A member may not ask all of this; what it may is refused as stale.
        for path in [
            "/api/v1/projects",
            &path("0198c0de-0000-7000-8000-000000000001"),
        ] {
            let answer = member.get(path).await;
            answer.problem(401, "token_stale");
            assert_eq!(answer.header("www-authenticate"), INVALID);
        }
        let answer = member
            .post("/api/v1/projects", json!({ "name": "X" }))
            .await;
        answer.problem(401, "token_stale");
        let fresh = app.stranger().login(again.clone()).await;
        assert_eq!(principal(&fresh).tenant.unwrap().role.as_str(), role);
        let _ = fresh.get("/api/v1/projects").await.expect(200);
    }
    state::update_member(&app, email, "role = 'member'");
    member
        .get("/api/v1/projects")
        .await
        .problem(401, "token_stale");
    let fresh = app.stranger().login(again).await;
    let _ = fresh.create_project("Atlas").await;
    // A change of the name is none of the role.
    state::update_member(&app, email, "full_name = 'Somebody'");
    let _ = fresh.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn a_suspended_or_removed_member_is_out_with_the_next_request() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    state::set_signup(&app, "acme-corp", "open");
    let carol = json!({ "email": "carol@home.example", "password": "securepass123" });
    let mut person = carol.clone();
    person["full_name"] = json!("Carol");
    person["tenant_slug"] = json!("acme-corp");
    let answer = app.stranger().post("/api/v1/auth/register", person).await;
    let _ = answer.expect(201);
    let carol = app.stranger().login(carol).await;
    // A permission comes before the membership; whoever is refused as no member needs all of them.
    state::update_member(&app, "carol@home.example", "role = 'owner'");
    let carol = {
        let mut who = principal(&carol);
        let tenant = who.tenant.as_mut().unwrap();
        (tenant.role, tenant.role_version) = (Role::Owner, tenant.role_version + 1);
        app.stranger().with_token(issue(&who))
    };
    let admin = alice.colleague("admin").await;
    for (caller, email, assignment) in [
        (admin, "admin@acme-corp.example", "status = 'suspended'"),
        (carol, "carol@home.example", "removed_at = now()"),
    ] {
        let _ = caller.get("/api/v1/projects").await.expect(200);
        state::update_member(&app, email, assignment);
        assert_refused_in_tenant(&caller, 403, "not_a_member").await;
        let _ = alice.get("/api/v1/projects").await.expect(200);
    }
    // A managed account goes with its membership.
    let owner = alice.colleague("owner").await;
    state::update_member(&app, "owner@acme-corp.example", "removed_at = now()");
    assert_refused(&owner, 401, "session_revoked", INVALID).await;
    state::change(&app, "DELETE FROM memberships WHERE role = 'admin'");
    let caller = alice.colleague("viewer").await;
    state::change(&app, "DELETE FROM memberships WHERE role = 'viewer'");
    caller
        .get("/api/v1/projects")
        .await
        .problem(403, "not_a_member");
}

#[tokio::test]
async fn a_suspended_tenant_is_closed_to_all_its_members_and_to_nobody_else() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let admin = alice.colleague("admin").await;
    state::set_tenant_status(&app, "acme-corp", "suspended");
    for caller in [&alice, &admin] {
        assert_refused_in_tenant(caller, 403, "tenant_suspended").await;
    }
    let _ = bob.get("/api/v1/projects").await.expect(200);
    // Its owners may look at it, see `tenant_deletion.rs`.
    state::set_tenant_status(&app, "acme-corp", "deleting");
    assert_refused_in_tenant(&admin, 403, "tenant_deleting").await;
    let _ = bob.get("/api/v1/projects").await.expect(200);
    state::set_tenant_status(&app, "acme-corp", "active");
    for caller in [&alice, &admin] {
        let _ = caller.get(&path(&project)).await.expect(200);
    }
}
