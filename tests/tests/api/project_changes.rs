//! `PATCH /projects/{id}`: a merge patch (RFC 7396), and the versions that keep two writers apart.

use std::collections::BTreeSet;

use reqwest::Method;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::projects::{path, refusal, time};

/// A project with a description, and its path.
async fn atlas(alice: &Caller) -> (Value, String) {
    let body = json!({ "name": "Atlas", "description": "Maps" });
    let made = alice.post("/api/v1/projects", body).await.expect(201);
    (made.json(), path(&made.id()))
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_keeps_the_rest() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let (mut expected, path) = atlas(&alice).await;
    for (version, patch) in [
        json!({ "name": "Borealis" }),
        json!({ "status": "completed" }),
        json!({ "description": "Lights" }),
        json!({ "name": "Corona", "description": null, "status": "active" }),
    ]
    .into_iter()
    .enumerate()
    {
        let before = time(&expected["updated_at"]);
        let answer = alice.patch(&path, patch.clone()).await.expect(200);
        let body = answer.json();
        for (field, value) in patch.as_object().unwrap() {
            expected[field] = value.clone();
        }
        expected["version"] = json!(version + 2);
        expected["updated_at"] = body["updated_at"].clone();
        assert_eq!(body, expected);
        assert!(time(&body["updated_at"]) > before);
        let found = alice.get(&path).await.expect(200);
        assert_eq!(found.json(), expected);
        assert_eq!(found.header("etag"), answer.header("etag"));
        assert_eq!(answer.header("cache-control"), "no-store");
        answer.assert_framed();
    }
}

#[tokio::test]
async fn null_clears_a_description_and_nothing_else() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let (_, path) = atlas(&alice).await;
    let cleared = alice.patch(&path, json!({ "description": null })).await;
    assert_eq!(cleared.expect(200).json()["description"], Value::Null);
    for field in ["name", "status"] {
        let answer = alice.patch(&path, json!({ field: null })).await;
        assert_eq!(
            answer.refusals(),
            refusal(&format!("/{field}"), "wrong_type")
        );
    }
    let empty = alice.patch(&path, json!({ "description": "" })).await;
    assert_eq!(empty.expect(200).json()["description"], "");
}

#[tokio::test]
async fn an_empty_patch_changes_nothing_not_even_the_version() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let (before, path) = atlas(&alice).await;
    let tag = alice.get(&path).await.header("etag").to_owned();
    let answer = alice.patch(&path, json!({})).await.expect(200);
    assert_eq!(
        (answer.json(), answer.header("etag")),
        (before.clone(), tag.as_str())
    );
    assert_eq!(alice.get(&path).await.json(), before);
}

#[tokio::test]
async fn a_patch_that_is_refused_changes_nothing() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let (before, path) = atlas(&alice).await;
    for (patch, pointer, code) in [
        (json!({ "name": "" }), "/name", "invalid"),
        (json!({ "name": 7 }), "/name", "wrong_type"),
        (json!({ "name": "x".repeat(201) }), "/name", "invalid"),
        (json!({ "status": "done" }), "/status", "invalid"),
        (json!({ "description": {} }), "/description", "wrong_type"),
        (
            json!({ "name": "B", "colour": "red" }),
            "/colour",
            "unknown_field",
        ),
        (json!({ "id": before["id"] }), "/id", "unknown_field"),
        (json!({ "version": 1 }), "/version", "unknown_field"),
        (
            json!({ "owner_id": before["owner_id"] }),
            "/owner_id",
            "unknown_field",
        ),
        (
            json!({ "is_deleted": true }),
            "/is_deleted",
            "unknown_field",
        ),
        (
            json!({ "view_count": 1000 }),
            "/view_count",
            "unknown_field",
        ),
        (json!([{ "op": "replace" }]), "", "wrong_type"),
    ] {
        let answer = alice.patch(&path, patch.clone()).await;
        assert_eq!(answer.refusals(), refusal(pointer, code), "{patch:.80}");
    }
    let several = json!({ "name": null, "description": "x".repeat(10_001), "status": null });
    let expected = [
        refusal("/name", "wrong_type"),
        refusal("/description", "invalid"),
        refusal("/status", "wrong_type"),
    ];
    assert_eq!(
        alice.patch(&path, several).await.refusals(),
        expected.concat()
    );
    assert_eq!(alice.get(&path).await.json(), before);
}

#[tokio::test]
async fn a_patch_comes_as_json_or_as_a_merge_patch() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let (_, path) = atlas(&alice).await;
    for (number, media_type) in [
        "application/json",
        "application/merge-patch+json",
        "Application/Merge-Patch+JSON; charset=utf-8",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("Borealis {number}");
        let answer = alice
            .with_header("content-type", media_type)
            .patch(&path, json!({ "name": name }))
            .await;
        assert_eq!(answer.expect(200).json()["name"], name);
    }
    for media_type in [
        "application/json-patch+json",
        "text/plain",
        "application/xml",
        "nonsense",
    ] {
        alice
            .with_header("content-type", media_type)
            .patch(&path, json!({ "name": "X" }))
            .await
            .problem(415, "unsupported_media_type");
    }
    let bare = alice
        .send_bytes(Method::PATCH, &path, r#"{"name": "X"}"#)
        .await;
    bare.problem(415, "unsupported_media_type");
    let post = alice
        .with_header("content-type", "application/merge-patch+json")
        .post("/api/v1/projects", json!({ "name": "X" }))
        .await;
    post.problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn a_writer_who_knows_an_old_version_is_stopped() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let (_, path) = atlas(&alice).await;
    let first = alice.get(&path).await.header("etag").to_owned();
    let fresh = alice.with_header("if-match", &first);
    let changed = fresh
        .patch(&path, json!({ "name": "Borealis" }))
        .await
        .expect(200);
    let second = changed.header("etag").to_owned();
    assert_ne!(first, second);
    let old_tags = format!("{first}, \"x\"");
    for stale in [first.as_str(), &format!("W/{second}"), "\"x\"", &old_tags] {
        let caller = alice.with_header("if-match", stale);
        for patch in [json!({ "name": "Corona" }), json!({})] {
            let answer = caller.patch(&path, patch).await;
            answer.problem(412, "precondition_failed");
        }
        let answer = caller.delete(&path).await;
        answer.problem(412, "precondition_failed");
    }
    assert_eq!(alice.get(&path).await.json(), changed.json());
    let either = format!("{first}, {second}");
    for fresh in [second.as_str(), "*"] {
        let caller = alice.with_header("if-match", fresh);
        let answer = caller.patch(&path, json!({})).await.expect(200);
        assert_eq!(answer.json(), changed.json());
    }
    let caller = alice.with_header("if-match", &either);
    let answer = caller.patch(&path, json!({ "name": "Corona" })).await;
    assert_eq!(answer.expect(200).json()["version"], 3);
}

#[tokio::test]
async fn a_condition_on_what_is_not_there_is_404() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let (_, gone) = atlas(&alice).await;
    let tag = alice.get(&gone).await.header("etag").to_owned();
    let _ = alice.delete(&gone).await.expect(204);
    for value in [tag.as_str(), "*", "\"x\""] {
        let caller = alice.with_header("if-match", value);
        let answer = caller.patch(&gone, json!({ "name": "X" })).await;
        answer.problem(404, "not_found");
        caller.delete(&gone).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn of_sixteen_writers_with_one_version_one_wins() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let (_, path) = atlas(&alice).await;
    let tag = alice.get(&path).await.header("etag").to_owned();
    let mut writers = JoinSet::new();
    for number in 0..16 {
        let (caller, path) = (alice.with_header("if-match", &tag), path.clone());
        writers.spawn(async move {
            let name = format!("Writer {number}");
            let answer = caller.patch(&path, json!({ "name": name })).await;
            (name, answer)
        });
    }
    let mut winners = Vec::new();
    for (name, answer) in writers.join_all().await {
        if answer.status() == 200 {
            winners.push(name);
        } else {
            answer.problem(412, "precondition_failed");
        }
    }
    let project = alice.get(&path).await.json();
    assert_eq!(winners, [project["name"].as_str().unwrap()]);
    assert_eq!(project["version"], 2);
}

#[tokio::test]
async fn sixteen_writers_without_a_condition_all_leave_a_version() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let (_, path) = atlas(&alice).await;
    let mut writers = JoinSet::new();
    for number in 0..16 {
        let (caller, path) = (alice.clone(), path.clone());
        writers.spawn(async move {
            let patch = json!({ "name": format!("Writer {number}") });
            let answer = caller.patch(&path, patch).await.expect(200);
            answer.header("etag").to_owned()
        });
    }
    let tags: BTreeSet<String> = writers.join_all().await.into_iter().collect();
    assert_eq!(tags.len(), 16);
    assert_eq!(alice.get(&path).await.json()["version"], 17);
}
