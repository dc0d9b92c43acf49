//! What a key may: what its scopes say, never what concerns an account, keys or roles.

use domain::Role;
use reqwest::Method;
use rowhouse_tests::TestApp;
use serde_json::json;
use tenant_db::Error;

use super::makers::{key_principal, run_as};
use super::{EVERY_SCOPE, ID, KEYS, PROJECTS, path, user_of};
use crate::resources::{RESOURCES, create};
use crate::state;

#[tokio::test]
async fn a_key_may_what_its_scopes_say_and_nothing_else() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let project = crate::projects::path(&alice.create_project("Atlas").await.id());
    let resource = create(&alice, json!({})).await;
    let resource = resource.header("location").to_owned();
    let user = user_of(&alice.colleague("viewer").await).await;
    let named = Some(json!({ "name": "x" }));
    let renamed = json!({ "full_name": "x" });
    let requests = [
        ("projects:read", Method::GET, PROJECTS, None, 200),
        ("projects:write", Method::POST, PROJECTS, named.clone(), 201),
        (
            "projects:write",
            Method::PATCH,
            &project,
            named.clone(),
            200,
        ),
        ("resources:read", Method::GET, RESOURCES, None, 200),
        ("resources:write", Method::DELETE, &resource, None, 204),
        ("users:read", Method::GET, "/api/v1/users", None, 200),
        ("tenant:read", Method::GET, "/api/v1/tenant", None, 200),
        ("tenant:write", Method::PATCH, "/api/v1/tenant", named, 200),
        ("roles:read", Method::GET, "/api/v1/roles", None, 200),
        ("api_keys:read", Method::GET, KEYS, None, 200),
    ];
    for (scope, method, path, body, status) in &requests {
        let others = EVERY_SCOPE.into_iter().filter(|other| other != scope);
        let others: Vec<&str> = others.collect();
        let without = alice.create_key(&others).await.1;
        let answer = without.send(method.clone(), path, body.clone()).await;
        drop(answer.problem(403, "forbidden"));
        let with = alice.create_key(&[scope]).await.1;
        let answer = with.send(method.clone(), path, body.clone()).await;
        drop(answer.expect(*status));
    }
    // Whoever manages members gives, and touches, nothing beyond the own scopes.
    let clerk = alice.create_key(&["users:read", "users:write"]).await.1;
    let boss = alice.create_key(&EVERY_SCOPE).await.1;
    drop(
        clerk
            .patch(&user, renamed.clone())
            .await
            .problem(403, "forbidden"),
    );
    drop(boss.patch(&user, renamed).await.expect(200));
    drop(
        boss.patch(&user, json!({ "role": "member" }))
            .await
            .expect(200),
    );
    for role in ["admin", "owner"] {
        drop(
            boss.patch(&user, json!({ "role": role }))
                .await
                .problem(403, "forbidden"),
        );
    }
    // Nor is a key its maker's self.
    let alices = user_of(&alice).await;
    for body in [
        json!({ "full_name": "x" }),
        json!({ "status": "suspended" }),
    ] {
        drop(boss.patch(&alices, body).await.problem(403, "forbidden"));
    }
    drop(boss.delete(&alices).await.problem(403, "forbidden"));
    let reader = alice.create_key(&["users:read"]).await.1;
    drop(
        reader
            .patch(&alices, json!({ "full_name": "x" }))
            .await
            .problem(403, "forbidden"),
    );
    drop(reader.delete(&alices).await.problem(403, "forbidden"));
}

#[tokio::test]
async fn what_concerns_an_account_is_not_for_keys() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let key = alice.create_key(&EVERY_SCOPE).await.1;
    // Its use is noted here, and not a second time.
    drop(key.get(PROJECTS).await.expect(200));
    let before = state::rows_of(&app, "acme-corp");
    let me = "/api/v1/users/me";
    let session = format!("{me}/sessions/{ID}");
    let refresh = json!({ "refresh_token": format!("rt_{}", "A".repeat(43)) });
    for (method, path, body) in [
        (Method::GET, me, None),
        (Method::PATCH, me, Some(json!({ "full_name": "x" }))),
        (Method::DELETE, me, None),
        (Method::GET, "/api/v1/users/me/tenants", None),
        (Method::GET, "/api/v1/users/me/sessions", None),
        (Method::DELETE, session.as_str(), None),
        (
            Method::POST,
            "/api/v1/tenants",
            Some(json!({ "name": "x" })),
        ),
        (
            Method::POST,
            "/api/v1/auth/switch",
            Some(json!({ "tenant_slug": "acme-corp" })),
        ),
        (Method::POST, "/api/v1/auth/logout", None),
        (Method::POST, "/api/v1/auth/logout", Some(refresh)),
        (
            Method::POST,
            "/api/v1/auth/password/change",
            Some(json!({ "current_password": "securepass123", "new_password": "pwned pwned" })),
        ),
    ] {
        let answer = key.send(method, path, body).await;
        drop(answer.problem(403, "key_not_allowed"));
    }
    assert_eq!(state::rows_of(&app, "acme-corp"), before);
    drop(alice.get(me).await.expect(200));
}

#[tokio::test]
async fn keys_make_no_keys_and_manage_no_roles() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let (id, key) = alice.create_key(&EVERY_SCOPE).await;
    let body = json!({ "name": "auditor", "based_on": "viewer", "permissions": [] });
    let role = alice
        .post("/api/v1/roles", body.clone())
        .await
        .expect(201)
        .id();
    let role = format!("/api/v1/roles/{role}");
    let new = json!({ "name": "x", "scopes": ["projects:read"] });
    for (method, path, body) in [
        (Method::POST, KEYS, Some(new)),
        (Method::DELETE, path(&id).as_str(), None),
        (Method::POST, "/api/v1/roles", Some(body)),
        (
            Method::PATCH,
            &role,
            Some(json!({ "permissions": ["projects:read"] })),
        ),
        (Method::DELETE, &role, None),
    ] {
        let answer = key.send(method, path, body).await;
        drop(answer.problem(403, "forbidden"));
    }
    // The database says the same, whatever is forgotten in the API.
    let principal = key_principal(&alice, &id, Role::Admin);
    for sql in [
        "DELETE FROM api_keys WHERE false",
        "DELETE FROM roles WHERE false",
        "UPDATE roles SET permissions = '{}' WHERE false",
    ] {
        let refused = run_as(&app, &principal, sql).await.unwrap_err();
        assert!(
            matches!(refused, Error::RoleMayNotWrite),
            "{sql}: {refused:?}"
        );
    }
    run_as(
        &app,
        &principal,
        "UPDATE projects SET name = 'x' WHERE false",
    )
    .await
    .unwrap();
}
