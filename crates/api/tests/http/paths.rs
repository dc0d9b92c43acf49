//! Paths: ids, routes that do not exist, methods that do not exist on a route.

use crate::app::{Answer, THING, TestApp, send};

/// All of an answer that another request could tell apart, without its request id.
fn fingerprint(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let request_id = answer.header("x-request-id").unwrap();
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    let body = answer.body.replace(request_id, "…");
    (answer.status, headers, body)
}

#[actix_web::test]
async fn missing_malformed_and_unrouted_are_byte_for_byte_the_same_404() {
    let app = TestApp::start();
    assert_eq!(app.get(&format!("/things/{THING}")).await.status, 200);
    let missing = app
        .get("/things/0198c0de-0000-7000-8000-0000000000ff")
        .await;
    missing.problem(404, "not_found");
    for path in [
        "/things/7",
        "/things/%00",
        "/things/%ff",
        "/things/not-an-id",
        "/things/0198c0de0000700080000000000000ff",
        "/things/%7B0198c0de-0000-7000-8000-00000000000a%7D",
        "/things/urn:uuid:0198c0de-0000-7000-8000-00000000000a",
        "/things/",
        "/things",
        "/nowhere",
        "/",
    ] {
        let answer = app.get(path).await;
        assert_eq!(fingerprint(&answer), fingerprint(&missing), "{path}");
    }
}

#[actix_web::test]
async fn an_unknown_route_is_404_for_every_method() {
    let app = TestApp::start();
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
        let answer = send(app.request(method, "/nowhere")).await;
        answer.problem(404, "not_found");
    }
}

#[actix_web::test]
async fn a_wrong_method_is_405_and_names_the_right_ones() {
    let app = TestApp::start();
    for (method, path, allow) in [
        ("POST", "/health", "GET, HEAD"),
        ("BREW", "/health", "GET, HEAD"),
        ("GET", "/bodies", "POST, PATCH"),
        ("PUT", "/things/7", "GET, HEAD, DELETE"),
    ] {
        let answer = send(app.request(method, path)).await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
}

#[actix_web::test]
async fn head_answers_as_get_does_without_the_body() {
    let app = TestApp::start();
    for path in ["/health", "/nowhere", &format!("/things/{THING}")] {
        let get = app.get(path).await;
        let head = send(app.request("HEAD", path)).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.body, "");
        for name in ["content-type", "content-length", "etag", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    let head = send(app.request("HEAD", "/bodies")).await;
    assert_eq!(
        (head.status, head.header("allow")),
        (405, Some("POST, PATCH"))
    );
}
