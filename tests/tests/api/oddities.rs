//! Whatever is sent, the server answers, and never with a fault of its own.

mod bodies;
pub(crate) mod routes;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use reqwest::Method;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::json;

use self::bodies::{odd_bodies, odd_values};
use self::routes::{all_routes, writes};
use crate::projects::path;
use crate::state;

/// No fault of the server's, and a refusal is a problem document.
fn assert_is_no_fault(answer: &Answer, what: &str) {
    assert!(
        answer.status() < 500,
        "{what}: {} {}",
        answer.status(),
        answer.text()
    );
    answer.assert_framed();
    if answer.status() >= 400 && !answer.text().is_empty() {
        let body = answer.json();
        answer.problem(answer.status(), body["code"].as_str().unwrap());
    }
}

pub(crate) async fn alice_and_project(app: &TestApp) -> (Caller, String) {
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let project = alice.create_project("Atlas").await.id();
    (alice, project)
}

#[tokio::test]
async fn no_body_is_too_odd_for_an_answer() {
    let app = TestApp::start().await;
    let (alice, project) = alice_and_project(&app).await;
    for caller in [&alice, &app.stranger()] {
        for media_type in ["application/json", "application/merge-patch+json"] {
            let caller = caller.with_header("content-type", media_type);
            for (method, path, _) in writes(&project) {
                for body in odd_bodies() {
                    let what = format!("{method} {path} {:.80}", String::from_utf8_lossy(&body));
                    let answer = caller.send_bytes(method.clone(), &path, body).await;
                    assert_is_no_fault(&answer, &what);
                }
            }
        }
    }
    assert_eq!(state::count(&app, "projects"), 1);
}

#[tokio::test]
async fn no_value_of_a_field_is_too_odd_for_an_answer() {
    let app = TestApp::start().await;
    let (alice, project) = alice_and_project(&app).await;
    for (method, path, good) in writes(&project) {
        for field in good.as_object().unwrap().keys() {
            for value in odd_values() {
                let mut body = good.clone();
                body[field] = value;
                let what = format!("{method} {path} {body:.200}");
                let answer = alice.send(method.clone(), &path, Some(body)).await;
                assert_is_no_fault(&answer, &what);
            }
        }
    }
}

#[tokio::test]
async fn no_text_that_chance_makes_is_too_odd_for_an_answer() {
    let app = TestApp::start().await;
    let (alice, project) = alice_and_project(&app).await;
    let mut runner = TestRunner::deterministic();
    // Any text at all, and text that looks a little like what is asked for.
    let text = proptest::prop_oneof![
        "\\PC{0,40}",
        ".{0,40}",
        "[a-zé@.\\-]{1,20}@[a-z.]{1,10}",
        "[a-z0-9-]{0,70}"
    ];
    let id = "[0-9a-fA-F-]{30,40}";
    for _ in 0..60 {
        let mut next = || text.new_tree(&mut runner).unwrap().current();
        for (method, path, mut body) in writes(&project) {
            for (_, value) in body.as_object_mut().unwrap() {
                *value = json!(next());
            }
            let what = format!("{method} {path} {body}");
            let answer = alice.send(method, &path, Some(body)).await;
            assert_is_no_fault(&answer, &what);
        }
        let segment: String = next().bytes().map(|byte| format!("%{byte:02x}")).collect();
        let id = id.new_tree(&mut runner).unwrap().current();
        for path in [
            path(&segment),
            path(&id),
            format!("/api/v1/projects?{segment}"),
            format!("/api/v1/projects?cursor={segment}"),
        ] {
            let answer = alice.get(&path).await;
            assert_is_no_fault(&answer, &path);
        }
    }
}

#[tokio::test]
async fn no_query_is_too_odd_for_an_answer() {
    let app = TestApp::start().await;
    let (alice, project) = alice_and_project(&app).await;
    let long = format!("limit={}", "9".repeat(50_000));
    let many = vec!["a=1"; 5000].join("&");
    for query in [
        "",
        "?",
        "&&&",
        "=",
        "=&=",
        "a",
        "a=",
        "%",
        "%zz",
        "%00=%00",
        "%ff=%fe",
        "limit=%ff",
        "limit=\u{0}",
        "cursor=%00",
        "cursor=..",
        "limit=%",
        "limit=%4",
        "limit=%4x",
        "%00=1",
        "%ff=1",
        "limit=1&limit=1",
        "cursor=%F0%9F%8F%A0",
        "limit[]=1",
        "limit[a]=1",
        "deleted=true&deleted=false",
        "status[]=active",
        "status=active%00",
        "limit=1;DROP",
        "limit=%E2%80%AE1",
        "+",
        "%2B=%2b",
        "limit=0x10",
        "limit=1_0",
        "limit=%201",
        "deleted=TRUE",
        "deleted=null",
        "filters=1",
        "list=1",
        "key=1",
        "__proto__=1",
        &long,
        &many,
    ] {
        let query = query.replace('\0', "%00");
        for (method, path) in all_routes(&project) {
            let path = format!("{path}?{query}");
            let answer = alice.send(method.clone(), &path, None).await;
            assert_is_no_fault(&answer, &format!("{method} {path:.200}"));
        }
    }
}

#[tokio::test]
async fn no_path_is_too_odd_for_an_answer() {
    let app = TestApp::start().await;
    let (alice, project) = alice_and_project(&app).await;
    let long = "x".repeat(60_000);
    let slashes = "/".repeat(5_000);
    for odd in [
        "%",
        "%2",
        "%zz",
        "%00",
        "%ff",
        "%c0%ae%c0%ae",
        "%ed%a0%80",
        "%2e%2e",
        "..",
        ".",
        "%2f",
        "%5c",
        "%25",
        "%2500",
        "~",
        "*",
        "{id}",
        "%7Bid%7D",
        ":id",
        "a;b=c",
        "%0d%0aSet-Cookie:%20a=b",
        "%F0%9F%8F%A0",
        "%E2%80%AE",
        "null",
        "undefined",
        "-1",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        &long,
        &slashes,
    ] {
        for path in [
            format!("/{odd}"),
            format!("/api/v1/{odd}"),
            format!("/api/v1/projects/{odd}"),
            format!("/api/v1/projects/{odd}/restore"),
            format!("/api/v1/projects/{project}/{odd}"),
            format!("/api/v1/projects/{project}{odd}"),
            format!("/api/v1/users/{odd}"),
        ] {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                let method: Method = method.parse().unwrap();
                let answer = alice.send(method.clone(), &path, None).await;
                assert_is_no_fault(&answer, &format!("{method} {path:.200}"));
            }
        }
    }
    let standing = alice.get(&path(&project)).await.expect(200).json();
    assert_eq!(standing["version"], 1);
}

#[tokio::test]
async fn no_header_is_too_odd_for_an_answer() {
    let app = TestApp::start().await;
    let (alice, project) = alice_and_project(&app).await;
    let long = "x".repeat(50_000);
    for name in [
        "accept",
        "access-control-request-headers",
        "access-control-request-method",
        "accept-encoding",
        "accept-language",
        "authorization",
        "content-encoding",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "idempotency-key",
        "origin",
        "range",
        "referer",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-http-method-override",
        "x-original-url",
        "x-request-id",
        "x-tenant-id",
        "x-tenant-slug",
    ] {
        for value in [
            "", " ", ",", ";", "\"", "\\", "*", "W/", "null", "a/b/c", "bytes=0-", "[::1", "%00",
            "ä", "\u{202e}", &long,
        ] {
            if name == "host" && value == long {
                continue;
            }
            let caller = alice.with_header(name, value);
            for (method, path) in [
                (Method::GET, "/docs/"),
                (Method::GET, "/health"),
                (Method::GET, "/api/v1/users/me"),
                (Method::POST, "/api/v1/auth/login"),
                (Method::GET, "/api/v1/projects"),
                (Method::POST, "/api/v1/projects"),
                (Method::GET, &path(&project)),
                (Method::PATCH, &path(&project)),
            ] {
                let body = matches!(method, Method::POST | Method::PATCH).then(|| json!({}));
                let answer = caller.send(method.clone(), path, body).await;
                assert_is_no_fault(&answer, &format!("{method} {path} {name}: {value:.80}"));
            }
        }
    }
}
