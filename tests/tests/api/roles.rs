//! Roles that a tenant makes for itself. What the built-in ones permit is `access.rs`.

mod grants;
mod holders;

use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};

use crate::state;

const ID: &str = "0198c0de-0000-7000-8000-000000000001";

const ROLES: &str = "/api/v1/roles";

fn path(id: &str) -> String {
    format!("{ROLES}/{id}")
}

async fn create(caller: &Caller, name: &str, based_on: &str, permissions: &[&str]) -> String {
    let body = json!({ "name": name, "based_on": based_on, "permissions": permissions });
    caller.post(ROLES, body).await.expect(201).id()
}

/// The members, by their first role's name.
async fn user_with(caller: &Caller, role: &str) -> String {
    let listed = caller.get("/api/v1/users?limit=100").await.expect(200);
    let users = listed.json()["data"].as_array().unwrap().clone();
    let found = users.iter().find(|user| user["role"] == role).unwrap();
    format!("/api/v1/users/{}", found["id"].as_str().unwrap())
}

#[tokio::test]
async fn the_built_in_roles_are_the_same_everywhere_and_cannot_be_changed() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let before = alice.get(ROLES).await.expect(200).json();
    assert_eq!(bob.get(ROLES).await.expect(200).json(), before);
    let names: Vec<&Value> = before["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|role| &role["name"])
        .collect();
    assert_eq!(names, ["viewer", "member", "admin", "owner"]);
    assert_eq!(
        before["data"][1],
        json!({
            "id": "00000000-0000-7000-8000-000000000002", "name": "member", "built_in": true,
            "based_on": "member",
            "permissions": ["projects:read", "resources:read", "users:read", "tenant:read", "projects:write",
                "resources:write"],
        })
    );
    for role in before["data"].as_array().unwrap() {
        let path = path(role["id"].as_str().unwrap());
        assert_eq!(alice.get(&path).await.expect(200).json(), *role);
        let body = json!({ "permissions": [] });
        let answer = alice.patch(&path, body).await;
        drop(answer.problem(403, "built_in_role"));
        let answer = alice.delete(&path).await;
        drop(answer.problem(403, "built_in_role"));
    }
    assert_eq!(alice.get(ROLES).await.json(), before);
    // Also a route that could do without the database asks it whether the session lives.
    state::revoke_sessions(&app, "alice@acme.example");
    let answer = alice
        .get(&path("00000000-0000-7000-8000-000000000002"))
        .await;
    drop(answer.problem(401, "session_revoked"));
}

#[tokio::test]
async fn a_role_is_made_read_changed_and_deleted() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let body = json!({ "name": "auditor", "based_on": "viewer", "permissions": ["users:read", "projects:read"] });
    let made = alice.post(ROLES, body).await.expect(201);
    let mut role = made.json();
    let id = made.id();
    assert_eq!(made.header("location"), path(&id));
    assert_eq!(
        role,
        json!({ "id": id, "name": "auditor", "built_in": false, "based_on": "viewer",
            "permissions": ["projects:read", "users:read"] })
    );
    assert_eq!(alice.get(&path(&id)).await.expect(200).json(), role);

    for change in [
        json!({}),
        json!({ "name": "inspector" }),
        json!({ "based_on": "member" }),
        json!({ "permissions": ["projects:write"] }),
        json!({ "name": "auditor", "based_on": "admin", "permissions": [] }),
    ] {
        for (field, value) in change.as_object().unwrap() {
            role[field] = value.clone();
        }
        let changed = alice.patch(&path(&id), change).await.expect(200).json();
        assert_eq!(changed, role);
        assert_eq!(alice.get(&path(&id)).await.json(), role);
    }
    assert_eq!(alice.delete(&path(&id)).await.expect(204).text(), "");
    drop(alice.get(&path(&id)).await.problem(404, "not_found"));
    drop(alice.delete(&path(&id)).await.problem(404, "not_found"));
}

#[tokio::test]
async fn roles_are_listed_page_by_page_the_built_in_ones_first() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    for name in ["b", "a", "c"] {
        create(&alice, name, "viewer", &[]).await;
    }
    let mut names = Vec::new();
    let mut next = format!("{ROLES}?limit=2");
    let mut cursors = Vec::new();
    loop {
        let page = alice.get(&next).await.expect(200).json();
        for role in page["data"].as_array().unwrap() {
            names.push(role["name"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        cursors.push(cursor.to_owned());
        next = format!("{ROLES}?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["viewer", "member", "admin", "owner", "b", "a", "c"]);
    let answer = bob
        .get(&format!("{ROLES}?limit=2&cursor={}", cursors[0]))
        .await;
    drop(answer.problem(422, "validation_failed"));
}

#[tokio::test]
async fn what_is_wrong_with_a_role_is_named() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let good = json!({ "name": "x", "based_on": "viewer", "permissions": ["projects:read"] });
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let many = vec!["projects:read"; 65];
    for (body, expected) in [
        (with("name", json!("")), ("/name", "invalid")),
        (with("name", json!("Auditor")), ("/name", "invalid")),
        (with("name", json!("admin")), ("/name", "invalid")),
        (with("name", json!("x".repeat(33))), ("/name", "invalid")),
        (with("name", json!(7)), ("/name", "wrong_type")),
        (with("based_on", json!("owner")), ("/based_on", "invalid")),
        (with("based_on", json!("x")), ("/based_on", "invalid")),
        (with("based_on", Value::Null), ("/based_on", "wrong_type")),
        (
            with("permissions", json!("projects:read")),
            ("/permissions", "wrong_type"),
        ),
        (
            with("permissions", json!(["projects:read", 7])),
            ("/permissions/1", "wrong_type"),
        ),
        (
            with("permissions", json!(["projects:read", "coffee:brew"])),
            ("/permissions/1", "invalid"),
        ),
        (
            with("permissions", json!(["projects:read", "projects:read"])),
            ("/permissions/1", "duplicate"),
        ),
        (
            with("permissions", json!(["projects:read", "projects:write"])),
            ("/permissions/1", "invalid"),
        ),
        (
            with("permissions", json!(many)),
            ("/permissions", "invalid"),
        ),
        (
            with("built_in", json!(true)),
            ("/built_in", "unknown_field"),
        ),
    ] {
        let answer = alice.post(ROLES, body.clone()).await;
        let expected = (expected.0.to_owned(), expected.1.to_owned());
        assert_eq!(answer.refusals(), [expected], "{body}");
    }
    let all = json!({ "name": "X", "based_on": "member", "permissions": ["a", "tenant:write"] });
    let pointers: Vec<String> = alice
        .post(ROLES, all)
        .await
        .refusals()
        .into_iter()
        .map(|(pointer, _)| pointer)
        .collect();
    assert_eq!(pointers, ["/name", "/permissions/0", "/permissions/1"]);
    assert_eq!(
        alice.get(ROLES).await.json()["data"]
            .as_array()
            .unwrap()
            .len(),
        4
    );

    let id = create(&alice, "writer", "member", &["projects:write"]).await;
    for (body, pointer) in [
        (json!({ "name": null }), "/name"),
        (json!({ "based_on": "owner" }), "/based_on"),
        // It would keep what the new base has not.
        (json!({ "based_on": "viewer" }), "/based_on"),
        (json!({ "permissions": null }), "/permissions"),
        (json!({ "permissions": ["users:write"] }), "/permissions/0"),
        (
            json!({ "based_on": "viewer", "permissions": ["projects:read", "projects:write"] }),
            "/permissions/1",
        ),
        (json!({ "id": ID }), "/id"),
    ] {
        let answer = alice.patch(&path(&id), body.clone()).await;
        assert_eq!(answer.refusals()[0].0, pointer, "{body}");
    }
    let role = alice.get(&path(&id)).await.json();
    assert_eq!(role["permissions"], json!(["projects:write"]));
}

#[tokio::test]
async fn a_name_is_taken_once_in_each_tenant() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    create(&alice, "auditor", "viewer", &[]).await;
    let body = json!({ "name": "auditor", "based_on": "admin", "permissions": [] });
    let again = alice.post(ROLES, body).await;
    drop(again.problem(409, "role_name_taken"));
    create(&bob, "auditor", "viewer", &[]).await;
    let other = create(&alice, "other", "viewer", &[]).await;
    let answer = alice
        .patch(&path(&other), json!({ "name": "auditor" }))
        .await;
    drop(answer.problem(409, "role_name_taken"));
}
