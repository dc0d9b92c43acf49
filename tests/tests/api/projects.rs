//! One project: made, and read.

use chrono::{DateTime, Utc};
use reqwest::Method;
use rowhouse_tests::{Answer, TestApp};
use serde_json::{Value, json};
use uuid::Uuid;

const PROJECTS: &str = "/api/v1/projects";

pub(crate) fn path(id: &str) -> String {
    format!("{PROJECTS}/{id}")
}

/// The one refusal that a 422 is expected to hold.
pub(crate) fn refusal(pointer: &str, code: &str) -> Vec<(String, String)> {
    vec![(pointer.to_owned(), code.to_owned())]
}

pub(crate) fn time(value: &Value) -> DateTime<Utc> {
    let text = value.as_str().unwrap();
    assert!(text.ends_with('Z'), "{text}");
    text.parse().unwrap()
}

fn assert_is_a_version(answer: &Answer) {
    let body = answer.json();
    let id = body["id"].as_str().unwrap().replace('-', "");
    let expected = format!("\"{id}-{}\"", body["version"]);
    assert_eq!(answer.header("etag"), expected);
    assert_eq!(answer.header("content-type"), "application/json");
    answer.assert_framed();
}

#[tokio::test]
async fn a_new_project_has_defaults_an_owner_a_place_and_a_version() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let me = alice.get("/api/v1/users/me").await.json();
    let before = Utc::now();
    let answer = alice
        .post(PROJECTS, json!({ "name": "Atlas" }))
        .await
        .expect(201);
    let body = answer.json();
    assert_eq!(
        body,
        json!({
            "id": body["id"],
            "tenant_id": me["tenant"]["id"],
            "name": "Atlas",
            "description": null,
            "status": "active",
            "owner_id": me["tenant"]["membership_id"],
            "is_deleted": false,
            "deleted_at": null,
            "view_count": 0,
            "version": 1,
            "created_at": body["created_at"],
            "updated_at": body["created_at"],
        })
    );
    assert_eq!(answer.header("location"), path(&answer.id()));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_is_a_version(&answer);
    assert_eq!(Uuid::try_parse(&answer.id()).unwrap().get_version_num(), 7);
    let created_at = time(&body["created_at"]);
    assert!(
        before <= created_at && created_at <= Utc::now(),
        "{created_at}"
    );
}

#[tokio::test]
async fn what_was_made_is_what_stands_at_its_location() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let body = json!({ "name": "Atlas", "description": "Maps\n\tof all", "status": "archived" });
    let made = alice.post(PROJECTS, body).await.expect(201);
    assert_eq!(made.json()["description"], "Maps\n\tof all");
    assert_eq!(made.json()["status"], "archived");
    let found = alice.get(made.header("location")).await.expect(200);
    assert_eq!(found.json(), made.json());
    assert_eq!(found.header("etag"), made.header("etag"));
    assert_eq!(found.header("cache-control"), "private, no-cache");
    assert_is_a_version(&found);
    // In either case of its hexadecimal digits, and in no other spelling.
    let upper = alice.get(&path(&made.id().to_uppercase())).await;
    assert_eq!(upper.essence(), found.essence());
    let simple = alice.get(&path(&made.id().replace('-', ""))).await;
    simple.problem(404, "not_found");
}

#[tokio::test]
async fn text_is_kept_as_it_came_but_for_blanks_around_it() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    for (name, description) in [
        ("Robert'); DROP TABLE projects;--", "' OR '1'='1"),
        ("$1 %s {} \\ \"quoted\" <b>&amp;</b>", "\\u0000 \\0 %00 $$"),
        (
            "Ärger mit Ümläuten 株式会社 🏘️ שלום",
            "𝕌\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
        ),
        (&"x".repeat(200), &"🏠".repeat(10_000)),
    ] {
        let body = json!({ "name": format!(" \t{name}\u{3000}"), "description": description });
        let made = alice.post(PROJECTS, body).await.expect(201).json();
        assert_eq!(
            (&made["name"], &made["description"]),
            (&json!(name), &json!(description))
        );
    }
    // Composed or not, it is the same name.
    let made = alice.post(PROJECTS, json!({ "name": "Cafe\u{301}" })).await;
    assert_eq!(made.expect(201).json()["name"], "Caf\u{e9}");
}

#[tokio::test]
async fn two_projects_may_have_one_name() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let one = alice.create_project("Atlas").await;
    let other = alice.create_project("Atlas").await;
    assert_ne!(one.id(), other.id());
}

#[tokio::test]
async fn every_value_that_breaks_a_rule_is_named() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    for (body, pointer, code) in [
        (json!({}), "/name", "missing_field"),
        (json!({ "name": null }), "/name", "wrong_type"),
        (json!({ "name": 7 }), "/name", "wrong_type"),
        (json!({ "name": ["Atlas"] }), "/name", "wrong_type"),
        (json!({ "name": "" }), "/name", "invalid"),
        (json!({ "name": " \t " }), "/name", "invalid"),
        (json!({ "name": "\u{200b}\u{feff}" }), "/name", "invalid"),
        (json!({ "name": "x".repeat(201) }), "/name", "invalid"),
        (json!({ "name": "two\nlines" }), "/name", "invalid"),
        (json!({ "name": "nul\0" }), "/name", "invalid"),
        (
            json!({ "name": "A", "description": 7 }),
            "/description",
            "wrong_type",
        ),
        (
            json!({ "name": "A", "description": "x".repeat(10_001) }),
            "/description",
            "invalid",
        ),
        (
            json!({ "name": "A", "description": "bell\u{7}" }),
            "/description",
            "invalid",
        ),
        (
            json!({ "name": "A", "status": "deleted" }),
            "/status",
            "invalid",
        ),
        (
            json!({ "name": "A", "status": "Active" }),
            "/status",
            "invalid",
        ),
        (
            json!({ "name": "A", "status": null }),
            "/status",
            "wrong_type",
        ),
        (
            json!({ "name": "A", "is_deleted": true }),
            "/is_deleted",
            "unknown_field",
        ),
        (
            json!({ "name": "A", "version": 9 }),
            "/version",
            "unknown_field",
        ),
        (
            json!({ "name": "A", "a/b~c": 1 }),
            "/a~1b~0c",
            "unknown_field",
        ),
        (json!([]), "", "wrong_type"),
        (json!("Atlas"), "", "wrong_type"),
        (json!(null), "", "wrong_type"),
    ] {
        let answer = alice.post(PROJECTS, body.clone()).await;
        assert_eq!(answer.refusals(), refusal(pointer, code), "{body:.80}");
    }
    let both = json!({ "name": "", "description": "x".repeat(10_001) });
    let refusals = alice.post(PROJECTS, both).await.refusals();
    let expected = [
        refusal("/name", "invalid"),
        refusal("/description", "invalid"),
    ]
    .concat();
    assert_eq!(refusals, expected);
    let list = alice.get(PROJECTS).await.json();
    assert_eq!(list["data"], json!([]));
}

#[tokio::test]
async fn a_project_that_is_known_is_not_sent_again() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let made = alice.create_project("Atlas").await;
    let (path, tag) = (path(&made.id()), made.header("etag").to_owned());
    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"x\", {tag}"),
        "*".to_owned(),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let caller = alice.with_header("if-none-match", &known);
            let answer = caller.send(method, &path, None).await.expect(304);
            assert_eq!((answer.text(), answer.header("etag")), ("", tag.as_str()));
            assert_eq!(answer.header("cache-control"), "private, no-cache");
        }
    }
    let unknown = alice.with_header("if-none-match", "\"x\"");
    let _ = unknown.get(&path).await.expect(200);
    for malformed in ["nonsense", ""] {
        let caller = alice.with_header("if-none-match", malformed);
        let answer = caller.get(&path).await;
        answer.problem(400, "malformed_condition");
    }
    // A change makes the old tag useless and the new one good.
    let changed = alice
        .patch(&path, json!({ "name": "Borealis" }))
        .await
        .expect(200);
    let old = alice.with_header("if-none-match", &tag).get(&path).await;
    assert_eq!(old.expect(200).json(), changed.json());
    let new = alice.with_header("if-none-match", changed.header("etag"));
    let _ = new.get(&path).await.expect(304);
}

#[tokio::test]
async fn a_project_is_read_on_condition() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let made = alice.create_project("Atlas").await;
    let path = path(&made.id());
    for (value, status) in [(made.header("etag"), 200), ("*", 200), ("\"x\"", 412)] {
        let answer = alice.with_header("if-match", value).get(&path).await;
        assert_eq!(answer.status(), status, "{value}");
    }
    // RFC 9110, 13.2.2: If-Match goes before If-None-Match.
    let both = alice
        .with_header("if-match", "\"x\"")
        .with_header("if-none-match", made.header("etag"));
    both.get(&path).await.problem(412, "precondition_failed");
}

#[tokio::test]
async fn head_answers_what_get_does_without_the_body() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let id = alice.create_project("Atlas").await.id();
    for path in [
        PROJECTS.to_owned(),
        path(&id),
        path("nothing"),
        "/api/v1/users/me".to_owned(),
    ] {
        let get = alice.get(&path).await.essence();
        let head = alice.send(Method::HEAD, &path, None).await.essence();
        assert_eq!((head.0, &head.1), (get.0, &get.1), "{path}");
        assert_eq!(head.2, "");
    }
}
