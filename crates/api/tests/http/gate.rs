//! For which host a request is, and whether it came by HTTPS.

use crate::app::{Answer, TestApp, send};
use api::ServerSettings;

fn behind_a_proxy(settings: ServerSettings) -> TestApp {
    TestApp::start_with(ServerSettings {
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        ..settings
    })
}

async fn ask(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = app.request("GET", path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request).await
}

#[actix_web::test]
async fn a_host_that_is_not_ours_is_refused_but_by_health() {
    let app = TestApp::start_with(ServerSettings {
        trusted_hosts: ["api.rowhouse.example", "*.rowhouse.test"]
            .map(|text| text.parse().unwrap())
            .to_vec(),
        ..ServerSettings::default()
    });
    for host in [
        "api.rowhouse.example",
        "API.Rowhouse.Example:8443",
        "acme.rowhouse.test",
        "a.b.rowhouse.test:1",
    ] {
        let answer = ask(&app, "/queries", &[("host", host)]).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "rowhouse.test",
        "api.rowhouse.example.evil",
        "evilrowhouse.test",
        "127.0.0.1",
        "[::1]:8000",
        "",
        ":8000",
    ] {
        for path in ["/queries", "/nowhere", "/api/v1/projects"] {
            let forwarded = [("host", host), ("x-forwarded-host", "api.rowhouse.example")];
            let answer = ask(&app, path, &forwarded).await;
            answer.problem(400, "unknown_host");
        }
        let health = ask(&app, "/health/live", &[("host", host)]).await;
        assert_eq!(health.status, 200, "{host}");
    }
    let other = ask(&app, "/healthy", &[("host", "evil.example")]).await;
    other.problem(400, "unknown_host");
    let two = app.raw(
        b"GET /queries HTTP/1.1\r\nhost: api.rowhouse.example\r\nhost: evil.example\r\n\
          connection: close\r\n\r\n",
    );
    assert!(two.starts_with("HTTP/1.1 400 "), "{two}");
    let none = app.raw(b"GET /queries HTTP/1.0\r\n\r\n");
    assert!(none.starts_with("HTTP/1.0 400 "), "{none}");
    let line = app.raw(
        b"GET http://evil.example/queries HTTP/1.1\r\nhost: api.rowhouse.example\r\n\
          connection: close\r\n\r\n",
    );
    assert!(line.starts_with("HTTP/1.1 400 "), "{line}");
}

#[actix_web::test]
async fn by_default_any_host_is_ours() {
    let answer = ask(&TestApp::start(), "/queries", &[("host", "any.example")]).await;
    assert_eq!(answer.status, 200);
}

#[actix_web::test]
async fn plain_http_is_refused_where_https_is_required_and_never_redirected() {
    let app = behind_a_proxy(ServerSettings {
        require_https: true,
        ..ServerSettings::default()
    });
    for headers in [
        &[][..],
        &[("x-forwarded-proto", "http")],
        &[("x-forwarded-proto", "https, http")],
        &[("forwarded", "proto=https")],
        &[("x-forwarded-ssl", "on")],
    ] {
        for path in ["/queries", "/nowhere", "/docs/"] {
            let answer = ask(&app, path, headers).await;
            answer.problem(403, "https_required");
            assert_eq!(answer.header("location"), None);
            assert_eq!(answer.header("strict-transport-security"), None);
        }
        assert_eq!(ask(&app, "/health/ready/", headers).await.status, 404);
        assert_eq!(ask(&app, "/health", headers).await.status, 200);
    }
    let answer = ask(&app, "/queries", &[("x-forwarded-proto", "https")]).await;
    assert_eq!(answer.status, 200);
}

#[actix_web::test]
async fn who_is_no_trusted_proxy_cannot_say_that_it_came_by_https() {
    let app = TestApp::start_with(ServerSettings {
        trusted_proxies: vec!["10.0.0.1".parse().unwrap()],
        require_https: true,
        ..ServerSettings::default()
    });
    let answer = ask(&app, "/queries", &[("x-forwarded-proto", "https")]).await;
    answer.problem(403, "https_required");
}

#[actix_web::test]
async fn strict_transport_security_is_said_by_https_only() {
    let hsts = "strict-transport-security";
    let https = [("x-forwarded-proto", "https")];
    let app = behind_a_proxy(ServerSettings::default());
    for path in ["/queries", "/nowhere", "/failures/internal", "/panics"] {
        let answer = ask(&app, path, &https).await;
        assert_eq!(answer.header(hsts), Some("max-age=31536000"), "{path}");
        assert_eq!(ask(&app, path, &[]).await.header(hsts), None, "{path}");
    }
    let off = behind_a_proxy(ServerSettings {
        hsts_max_age_seconds: 0,
        ..ServerSettings::default()
    });
    assert_eq!(ask(&off, "/queries", &https).await.header(hsts), None);
}
