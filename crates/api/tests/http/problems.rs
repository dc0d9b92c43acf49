//! Problem documents, request ids and the headers of every answer.

use crate::app::{TestApp, send};
use serde_json::json;

#[actix_web::test]
async fn a_problem_is_complete() {
    let app = TestApp::start();
    let request = app.request("GET", "/nowhere");
    let answer = send(request.header("x-request-id", "mine-7")).await;
    let expected = json!({
        "type": "/docs/errors/not_found",
        "title": "Not found",
        "status": 404,
        "detail": "there is nothing here that you can see",
        "code": "not_found",
        "request_id": "mine-7",
    });
    assert_eq!(answer.problem(404, "not_found"), expected);
}

#[actix_web::test]
async fn a_failure_of_ours_says_nothing_of_its_cause() {
    let app = TestApp::start();
    for (kind, status, code) in [
        ("internal", 500, "internal"),
        ("foreign-500", 500, "internal"),
        ("database", 503, "database_unavailable"),
        ("busy", 503, "busy"),
    ] {
        let answer = app.get(&format!("/failures/{kind}")).await;
        answer.problem(status, code);
        assert!(!answer.body.contains("hunter2"), "{}", answer.body);
        assert!(!answer.body.contains("of actix"), "{}", answer.body);
    }
}

#[actix_web::test]
async fn an_error_of_actix_becomes_a_problem_too() {
    let answer = TestApp::start().get("/failures/foreign-400").await;
    answer.problem(400, "malformed_request");
}

#[actix_web::test]
async fn an_error_of_a_middleware_becomes_a_problem_too() {
    let app = TestApp::start();
    let request = app.request("GET", "/refused");
    let answer = send(request.header("x-request-id", "mine-8")).await;
    let problem = answer.problem(403, "not_a_member");
    assert_eq!(problem["request_id"], "mine-8");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[actix_web::test]
async fn what_passes_by_itself_says_when_to_come_back() {
    let app = TestApp::start();
    let busy = app.get("/failures/busy").await;
    assert_eq!(busy.header("retry-after"), Some("7"));
    let database = app.get("/failures/database").await;
    assert_eq!(database.header("retry-after"), Some("1"));
    let attempts = app.get("/failures/attempts").await;
    assert_eq!(attempts.header("retry-after"), Some("61"));
    let limited = attempts.problem(429, "too_many_attempts");
    assert_eq!(limited["limit"], "address");
    let internal = app.get("/failures/internal").await;
    assert_eq!(internal.header("retry-after"), None);
}

#[actix_web::test]
async fn every_401_carries_its_challenge() {
    let app = TestApp::start();
    let bare = r#"Bearer realm="rowhouse""#;
    let invalid = r#"Bearer realm="rowhouse", error="invalid_token""#;
    // RFC 9470, 3.
    let step_up =
        r#"Bearer realm="rowhouse", error="insufficient_user_authentication", max_age="900""#;
    for (kind, code, challenge) in [
        ("credentials", "invalid_credentials", bare),
        ("second-factor", "mfa_required", bare),
        ("step-up", "step_up_required", step_up),
        ("session", "session_revoked", invalid),
        ("reused", "session_revoked", invalid),
        ("stale", "token_stale", invalid),
    ] {
        let answer = app.get(&format!("/failures/{kind}")).await;
        answer.problem(401, code);
        assert_eq!(answer.header("www-authenticate"), Some(challenge), "{kind}");
    }
}

#[actix_web::test]
async fn a_request_id_goes_in_and_out() {
    let app = TestApp::start();
    for path in ["/health", "/nowhere"] {
        let request = app.request("GET", path).header("x-request-id", "abc_DEF-1");
        assert_eq!(
            send(request).await.header("x-request-id"),
            Some("abc_DEF-1")
        );
        let made = app.get(path).await;
        let other = app.get(path).await;
        assert_ne!(made.header("x-request-id"), other.header("x-request-id"));
        let request = app.request("GET", path).header("x-request-id", "not one");
        assert_ne!(send(request).await.header("x-request-id"), Some("not one"));
    }
}

#[actix_web::test]
async fn every_answer_carries_the_security_headers() {
    let app = TestApp::start();
    for path in ["/health", "/nowhere", "/failures/internal"] {
        let answer = app.get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path} {name}");
        }
    }
}

#[actix_web::test]
async fn reads_may_be_kept_privately_and_writes_not_at_all() {
    let app = TestApp::start();
    let read = app.get("/health").await;
    assert_eq!(read.header("cache-control"), Some("private, no-cache"));
    let body = r#"{"email": "a@b.example", "name": "Park"}"#;
    let write = app.post_json("/bodies", body).await;
    assert_eq!(write.header("cache-control"), Some("no-store"));
}

#[actix_web::test]
async fn a_handler_that_panics_is_an_opaque_500_and_the_next_request_is_served() {
    let app = TestApp::start();
    for _ in 0..8 {
        let answer = app.get("/panics").await;
        let problem = answer.problem(500, "internal");
        assert!(!problem.to_string().contains("on purpose"), "{problem}");
        assert_eq!(app.get("/health").await.status, 200);
    }
}
