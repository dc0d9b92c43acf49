//! Who may give a role, and to whom.

use diesel::connection::SimpleConnection as _;
use reqwest::Method;
use rowhouse_tests::TestApp;
use serde_json::json;

use super::{ID, ROLES, create, path, user_with};
use crate::rows::principal;
use crate::state;

#[tokio::test]
async fn a_member_is_given_another_role_by_its_name() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    create(&alice, "auditor", "viewer", &["projects:read"]).await;
    create(&bob, "theirs", "viewer", &["projects:read"]).await;
    let max = alice.colleague("member").await;
    let maxs = user_with(&alice, "member").await;
    for (role, answer) in [
        ("auditor", "auditor"),
        ("admin", "admin"),
        ("auditor", "auditor"),
        ("member", "member"),
    ] {
        let changed = alice
            .patch(&maxs, json!({ "role": role }))
            .await
            .expect(200);
        assert_eq!(changed.json()["role"], answer);
        assert_eq!(alice.get(&maxs).await.json()["role"], answer);
        drop(
            max.get("/api/v1/projects")
                .await
                .problem(401, "token_stale"),
        );
    }
    let mut user = json!({ "email": "x@y.example", "full_name": "x", "role": "", "password": "correct horse" });
    for role in ["theirs", "nobody", "Admin", "", "a b"] {
        let expected = [("/role".to_owned(), "invalid".to_owned())];
        let answer = alice.patch(&maxs, json!({ "role": role })).await;
        assert_eq!(answer.refusals(), expected, "{role}");
        user["role"] = json!(role);
        let answer = alice.post("/api/v1/users", user.clone()).await;
        assert_eq!(answer.refusals(), expected, "{role}");
    }
    assert_eq!(alice.get(&maxs).await.json()["role"], "member");
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let own = [
        "projects:read",
        "users:read",
        "users:write",
        "roles:read",
        "roles:write",
        "api_keys:write",
    ];
    let mia = alice.colleague_with("manager", "admin", &own).await;
    let reader = create(&mia, "reader", "viewer", &["projects:read"]).await;
    let writer = create(
        &alice,
        "writer",
        "member",
        &["projects:read", "projects:write"],
    )
    .await;
    let anna = alice.colleague("admin").await;
    let (annas, mias) = (
        user_with(&alice, "admin").await,
        user_with(&alice, "manager").await,
    );

    let user = |role: &str| json!({ "email": format!("{role}@new.example"), "full_name": "x", "role": role, "password": "correct horse" });
    let made = mia.post("/api/v1/users", user("reader")).await.expect(201);
    let readers = format!("/api/v1/users/{}", made.id());
    for role in ["viewer", "member", "admin", "owner", "writer"] {
        let answer = mia.post("/api/v1/users", user(role)).await;
        drop(answer.problem(403, "forbidden"));
        let answer = mia.patch(&readers, json!({ "role": role })).await;
        drop(answer.problem(403, "forbidden"));
        // Nor to oneself.
        let answer = mia.patch(&mias, json!({ "role": role })).await;
        drop(answer.problem(403, "forbidden"));
    }
    // Whoever may more stands above, whatever the base.
    for body in [
        json!({ "role": "reader" }),
        json!({ "full_name": "x" }),
        json!({ "status": "suspended" }),
    ] {
        drop(mia.patch(&annas, body).await.problem(403, "forbidden"));
    }
    drop(mia.delete(&annas).await.problem(403, "forbidden"));
    drop(
        mia.patch(&readers, json!({ "status": "suspended" }))
            .await
            .expect(200),
    );

    let beyond = json!({ "name": "x", "based_on": "viewer", "permissions": ["tenant:read"] });
    drop(mia.post(ROLES, beyond).await.problem(403, "forbidden"));
    let grow = json!({ "permissions": ["projects:read", "tenant:read"] });
    drop(
        mia.patch(&path(&reader), grow)
            .await
            .problem(403, "forbidden"),
    );
    for body in [
        json!({ "name": "y" }),
        json!({ "permissions": ["projects:read"] }),
    ] {
        drop(
            mia.patch(&path(&writer), body)
                .await
                .problem(403, "forbidden"),
        );
    }
    drop(mia.delete(&path(&writer)).await.problem(403, "forbidden"));
    drop(
        mia.patch(&path(&reader), json!({ "permissions": ["users:read"] }))
            .await
            .expect(200),
    );
    // An admin is no narrower than the role says, and may do all of this.
    drop(
        anna.patch(&mias, json!({ "role": "writer" }))
            .await
            .expect(200),
    );
}

#[tokio::test]
async fn a_role_of_another_tenant_is_answered_like_one_that_is_not_there() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let id = create(&alice, "auditor", "viewer", &["projects:read"]).await;
    let before = state::rows_of(&app, "acme-corp");
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let body = (method == Method::PATCH).then(|| json!({ "permissions": [] }));
        let missing = bob.send(method.clone(), &path(ID), body.clone()).await;
        drop(missing.problem(404, "not_found"));
        for id in [id.as_str(), "nonsense"] {
            let answer = bob.send(method.clone(), &path(id), body.clone()).await;
            assert_eq!(answer.essence(), missing.essence(), "{method} {id}");
        }
    }
    assert_eq!(state::rows_of(&app, "acme-corp"), before);
}

#[tokio::test]
async fn whoever_changes_a_role_waits_for_whoever_gives_it() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let role = create(&alice, "auditor", "viewer", &["projects:read"]).await;
    drop(alice.colleague("viewer").await);
    let mut superuser = app.database().superuser();
    superuser
        .batch_execute(&format!(
            "BEGIN; UPDATE memberships SET custom_role_id = '{role}' WHERE email = 'viewer@acme-corp.example'"
        ))
        .unwrap();
    // Whatever changes it: a handler would take more locks than the statement does.
    let mut other = app.database().superuser();
    let change = format!("UPDATE roles SET permissions = '{{}}' WHERE id = '{role}'");
    let change = tokio::task::spawn_blocking(move || other.batch_execute(&change));
    state::until_waiting(&app, 1).await;
    superuser.batch_execute("COMMIT").unwrap();
    change.await.unwrap().unwrap();
    // One for the new role, one for its change: no token of the time between is good.
    let version = "memberships WHERE email = 'viewer@acme-corp.example' AND role_version = 2";
    let had = "memberships WHERE email = 'viewer@acme-corp.example'";
    assert_eq!(
        (state::count(&app, had), state::count(&app, version)),
        (1, 1)
    );
}

#[tokio::test]
async fn whoever_is_made_an_owner_from_outside_leaves_the_custom_role_behind() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let carl = alice
        .colleague_with("auditor", "viewer", &["projects:read"])
        .await;
    let user = user_with(&alice, "auditor").await;
    let tenant = principal(&alice).tenant.unwrap().id;
    // It writes the base role alone, as one that knows no others.
    app.database()
        .connect_as("rowhouse_ops")
        .batch_execute(&format!(
            "SELECT directory.add_owner('{tenant}', 'auditor@acme-corp.example', 'A', now())"
        ))
        .unwrap();
    assert_eq!(alice.get(&user).await.json()["role"], "owner");
    let stale = carl.get("/api/v1/projects").await;
    drop(stale.problem(401, "token_stale"));
}
