//! Members as their tenant lists, changes and removes them; and the owner who cannot go.

use reqwest::Method;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};

async fn own_id(caller: &Caller) -> String {
    let me = caller.get("/api/v1/users/me").await.expect(200).json();
    me["tenant"]["membership_id"].as_str().unwrap().to_owned()
}

async fn path_of(caller: &Caller) -> String {
    format!("/api/v1/users/{}", own_id(caller).await)
}

/// The caller with a token of today's role.
async fn signed_in_again(caller: &Caller) -> Caller {
    let email = caller.get("/api/v1/users/me").await.expect(200).json()["email"].clone();
    caller
        .login(json!({ "email": email, "password": "correct horse", "tenant_slug": "acme-corp" }))
        .await
}

#[tokio::test]
async fn every_member_sees_the_members_of_the_own_tenant_and_no_others() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    let vera = alice.colleague("viewer").await;
    let listed = vera.get("/api/v1/users").await.expect(200).json();
    let emails: Vec<&Value> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| &user["email"])
        .collect();
    assert_eq!(
        emails,
        [
            &json!("viewer@acme-corp.example"),
            &json!("alice@acme.example")
        ]
    );
    assert_eq!(listed["next_cursor"], Value::Null);

    let first = vera.get("/api/v1/users?limit=1").await.expect(200).json();
    assert_eq!(first["data"][0]["email"], "viewer@acme-corp.example");
    let next = first["next_cursor"].as_str().unwrap();
    let second = vera
        .get(&format!("/api/v1/users?limit=1&cursor={next}"))
        .await
        .expect(200)
        .json();
    assert_eq!(second["data"][0]["email"], "alice@acme.example");
    let foreign = bob
        .get(&format!("/api/v1/users?limit=1&cursor={next}"))
        .await;
    drop(foreign.problem(422, "validation_failed"));

    let alices = path_of(&alice).await;
    let found = vera.get(&alices).await.expect(200).json();
    assert_eq!(found, listed["data"][1]);
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let body = (method == Method::PATCH).then(|| json!({ "full_name": "Mallory" }));
        drop(
            bob.send(method, &alices, body)
                .await
                .problem(404, "not_found"),
        );
    }
}

#[tokio::test]
async fn everybody_changes_their_own_name_and_nothing_else() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let vera = alice.colleague("viewer").await;
    let veras = path_of(&vera).await;
    let changed = vera
        .patch(&veras, json!({ "full_name": "Vera Voss" }))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&changed["full_name"], &changed["role"]),
        (&json!("Vera Voss"), &json!("viewer"))
    );
    for body in [
        json!({ "role": "admin" }),
        json!({ "status": "active" }),
        json!({ "role": "viewer" }),
    ] {
        drop(vera.patch(&veras, body).await.problem(403, "forbidden"));
    }
    let alices = path_of(&alice).await;
    drop(
        vera.patch(&alices, json!({ "full_name": "Vera" }))
            .await
            .problem(403, "forbidden"),
    );
    drop(vera.delete(&alices).await.problem(403, "forbidden"));
    assert_eq!(
        alice.get(&alices).await.json()["full_name"],
        "alice@acme.example"
    );
}

#[tokio::test]
async fn a_demoted_suspended_or_removed_member_loses_the_right_with_the_next_request() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let max = alice.colleague("member").await;
    let maxs = path_of(&max).await;
    drop(max.create_project("While I may").await);

    drop(
        alice
            .patch(&maxs, json!({ "role": "viewer" }))
            .await
            .expect(200),
    );
    drop(
        max.get("/api/v1/projects")
            .await
            .problem(401, "token_stale"),
    );
    let max = signed_in_again(&max).await;
    drop(
        max.post("/api/v1/projects", json!({ "name": "x" }))
            .await
            .problem(403, "forbidden"),
    );

    drop(
        alice
            .patch(&maxs, json!({ "role": "admin" }))
            .await
            .expect(200),
    );
    drop(
        max.get("/api/v1/projects")
            .await
            .problem(401, "token_stale"),
    );
    let max = signed_in_again(&max).await;
    drop(max.get("/api/v1/projects?deleted=true").await.expect(200));

    drop(
        alice
            .patch(&maxs, json!({ "status": "suspended" }))
            .await
            .expect(200),
    );
    drop(
        max.get("/api/v1/projects")
            .await
            .problem(403, "not_a_member"),
    );
    drop(
        alice
            .patch(&maxs, json!({ "status": "active" }))
            .await
            .expect(200),
    );
    drop(
        max.get("/api/v1/projects")
            .await
            .problem(401, "token_stale"),
    );
    let max = signed_in_again(&max).await;

    drop(alice.delete(&maxs).await.expect(204));
    drop(alice.get(&maxs).await.problem(404, "not_found"));
    // A managed account goes with its membership, and its sessions with it.
    drop(
        max.get("/api/v1/projects")
            .await
            .problem(401, "session_revoked"),
    );
    drop(
        max.get("/api/v1/users/me")
            .await
            .problem(401, "session_revoked"),
    );
    let login = json!({ "email": "member@acme-corp.example", "password": "correct horse", "tenant_slug": "acme-corp" });
    drop(
        max.post("/api/v1/auth/login", login)
            .await
            .problem(401, "invalid_credentials"),
    );
    // The address is free again; what the member made stays.
    let again = alice.colleague("member").await;
    assert_eq!(
        again.get("/api/v1/projects").await.json()["data"][0]["name"],
        "While I may"
    );
}

#[tokio::test]
async fn nobody_reaches_above_their_own_role() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let (anna, max) = (
        alice.colleague("admin").await,
        alice.colleague("member").await,
    );
    let (alices, annas, maxs) = (
        path_of(&alice).await,
        path_of(&anna).await,
        path_of(&max).await,
    );
    for (path, body) in [
        (&maxs, json!({ "role": "owner" })),
        (&annas, json!({ "role": "owner" })),
        (&alices, json!({ "role": "viewer" })),
        (&alices, json!({ "full_name": "Anna was here" })),
    ] {
        drop(anna.patch(path, body).await.problem(403, "forbidden"));
    }
    drop(anna.delete(&alices).await.problem(403, "forbidden"));
    drop(
        anna.patch(&maxs, json!({ "role": "admin" }))
            .await
            .expect(200),
    );
    drop(
        alice
            .patch(&maxs, json!({ "role": "owner" }))
            .await
            .expect(200),
    );
    drop(
        anna.patch(&annas, json!({ "role": "viewer" }))
            .await
            .expect(200),
    );
}

#[tokio::test]
async fn bad_changes_are_named() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let max = alice.colleague("member").await;
    let maxs = path_of(&max).await;
    for (body, pointer) in [
        (json!({ "status": "invited" }), "/status"),
        (json!({ "status": null }), "/status"),
        (json!({ "role": "king" }), "/role"),
        (json!({ "full_name": "" }), "/full_name"),
        (json!({ "email": "a@b.example" }), "/email"),
    ] {
        let problem = alice
            .patch(&maxs, body)
            .await
            .problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let before = alice.get(&maxs).await.json();
    assert_eq!(
        alice.patch(&maxs, json!({})).await.expect(200).json(),
        before
    );
}

#[tokio::test]
async fn a_member_leaves_but_the_last_owner_cannot_go_in_any_way() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let max = alice.colleague("member").await;
    drop(max.delete(&path_of(&max).await).await.expect(204));

    let alices = path_of(&alice).await;
    for body in [json!({ "role": "admin" }), json!({ "status": "suspended" })] {
        drop(alice.patch(&alices, body).await.problem(409, "last_owner"));
    }
    drop(alice.delete(&alices).await.problem(409, "last_owner"));

    let olga = alice.colleague("owner").await;
    drop(alice.delete(&alices).await.expect(204));
    drop(
        alice
            .get("/api/v1/projects")
            .await
            .problem(403, "not_a_member"),
    );
    // A personal account stays its person's.
    drop(alice.get("/api/v1/users/me").await.expect(200));
    drop(
        olga.delete(&path_of(&olga).await)
            .await
            .problem(409, "last_owner"),
    );
}
