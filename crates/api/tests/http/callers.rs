//! Who asks, may they, and for which tenant.

use crate::app::{Answer, TestApp, member, principal, send};
use api::ServerSettings;
use domain::Role;

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = app.request("GET", path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request).await
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[actix_web::test]
async fn a_valid_token_is_believed() {
    let app = TestApp::start();
    let alice = member(Role::Viewer);
    let token = app.token(&alice);
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
        let authorization = format!("{scheme} {token}");
        let answer = get(&app, "/caller", &[("authorization", &authorization)]).await;
        assert_eq!(answer.status, 200, "{scheme}: {}", answer.body);
        assert_eq!(answer.json()["account"], alice.account.to_string());
        assert_eq!(answer.json()["address"], "127.0.0.1");
        let request_id = answer.header("x-request-id").unwrap();
        assert_eq!(answer.json()["request_id"], request_id);
    }
}

#[actix_web::test]
async fn no_token_is_401_without_an_error() {
    let app = TestApp::start();
    for headers in [&[][..], &[("authorization", "Basic YTpi")]] {
        let answer = get(&app, "/caller", headers).await;
        answer.problem(401, "missing_token");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, Some(r#"Bearer realm="rowhouse""#));
    }
}

#[actix_web::test]
async fn a_bad_token_is_401_with_an_error() {
    let app = TestApp::start();
    let alice = member(Role::Owner);
    let good = bearer(&app.token(&alice));
    let expired = bearer(&app.expired_token(&alice));
    let foreign = bearer(&format!("{}x", app.token(&alice)));
    for headers in [
        &[("authorization", "Bearer")][..],
        &[("authorization", "Bearer nonsense")],
        &[("authorization", "Bearer ü")],
        &[("authorization", &expired)],
        &[("authorization", &foreign)],
        &[("authorization", &good), ("authorization", &good)],
    ] {
        let answer = get(&app, "/caller", headers).await;
        answer.problem(401, "invalid_token");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.ends_with(r#"error="invalid_token""#),
            "{challenge}"
        );
    }
}

#[actix_web::test]
async fn a_role_without_the_permission_is_403() {
    let app = TestApp::start();
    for (role, status) in [(Role::Viewer, 403), (Role::Admin, 403), (Role::Owner, 415)] {
        let request = app.request("POST", "/owner");
        let answer = send(request.bearer_auth(app.token(&member(role)))).await;
        assert_eq!(answer.status, status, "{role}");
        if status == 403 {
            answer.problem(403, "forbidden");
        }
    }
}

#[actix_web::test]
async fn the_caller_is_looked_at_before_the_body() {
    let app = TestApp::start();
    let answer = app.post("/owner", "text/plain", "nonsense").await;
    answer.problem(401, "missing_token");
}

#[actix_web::test]
async fn a_token_without_a_tenant_is_good_for_the_account_only() {
    let app = TestApp::start();
    let token = bearer(&app.token(&principal(None)));
    let headers = [("authorization", &*token), ("x-tenant-slug", "acme")];
    assert_eq!(get(&app, "/caller", &headers).await.status, 200);
    let answer = get(&app, "/reader", &headers).await;
    answer.problem(403, "no_tenant");
}

#[actix_web::test]
async fn headers_and_host_may_only_select_the_tokens_tenant() {
    let app = TestApp::start_with(ServerSettings {
        base_domain: Some("rowhouse.example".to_owned()),
        ..ServerSettings::default()
    });
    let alice = member(Role::Member);
    let token = bearer(&app.token(&alice));
    let id = alice.tenant.unwrap().id.to_string();
    let other = member(Role::Member).tenant.unwrap().id.to_string();
    let acme_host = ("host", "acme.rowhouse.example");
    let other_host = ("host", "other.rowhouse.example");
    for path in ["/caller", "/reader"] {
        let select = async |selectors: &[(&str, &str)]| {
            let headers = [&[("authorization", &*token)], selectors].concat();
            get(&app, path, &headers).await
        };
        let agreeing = [("x-tenant-slug", "acme"), ("x-tenant-id", &*id), acme_host];
        assert_eq!(select(&agreeing).await.status, 200);
        for selector in [
            ("x-tenant-slug", "other"),
            ("x-tenant-id", &*other),
            ("x-tenant-id", "acme"),
            other_host,
        ] {
            let answer = select(&[selector]).await;
            answer.problem(403, "tenant_mismatch");
        }
        for selectors in [
            [("x-tenant-slug", "acme"), ("x-tenant-id", &*other)],
            [("x-tenant-slug", "other"), ("x-tenant-id", &*id)],
            [("x-tenant-slug", "acme"), other_host],
            [("x-tenant-id", &*other), acme_host],
        ] {
            let answer = select(&selectors).await;
            answer.problem(400, "tenant_ambiguous");
        }
    }
}

#[actix_web::test]
async fn a_forwarded_address_counts_behind_a_trusted_proxy_only() {
    let forwarded = [("x-forwarded-for", "6.6.6.6, 203.0.113.9")];
    for (trusted, address) in [("10.0.0.0/8", "127.0.0.1"), ("127.0.0.0/8", "203.0.113.9")] {
        let app = TestApp::start_with(ServerSettings {
            trusted_proxies: vec![trusted.parse().unwrap()],
            ..ServerSettings::default()
        });
        let token = bearer(&app.token(&principal(None)));
        let headers = [&[("authorization", &*token)], &forwarded[..]].concat();
        let answer = get(&app, "/caller", &headers).await;
        assert_eq!(answer.json()["address"], address);
    }
}
