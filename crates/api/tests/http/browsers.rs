//! Pages of other origins: what they may send, and what they may read of the answers.

use crate::app::{Answer, ORIGIN, TestApp, send, state};
use actix_web::rt;
use api::{Claim, CorsSettings, Server, ServerSettings, routes};
use std::{net::SocketAddr, sync::Arc};

const SECURITY: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
];

const CALLER: &str = "Authorization, X-Tenant-Slug, X-Tenant-ID";

async fn preflight(app: &TestApp, origin: &str, method: &str, headers: &str) -> Answer {
    let request = app
        .request("OPTIONS", "/api/v1/projects")
        .header("origin", origin)
        .header("access-control-request-method", method);
    let request = match headers {
        "" => request,
        headers => request.header("access-control-request-headers", headers),
    };
    send(request).await
}

/// All that CORS says, sorted.
fn cors_headers(answer: &Answer) -> Vec<(&str, &str)> {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("access-control-"))
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    headers.sort_unstable();
    headers
}

/// The words of a list, sorted.
fn words(list: &str) -> Vec<String> {
    let mut words: Vec<String> = list
        .split(',')
        .map(|word| word.trim().to_ascii_lowercase())
        .collect();
    words.sort_unstable();
    words
}

fn varies(answer: &Answer) -> Vec<String> {
    let lines = answer.headers.get_all("vary").iter();
    let lines: Vec<&str> = lines.map(|line| line.to_str().unwrap()).collect();
    words(&lines.join(","))
}

fn assert_framed(answer: &Answer) {
    for (name, value) in SECURITY {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert!(answer.header("x-request-id").is_some());
}

#[actix_web::test]
async fn a_preflight_of_a_known_origin_is_told_what_its_page_may_send() {
    let app = TestApp::start();
    let wanted = "authorization, content-type, if-match, if-none-match, idempotency-key, \
        x-request-id, x-tenant-slug, x-tenant-id";
    for method in ["GET", "HEAD", "POST", "PATCH", "DELETE"] {
        let answer = preflight(&app, ORIGIN, method, wanted).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{method}");
        let headers = cors_headers(&answer);
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "access-control-allow-headers",
                "access-control-allow-methods",
                "access-control-allow-origin",
                "access-control-max-age",
            ]
        );
        assert_eq!(words(headers[0].1), words(wanted));
        assert_eq!(words(headers[1].1), words("GET,HEAD,POST,PATCH,DELETE"));
        assert_eq!((headers[2].1, headers[3].1), (ORIGIN, "600"));
        assert!(varies(&answer).contains(&"origin".to_owned()));
        assert_framed(&answer);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[actix_web::test]
async fn a_preflight_that_is_refused_is_a_problem_and_allows_nothing() {
    let app = TestApp::start();
    for (origin, method, headers) in [
        ("https://evil.example", "GET", ""),
        ("null", "GET", ""),
        ("https://app.example.evil", "GET", ""),
        ("https://app.example:444", "GET", ""),
        ("http://app.example", "GET", ""),
        ("HTTPS://APP.EXAMPLE", "GET", ""),
        ("https://app.example, https://evil.example", "GET", ""),
        ("", "GET", ""),
        (ORIGIN, "PUT", ""),
        (ORIGIN, "BREW", ""),
        (ORIGIN, "GET", "cookie"),
        (ORIGIN, "GET", "authorization, x-evil"),
    ] {
        let answer = preflight(&app, origin, method, headers).await;
        let what = format!("{origin} {method} {headers}");
        answer.problem(400, "cors_refused");
        assert_eq!(cors_headers(&answer), [], "{what}");
        assert_framed(&answer);
    }
}

#[actix_web::test]
async fn an_options_that_is_no_preflight_is_405_as_ever() {
    let app = TestApp::start();
    let answer = send(app.request("OPTIONS", "/api/v1/projects")).await;
    answer.problem(405, "method_not_allowed");
    let with_origin = app
        .request("OPTIONS", "/api/v1/projects")
        .header("origin", ORIGIN);
    let answer = send(with_origin).await;
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
}

#[actix_web::test]
async fn every_answer_can_be_read_by_a_known_origin_whatever_it_is() {
    let app = TestApp::start();
    for (method, path, status) in [
        ("GET", "/health", 200),
        ("HEAD", "/health", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/queries?x=1", 422),
        ("GET", "/api/v1/projects", 401),
        ("GET", "/failures/forbidden", 403),
        ("GET", "/nowhere", 404),
        ("PUT", "/health", 405),
        ("POST", "/bodies", 415),
        ("GET", "/failures/attempts", 429),
        ("GET", "/failures/internal", 500),
        ("GET", "/failures/foreign-500", 500),
        ("GET", "/panics", 500),
        ("GET", "/failures/busy", 503),
    ] {
        let asked = app.request(method, path).header("origin", ORIGIN);
        let answer = send(asked).await;
        assert_eq!(answer.status, status, "{path}");
        let headers = cors_headers(&answer);
        assert_eq!(headers.len(), 2, "{path}: {headers:?}");
        assert_eq!(headers[0], ("access-control-allow-origin", ORIGIN));
        assert_eq!(headers[1].0, "access-control-expose-headers");
        assert_eq!(
            words(headers[1].1),
            words(
                "etag, location, link, ratelimit, ratelimit-policy, retry-after, x-request-id, \
                 idempotency-replayed, deprecation"
            )
        );
        // Another page's browser, or a cache in between, must not be handed this answer.
        let varies = varies(&answer);
        for word in ["origin", "authorization", "x-tenant-slug", "x-tenant-id"] {
            assert!(varies.contains(&word.to_owned()), "{path}: {varies:?}");
        }
        if path.starts_with("/docs") {
            continue;
        }
        assert_framed(&answer);
    }
}

#[actix_web::test]
async fn an_unknown_origin_is_served_and_its_browser_told_nothing() {
    let app = TestApp::start();
    for origin in [
        "https://evil.example",
        "null",
        "",
        "ä",
        "https://app.example.evil",
    ] {
        for path in ["/health", "/nowhere", "/failures/internal"] {
            let answer = send(app.request("GET", path).header("origin", origin)).await;
            assert_eq!(cors_headers(&answer), [], "{origin} {path}");
            assert!(varies(&answer).contains(&"origin".to_owned()));
        }
    }
}

#[actix_web::test]
async fn what_everybody_may_keep_does_not_depend_on_the_caller() {
    let app = TestApp::start();
    let keys = app.get("/.well-known/jwks.json").await;
    assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
    let varies = varies(&keys);
    assert!(!varies.contains(&"authorization".to_owned()), "{varies:?}");
    let asked = app.get("/api/v1/projects").await;
    assert!(
        asked
            .headers
            .get_all("vary")
            .iter()
            .any(|line| line == CALLER)
    );
}

#[actix_web::test]
async fn without_origins_no_page_gets_in_and_with_a_star_all_do() {
    for (allowed, expected) in [(None, None), (Some("*"), Some("*"))] {
        let mut state = state(ServerSettings::default());
        state.cors = CorsSettings {
            allowed_origins: allowed
                .map(|text| text.parse().unwrap())
                .into_iter()
                .collect(),
            ..CorsSettings::default()
        };
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::listen_routes(
            Claim::of(any_port).unwrap(),
            Arc::new(state),
            routes::register,
        )
        .unwrap();
        let url = format!("http://{}/health", server.addresses()[0]);
        let handle = server.handle();
        let running = rt::spawn(server.run());
        let asked = reqwest::Client::new().get(url).header("origin", ORIGIN);
        let answer = send(asked).await;
        let header = "access-control-allow-origin";
        assert_eq!(answer.header(header), expected);
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        handle.stop(true).await;
        running.await.unwrap().unwrap();
    }
}
