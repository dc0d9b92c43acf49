//! JSON bodies: every way in which one can be wrong, and what a right one may look like.

use crate::app::{TestApp, send};
use api::ServerSettings;
use serde_json::json;

const GOOD: &str = r#"{"email": "a@b.example", "name": "Park"}"#;

fn with(more: &str) -> String {
    format!(r#"{{"email": "a@b.example", "name": "Park", {more}}}"#)
}

#[actix_web::test]
async fn a_good_body_reaches_its_handler() {
    let app = TestApp::start();
    let answer = app.post_json("/bodies", GOOD).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["email"], "a@b.example");
    for media_type in ["application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(app.post("/bodies", media_type, GOOD).await.status, 200);
    }
}

#[actix_web::test]
async fn another_media_type_or_none_is_415() {
    let app = TestApp::start();
    for media_type in ["text/plain", "application/merge-patch+json", "json", ""] {
        let answer = app.post("/bodies", media_type, GOOD).await;
        answer.problem(415, "unsupported_media_type");
    }
    let bare = send(app.request("POST", "/bodies").body(GOOD)).await;
    bare.problem(415, "unsupported_media_type");
}

#[actix_web::test]
async fn a_compressed_body_is_415() {
    let app = TestApp::start();
    let request = app.request("POST", "/bodies").body(GOOD);
    let request = request.header("content-type", "application/json");
    let answer = send(request.header("content-encoding", "gzip")).await;
    answer.problem(415, "unsupported_media_type");
}

#[actix_web::test]
async fn no_body_at_all_is_malformed() {
    let app = TestApp::start();
    app.post_json("/bodies", "")
        .await
        .problem(400, "malformed_json");
}

#[actix_web::test]
async fn what_is_not_json_is_400_with_its_position() {
    let app = TestApp::start();
    let answer = app.post_json("/bodies", "{\n  \"email\": oops}").await;
    let problem = answer.problem(400, "malformed_json");
    assert_eq!(problem["detail"], "line 2, column 12: expected value");
    for body in [
        "nonsense",
        r#"{"email": "a@b.example", "name": "Park""#,
        r#"{"email": "a@b.example", "name": "Park"} trailing"#,
        r#"{"email": "a@b.example", "name": "Park",}"#,
        r#"{'email': 1}"#,
        r#"{"email": "\ud800", "name": "Park"}"#,
        "{\"email\": \"a\0b\", \"name\": \"Park\"}",
        "\u{feff}{}",
    ] {
        let answer = app.post_json("/bodies", body).await;
        answer.problem(400, "malformed_json");
    }
}

#[actix_web::test]
async fn what_is_not_utf_8_is_400() {
    let app = TestApp::start();
    let body = b"{\"email\": \"\xff\"}";
    let answer = app.post("/bodies", "application/json", &body[..]).await;
    answer.problem(400, "malformed_body");
}

#[actix_web::test]
async fn bottomless_nesting_is_400() {
    let app = TestApp::start();
    let depth = 100_000;
    let nested = "[".repeat(depth) + &"]".repeat(depth);
    let answer = app
        .post_json("/bodies", &with(&format!(r#""data": {nested}"#)))
        .await;
    answer.problem(400, "malformed_json");
    let answer = app.post_json("/bodies", &"{\"a\":".repeat(depth)).await;
    assert!(matches!(answer.status, 400 | 422), "{}", answer.status);
}

#[actix_web::test]
async fn an_announced_body_over_the_limit_is_413() {
    let app = TestApp::start();
    let name = "x".repeat(1024 * 1024);
    let body = with(&format!(r#""data": "{name}""#));
    let answer = app.post_json("/bodies", &body).await;
    let problem = answer.problem(413, "payload_too_large");
    assert_eq!(problem["detail"], "the body may have at most 1048576 bytes");
}

#[actix_web::test]
async fn an_announced_body_over_the_limit_is_not_waited_for() {
    let app = TestApp::start();
    let answer = app.raw(
        b"POST /bodies HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
          content-length: 1048577\r\n\r\n{",
    );
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[actix_web::test]
async fn a_streamed_body_over_the_limit_is_413() {
    let app = TestApp::start();
    let head = "POST /bodies/small HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let chunk = format!("20\r\n{}\r\n", " ".repeat(32));
    let answer = app.raw(format!("{head}{}0\r\n\r\n", chunk.repeat(3)).as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"payload_too_large\""), "{answer}");
}

#[actix_web::test]
async fn a_routes_own_limit_goes_before_the_servers() {
    let app = TestApp::start();
    assert_eq!(app.post_json("/bodies/small", GOOD).await.status, 200);
    let long = with(r#""tags": ["one", "two", "three"]"#);
    app.post_json("/bodies/small", &long)
        .await
        .problem(413, "payload_too_large");
}

#[actix_web::test]
async fn a_body_that_does_not_arrive_is_cut() {
    let app = TestApp::start_with(ServerSettings {
        body_timeout_seconds: 1,
        ..ServerSettings::default()
    });
    let answer = app.raw_until_closed(
        b"POST /bodies HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
          content-length: 100\r\n\r\n{\"email\":",
    );
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"request_timeout\""), "{answer}");
}

#[actix_web::test]
async fn only_an_object_is_a_body() {
    let app = TestApp::start();
    for body in [r#"["a@b.example", "Park"]"#, "null", "7", "\"text\"", "[]"] {
        let refused = app.post_json("/bodies", body).await.refused();
        let expected = ("", "wrong_type", "expected an object");
        assert_eq!((&*refused.0, &*refused.1, &*refused.2), expected, "{body}");
    }
}

#[actix_web::test]
async fn a_wrong_shape_is_422_with_pointer_and_code() {
    let app = TestApp::start();
    for (body, pointer, code, detail) in [
        (
            with(r#""x": 1"#),
            "/x",
            "unknown_field",
            "there is no such field",
        ),
        (
            with(r#""inner": {"x": 1}"#),
            "/inner/x",
            "unknown_field",
            "there is no such field",
        ),
        (
            with(r#""inner": {}"#),
            "/inner/name",
            "missing_field",
            "is required",
        ),
        (
            with(r#""inner": 7"#),
            "/inner",
            "wrong_type",
            "expected an object",
        ),
        (
            with(r#""count": "7""#),
            "/count",
            "wrong_type",
            "expected an integer of 0 or more that fits 32 bits",
        ),
        (
            with(r#""count": 1.5"#),
            "/count",
            "wrong_type",
            "expected an integer of 0 or more that fits 32 bits",
        ),
        (
            with(r#""tags": "a""#),
            "/tags",
            "wrong_type",
            "expected an array",
        ),
        (
            with(r#""tags": ["a", 7]"#),
            "/tags/1",
            "wrong_type",
            "expected a string",
        ),
        (
            with(r#""a/b~c": 7"#),
            "/a~1b~0c",
            "wrong_type",
            "expected a boolean",
        ),
        (
            with(r#""name": "Zoo""#),
            "/name",
            "duplicate",
            "stands twice",
        ),
        (
            with(r#""role": 7"#),
            "/role",
            "wrong_type",
            "expected a string",
        ),
        (
            with(r#""role": {"owner": null}"#),
            "/role",
            "wrong_type",
            "expected a string",
        ),
        (
            r#"{"name": "Park"}"#.into(),
            "/email",
            "missing_field",
            "is required",
        ),
        (
            r#"{"email": null}"#.into(),
            "/email",
            "wrong_type",
            "expected a string",
        ),
    ] {
        let refused = app.post_json("/bodies", &body).await.refused();
        let refused = (&*refused.0, &*refused.1, &*refused.2);
        assert_eq!(refused, (pointer, code, detail), "{body}");
    }
}

#[actix_web::test]
async fn a_value_outside_of_its_range_is_invalid() {
    let app = TestApp::start();
    for (more, pointer) in [
        (r#""count": -1"#, "/count"),
        (r#""count": 4294967296"#, "/count"),
        (r#""role": "boss""#, "/role"),
        (r#""project_id": "7""#, "/project_id"),
    ] {
        let refused = app.post_json("/bodies", &with(more)).await.refused();
        assert_eq!((&*refused.0, &*refused.1), (pointer, "invalid"), "{more}");
        assert!(!refused.2.contains(" line "), "{}", refused.2);
    }
}

#[actix_web::test]
async fn what_the_domain_refuses_is_reported_all_at_once() {
    let app = TestApp::start();
    let answer = app
        .post_json("/bodies", r#"{"email": "nobody", "name": " "}"#)
        .await;
    let problem = answer.problem(422, "validation_failed");
    assert_eq!(problem["detail"], "2 values were refused");
    let expected = json!([
        {"pointer": "/email", "code": "invalid", "detail": "must contain exactly one @"},
        {"pointer": "/name", "code": "invalid", "detail": "must not be empty"},
    ]);
    assert_eq!(problem["errors"], expected);
}

#[actix_web::test]
async fn a_nul_character_never_gets_through() {
    let app = TestApp::start();
    for (more, pointer) in [
        (r#""data": {"x": [1, "a\u0000b"]}"#, "/data/x/1"),
        (r#""data": {"x\u0000": 1}"#, "/data/x\0"),
        (r#""tags": ["\\\u0000"]"#, "/tags/0"),
    ] {
        let refused = app.post_json("/bodies", &with(more)).await.refused();
        assert_eq!((&*refused.0, &*refused.1), (pointer, "invalid"), "{more}");
    }
    let harmless = with(r#""tags": ["\\u0000"]"#);
    assert_eq!(app.post_json("/bodies", &harmless).await.status, 200);
}

#[actix_web::test]
async fn a_merge_patch_tells_absent_from_null() {
    let app = TestApp::start();
    for media_type in ["application/merge-patch+json", "application/json"] {
        let patch = async |body: &'static str| {
            let request = app.request("PATCH", "/bodies").body(body);
            send(request.header("content-type", media_type)).await
        };
        let unchanged = json!({"name": "unchanged", "description": "unchanged"});
        assert_eq!(patch("{}").await.json(), unchanged);
        let removed = json!({"name": "Zoo", "description": null});
        let answer = patch(r#"{"name": "Zoo", "description": null}"#).await;
        assert_eq!(answer.json(), removed);

        let answer = patch(r#"{"name": null, "description": ""}"#).await;
        let problem = answer.problem(422, "validation_failed");
        let expected = json!([
            {"pointer": "/name", "code": "wrong_type", "detail": "must not be null"},
            {"pointer": "/description", "code": "invalid", "detail": "must not be empty"},
        ]);
        assert_eq!(problem["errors"], expected);
        let refused = patch(r#"{"nme": "Zoo"}"#).await.refused();
        assert_eq!((&*refused.0, &*refused.1), ("/nme", "unknown_field"));
    }
}
