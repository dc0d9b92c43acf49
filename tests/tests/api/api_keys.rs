//! API keys: how a program comes in, what it may do, and how it is shut out.

use auth::{KeyPrincipal, KeySecret, PermissionSet, Principal, TenantClaim};
use chrono::{Duration, Utc};
use diesel::prelude::*;
use domain::{AccountId, ApiKeyId, Role};
use reqwest::Method;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};
use tenant_db::Error;

use crate::resources::{RESOURCES, create};
use crate::rows::principal;
use crate::state;

const ID: &str = "0198c0de-0000-7000-8000-000000000001";
const KEYS: &str = "/api/v1/api-keys";
const PROJECTS: &str = "/api/v1/projects";
const EVERY_SCOPE: [&str; 12] = [
    "projects:read",
    "resources:read",
    "resources:write",
    "users:read",
    "tenant:read",
    "projects:write",
    "projects:delete",
    "projects:restore",
    "users:write",
    "tenant:write",
    "roles:read",
    "api_keys:read",
];

fn path(id: &str) -> String {
    format!("{KEYS}/{id}")
}

async fn user_of(caller: &Caller) -> String {
    let me = caller.get("/api/v1/users/me").await.expect(200).json();
    format!(
        "/api/v1/users/{}",
        me["tenant"]["membership_id"].as_str().unwrap()
    )
}

/// What every bad key is answered.
fn assert_invalid(answer: &Answer) {
    drop(answer.problem(401, "invalid_token"));
    let challenge = "Bearer realm=\"rowhouse\", error=\"invalid_token\"";
    assert_eq!(answer.header("www-authenticate"), challenge);
}

#[tokio::test]
async fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let body = json!({ "name": " nightly export ", "scopes": ["users:read", "projects:read"],
        "expires_at": "2099-01-02T03:04:05Z" });
    let made = alice.post(KEYS, body).await.expect(201);
    let (mut key, id) = (made.json(), made.id());
    assert_eq!(made.header("location"), path(&id));
    assert_eq!(made.header("cache-control"), "no-store");
    let text = key["key"].as_str().unwrap().to_owned();
    assert!(KeySecret::parse(&text).is_ok());
    let created_at = key["created_at"].clone();
    assert_eq!(
        key,
        json!({ "id": id, "name": "nightly export", "prefix": &text[..15],
            "scopes": ["projects:read", "users:read"], "expires_at": "2099-01-02T03:04:05Z",
            "last_used_at": null, "created_at": created_at, "key": text })
    );

    key.as_object_mut().unwrap().remove("key");
    assert_eq!(alice.get(&path(&id)).await.expect(200).json(), key);
    let listed = alice.get(KEYS).await.expect(200);
    assert_eq!(listed.json(), json!({ "data": [key], "next_cursor": null }));
    // Of the secret nothing is kept that could be shown.
    let secret = &text[16..];
    let kept = format!("api_keys k WHERE strpos(to_jsonb(k)::text, '{secret}') > 0");
    assert_eq!(state::count(&app, &kept), 0);

    let program = app.stranger().with_token(&text);
    drop(program.get(PROJECTS).await.expect(200));
    drop(program.get("/api/v1/users").await.expect(200));
    drop(alice.delete(&path(&id)).await.expect(204));
    assert_invalid(&program.get(PROJECTS).await);
    drop(alice.get(&path(&id)).await.problem(404, "not_found"));
    drop(alice.delete(&path(&id)).await.problem(404, "not_found"));
}

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

/// Makes a key be found by the prefix of a secret that is not its own.
fn give_prefix(app: &TestApp, id: &str, secret: &KeySecret) {
    let prefix = secret.prefix();
    let sql = format!("UPDATE api_keys SET prefix = '{prefix}' WHERE id = '{id}'");
    state::change(app, &sql);
}

#[tokio::test]
async fn bad_keys_are_all_answered_alike() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let (_, good) = alice.create_key(&["projects:read"]).await;
    let (revoked_id, revoked) = alice.create_key(&["projects:read"]).await;
    drop(alice.delete(&path(&revoked_id)).await.expect(204));
    let (expired_id, expired) = alice.create_key(&["projects:read"]).await;
    drop(expired.get(PROJECTS).await.expect(200));
    state::change(
        &app,
        &format!("UPDATE api_keys SET expires_at = now() WHERE id = '{expired_id}'"),
    );
    let (_, theirs) = bob.create_key(&["projects:read"]).await;
    let unknown = KeySecret::generate().reveal();
    let text = good.token();
    let mistyped = format!(
        "{}{}",
        &text[..63],
        if text.ends_with('A') { "B" } else { "A" }
    );
    // The prefix of one key with the secret, and the checksum, of another.
    let mixed = format!("{}{}", &text[..15], &theirs.token()[15..]);
    // Well-formed, with the prefix of a key that stands, and another secret.
    let (guessed_id, _) = alice.create_key(&["projects:read"]).await;
    let guessed = KeySecret::generate();
    give_prefix(&app, &guessed_id, &guessed);
    let reference = app.stranger().with_token(&unknown).get(PROJECTS).await;
    assert_invalid(&reference);
    for bad in [
        revoked.token(),
        expired.token(),
        &guessed.reveal(),
        &mistyped,
        &mixed,
        "rh_",
        "rh_x",
        &text[..63],
        &format!("{text}A"),
        &text.to_uppercase().replace("RH_", "rh_"),
        &format!("rh_{}", "0".repeat(4000)),
    ] {
        let caller = app.stranger().with_token(bad);
        assert_eq!(
            caller.get(PROJECTS).await.essence(),
            reference.essence(),
            "{bad}"
        );
        // Before anything else is looked at, the body among it.
        let answer = caller.post(KEYS, json!({ "nonsense": 1 })).await;
        assert_eq!(answer.essence(), reference.essence(), "{bad}");
        let answer = caller.get("/api/v1/projects?limit=abc").await;
        assert_eq!(answer.essence(), reference.essence(), "{bad}");
        // Nor does an account's route tell more.
        let answer = caller.get("/api/v1/users/me").await;
        assert_eq!(answer.essence(), reference.essence(), "{bad}");
    }
    let twice = good.with_header("authorization", &format!("Bearer {text}"));
    assert_invalid(&twice.get(PROJECTS).await);
    drop(good.get(PROJECTS).await.expect(200));
    drop(theirs.get(PROJECTS).await.expect(200));
}

#[tokio::test]
async fn what_is_wrong_with_a_key_that_is_asked_for_is_named() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let anna = alice.colleague("admin").await;
    let good = json!({ "name": "x", "scopes": ["projects:read"], "expires_at": null });
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let a_minute_ago = Utc::now() - Duration::minutes(1);
    for (body, pointer, code) in [
        (with("name", json!(" ")), "/name", "invalid"),
        (with("name", json!("x".repeat(101))), "/name", "invalid"),
        (with("name", Value::Null), "/name", "wrong_type"),
        (with("scopes", json!([])), "/scopes", "invalid"),
        (
            with("scopes", json!("projects:read")),
            "/scopes",
            "wrong_type",
        ),
        (
            with("scopes", json!(vec!["projects:read"; 65])),
            "/scopes",
            "invalid",
        ),
        (
            with("scopes", json!(["projects:read", "x"])),
            "/scopes/1",
            "invalid",
        ),
        (
            with("scopes", json!(["projects:read", "projects:read"])),
            "/scopes/1",
            "duplicate",
        ),
        (
            with("scopes", json!(["projects:read", "api_keys:write"])),
            "/scopes/1",
            "invalid",
        ),
        (
            with("scopes", json!(["roles:write"])),
            "/scopes/0",
            "invalid",
        ),
        (
            with("scopes", json!(["tenant:transfer"])),
            "/scopes/0",
            "invalid",
        ),
        (
            with("scopes", json!(["tenant:delete"])),
            "/scopes/0",
            "invalid",
        ),
        (
            with("expires_at", json!(a_minute_ago)),
            "/expires_at",
            "invalid",
        ),
        (
            with("expires_at", json!("tomorrow")),
            "/expires_at",
            "invalid",
        ),
        (with("expires_at", json!(7)), "/expires_at", "wrong_type"),
        (with("key", json!("rh_mine")), "/key", "unknown_field"),
    ] {
        let answer = anna.post(KEYS, body.clone()).await;
        let expected = (pointer.to_owned(), code.to_owned());
        assert_eq!(answer.refusals(), [expected], "{body}");
    }
    // Nobody gives a key what they do not have.
    let own = ["projects:read", "api_keys:write", "users:read"];
    let mia = alice.colleague_with("key_maker", "admin", &own).await;
    let scopes =
        json!({ "name": "x", "scopes": ["projects:read", "users:read", "projects:write"] });
    let refused = [("/scopes/2".to_owned(), "invalid".to_owned())];
    assert_eq!(mia.post(KEYS, scopes).await.refusals(), refused);
    drop(mia.create_key(&["projects:read"]).await);

    let again = alice.with_header("idempotency-key", "once");
    let answer = again.post(KEYS, good).await;
    drop(answer.problem(400, "idempotency_key_not_allowed"));
    let listed = alice.get(KEYS).await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
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

/// A key of the caller's as the server would believe it to be.
fn key_principal(maker: &Caller, id: &str, role: Role) -> KeyPrincipal {
    let maker = principal(maker);
    KeyPrincipal {
        key: id.parse().unwrap(),
        maker: maker.account,
        tenant: TenantClaim {
            role,
            ..maker.tenant.unwrap()
        },
        scopes: PermissionSet::default(),
    }
}

async fn run_as(app: &TestApp, key: &KeyPrincipal, sql: &'static str) -> Result<usize, Error> {
    let context = store::context(&Principal::Key(key.clone()), &key.tenant);
    let work = app.tenants().run(context, move |conn| {
        Ok::<_, Error>(diesel::sql_query(sql).execute(conn)?)
    });
    work.await
}

#[tokio::test]
async fn the_database_believes_no_key_that_is_not_good() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let sql = "SELECT FROM projects";
    let (id, _) = alice.create_key(&["projects:write"]).await;
    let good = key_principal(&alice, &id, Role::Member);
    run_as(&app, &good, sql).await.unwrap();

    let unknown = KeyPrincipal {
        key: ApiKeyId::generate(),
        ..good.clone()
    };
    let abroad = KeyPrincipal {
        tenant: TenantClaim {
            role: Role::Member,
            ..principal(&bob).tenant.unwrap()
        },
        ..good.clone()
    };
    for key in [unknown, abroad] {
        let refused = run_as(&app, &key, sql).await.unwrap_err();
        assert!(matches!(refused, Error::KeyRefused), "{refused:?}");
    }
    for role in [Role::Viewer, Role::Admin, Role::Owner] {
        let refused = run_as(&app, &key_principal(&alice, &id, role), sql)
            .await
            .unwrap_err();
        assert!(matches!(refused, Error::Stale), "{role}: {refused:?}");
    }
    // Whoever made it does not count: that is a claim for the API, not for the seal.
    let other_maker = KeyPrincipal {
        maker: AccountId::generate(),
        ..good.clone()
    };
    run_as(&app, &other_maker, sql).await.unwrap();

    for (change, back) in [
        (
            "UPDATE api_keys SET expires_at = now()",
            "UPDATE api_keys SET expires_at = NULL",
        ),
        (
            "UPDATE memberships SET status = 'suspended' WHERE email = 'alice@acme.example'",
            "UPDATE memberships SET status = 'active', role_version = 0 WHERE email = 'alice@acme.example'",
        ),
        (
            "UPDATE memberships SET role = 'viewer' WHERE email = 'alice@acme.example'",
            "UPDATE memberships SET role = 'owner' WHERE email = 'alice@acme.example'",
        ),
    ] {
        // The last owner could not go else.
        state::change(
            &app,
            &format!(
                "SET session_replication_role = DEFAULT; ALTER TABLE memberships DISABLE TRIGGER memberships_keep_an_owner; {change}"
            ),
        );
        let refused = run_as(&app, &good, sql).await.unwrap_err();
        assert!(
            matches!(refused, Error::KeyRefused),
            "{change}: {refused:?}"
        );
        state::change(
            &app,
            &format!(
                "ALTER TABLE memberships DISABLE TRIGGER memberships_role_change; {back}; UPDATE memberships SET role_version = 0"
            ),
        );
        run_as(&app, &good, sql).await.unwrap();
        state::change(
            &app,
            "ALTER TABLE memberships ENABLE TRIGGER memberships_role_change",
        );
    }
    // Between the look-up and the transaction the maker's rights changed.
    state::change(
        &app,
        "UPDATE memberships SET role_version = 1 WHERE email = 'alice@acme.example'",
    );
    let refused = run_as(&app, &good, sql).await.unwrap_err();
    assert!(matches!(refused, Error::Stale), "{refused:?}");
    state::change(&app, "DELETE FROM api_keys");
    let refused = run_as(&app, &good, sql).await.unwrap_err();
    assert!(matches!(refused, Error::KeyRefused), "{refused:?}");
}

#[tokio::test]
async fn a_key_ends_with_the_rights_of_whoever_made_it() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let anna = alice.colleague("admin").await;
    let annas = user_of(&anna).await;
    let (_, reader) = anna.create_key(&["projects:read"]).await;
    let (_, writer) = anna.create_key(&["projects:read", "projects:write"]).await;
    let (_, admin) = anna.create_key(&["projects:read", "users:write"]).await;
    let (_, alices) = alice.create_key(&EVERY_SCOPE).await;
    let custom = json!({ "name": "reader", "based_on": "admin", "permissions": ["projects:read"] });
    let role = alice.post("/api/v1/roles", custom).await.expect(201).id();
    for (change, good) in [
        (json!({ "role": "owner" }), [true, true, true]),
        (json!({ "role": "admin" }), [true, true, true]),
        (json!({ "role": "member" }), [true, true, false]),
        (json!({ "role": "viewer" }), [true, false, false]),
        // A custom role takes what its base would leave.
        (json!({ "role": "reader" }), [true, false, false]),
        (json!({ "role": "admin" }), [true, true, true]),
        (json!({ "status": "suspended" }), [false, false, false]),
        (json!({ "status": "active" }), [true, true, true]),
    ] {
        drop(alice.patch(&annas, change.clone()).await.expect(200));
        for (key, good) in [&reader, &writer, &admin].into_iter().zip(good) {
            let answer = key.get(PROJECTS).await;
            if good {
                drop(answer.expect(200));
            } else {
                assert_invalid(&answer);
            }
        }
    }
    drop(
        alice
            .patch(&annas, json!({ "role": "reader" }))
            .await
            .expect(200),
    );
    drop(reader.get(PROJECTS).await.expect(200));
    let less = json!({ "permissions": ["users:read"] });
    drop(
        alice
            .patch(&format!("/api/v1/roles/{role}"), less)
            .await
            .expect(200),
    );
    assert_invalid(&reader.get(PROJECTS).await);

    drop(alice.delete(&annas).await.expect(204));
    for key in [&reader, &writer, &admin] {
        assert_invalid(&key.get(PROJECTS).await);
    }
    drop(alices.get(PROJECTS).await.expect(200));
}

#[tokio::test]
async fn a_key_outlives_its_makers_session_and_password() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let (_, key) = alice.create_key(&["projects:read"]).await;
    state::revoke_sessions(&app, "alice@acme.example");
    drop(alice.get(PROJECTS).await.problem(401, "session_revoked"));
    drop(key.get(PROJECTS).await.expect(200));
}

#[tokio::test]
async fn a_key_stands_in_its_own_tenant_and_in_no_other() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let (id, key) = alice.create_key(&["projects:read", "projects:write"]).await;
    let theirs = bob.create_project("Globex").await.id();
    drop(alice.create_project("Acme").await);
    let listed = key.get(PROJECTS).await.expect(200).json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let foreign = key.get(&crate::projects::path(&theirs)).await;
    let missing = key.get(&crate::projects::path(ID)).await;
    drop(missing.problem(404, "not_found"));
    assert_eq!(foreign.essence(), missing.essence());

    let acme = principal(&alice).tenant.unwrap().id.to_string();
    let globex = principal(&bob).tenant.unwrap().id.to_string();
    for (name, own, other) in [
        ("x-tenant-slug", "acme-corp", "globex-inc"),
        ("x-tenant-id", acme.as_str(), globex.as_str()),
        (
            "host",
            "acme-corp.rowhouse.test",
            "globex-inc.rowhouse.test",
        ),
    ] {
        drop(key.with_header(name, own).get(PROJECTS).await.expect(200));
        let answer = key.with_header(name, other).get(PROJECTS).await;
        drop(answer.problem(403, "tenant_mismatch"));
    }
    let both = key
        .with_header("x-tenant-slug", "acme-corp")
        .with_header("x-tenant-id", &globex);
    drop(both.get(PROJECTS).await.problem(400, "tenant_ambiguous"));

    // Neither its row nor the like of it is there for a neighbour.
    let missing = bob.get(&path(ID)).await;
    drop(missing.problem(404, "not_found"));
    assert_eq!(bob.get(&path(&id)).await.essence(), missing.essence());
    let missing = bob.delete(&path(ID)).await;
    assert_eq!(bob.delete(&path(&id)).await.essence(), missing.essence());
    assert_eq!(bob.get(KEYS).await.json()["data"], json!([]));

    state::set_tenant_status(&app, "acme-corp", "suspended");
    drop(key.get(PROJECTS).await.problem(403, "tenant_suspended"));
    state::set_tenant_status(&app, "acme-corp", "active");
    drop(key.get(PROJECTS).await.expect(200));
}

#[tokio::test]
async fn nobody_takes_the_key_of_another_tenant_by_its_prefix_or_its_id() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let (id, key) = alice.create_key(&["projects:read"]).await;
    let squat = format!(
        "INSERT INTO api_keys (tenant_id, id, name, prefix, hash, role, scopes, created_by)
         SELECT m.tenant_id, '{id}', 'x', '{}', decode(repeat('00', 32), 'hex'), 'viewer', '{{projects:read}}', m.id
         FROM memberships m WHERE m.email = 'bob@globex.example'",
        &key.token()[..15]
    );
    state::change(&app, &squat);
    drop(alice.create_project("Acme").await);
    drop(bob.create_project("Globex").await);
    let listed = key.get(PROJECTS).await.expect(200).json();
    assert_eq!(listed["data"][0]["name"], "Acme");
    drop(bob.delete(&path(&id)).await.expect(204));
    drop(key.get(PROJECTS).await.expect(200));
}

#[tokio::test]
async fn what_a_key_makes_belongs_to_whoever_made_the_key() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let anna = alice.colleague("admin").await;
    let (_, key) = anna.create_key(&["projects:read", "projects:write"]).await;
    let made = key.create_project("Atlas").await;
    let owner = format!(
        "/api/v1/users/{}",
        made.json()["owner_id"].as_str().unwrap()
    );
    assert_eq!(owner, user_of(&anna).await);
    // So it deletes its maker's projects, and nobody else's.
    let other = alice.create_project("Other").await.id();
    let answer = key.delete(&crate::projects::path(&other)).await;
    drop(answer.problem(403, "forbidden"));
    drop(
        key.delete(&crate::projects::path(&made.id()))
            .await
            .expect(204),
    );
}

#[tokio::test]
async fn two_keys_overlap_while_one_takes_the_place_of_the_other() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let (old_id, old) = alice.create_key(&["projects:read"]).await;
    let (_, new) = alice.create_key(&["projects:read"]).await;
    for key in [&old, &new] {
        drop(key.get(PROJECTS).await.expect(200));
    }
    drop(alice.delete(&path(&old_id)).await.expect(204));
    assert_invalid(&old.get(PROJECTS).await);
    drop(new.get(PROJECTS).await.expect(200));
}

#[tokio::test]
async fn the_last_use_is_noted_once_a_minute() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let (id, key) = alice.create_key(&["projects:read"]).await;
    let last_used = async || alice.get(&path(&id)).await.expect(200).json()["last_used_at"].clone();
    assert_eq!(last_used().await, Value::Null);
    // Whoever knows the prefix alone leaves no trace of a use.
    let guessed = KeySecret::generate();
    let (guessed_id, _) = alice.create_key(&["projects:read"]).await;
    give_prefix(&app, &guessed_id, &guessed);
    let stranger = app.stranger().with_token(guessed.reveal());
    assert_invalid(&stranger.get(PROJECTS).await);
    let used = "api_keys WHERE last_used_at IS NOT NULL";
    assert_eq!(state::count(&app, used), 0);

    drop(key.get(PROJECTS).await.expect(200));
    let first = last_used().await;
    assert_ne!(first, Value::Null);
    for _ in 0..5 {
        drop(key.get(PROJECTS).await.expect(200));
    }
    assert_eq!(last_used().await, first);
    for (age, noted_again) in [("50 seconds", false), ("61 seconds", true)] {
        let aged = format!("UPDATE api_keys SET last_used_at = now() - interval '{age}'");
        state::change(&app, &aged);
        let before = last_used().await;
        drop(key.get(PROJECTS).await.expect(200));
        assert_eq!(last_used().await != before, noted_again, "{age}");
    }
}

#[tokio::test]
async fn keys_are_listed_page_by_page_the_newest_first() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(alice.create_key(&["projects:read"]).await.0);
    }
    let first = alice
        .get(&format!("{KEYS}?limit=2"))
        .await
        .expect(200)
        .json();
    let cursor = first["next_cursor"].as_str().unwrap().to_owned();
    let next = format!("{KEYS}?limit=2&cursor={cursor}");
    let second = alice.get(&next).await.expect(200).json();
    assert_eq!(second["next_cursor"], Value::Null);
    let listed: Vec<&Value> = [&first, &second]
        .iter()
        .flat_map(|page| page["data"].as_array().unwrap())
        .map(|key| &key["id"])
        .collect();
    made.reverse();
    assert_eq!(listed, made.iter().collect::<Vec<_>>());
    drop(bob.get(&next).await.problem(422, "validation_failed"));
}
