//! `/audit/reads`: who has read what is sensitive.

use std::time::{Duration, Instant};

use reqwest::Method;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};

use crate::audit_events::own_id;

const READS: &str = "/api/v1/audit/reads";

async fn read(reader: &Caller, request_id: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(read) = found(reader, request_id).await {
            return read;
        }
        assert!(Instant::now() < deadline, "no read of {request_id}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn found(reader: &Caller, request_id: &str) -> Option<Value> {
    let page = reader
        .get(&format!("{READS}?limit=100"))
        .await
        .expect(200)
        .json();
    let reads = page["data"].as_array().unwrap();
    reads
        .iter()
        .find(|read| read["request_id"] == request_id)
        .cloned()
}

#[tokio::test]
async fn whoever_reads_what_is_sensitive_is_recorded_and_nobody_else() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let viewer = alice.colleague("viewer").await;
    let (id, viewers) = (own_id(&alice).await, own_id(&viewer).await);
    let reads = [
        (
            "users",
            "/api/v1/users".to_owned(),
            "/api/v1/users".to_owned(),
            None,
        ),
        (
            "user",
            format!("/api/v1/users/{id}"),
            "/api/v1/users/{id}".to_owned(),
            Some(("users", &id)),
        ),
        (
            "history",
            format!("/api/v1/users/{id}/history"),
            "/api/v1/users/{id}/history".to_owned(),
            Some(("users", &id)),
        ),
    ];
    for (request_id, path, route, object) in &reads {
        let caller = viewer.with_header("x-request-id", request_id);
        drop(caller.get(path).await.expect(200));
        let read = read(&alice, request_id).await;
        assert_eq!(
            read,
            json!({
                "id": read["id"], "at": read["at"], "actor": { "kind": "user", "id": viewers },
                "route": format!("GET {route}"),
                "object": object.as_ref().map(|(kind, id)| json!({ "type": kind, "id": id })),
                "request_id": request_id, "address": "127.0.0.1",
            })
        );
        assert_eq!(found(&bob, request_id).await, None);
    }
    let (key_id, key) = alice.create_key(&["users:read", "audit:read"]).await;
    for (number, path) in [
        "/api/v1/users",
        "/api/v1/audit/events",
        "/api/v1/audit/denials",
        "/api/v1/audit/reads",
        "/api/v1/audit/events/export?format=csv",
    ]
    .into_iter()
    .enumerate()
    {
        let request_id = format!("key-{number}");
        drop(
            key.with_header("x-request-id", &request_id)
                .get(path)
                .await
                .expect(200),
        );
        let read = read(&alice, &request_id).await;
        assert_eq!(read["actor"], json!({ "kind": "key", "id": key_id }));
    }
    // By an alias, and by a change of nothing.
    drop(
        alice
            .with_header("x-request-id", "alias")
            .get("/organization/list_users")
            .await
            .expect(200),
    );
    let by_alias = read(&alice, "alias").await;
    assert_eq!(by_alias["route"], "GET /organization/list_users");
    let events = crate::state::count(&app, "tenancy.audit_events");
    drop(
        alice
            .with_header("x-request-id", "unchanged")
            .patch(&format!("/api/v1/users/{viewers}"), json!({}))
            .await
            .expect(200),
    );
    assert_eq!(crate::state::count(&app, "tenancy.audit_events"), events);
    let unchanged = read(&alice, "unchanged").await;
    assert_eq!(unchanged["route"], "PATCH /api/v1/users/{id}");
    assert_eq!(
        unchanged["object"],
        json!({ "type": "users", "id": viewers })
    );
    // Not read, or nothing to keep an eye on.
    let missing = "/api/v1/users/0198c0de-0000-7000-8000-000000000001";
    for (request_id, method, path, status) in [
        ("missing", Method::GET, missing, 404),
        ("unfound", Method::PATCH, missing, 415),
        ("refused", Method::GET, "/api/v1/api-keys", 403),
        ("head", Method::HEAD, "/api/v1/users", 200),
        ("harmless", Method::GET, "/api/v1/projects", 200),
    ] {
        let caller = viewer.with_header("x-request-id", request_id);
        drop(caller.send(method, path, None).await.expect(status));
    }
    drop(
        viewer
            .with_header("x-request-id", "last")
            .get("/api/v1/users")
            .await
            .expect(200),
    );
    drop(read(&alice, "last").await);
    for request_id in ["missing", "unfound", "refused", "head", "harmless"] {
        assert_eq!(found(&alice, request_id).await, None, "{request_id}");
    }
    let of_key = alice
        .get(&format!("{READS}?actor={key_id}&limit=100"))
        .await
        .expect(200)
        .json();
    assert_eq!(of_key["data"].as_array().unwrap().len(), 5);
    let of_viewer = alice
        .get(&format!("{READS}?actor={viewers}&limit=100"))
        .await
        .expect(200)
        .json();
    assert_eq!(of_viewer["data"].as_array().unwrap().len(), 4);
    for (query, pointer) in [
        ("actor=x", "/actor"),
        ("to=x", "/to"),
        ("reason=x", "/reason"),
    ] {
        let answer = alice.get(&format!("{READS}?{query}")).await;
        assert_eq!(answer.refusals()[0].0, pointer);
    }
}
