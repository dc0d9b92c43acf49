//! Roles that a tenant makes for itself: what they permit, who may give them, and whom a change
//! reaches. What the built-in ones permit is `access.rs`.

use diesel::connection::SimpleConnection as _;
use reqwest::Method;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};

use crate::rows::principal;
use crate::state;

const ID: &str = "0198c0de-0000-7000-8000-000000000001";
const ROLES: &str = "/api/v1/roles";

fn path(id: &str) -> String {
    format!("{ROLES}/{id}")
}

async fn create(caller: &Caller, name: &str, based_on: &str, permissions: &[&str]) -> String {
    let body = json!({ "name": name, "based_on": based_on, "permissions": permissions });
    caller.post(ROLES, body).await.expect(201).id()
}

/// The members, by their first role's name.
async fn user_with(caller: &Caller, role: &str) -> String {
    let listed = caller.get("/api/v1/users?limit=100").await.expect(200);
    let users = listed.json()["data"].as_array().unwrap().clone();
    let found = users.iter().find(|user| user["role"] == role).unwrap();
    format!("/api/v1/users/{}", found["id"].as_str().unwrap())
}

/// A colleague's own sign-in, with its refresh token.
async fn sign_in(caller: &Caller, role: &str) -> Value {
    let login = json!({ "email": format!("{role}@acme-corp.example"), "password": "correct horse",
        "tenant_slug": "acme-corp" });
    caller
        .post("/api/v1/auth/login", login)
        .await
        .expect(200)
        .json()
}

fn with_token(caller: &Caller, answer: &Value) -> Caller {
    caller.with_token(answer["access_token"].as_str().unwrap())
}

async fn refreshed(caller: &Caller, answer: &Value) -> Value {
    let body = json!({ "refresh_token": answer["refresh_token"] });
    let next = caller.post("/api/v1/auth/refresh", body).await;
    next.expect(200).json()
}

#[tokio::test]
async fn the_built_in_roles_are_the_same_everywhere_and_cannot_be_changed() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let before = alice.get(ROLES).await.expect(200).json();
    assert_eq!(bob.get(ROLES).await.expect(200).json(), before);
    let names: Vec<&Value> = before["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|role| &role["name"])
        .collect();
    assert_eq!(names, ["viewer", "member", "admin", "owner"]);
    assert_eq!(
        before["data"][1],
        json!({
            "id": "00000000-0000-7000-8000-000000000002", "name": "member", "built_in": true,
            "based_on": "member",
            "permissions": ["projects:read", "resources:read", "users:read", "tenant:read", "projects:write",
                "resources:write"],
        })
    );
    for role in before["data"].as_array().unwrap() {
        let path = path(role["id"].as_str().unwrap());
        assert_eq!(alice.get(&path).await.expect(200).json(), *role);
        let body = json!({ "permissions": [] });
        let answer = alice.patch(&path, body).await;
        drop(answer.problem(403, "built_in_role"));
        let answer = alice.delete(&path).await;
        drop(answer.problem(403, "built_in_role"));
    }
    assert_eq!(alice.get(ROLES).await.json(), before);
    // Also a route that could do without the database asks it whether the session lives.
    state::revoke_sessions(&app, "alice@acme.example");
    let answer = alice
        .get(&path("00000000-0000-7000-8000-000000000002"))
        .await;
    drop(answer.problem(401, "session_revoked"));
}

#[tokio::test]
async fn a_role_is_made_read_changed_and_deleted() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let body = json!({ "name": "auditor", "based_on": "viewer", "permissions": ["users:read", "projects:read"] });
    let made = alice.post(ROLES, body).await.expect(201);
    let mut role = made.json();
    let id = made.id();
    assert_eq!(made.header("location"), path(&id));
    assert_eq!(
        role,
        json!({ "id": id, "name": "auditor", "built_in": false, "based_on": "viewer",
            "permissions": ["projects:read", "users:read"] })
    );
    assert_eq!(alice.get(&path(&id)).await.expect(200).json(), role);

    for change in [
        json!({}),
        json!({ "name": "inspector" }),
        json!({ "based_on": "member" }),
        json!({ "permissions": ["projects:write"] }),
        json!({ "name": "auditor", "based_on": "admin", "permissions": [] }),
    ] {
        for (field, value) in change.as_object().unwrap() {
            role[field] = value.clone();
        }
        let changed = alice.patch(&path(&id), change).await.expect(200).json();
        assert_eq!(changed, role);
        assert_eq!(alice.get(&path(&id)).await.json(), role);
    }
    assert_eq!(alice.delete(&path(&id)).await.expect(204).text(), "");
    drop(alice.get(&path(&id)).await.problem(404, "not_found"));
    drop(alice.delete(&path(&id)).await.problem(404, "not_found"));
}

#[tokio::test]
async fn roles_are_listed_page_by_page_the_built_in_ones_first() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    for name in ["b", "a", "c"] {
        create(&alice, name, "viewer", &[]).await;
    }
    let mut names = Vec::new();
    let mut next = format!("{ROLES}?limit=2");
    let mut cursors = Vec::new();
    loop {
        let page = alice.get(&next).await.expect(200).json();
        for role in page["data"].as_array().unwrap() {
            names.push(role["name"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        cursors.push(cursor.to_owned());
        next = format!("{ROLES}?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["viewer", "member", "admin", "owner", "b", "a", "c"]);
    let answer = bob
        .get(&format!("{ROLES}?limit=2&cursor={}", cursors[0]))
        .await;
    drop(answer.problem(422, "validation_failed"));
}

#[tokio::test]
async fn what_is_wrong_with_a_role_is_named() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let good = json!({ "name": "x", "based_on": "viewer", "permissions": ["projects:read"] });
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let many = vec!["projects:read"; 65];
    for (body, expected) in [
        (with("name", json!("")), ("/name", "invalid")),
        (with("name", json!("Auditor")), ("/name", "invalid")),
        (with("name", json!("admin")), ("/name", "invalid")),
        (with("name", json!("x".repeat(33))), ("/name", "invalid")),
        (with("name", json!(7)), ("/name", "wrong_type")),
        (with("based_on", json!("owner")), ("/based_on", "invalid")),
        (with("based_on", json!("x")), ("/based_on", "invalid")),
        (with("based_on", Value::Null), ("/based_on", "wrong_type")),
        (
            with("permissions", json!("projects:read")),
            ("/permissions", "wrong_type"),
        ),
        (
            with("permissions", json!(["projects:read", 7])),
            ("/permissions/1", "wrong_type"),
        ),
        (
            with("permissions", json!(["projects:read", "coffee:brew"])),
            ("/permissions/1", "invalid"),
        ),
        (
            with("permissions", json!(["projects:read", "projects:read"])),
            ("/permissions/1", "duplicate"),
        ),
        (
            with("permissions", json!(["projects:read", "projects:write"])),
            ("/permissions/1", "invalid"),
        ),
        (
            with("permissions", json!(many)),
            ("/permissions", "invalid"),
        ),
        (
            with("built_in", json!(true)),
            ("/built_in", "unknown_field"),
        ),
    ] {
        let answer = alice.post(ROLES, body.clone()).await;
        let expected = (expected.0.to_owned(), expected.1.to_owned());
        assert_eq!(answer.refusals(), [expected], "{body}");
    }
    let all = json!({ "name": "X", "based_on": "member", "permissions": ["a", "tenant:write"] });
    let pointers: Vec<String> = alice
        .post(ROLES, all)
        .await
        .refusals()
        .into_iter()
        .map(|(pointer, _)| pointer)
        .collect();
    assert_eq!(pointers, ["/name", "/permissions/0", "/permissions/1"]);
    assert_eq!(
        alice.get(ROLES).await.json()["data"]
            .as_array()
            .unwrap()
            .len(),
        4
    );

    let id = create(&alice, "writer", "member", &["projects:write"]).await;
    for (body, pointer) in [
        (json!({ "name": null }), "/name"),
        (json!({ "based_on": "owner" }), "/based_on"),
        // It would keep what the new base has not.
        (json!({ "based_on": "viewer" }), "/based_on"),
        (json!({ "permissions": null }), "/permissions"),
        (json!({ "permissions": ["users:write"] }), "/permissions/0"),
        (
            json!({ "based_on": "viewer", "permissions": ["projects:read", "projects:write"] }),
            "/permissions/1",
        ),
        (json!({ "id": ID }), "/id"),
    ] {
        let answer = alice.patch(&path(&id), body.clone()).await;
        assert_eq!(answer.refusals()[0].0, pointer, "{body}");
    }
    let role = alice.get(&path(&id)).await.json();
    assert_eq!(role["permissions"], json!(["projects:write"]));
}

#[tokio::test]
async fn a_name_is_taken_once_in_each_tenant() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    create(&alice, "auditor", "viewer", &[]).await;
    let body = json!({ "name": "auditor", "based_on": "admin", "permissions": [] });
    let again = alice.post(ROLES, body).await;
    drop(again.problem(409, "role_name_taken"));
    create(&bob, "auditor", "viewer", &[]).await;
    let other = create(&alice, "other", "viewer", &[]).await;
    let answer = alice
        .patch(&path(&other), json!({ "name": "auditor" }))
        .await;
    drop(answer.problem(409, "role_name_taken"));
}

#[tokio::test]
async fn a_member_may_what_the_custom_role_permits_and_nothing_else() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let granted = ["projects:read", "tenant:read", "projects:restore"];
    let carl = alice.colleague_with("curator", "admin", &granted).await;
    // The name, everywhere that a role is shown.
    let me = carl.get("/api/v1/users/me").await.expect(200).json();
    assert_eq!(me["tenant"]["role"], "curator");
    let tenants = carl.get("/api/v1/users/me/tenants").await.json();
    assert_eq!(tenants["data"][0]["role"], "curator");
    let signed_in = sign_in(&carl, "curator").await;
    assert_eq!(signed_in["tenant"]["role"], "curator");
    let user = user_with(&alice, "curator").await;
    assert_eq!(alice.get(&user).await.json()["role"], "curator");
    let claim = principal(&carl).tenant.unwrap();
    assert_eq!(claim.role, domain::Role::Admin);
    let custom = claim.custom_role.unwrap();
    assert_eq!(
        (custom.name.as_str(), custom.permissions.words()),
        ("curator", granted.to_vec())
    );

    let atlas = crate::projects::path(&project);
    drop(carl.get(&atlas).await.expect(200));
    drop(carl.get("/api/v1/projects?deleted=true").await.expect(200));
    drop(carl.get("/api/v1/tenant").await.expect(200));
    for (method, path, body) in [
        (Method::POST, "/api/v1/projects", json!({ "name": "x" })),
        (Method::PATCH, atlas.as_str(), json!({ "name": "x" })),
        (Method::DELETE, atlas.as_str(), json!({})),
        (Method::GET, "/api/v1/users", json!({})),
        (Method::PATCH, "/api/v1/tenant", json!({ "name": "x" })),
        (Method::GET, ROLES, json!({})),
        (Method::GET, "/api/v1/api-keys", json!({})),
    ] {
        let answer = carl.send(method.clone(), path, Some(body)).await;
        assert_eq!(answer.status(), 403, "{method} {path}");
        drop(answer.problem(403, "forbidden"));
    }
}

#[tokio::test]
async fn the_token_of_the_longest_role_is_taken_back() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let admin = auth::PermissionSet::of(domain::Role::Admin);
    let name = "x".repeat(32);
    let all = alice.colleague_with(&name, "admin", &admin.words()).await;
    assert!(all.token().len() < 2048, "{}", all.token().len());
    drop(all.get("/api/v1/projects").await.expect(200));
}

#[tokio::test]
async fn a_changed_role_makes_its_tokens_stale_and_a_refresh_brings_the_new_rights() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let role = create(&alice, "writer", "viewer", &["projects:read"]).await;
    drop(alice.colleague("writer").await);
    let mut session = sign_in(&alice, "writer").await;
    let max = alice.colleague("member").await;
    let project = json!({ "name": "x" });
    for (change, may_write, may_read_users) in [
        (json!({ "name": "author" }), 403, 403),
        (json!({ "based_on": "member" }), 403, 403),
        (
            json!({ "permissions": ["projects:read", "projects:write"] }),
            201,
            403,
        ),
        (
            json!({ "based_on": "admin", "permissions": ["projects:read", "users:read"] }),
            403,
            200,
        ),
        (
            json!({ "based_on": "viewer", "permissions": ["projects:read"] }),
            403,
            403,
        ),
    ] {
        let before = with_token(&alice, &session);
        drop(before.get("/api/v1/projects").await.expect(200));
        let named = change["name"].as_str().unwrap_or("author").to_owned();
        drop(alice.patch(&path(&role), change.clone()).await.expect(200));
        let stale = before.get("/api/v1/projects").await;
        drop(stale.problem(401, "token_stale"));
        session = refreshed(&alice, &session).await;
        assert_eq!(session["tenant"]["role"], named, "{change}");
        let now = with_token(&alice, &session);
        drop(now.get("/api/v1/projects").await.expect(200));
        let answer = now.post("/api/v1/projects", project.clone()).await;
        drop(answer.expect(may_write));
        drop(now.get("/api/v1/users").await.expect(may_read_users));
        // The base went along, in the database too.
        let consistent =
            "memberships m JOIN roles r ON r.tenant_id = m.tenant_id AND r.id = m.custom_role_id
            WHERE m.role = r.based_on";
        assert_eq!(state::count(&app, consistent), 1);
    }
    // Others' tokens are as good as before.
    drop(max.get("/api/v1/projects").await.expect(200));
}

#[tokio::test]
async fn a_member_is_given_another_role_by_its_name() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    create(&alice, "auditor", "viewer", &["projects:read"]).await;
    create(&bob, "theirs", "viewer", &["projects:read"]).await;
    let max = alice.colleague("member").await;
    let maxs = user_with(&alice, "member").await;
    for (role, answer) in [
        ("auditor", "auditor"),
        ("admin", "admin"),
        ("auditor", "auditor"),
        ("member", "member"),
    ] {
        let changed = alice
            .patch(&maxs, json!({ "role": role }))
            .await
            .expect(200);
        assert_eq!(changed.json()["role"], answer);
        assert_eq!(alice.get(&maxs).await.json()["role"], answer);
        drop(
            max.get("/api/v1/projects")
                .await
                .problem(401, "token_stale"),
        );
    }
    let mut user = json!({ "email": "x@y.example", "full_name": "x", "role": "", "password": "correct horse" });
    for role in ["theirs", "nobody", "Admin", "", "a b"] {
        let expected = [("/role".to_owned(), "invalid".to_owned())];
        let answer = alice.patch(&maxs, json!({ "role": role })).await;
        assert_eq!(answer.refusals(), expected, "{role}");
        user["role"] = json!(role);
        let answer = alice.post("/api/v1/users", user.clone()).await;
        assert_eq!(answer.refusals(), expected, "{role}");
    }
    assert_eq!(alice.get(&maxs).await.json()["role"], "member");
}

#[tokio::test]
async fn a_role_that_somebody_has_stays() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let role = create(&alice, "auditor", "viewer", &["projects:read"]).await;
    drop(alice.colleague("auditor").await);
    let user = user_with(&alice, "auditor").await;
    let role = path(&role);
    let delete = || alice.delete(&role);
    drop(delete().await.problem(409, "role_in_use"));
    drop(
        alice
            .patch(&user, json!({ "status": "suspended" }))
            .await
            .expect(200),
    );
    drop(delete().await.problem(409, "role_in_use"));
    // Whoever is removed leaves the role behind.
    drop(alice.delete(&user).await.expect(204));
    drop(delete().await.expect(204));

    create(&alice, "auditor", "viewer", &[]).await;
    drop(
        alice
            .patch(
                &user_with(&alice, "owner").await,
                json!({ "full_name": "A" }),
            )
            .await
            .expect(200),
    );
    let body = json!({ "email": "z@z.example", "full_name": "x", "role": "auditor", "password": "correct horse" });
    drop(alice.post("/api/v1/users", body).await.expect(201));
    // A tenant goes with its roles, whoever has them.
    state::change(&app, "DELETE FROM tenants WHERE slug = 'acme-corp'");
    assert_eq!(state::count(&app, "roles"), 0);
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let own = [
        "projects:read",
        "users:read",
        "users:write",
        "roles:read",
        "roles:write",
        "api_keys:write",
    ];
    let mia = alice.colleague_with("manager", "admin", &own).await;
    let reader = create(&mia, "reader", "viewer", &["projects:read"]).await;
    let writer = create(
        &alice,
        "writer",
        "member",
        &["projects:read", "projects:write"],
    )
    .await;
    let anna = alice.colleague("admin").await;
    let (annas, mias) = (
        user_with(&alice, "admin").await,
        user_with(&alice, "manager").await,
    );

    let user = |role: &str| json!({ "email": format!("{role}@new.example"), "full_name": "x", "role": role, "password": "correct horse" });
    let made = mia.post("/api/v1/users", user("reader")).await.expect(201);
    let readers = format!("/api/v1/users/{}", made.id());
    for role in ["viewer", "member", "admin", "owner", "writer"] {
        let answer = mia.post("/api/v1/users", user(role)).await;
        drop(answer.problem(403, "forbidden"));
        let answer = mia.patch(&readers, json!({ "role": role })).await;
        drop(answer.problem(403, "forbidden"));
        // Nor to oneself.
        let answer = mia.patch(&mias, json!({ "role": role })).await;
        drop(answer.problem(403, "forbidden"));
    }
    // Whoever may more stands above, whatever the base.
    for body in [
        json!({ "role": "reader" }),
        json!({ "full_name": "x" }),
        json!({ "status": "suspended" }),
    ] {
        drop(mia.patch(&annas, body).await.problem(403, "forbidden"));
    }
    drop(mia.delete(&annas).await.problem(403, "forbidden"));
    drop(
        mia.patch(&readers, json!({ "status": "suspended" }))
            .await
            .expect(200),
    );

    let beyond = json!({ "name": "x", "based_on": "viewer", "permissions": ["tenant:read"] });
    drop(mia.post(ROLES, beyond).await.problem(403, "forbidden"));
    let grow = json!({ "permissions": ["projects:read", "tenant:read"] });
    drop(
        mia.patch(&path(&reader), grow)
            .await
            .problem(403, "forbidden"),
    );
    for body in [
        json!({ "name": "y" }),
        json!({ "permissions": ["projects:read"] }),
    ] {
        drop(
            mia.patch(&path(&writer), body)
                .await
                .problem(403, "forbidden"),
        );
    }
    drop(mia.delete(&path(&writer)).await.problem(403, "forbidden"));
    drop(
        mia.patch(&path(&reader), json!({ "permissions": ["users:read"] }))
            .await
            .expect(200),
    );
    // An admin is no narrower than the role says, and may do all of this.
    drop(
        anna.patch(&mias, json!({ "role": "writer" }))
            .await
            .expect(200),
    );
}

#[tokio::test]
async fn a_role_of_another_tenant_is_answered_like_one_that_is_not_there() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let id = create(&alice, "auditor", "viewer", &["projects:read"]).await;
    let before = state::rows_of(&app, "acme-corp");
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let body = (method == Method::PATCH).then(|| json!({ "permissions": [] }));
        let missing = bob.send(method.clone(), &path(ID), body.clone()).await;
        drop(missing.problem(404, "not_found"));
        for id in [id.as_str(), "nonsense"] {
            let answer = bob.send(method.clone(), &path(id), body.clone()).await;
            assert_eq!(answer.essence(), missing.essence(), "{method} {id}");
        }
    }
    assert_eq!(state::rows_of(&app, "acme-corp"), before);
}

#[tokio::test]
async fn whoever_changes_a_role_waits_for_whoever_gives_it() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let role = create(&alice, "auditor", "viewer", &["projects:read"]).await;
    drop(alice.colleague("viewer").await);
    let mut superuser = app.database().superuser();
    superuser
        .batch_execute(&format!(
            "BEGIN; UPDATE memberships SET custom_role_id = '{role}' WHERE email = 'viewer@acme-corp.example'"
        ))
        .unwrap();
    // Whatever changes it: a handler would take more locks than the statement does.
    let mut other = app.database().superuser();
    let change = format!("UPDATE roles SET permissions = '{{}}' WHERE id = '{role}'");
    let change = tokio::task::spawn_blocking(move || other.batch_execute(&change));
    state::until_waiting(&app, 1).await;
    superuser.batch_execute("COMMIT").unwrap();
    change.await.unwrap().unwrap();
    // One for the new role, one for its change: no token of the time between is good.
    let version = "memberships WHERE email = 'viewer@acme-corp.example' AND role_version = 2";
    let had = "memberships WHERE email = 'viewer@acme-corp.example'";
    assert_eq!(
        (state::count(&app, had), state::count(&app, version)),
        (1, 1)
    );
}

#[tokio::test]
async fn whoever_is_made_an_owner_from_outside_leaves_the_custom_role_behind() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let carl = alice
        .colleague_with("auditor", "viewer", &["projects:read"])
        .await;
    let user = user_with(&alice, "auditor").await;
    let tenant = principal(&alice).tenant.unwrap().id;
    // It writes the base role alone, as one that knows no others.
    app.database()
        .connect_as("rowhouse_ops")
        .batch_execute(&format!(
            "SELECT directory.add_owner('{tenant}', 'auditor@acme-corp.example', 'A', now())"
        ))
        .unwrap();
    assert_eq!(alice.get(&user).await.json()["role"], "owner");
    let stale = carl.get("/api/v1/projects").await;
    drop(stale.problem(401, "token_stale"));
}
