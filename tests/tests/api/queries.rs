//! Queries, on every route there is: what nobody reads is refused before anything happens.

use reqwest::Method;
use rowhouse_tests::TestApp;
use serde_json::{Value, json};

use crate::oddities::alice_and_project;
use crate::oddities::routes::writes;
use crate::state;

const ID: &str = "0198c0de-0000-7000-8000-000000000001";

/// A body with which the request would be served.
fn body(method: &Method, path: &str, project: &str) -> Option<Value> {
    let person = json!({ "email": "x@x.example", "password": "securepass123", "full_name": "X" });
    let is_this = |(m, p, _): &(Method, String, Value)| m == method && p == path;
    match path {
        "/login" => Some(json!({ "email": "alice@acme.example", "password": "securepass123" })),
        "/refresh_token" => Some(json!({ "refresh_token": "rt_A" })),
        "/users/register" => Some(person),
        "/organization/register" | "/projects/create_project" => Some(json!({ "name": "X" })),
        _ => writes(project).into_iter().find(is_this).map(|row| row.2),
    }
}

#[tokio::test]
async fn what_nobody_reads_is_refused_on_every_route_and_nothing_happens() {
    let app = TestApp::start().await;
    let (alice, project) = alice_and_project(&app).await;
    let before = state::rows_of(&app, "acme-corp");
    let mut asked = 0;
    for (pattern, methods) in api::routes::list() {
        for method in methods {
            let method: Method = method.as_str().parse().unwrap();
            // What is read or changed is there; all else could be refused for another reason.
            let id = match pattern {
                pattern if pattern.contains("/projects/") => project.as_str(),
                _ => ID,
            };
            let path = pattern.replace("{id}", id).replace("{n}", "1");
            let path = path.replace("{file:.*}", "").replace("{code}", "not_found");
            for (query, name, code) in [
                ("nonsense=1", "nonsense", "unknown_field"),
                ("nonsense", "nonsense", "unknown_field"),
                ("Limit=1", "Limit", "unknown_field"),
                ("=1", "", "unknown_field"),
                ("nonsense=1&nonsense=2", "nonsense", "duplicate"),
                ("limit=1&limit=1", "limit", "duplicate"),
                ("nonsense=%ff", "nonsense", "invalid"),
                ("nonsense=%00", "nonsense", "invalid"),
                ("nonsense=%zz", "nonsense", "invalid"),
                ("nonsense=100%", "nonsense", "invalid"),
                ("%66%6f%6f=1", "foo", "unknown_field"),
            ] {
                let body = body(&method, &path, &project);
                let target = format!("{path}?{query}");
                let answer = alice.send(method.clone(), &target, body).await;
                let what = format!("{method} {target}: {}", answer.text());
                assert_eq!(answer.status(), 422, "{what}");
                let errors = answer.problem(422, "validation_failed")["errors"].clone();
                assert_eq!(errors.as_array().unwrap().len(), 1, "{what}");
                assert_eq!(errors[0]["parameter"], name, "{what}");
                assert_eq!(errors[0]["pointer"], format!("/{name}"), "{what}");
                assert_eq!(errors[0]["code"], code, "{what}");
                asked += 1;
            }
            if method == Method::GET {
                let head = alice
                    .send(Method::HEAD, &format!("{path}?nonsense=1"), None)
                    .await;
                assert_eq!(head.status(), 422, "HEAD {path}");
            }
        }
    }
    assert!(asked > 700, "{asked}");
    assert_eq!(state::rows_of(&app, "acme-corp"), before);
    // An empty query is none.
    for path in [
        "/health?",
        "/health?&",
        "/api/v1/projects?&&",
        "/api/v1/users/me?",
    ] {
        drop(alice.get(path).await.expect(200));
    }
}

#[tokio::test]
async fn the_caller_goes_before_the_query() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let viewer = alice.colleague("viewer").await;
    let path = "/api/v1/projects?nonsense=1";
    let body = json!({ "name": "Atlas" });
    let answer = app.stranger().post(path, body.clone()).await;
    answer.problem(401, "missing_token");
    let answer = viewer.post(path, body.clone()).await;
    answer.problem(403, "forbidden");
    let answer = alice.post(path, body).await;
    answer.problem(422, "validation_failed");
}

#[tokio::test]
async fn a_path_that_does_not_decode_is_a_404_like_any_other() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let nothing = alice.get(&format!("/api/v1/projects/{ID}")).await;
    nothing.problem(404, "not_found");
    for segment in ["%zz", "%", "%ff", "%c0%ae", "%00", "a%2fb", "%ed%a0%80"] {
        let answer = alice.get(&format!("/api/v1/projects/{segment}")).await;
        assert_eq!(
            answer.without_request_id(),
            nothing.without_request_id(),
            "{segment}"
        );
        for path in [
            format!("/docs/{segment}"),
            format!("/docs/errors/{segment}"),
            format!("/{segment}"),
        ] {
            alice.get(&path).await.problem(404, "not_found");
        }
    }
}

#[tokio::test]
async fn a_key_that_stands_twice_in_a_body_is_refused_at_any_depth() {
    let app = TestApp::start().await;
    let (alice, project) = alice_and_project(&app).await;
    let json = alice.with_header("content-type", "application/json");
    let resource = |data: &str| {
        format!(r#"{{"project_id": "{project}", "name": "x", "type": "x", "data": {data}}}"#)
    };
    for (body, pointer) in [
        (resource(r#"{"a": 1, "a": 2}"#), "/data/a"),
        (
            resource(r#"{"a": [{"b": {"c/d": 1, "c\u002fd": 2}}]}"#),
            "/data/a/0/b/c~1d",
        ),
        (resource(r#"{}, "data": {}"#), "/data"),
    ] {
        let answer = json
            .send_bytes(Method::POST, "/api/v1/resources", body)
            .await;
        assert_eq!(
            answer.refusals(),
            [(pointer.to_owned(), "duplicate".to_owned())]
        );
    }
    let made = json
        .send_bytes(
            Method::POST,
            "/api/v1/resources",
            resource(r#"{"a": {"a": 1}, "b": {"a": 1}}"#),
        )
        .await
        .expect(201);
    let patch = r#"{"data": {"x": {"y": 1, "y": null}}}"#;
    let path = format!("/api/v1/resources/{}", made.id());
    let answer = json.send_bytes(Method::PATCH, &path, patch).await;
    assert_eq!(
        answer.refusals(),
        [("/data/x/y".to_owned(), "duplicate".to_owned())]
    );
    assert_eq!(alice.get(&path).await.json(), made.json());
}
