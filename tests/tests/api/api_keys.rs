//! API keys: how they are made, shown, listed and revoked.

mod makers;
mod scopes;
mod secrets;

use auth::KeySecret;
use chrono::{Duration, Utc};
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};

use crate::state;

const ID: &str = "0198c0de-0000-7000-8000-000000000001";

const KEYS: &str = "/api/v1/api-keys";

const PROJECTS: &str = "/api/v1/projects";

const EVERY_SCOPE: [&str; 12] = [
    "projects:read",
    "resources:read",
    "resources:write",
    "users:read",
    "tenant:read",
    "projects:write",
    "projects:delete",
    "projects:restore",
    "users:write",
    "tenant:write",
    "roles:read",
    "api_keys:read",
];

fn path(id: &str) -> String {
    format!("{KEYS}/{id}")
}

async fn user_of(caller: &Caller) -> String {
    let me = caller.get("/api/v1/users/me").await.expect(200).json();
    format!(
        "/api/v1/users/{}",
        me["tenant"]["membership_id"].as_str().unwrap()
    )
}

/// What every bad key is answered.
fn assert_invalid(answer: &Answer) {
    drop(answer.problem(401, "invalid_token"));
    let challenge = "Bearer realm=\"rowhouse\", error=\"invalid_token\"";
    assert_eq!(answer.header("www-authenticate"), challenge);
}

#[tokio::test]
async fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let body = json!({ "name": " nightly export ", "scopes": ["users:read", "projects:read"],
        "expires_at": "2099-01-02T03:04:05Z" });
    let made = alice.post(KEYS, body).await.expect(201);
    let (mut key, id) = (made.json(), made.id());
    assert_eq!(made.header("location"), path(&id));
    assert_eq!(made.header("cache-control"), "no-store");
    let text = key["key"].as_str().unwrap().to_owned();
    assert!(KeySecret::parse(&text).is_ok());
    let created_at = key["created_at"].clone();
    assert_eq!(
        key,
        json!({ "id": id, "name": "nightly export", "prefix": &text[..15],
            "scopes": ["projects:read", "users:read"], "expires_at": "2099-01-02T03:04:05Z",
            "last_used_at": null, "created_at": created_at, "key": text })
    );

    key.as_object_mut().unwrap().remove("key");
    assert_eq!(alice.get(&path(&id)).await.expect(200).json(), key);
    let listed = alice.get(KEYS).await.expect(200);
    assert_eq!(listed.json(), json!({ "data": [key], "next_cursor": null }));
    // Of the secret nothing is kept that could be shown.
    let secret = &text[16..];
    let kept = format!("api_keys k WHERE strpos(to_jsonb(k)::text, '{secret}') > 0");
    assert_eq!(state::count(&app, &kept), 0);

    let program = app.stranger().with_token(&text);
    drop(program.get(PROJECTS).await.expect(200));
    drop(program.get("/api/v1/users").await.expect(200));
    drop(alice.delete(&path(&id)).await.expect(204));
    assert_invalid(&program.get(PROJECTS).await);
    drop(alice.get(&path(&id)).await.problem(404, "not_found"));
    drop(alice.delete(&path(&id)).await.problem(404, "not_found"));
}

#[tokio::test]
async fn what_is_wrong_with_a_key_that_is_asked_for_is_named() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let anna = alice.colleague("admin").await;
    let good = json!({ "name": "x", "scopes": ["projects:read"], "expires_at": null });
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let a_minute_ago = Utc::now() - Duration::minutes(1);
    for (body, pointer, code) in [
        (with("name", json!(" ")), "/name", "invalid"),
        (with("name", json!("x".repeat(101))), "/name", "invalid"),
        (with("name", Value::Null), "/name", "wrong_type"),
        (with("scopes", json!([])), "/scopes", "invalid"),
        (
            with("scopes", json!("projects:read")),
            "/scopes",
            "wrong_type",
        ),
        (
            with("scopes", json!(vec!["projects:read"; 65])),
            "/scopes",
            "invalid",
        ),
        (
            with("scopes", json!(["projects:read", "x"])),
            "/scopes/1",
            "invalid",
        ),
        (
            with("scopes", json!(["projects:read", "projects:read"])),
            "/scopes/1",
            "duplicate",
        ),
        (
            with("scopes", json!(["projects:read", "api_keys:write"])),
            "/scopes/1",
            "invalid",
        ),
        (
            with("scopes", json!(["roles:write"])),
            "/scopes/0",
            "invalid",
        ),
        (
            with("scopes", json!(["tenant:transfer"])),
            "/scopes/0",
            "invalid",
        ),
        (
            with("scopes", json!(["tenant:delete"])),
            "/scopes/0",
            "invalid",
        ),
        (
            with("expires_at", json!(a_minute_ago)),
            "/expires_at",
            "invalid",
        ),
        (
            with("expires_at", json!("tomorrow")),
            "/expires_at",
            "invalid",
        ),
        (with("expires_at", json!(7)), "/expires_at", "wrong_type"),
        (with("key", json!("rh_mine")), "/key", "unknown_field"),
    ] {
        let answer = anna.post(KEYS, body.clone()).await;
        let expected = (pointer.to_owned(), code.to_owned());
        assert_eq!(answer.refusals(), [expected], "{body}");
    }
    // Nobody gives a key what they do not have.
    let own = ["projects:read", "api_keys:write", "users:read"];
    let mia = alice.colleague_with("key_maker", "admin", &own).await;
    let scopes =
        json!({ "name": "x", "scopes": ["projects:read", "users:read", "projects:write"] });
    let refused = [("/scopes/2".to_owned(), "invalid".to_owned())];
    assert_eq!(mia.post(KEYS, scopes).await.refusals(), refused);
    drop(mia.create_key(&["projects:read"]).await);

    let again = alice.with_header("idempotency-key", "once");
    let answer = again.post(KEYS, good).await;
    drop(answer.problem(400, "idempotency_key_not_allowed"));
    let listed = alice.get(KEYS).await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn two_keys_overlap_while_one_takes_the_place_of_the_other() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let (old_id, old) = alice.create_key(&["projects:read"]).await;
    let (_, new) = alice.create_key(&["projects:read"]).await;
    for key in [&old, &new] {
        drop(key.get(PROJECTS).await.expect(200));
    }
    drop(alice.delete(&path(&old_id)).await.expect(204));
    assert_invalid(&old.get(PROJECTS).await);
    drop(new.get(PROJECTS).await.expect(200));
}

#[tokio::test]
async fn keys_are_listed_page_by_page_the_newest_first() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(alice.create_key(&["projects:read"]).await.0);
    }
    let first = alice
        .get(&format!("{KEYS}?limit=2"))
        .await
        .expect(200)
        .json();
    let cursor = first["next_cursor"].as_str().unwrap().to_owned();
    let next = format!("{KEYS}?limit=2&cursor={cursor}");
    let second = alice.get(&next).await.expect(200).json();
    assert_eq!(second["next_cursor"], Value::Null);
    let listed: Vec<&Value> = [&first, &second]
        .iter()
        .flat_map(|page| page["data"].as_array().unwrap())
        .map(|key| &key["id"])
        .collect();
    made.reverse();
    assert_eq!(listed, made.iter().collect::<Vec<_>>());
    drop(bob.get(&next).await.problem(422, "validation_failed"));
}
