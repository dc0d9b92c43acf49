//! How a resource is changed and deleted. What it was before is `resource_versions.rs`.

use reqwest::Method;
use rowhouse_tests::TestApp;
use serde_json::{Value, json};

use super::{RESOURCES, create, create_in, ids, path};
use crate::projects::time;
use crate::state;

#[tokio::test]
async fn a_patch_changes_what_it_names_and_merges_the_object() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let made = create(&alice, json!({ "a": 1, "b": { "c": 2, "d": [1, 2] } })).await;
    let mut expected = made.json();
    let path = path(&made.id());
    for (patch, name, kind, data) in [
        (
            json!({ "name": "Map" }),
            "Map",
            Value::Null,
            json!({ "a": 1, "b": { "c": 2, "d": [1, 2] } }),
        ),
        (
            json!({ "type": "sheet" }),
            "Map",
            json!("sheet"),
            json!({ "a": 1, "b": { "c": 2, "d": [1, 2] } }),
        ),
        (
            json!({ "data": { "b": { "c": null, "d": [3] } } }),
            "Map",
            json!("sheet"),
            json!({ "a": 1, "b": { "d": [3] } }),
        ),
        (
            json!({ "type": null, "data": { "b": null, "e": "x" } }),
            "Map",
            Value::Null,
            json!({ "a": 1, "e": "x" }),
        ),
    ] {
        let before = time(&expected["updated_at"]);
        let answer = alice.patch(&path, patch.clone()).await.expect(200);
        let body = answer.json();
        expected["name"] = json!(name);
        expected["type"] = kind;
        expected["data"] = data;
        expected["version"] = json!(expected["version"].as_i64().unwrap() + 1);
        expected["updated_at"] = body["updated_at"].clone();
        assert_eq!(body, expected, "{patch}");
        assert!(time(&body["updated_at"]) > before);
        let found = alice.get(&path).await.expect(200);
        assert_eq!(
            (found.json(), found.header("etag")),
            (body, answer.header("etag"))
        );
    }
    // Nothing to change is no change.
    for patch in [json!({}), json!({ "data": {} })] {
        let answer = alice.patch(&path, patch).await.expect(200);
        assert_eq!(answer.json(), expected);
    }
}

#[tokio::test]
async fn a_condition_keeps_two_writers_apart() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let made = create(&alice, json!({})).await;
    let path = path(&made.id());
    let first = alice.with_header("if-match", made.header("etag"));
    let second = first
        .patch(&path, json!({ "name": "Two" }))
        .await
        .expect(200);
    for (method, rest, body) in [
        (Method::PATCH, "", Some(json!({ "name": "Three" }))),
        (Method::PATCH, "", Some(json!({}))),
        (Method::DELETE, "", None),
        (Method::POST, "/versions/1/restore", None),
        (Method::GET, "", None),
    ] {
        let answer = first.send(method, &format!("{path}{rest}"), body).await;
        answer.problem(412, "precondition_failed");
    }
    assert_eq!(alice.get(&path).await.json(), second.json());
    let current = alice.with_header("if-match", second.header("etag"));
    let restore = format!("{path}/versions/1/restore");
    let third = current.post(&restore, json!({})).await.expect(200);
    assert_eq!(third.json()["version"], 3);
    let current = alice.with_header("if-match", third.header("etag"));
    let _ = current.delete(&path).await.expect(204);
    current.delete(&path).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_deleted_resource_is_gone_with_its_versions() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let kept = create_in(&alice, &project, "Kept", json!({})).await.id();
    let gone = create_in(&alice, &project, "Gone", json!({})).await.id();
    for id in [&kept, &gone] {
        let _ = alice
            .patch(&path(id), json!({ "name": "X" }))
            .await
            .expect(200);
    }
    // A member's own right, and the versions go by the member's hand.
    let member = alice.colleague("member").await;
    let answer = member.delete(&path(&gone)).await.expect(204);
    assert_eq!(answer.text(), "");
    for (method, rest) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::GET, "/versions"),
        (Method::GET, "/versions/1"),
        (Method::POST, "/versions/1/restore"),
    ] {
        let answer = alice
            .send(method, &format!("{}{rest}", path(&gone)), None)
            .await;
        answer.problem(404, "not_found");
    }
    assert_eq!(
        ids(&alice.get(RESOURCES).await),
        std::slice::from_ref(&kept)
    );
    assert_eq!(state::count(&app, "resource_versions"), 1);
    assert_eq!(state::count(&app, "projects WHERE NOT is_deleted"), 1);
}
