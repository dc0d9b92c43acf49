//! Two tenants under one roof: whatever the one sends, it neither sees nor touches what the other
//! has, nor learns that it is there.

use reqwest::Method;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{rows::principal, state};

/// Acme's owner, Globex's owner, and a project of Globex that stands and one that is deleted.
struct Neighbours {
    app: TestApp,
    alice: Caller,
    bob: Caller,
    standing: String,
    deleted: String,
    before: String,
}

impl Neighbours {
    async fn move_in() -> Self {
        let (app, alice, bob) = TestApp::two_tenants().await;
        let standing = bob.create_project("Globex secret").await.id();
        let deleted = bob.create_project("Globex secret, deleted").await.id();
        let _ = bob.delete(&path(&deleted)).await.expect(204);
        let before = state::rows_of(&app, "globex-inc");
        Self {
            app,
            alice,
            bob,
            standing,
            deleted,
            before,
        }
    }

    /// What Globex has is what it had, seen from inside and from below.
    async fn assert_untouched(&self) {
        assert_eq!(state::rows_of(&self.app, "globex-inc"), self.before);
        let standing = self.bob.get(&path(&self.standing)).await.expect(200).json();
        assert_eq!(standing["name"], "Globex secret");
        assert_eq!(standing["version"], 1);
    }
}

fn path(id: &str) -> String {
    format!("/api/v1/projects/{id}")
}

/// Everything that can be asked of one project: method, what stands behind its id, body.
fn requests() -> Vec<(Method, &'static str, Option<Value>)> {
    vec![
        (Method::GET, "", None),
        (Method::GET, "?deleted=true", None),
        (Method::GET, "?deleted=false", None),
        (Method::HEAD, "", None),
        (Method::PATCH, "", Some(json!({ "name": "pwned" }))),
        (Method::PATCH, "", Some(json!({}))),
        (Method::DELETE, "", None),
        (Method::POST, "/restore", None),
        (Method::POST, "/restore", Some(json!({}))),
    ]
}

async fn send(
    caller: &Caller,
    request: &(Method, &'static str, Option<Value>),
    id: &str,
) -> Answer {
    let (method, rest, body) = request;
    let path = format!("{}{rest}", path(id));
    caller.send(method.clone(), &path, body.clone()).await
}

fn assert_names_nothing_of_globex(neighbours: &Neighbours, answer: &Answer) {
    let headers = format!("{:?}", answer.headers());
    for text in [answer.text(), &headers] {
        for secret in [
            "Globex",
            "globex",
            &neighbours.standing,
            &neighbours.deleted,
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn a_foreign_id_a_random_id_and_no_id_are_answered_byte_for_byte_alike() {
    let neighbours = Neighbours::move_in().await;
    let admin = neighbours.alice.colleague("admin").await;
    for caller in [&neighbours.alice, &admin] {
        for request in requests() {
            let missing = send(caller, &request, &Uuid::now_v7().to_string()).await;
            if request.0 != Method::HEAD {
                missing.problem(404, "not_found");
            }
            for id in [
                neighbours.standing.as_str(),
                &neighbours.deleted,
                &neighbours.standing.to_uppercase(),
                &Uuid::new_v4().to_string(),
                &Uuid::nil().to_string(),
                &Uuid::max().to_string(),
                "1",
                "-1",
                "not-an-id",
                "%00",
                "%ff",
                "null",
                "'%20OR%20true--",
            ] {
                let answer = send(caller, &request, id).await;
                assert_eq!(answer.essence(), missing.essence(), "{request:?} {id}");
                assert_names_nothing_of_globex(&neighbours, &answer);
            }
        }
    }
    neighbours.assert_untouched().await;
}

#[tokio::test]
async fn a_foreign_member_a_random_one_and_none_are_answered_byte_for_byte_alike() {
    let neighbours = Neighbours::move_in().await;
    let _ = neighbours.bob.colleague("viewer").await;
    let before = state::rows_of(&neighbours.app, "globex-inc");
    let listed = neighbours.bob.get("/api/v1/users").await.expect(200).json();
    let members = listed["data"].as_array().unwrap();
    let foreign: Vec<&str> = members.iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(foreign.len(), 2);
    let alice = &neighbours.alice;
    for caller in [
        alice,
        &alice.colleague("admin").await,
        &alice.colleague("member").await,
        &alice.colleague("viewer").await,
    ] {
        for (method, body, status) in [
            (Method::GET, None, 404),
            (Method::HEAD, None, 404),
            (Method::PATCH, Some(json!({ "full_name": "pwned" })), 404),
            (Method::PATCH, Some(json!({ "role": "viewer" })), 404),
            (Method::PATCH, Some(json!({ "status": "suspended" })), 404),
            (Method::PATCH, Some(json!({})), 404),
            (Method::PATCH, Some(json!({ "full_name": "" })), 422),
            (Method::DELETE, None, 404),
        ] {
            let ask = |id: &str| {
                let (method, body, path) =
                    (method.clone(), body.clone(), format!("/api/v1/users/{id}"));
                async move { caller.send(method, &path, body).await }
            };
            let random = ask(&Uuid::now_v7().to_string()).await;
            assert_eq!(random.status(), status, "{method} {body:?}");
            for id in foreign.iter().copied().chain(["not-an-id", "%ff"]) {
                let answer = ask(id).await;
                assert_eq!(answer.essence(), random.essence(), "{method} {body:?} {id}");
                assert_names_nothing_of_globex(&neighbours, &answer);
            }
        }
        let list = caller.get("/api/v1/users?limit=100").await.expect(200);
        assert_names_nothing_of_globex(&neighbours, &list);
        let tenant = caller.get("/api/v1/tenant").await.expect(200);
        assert_names_nothing_of_globex(&neighbours, &tenant);
    }
    assert_eq!(state::rows_of(&neighbours.app, "globex-inc"), before);
}

#[tokio::test]
async fn a_refused_body_or_query_tells_nothing_of_an_id() {
    let neighbours = Neighbours::move_in().await;
    let alice = &neighbours.alice;
    for (request, status) in [
        ((Method::GET, "?unknown=1", None), 422),
        ((Method::GET, "?deleted=maybe", None), 422),
        ((Method::PATCH, "", Some(json!({ "name": 7 }))), 422),
        ((Method::PATCH, "", Some(json!({ "name": "" }))), 422),
        ((Method::PATCH, "", None), 415),
        ((Method::PUT, "", None), 405),
        ((Method::POST, "", None), 405),
        ((Method::POST, "/archive", None), 404),
    ] {
        let random = send(alice, &request, &Uuid::now_v7().to_string()).await;
        assert_eq!(random.status(), status, "{request:?}");
        for id in [&neighbours.standing, &neighbours.deleted, "not-an-id"] {
            let answer = send(alice, &request, id).await;
            assert_eq!(answer.essence(), random.essence(), "{request:?} {id}");
        }
    }
    neighbours.assert_untouched().await;
}

#[tokio::test]
async fn whoever_may_not_write_learns_no_more_of_a_foreign_id_than_of_a_random_one() {
    let neighbours = Neighbours::move_in().await;
    for role in ["member", "viewer"] {
        let caller = neighbours.alice.colleague(role).await;
        for request in requests() {
            let random = send(&caller, &request, &Uuid::now_v7().to_string()).await;
            for id in [&neighbours.standing, &neighbours.deleted, "not-an-id"] {
                let answer = send(&caller, &request, id).await;
                assert_eq!(answer.essence(), random.essence(), "{role} {request:?}");
            }
        }
    }
    neighbours.assert_untouched().await;
}

#[tokio::test]
async fn no_condition_tells_whether_a_foreign_project_exists() {
    let neighbours = Neighbours::move_in().await;
    let tag = neighbours.bob.get(&path(&neighbours.standing)).await;
    let tag = tag.header("etag").to_owned();
    assert!(tag.contains(&neighbours.standing.replace('-', "")), "{tag}");
    for header in ["if-match", "if-none-match"] {
        for value in [tag.as_str(), "*", "\"x\""] {
            let caller = neighbours.alice.with_header(header, value);
            for request in requests() {
                let random = send(&caller, &request, &Uuid::now_v7().to_string()).await;
                for id in [&neighbours.standing, &neighbours.deleted, "not-an-id"] {
                    let answer = send(&caller, &request, id).await;
                    assert_eq!(answer.essence(), random.essence(), "{header} {request:?}");
                    assert_eq!(answer.status(), 404);
                }
            }
        }
    }
    neighbours.assert_untouched().await;
}

#[tokio::test]
async fn a_header_or_host_name_of_another_tenant_opens_nothing() {
    let neighbours = Neighbours::move_in().await;
    let globex = principal(&neighbours.bob).tenant.unwrap().id.to_string();
    let selections: [&[(&str, &str)]; 6] = [
        &[("x-tenant-slug", "globex-inc")],
        &[("x-tenant-id", &globex)],
        &[("host", "globex-inc.rowhouse.test")],
        &[("host", "GLOBEX-INC.Rowhouse.Test.:8000")],
        &[("x-tenant-slug", "globex-inc"), ("x-tenant-id", &globex)],
        &[
            ("x-tenant-slug", "globex-inc"),
            ("x-tenant-id", &globex),
            ("host", "globex-inc.rowhouse.test"),
        ],
    ];
    for selection in selections {
        let caller = selection
            .iter()
            .fold(neighbours.alice.clone(), |caller, (name, value)| {
                caller.with_header(name, value)
            });
        for request in requests() {
            let answer = send(&caller, &request, &neighbours.standing).await;
            assert_eq!(answer.status(), 403, "{selection:?} {request:?}");
            if request.0 != Method::HEAD {
                answer.problem(403, "tenant_mismatch");
            }
        }
        for (path, body) in [
            ("/api/v1/projects", json!({ "name": "pwned" })),
            (
                "/api/v1/users",
                json!({ "email": "x@acme.example", "full_name": "X", "role": "owner", "password": "correct horse" }),
            ),
        ] {
            let answer = caller.post(path, body).await;
            answer.problem(403, "tenant_mismatch");
        }
        for path in ["/api/v1/projects", "/api/v1/users/me"] {
            caller.get(path).await.problem(403, "tenant_mismatch");
        }
    }
    neighbours.assert_untouched().await;
    assert_eq!(
        state::count(&neighbours.app, "projects WHERE name = 'pwned'"),
        0
    );
}

#[tokio::test]
async fn a_selection_that_contradicts_itself_is_refused_before_it_is_believed() {
    let neighbours = Neighbours::move_in().await;
    let acme = principal(&neighbours.alice).tenant.unwrap().id.to_string();
    let globex = principal(&neighbours.bob).tenant.unwrap().id.to_string();
    for headers in [
        [("x-tenant-slug", "acme-corp"), ("x-tenant-id", &globex)],
        [("x-tenant-slug", "globex-inc"), ("x-tenant-id", &acme)],
        [
            ("x-tenant-slug", "acme-corp"),
            ("x-tenant-slug", "globex-inc"),
        ],
        [
            ("x-tenant-slug", "acme-corp"),
            ("host", "globex-inc.rowhouse.test"),
        ],
        [
            ("x-tenant-id", &globex),
            ("host", "acme-corp.rowhouse.test"),
        ],
    ] {
        let caller = headers
            .iter()
            .fold(neighbours.alice.clone(), |caller, (name, value)| {
                caller.with_header(name, value)
            });
        let answer = caller.get(&path(&neighbours.standing)).await;
        answer.problem(400, "tenant_ambiguous");
    }
}

#[tokio::test]
async fn what_selects_ones_own_tenant_changes_nothing() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await;
    let plain = alice.get(&path(&project.id())).await.expect(200);
    let acme = principal(&alice).tenant.unwrap().id.to_string();
    for (name, value) in [
        ("x-tenant-slug", "acme-corp"),
        ("x-tenant-id", acme.as_str()),
        ("host", "acme-corp.rowhouse.test"),
        ("host", "acme-corp.rowhouse.test:8000"),
        ("host", "rowhouse.test"),
        ("host", "www.rowhouse.test"),
        ("host", "globex-inc.somewhere.test"),
    ] {
        let caller = alice.with_header(name, value);
        let answer = caller.get(&path(&project.id())).await;
        assert_eq!(answer.essence(), plain.essence(), "{name}: {value}");
    }
}

#[tokio::test]
async fn no_field_or_parameter_names_another_tenant() {
    let neighbours = Neighbours::move_in().await;
    let alice = &neighbours.alice;
    let globex = principal(&neighbours.bob).tenant.unwrap().id.to_string();
    let own = alice.create_project("Acme").await.id();
    let owner = neighbours.bob.get("/api/v1/users/me").await.json();
    let member = owner["tenant"]["membership_id"].as_str().unwrap();
    for (field, value) in [
        ("tenant_id", globex.as_str()),
        ("tenant", "globex-inc"),
        ("tenant_slug", "globex-inc"),
        ("owner_id", member),
        ("id", &neighbours.standing),
    ] {
        let expected = [(format!("/{field}"), "unknown_field".to_owned())];
        let mut body = json!({ "name": "pwned" });
        body[field] = json!(value);
        let created = alice.post("/api/v1/projects", body.clone()).await;
        assert_eq!(created.refusals(), expected);
        let changed = alice.patch(&path(&own), body).await;
        assert_eq!(changed.refusals(), expected);
        for list in ["/api/v1/projects".to_owned(), path(&own)] {
            let answer = alice.get(&format!("{list}?{field}={value}")).await;
            assert_eq!(answer.refusals(), expected, "{list}");
        }
    }
    let mut user = json!({ "email": "x@acme.example", "full_name": "X", "role": "owner", "password": "correct horse" });
    user["tenant_id"] = json!(globex);
    let answer = alice.post("/api/v1/users", user).await;
    let expected = [("/tenant_id".to_owned(), "unknown_field".to_owned())];
    assert_eq!(answer.refusals(), expected);
    neighbours.assert_untouched().await;
}

#[tokio::test]
async fn a_list_shows_and_counts_ones_own_projects_only() {
    let neighbours = Neighbours::move_in().await;
    let (alice, bob) = (&neighbours.alice, &neighbours.bob);
    let mut own = Vec::new();
    for number in 0..5 {
        own.push(alice.create_project(&format!("Acme {number}")).await.id());
        let _ = bob.create_project(&format!("Globex {number}")).await;
    }
    own.reverse();
    // Exactly as many as there are: a next page would be one of the neighbour's.
    let whole = alice.get("/api/v1/projects?limit=5").await.expect(200);
    assert_eq!(whole.json()["next_cursor"], Value::Null);
    assert_eq!(whole.header("link"), "");
    let mut seen = Vec::new();
    let mut next = "/api/v1/projects?limit=2".to_owned();
    loop {
        let page = alice.get(&next).await.expect(200);
        assert_names_nothing_of_globex(&neighbours, &page);
        let page = page.json();
        let projects = page["data"].as_array().unwrap();
        seen.extend(
            projects
                .iter()
                .map(|p| p["id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("/api/v1/projects?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, own);
    let deleted = alice.get("/api/v1/projects?deleted=true").await.expect(200);
    assert_eq!(deleted.json(), json!({ "data": [], "next_cursor": null }));
}

#[tokio::test]
async fn a_foreign_cursor_is_no_better_than_nonsense() {
    let neighbours = Neighbours::move_in().await;
    let (alice, bob) = (&neighbours.alice, &neighbours.bob);
    for number in 0..3 {
        let _ = bob.create_project(&format!("Globex {number}")).await;
        let _ = alice.create_project(&format!("Acme {number}")).await;
    }
    let cursor = |page: Answer| page.json()["next_cursor"].as_str().unwrap().to_owned();
    let own = cursor(alice.get("/api/v1/projects?limit=1").await);
    let foreign = cursor(bob.get("/api/v1/projects?limit=1").await);
    let with = |cursor: &str| {
        let path = format!("/api/v1/projects?limit=1&cursor={cursor}");
        async move { alice.get(&path).await }
    };
    assert_eq!(with(&own).await.status(), 200);
    let nonsense = with("nonsense").await;
    let expected = [("/cursor".to_owned(), "invalid".to_owned())];
    assert_eq!(nonsense.refusals(), expected);
    assert_eq!(with(&foreign).await.essence(), nonsense.essence());
    // Its own signature before the neighbour's position.
    let spliced = format!("{}{}", &own[..43], &foreign[43..]);
    assert_eq!(with(&spliced).await.essence(), nonsense.essence());
}

#[tokio::test]
async fn the_same_names_and_addresses_live_in_both_tenants() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    let body = json!({ "email": "carol@both.example", "full_name": "Carol", "role": "member", "password": "correct horse" });
    for owner in [&alice, &bob] {
        let project = owner.create_project("Apollo").await.json();
        let me = owner.get("/api/v1/users/me").await.json();
        assert_eq!(project["tenant_id"], me["tenant"]["id"]);
        assert_eq!(project["owner_id"], me["tenant"]["membership_id"]);
        let _ = owner.post("/api/v1/users", body.clone()).await.expect(201);
    }
}

#[tokio::test]
async fn whoever_is_in_two_tenants_reaches_each_with_its_own_token_only() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let password = "securepass123";
    let both = json!({ "email": "alice@acme.example", "password": password, "full_name": "Alice", "tenant_slug": "acme-labs" });
    let _ = app
        .stranger()
        .post("/api/v1/auth/register", both)
        .await
        .expect(201);
    let labs = app
        .stranger()
        .login(json!({ "email": "alice@acme.example", "password": password, "tenant_slug": "acme-labs" }))
        .await;
    let in_corp = alice.create_project("Corp").await.id();
    let in_labs = labs.create_project("Labs").await.id();
    for (caller, own, other) in [(&alice, &in_corp, &in_labs), (&labs, &in_labs, &in_corp)] {
        let _ = caller.get(&path(own)).await.expect(200);
        caller.get(&path(other)).await.problem(404, "not_found");
        let list = caller.get("/api/v1/projects").await.json();
        assert_eq!(list["data"].as_array().unwrap().len(), 1);
    }
    bob.get(&path(&in_labs)).await.problem(404, "not_found");
}
