//! A `POST` with an `Idempotency-Key` that is sent again is answered again, and does nothing again.
//! Many at once, and many in a row, are `idempotency_races.rs`.

mod kept;
mod routes;

use reqwest::Method;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::json;

use crate::projects::path;
use crate::state;

pub(crate) const PROJECTS: &str = "/api/v1/projects";

pub(crate) fn keyed(caller: &Caller, key: &str) -> Caller {
    caller.with_header("idempotency-key", key)
}

pub(crate) async fn create(caller: &Caller, key: &str, name: &str) -> Answer {
    keyed(caller, key)
        .post(PROJECTS, json!({ "name": name }))
        .await
}

pub(crate) fn is_replayed(answer: &Answer) -> bool {
    answer.headers().contains_key("idempotency-replayed")
}

/// The first answer again, and said to be so.
#[track_caller]
pub(crate) fn assert_replays(again: &Answer, first: &Answer) {
    assert!(!is_replayed(first), "{}", first.text());
    let (status, mut headers, text) = again.essence();
    assert_eq!(
        headers.remove("idempotency-replayed").as_deref(),
        Some("true"),
        "{status} {text}"
    );
    assert_eq!((status, headers, text), first.essence());
}

async fn post(caller: &Caller, path: &str, body: &str) -> Answer {
    if body.is_empty() {
        return caller.send(Method::POST, path, None).await;
    }
    let caller = caller.with_header("content-type", "application/json");
    caller.send_bytes(Method::POST, path, body).await
}

#[tokio::test]
async fn what_is_no_key_is_refused_before_anything_is_done() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let long = "x".repeat(256);
    for key in [
        "",
        " ",
        "a b",
        "a, b",
        "\"\"",
        "\"a",
        "\"a\"b",
        "\"a\";b=1",
        "ä",
        &long,
    ] {
        let answer = create(&alice, key, "Atlas").await;
        let problem = answer.problem(400, "invalid_idempotency_key");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("Idempotency-Key "), "{detail}");
        assert!(!detail.contains("xxx"), "{detail}");
        // Also where there is no body to read, and where the body is worse.
        let restore = format!("{PROJECTS}/no-id/restore");
        let answer = keyed(&alice, key).send(Method::POST, &restore, None).await;
        answer.problem(400, "invalid_idempotency_key");
    }
    let twice = keyed(&keyed(&alice, "a"), "a");
    let answer = twice.post(PROJECTS, json!({ "name": "Atlas" })).await;
    let problem = answer.problem(400, "invalid_idempotency_key");
    assert_eq!(
        problem["detail"],
        "Idempotency-Key stands twice in the request"
    );
    assert_eq!(state::count(&app, "projects"), 0);
    // Who is asking is asked first.
    let answer = create(&app.stranger(), "a b", "Atlas").await;
    answer.problem(401, "missing_token");
    let viewer = alice.colleague("viewer").await;
    let answer = create(&viewer, "a b", "Atlas").await;
    answer.problem(403, "forbidden");
    // The longest key is one.
    let longest = &long[1..];
    let first = create(&alice, longest, "Atlas").await.expect(201);
    assert_replays(&create(&alice, longest, "Atlas").await, &first);
}

#[tokio::test]
async fn a_body_is_the_same_when_it_is_the_same_json() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let project = alice.create_project("First").await.id();
    let caller = keyed(&alice, "a");
    let send = async |text: &str| {
        let text = text.replace("{project}", &project);
        post(&caller, "/api/v1/resources", &text).await
    };
    let first = send(r#"{"project_id":"{project}","name":"é","data":{"a":1,"b":{"c":2,"d":3}}}"#);
    let first = first.await.expect(201);
    for same in [
        r#"{"data":{"b":{"d":3,"c":2},"a":1},"name":"é","project_id":"{project}"}"#,
        "{\n \"project_id\" : \"{project}\",\t\"name\":\"\\u00e9\",\"data\":{\"a\":1,\"b\":{\"c\":2,\"d\":3}}}\n",
    ] {
        assert_replays(&send(same).await, &first);
    }
    for other in [
        r#"{"project_id":"{project}","name":"É","data":{"a":1,"b":{"c":2,"d":3}}}"#,
        r#"{"project_id":"{project}","name":"é","data":{"a":1,"b":{"c":3,"d":2}}}"#,
        r#"{"project_id":"{project}","name":"é","type":null,"data":{"a":1,"b":{"c":2,"d":3}}}"#,
    ] {
        send(other).await.problem(422, "idempotency_key_reused");
    }
    // What is no body at all is told as ever.
    send("{").await.problem(400, "malformed_json");
    send(r#"{"name":7}"#)
        .await
        .problem(422, "validation_failed");
}

#[tokio::test]
async fn a_condition_belongs_to_the_request_and_does_not_stand_in_the_way_of_its_answer() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let made = alice.create_project("Atlas").await;
    let _ = alice.delete(&path(&made.id())).await.expect(204);
    let deleted = format!("{}?deleted=true", path(&made.id()));
    let tag = alice.get(&deleted).await.header("etag").to_owned();
    let restore = format!("{}/restore", path(&made.id()));
    let with = |tag: &str| keyed(&alice, "a").with_header("if-match", tag);
    // A refusal is not kept: with the right condition the same key goes.
    let stale = with(made.header("etag")).post(&restore, json!({})).await;
    stale.problem(412, "precondition_failed");
    let first = with(&tag).post(&restore, json!({})).await.expect(200);
    // The tag is stale by now, by what this request itself has done.
    assert_replays(&with(&tag).post(&restore, json!({})).await, &first);
    for other in [with("*"), with(first.header("etag")), keyed(&alice, "a")] {
        let answer = other.post(&restore, json!({})).await;
        answer.problem(422, "idempotency_key_reused");
    }
}

#[tokio::test]
async fn the_same_key_of_another_caller_is_another_key() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let admin = alice.colleague("admin").await;
    let (_, program) = alice.create_key(&["projects:write"]).await;
    let (_, other_program) = alice.create_key(&["projects:write"]).await;
    let callers = [&alice, &admin, &bob, &program, &other_program];
    let mut made = Vec::new();
    for (number, caller) in callers.into_iter().enumerate() {
        let name = format!("Project {number}");
        made.push(create(caller, "the-same", &name).await.expect(201));
    }
    for (number, caller) in callers.into_iter().enumerate() {
        let name = format!("Project {number}");
        assert_replays(&create(caller, "the-same", &name).await, &made[number]);
    }
    assert_eq!(state::count(&app, "projects"), 5);
    // Another session of the same person is the same caller.
    let again = alice.login(
        json!({ "email": "alice@acme.example", "password": "securepass123", "tenant_slug": "acme-corp" }),
    );
    assert_replays(
        &create(&again.await, "the-same", "Project 0").await,
        &made[0],
    );
}
