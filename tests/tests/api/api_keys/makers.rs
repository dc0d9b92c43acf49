//! Whose rights a key has, and how it ends with them: those of its maker, in one tenant.

use auth::{KeyPrincipal, PermissionSet, Principal, TenantClaim};
use diesel::prelude::*;
use domain::{AccountId, ApiKeyId, Role};
use rowhouse_tests::{Caller, TestApp};
use serde_json::json;
use tenant_db::Error;

use super::{EVERY_SCOPE, ID, KEYS, PROJECTS, assert_invalid, path, user_of};
use crate::rows::principal;
use crate::state;

/// A key of the caller's as the server would believe it to be.
pub(super) fn key_principal(maker: &Caller, id: &str, role: Role) -> KeyPrincipal {
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

pub(super) async fn run_as(
    app: &TestApp,
    key: &KeyPrincipal,
    sql: &'static str,
) -> Result<usize, Error> {
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
