//! Whatever is sent, the server answers, and never with a fault of its own.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use reqwest::Method;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};

use crate::projects::path;
use crate::state;

const ID: &str = "0198c0de-0000-7000-8000-000000000001";

/// Every route that takes a body, with a good one; but for the logout, as nothing would be left to
/// ask behind it (see `logout.rs`).
pub(crate) fn writes(project: &str) -> Vec<(Method, String, Value)> {
    let (post, patch) = (Method::POST, Method::PATCH);
    let person = json!({ "email": "x@x.example", "password": "securepass123", "full_name": "X" });
    let mut founder = person.clone();
    founder["tenant_slug"] = json!("x-corp");
    founder["tenant_name"] = json!("X");
    let mut user = person;
    user["role"] = json!("viewer");
    let login = json!({ "email": "alice@acme.example", "password": "securepass123", "tenant_slug": "acme-corp" });
    let atlas = json!({ "name": "Atlas", "description": "Maps", "status": "active" });
    vec![
        (post.clone(), "/api/v1/auth/register".to_owned(), founder),
        (post.clone(), "/api/v1/auth/login".to_owned(), login),
        (
            post.clone(),
            "/api/v1/auth/refresh".to_owned(),
            json!({ "refresh_token": format!("rt_{}", "A".repeat(43)) }),
        ),
        (
            post.clone(),
            "/api/v1/auth/switch".to_owned(),
            json!({ "tenant_slug": "acme-corp" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/switch".to_owned(),
            json!({ "tenant_id": ID }),
        ),
        (
            post.clone(),
            "/api/v1/auth/verify-email".to_owned(),
            json!({ "token": "mt_A" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/verify-email/resend".to_owned(),
            json!({ "email": "x@x.example" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/password/forgot".to_owned(),
            json!({ "email": "x@x.example", "tenant_slug": "acme-corp" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/password/reset".to_owned(),
            json!({ "token": "mt_A", "password": "securepass123" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/password/change".to_owned(),
            json!({ "current_password": "wrong password", "new_password": "securepass123" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/step-up".to_owned(),
            json!({ "password": "securepass123", "totp": "123456" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/mfa/totp/confirm".to_owned(),
            json!({ "totp": "123456" }),
        ),
        (
            post.clone(),
            "/api/v1/tenant/transfer-ownership".to_owned(),
            json!({ "user_id": ID }),
        ),
        (
            patch.clone(),
            "/api/v1/users/me".to_owned(),
            json!({ "full_name": "X" }),
        ),
        (post.clone(), "/api/v1/users".to_owned(), user),
        (
            post.clone(),
            "/api/v1/tenants".to_owned(),
            json!({ "name": "X", "slug": "x-corp" }),
        ),
        (
            post.clone(),
            "/api/v1/invitations".to_owned(),
            json!({ "email": "y@x.example", "role": "viewer", "full_name": "Y" }),
        ),
        (
            post.clone(),
            "/api/v1/invitations/accept".to_owned(),
            json!({ "token": "mt_A", "password": "securepass123", "full_name": "Y" }),
        ),
        (
            patch.clone(),
            format!("/api/v1/users/{ID}"),
            json!({ "full_name": "X", "role": "viewer", "status": "active" }),
        ),
        (
            patch.clone(),
            "/api/v1/tenant".to_owned(),
            json!({ "name": "X", "signup": "closed", "signup_domains": ["x.example"],
                "settings": { "locale": "en", "timezone": "UTC", "week_starts_on": "monday", "x": { "y": [1] } },
                "branding": { "logo_url": "https://x.example/", "icon_url": null, "primary_color": "#123456",
                    "accent_color": null, "support_email": "x@x.example", "support_url": null } }),
        ),
        (
            post.clone(),
            "/api/v1/roles".to_owned(),
            json!({ "name": "x", "based_on": "viewer", "permissions": ["projects:read"] }),
        ),
        (
            patch.clone(),
            format!("/api/v1/roles/{ID}"),
            json!({ "name": "x", "based_on": "viewer", "permissions": ["projects:read"] }),
        ),
        (
            post.clone(),
            "/api/v1/api-keys".to_owned(),
            json!({ "name": "x", "scopes": ["projects:read"], "expires_at": "2099-01-01T00:00:00Z" }),
        ),
        (post.clone(), "/api/v1/projects".to_owned(), atlas.clone()),
        (patch.clone(), path(project), atlas),
        (
            post.clone(),
            "/api/v1/resources".to_owned(),
            json!({ "project_id": project, "name": "x", "type": "x", "data": { "x": 1 } }),
        ),
        (
            patch,
            format!("/api/v1/resources/{ID}"),
            json!({ "name": "x", "type": "x", "data": { "x": 1 } }),
        ),
        (
            post.clone(),
            format!("/api/v1/resources/{ID}/versions/1/restore"),
            json!({}),
        ),
        (
            post.clone(),
            "/organization/select".to_owned(),
            json!({ "slug": "acme-corp" }),
        ),
        (
            post.clone(),
            "/organization/select".to_owned(),
            json!({ "organization_id": ID }),
        ),
        (
            post.clone(),
            "/organization/add_users".to_owned(),
            json!({ "emails": ["x@x.example"], "role": "viewer" }),
        ),
        (post, format!("{}/restore", path(project)), json!({})),
    ]
}

/// Every route there is, but for the logout; nothing is deleted.
fn all_routes(project: &str) -> Vec<(Method, String)> {
    let mut routes = Vec::new();
    let stays = |(pattern, _): &(&str, _)| !pattern.ends_with("/logout");
    for (pattern, methods) in api::routes::list().into_iter().filter(stays) {
        for method in methods {
            let method: Method = method.as_str().parse().unwrap();
            let id = if method == Method::DELETE {
                ID
            } else {
                project
            };
            let path = pattern.replace("{id}", id).replace("{n}", "1");
            let path = path.replace("{file:.*}", "");
            if method == Method::GET {
                routes.push((Method::HEAD, path.clone()));
            }
            routes.push((method, path));
        }
    }
    routes
}

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

fn odd_bodies() -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str, depth: usize| {
        let body = format!(
            "{{\"name\": {}1{}}}",
            open.repeat(depth),
            close.repeat(depth)
        );
        body.into_bytes()
    };
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "true",
        "0",
        "-0",
        "[]",
        "{}",
        "\"\"",
        "{",
        "}",
        "[",
        "{]",
        "{\"",
        "{\"name\"",
        "{\"name\":",
        "{\"name\":\"A\"",
        "{\"name\":\"A\",}",
        "{\"name\":\"A\"}}",
        "{\"name\":\"A\"} {\"name\":\"B\"}",
        "{'name':'A'}",
        "{name:1}",
        "nul",
        "NaN",
        "Infinity",
        "\u{feff}{}",
        "<xml/>",
        "a=b&c=d",
        "--boundary\r\n",
        r#"{"name": "\ud800"}"#,
        r#"{"name": "\udc00\ud800"}"#,
        r#"{"name": "\u0000"}"#,
        r#"{"\u0000": 1}"#,
        r#"{"name": "\uZZZZ"}"#,
        r#"{"name": "\x41"}"#,
        r#"{"name": "A", "name": "B"}"#,
        r#"{"email": "a", "email": "b"}"#,
        r#"{"": ""}"#,
        r#"{"__proto__": {}, "constructor": 1}"#,
        r#"{"name": 1e999}"#,
        r#"{"name": -1e-999}"#,
        r#"{"name": 123456789012345678901234567890123456789012345678901234567890}"#,
        r#"{"name": 0.1e1}"#,
        r#"{"name": 01}"#,
        r#"{"name": +1}"#,
        r#"{"name": .5}"#,
        r#"{"unknown`back`tick": 1}"#,
        r#"{"status": {"active": null}}"#,
        r#"{"role": {"owner": []}}"#,
        r#"{"$ref": "file:///etc/passwd"}"#,
    ]
    .into_iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bodies.extend([
        b"{\"name\": \"\xff\"}".to_vec(),
        b"{\"name\": \"\xed\xa0\x80\"}".to_vec(),
        b"\xff\xfe{\x00}\x00".to_vec(),
        b"{\"name\": \"a\x00b\"}".to_vec(),
        b"\x1f\x8b\x08\x00".to_vec(),
        vec![0; 1000],
        vec![b'['; 200_000],
        deep("[", "]", 100),
        deep("[", "]", 127),
        deep("[", "]", 100_000),
        deep("{\"a\":", "}", 127),
        deep("{\"a\":", "}", 50_000),
        format!("{{\"name\": \"{}\"}}", "\u{1F468}".repeat(200_000)).into_bytes(),
        format!("{{\"name\": {}}}", "9".repeat(500_000)).into_bytes(),
        format!("{{\"{}\": 1}}", "k".repeat(500_000)).into_bytes(),
        format!("{{{}}}", vec!["\"a\": 1"; 50_000].join(",")).into_bytes(),
    ]);
    bodies
}

fn odd_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(i64::MIN),
        json!([]),
        json!({}),
        json!(""),
        json!(" "),
        json!("\0"),
        json!("a\0b"),
        json!("\u{7f}\u{80}\u{9f}"),
        json!("\u{202e}\u{2066}"),
        json!("\u{fffd}\u{ffff}\u{10ffff}"),
        json!("\u{1e9e}\u{130}\u{fb03}ﷺ"),
        json!("ﷺ".repeat(70)),
        json!("e\u{301}".repeat(200)),
        json!("\u{301}".repeat(200)),
        json!("x".repeat(200)),
        json!("x".repeat(1_000_000)),
        json!("'; DROP TABLE projects; --"),
        json!("\\'; SELECT pg_sleep(10); --"),
        json!("$1$$1$"),
        json!("%s%n{}{{}}${jndi:ldap://x}"),
        json!("a@b.example"),
        json!(format!("{}@b.example", "ä".repeat(32))),
        json!(format!("{}@b.example", "İ".repeat(21))),
        json!("🏠🏠🏠🏠🏠🏠🏠🏠"),
        json!("owner"),
        json!("active"),
        json!("acme-corp"),
        json!("a".repeat(63)),
    ]
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
