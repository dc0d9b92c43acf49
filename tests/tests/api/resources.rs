//! Resources: made, read and listed, inside a project that stands.

mod changes;
mod rules;

use reqwest::Method;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::projects::{self, refusal};
use crate::state;

pub(crate) const RESOURCES: &str = "/api/v1/resources";

pub(crate) fn path(id: &str) -> String {
    format!("{RESOURCES}/{id}")
}

/// A resource in a project of its own.
pub(crate) async fn create(caller: &Caller, data: Value) -> Answer {
    let project = caller.create_project("Atlas").await.id();
    create_in(caller, &project, "Sheet", data).await
}

pub(crate) async fn create_in(caller: &Caller, project: &str, name: &str, data: Value) -> Answer {
    let body = json!({ "project_id": project, "name": name, "data": data });
    caller.post(RESOURCES, body).await.expect(201)
}

fn ids(page: &Answer) -> Vec<String> {
    let data = page.json()["data"].as_array().unwrap().clone();
    let ids = data.iter().map(|item| item["id"].as_str().unwrap());
    ids.map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn a_new_resource_has_defaults_a_maker_a_place_and_a_version() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let me = alice.get("/api/v1/users/me").await.json();
    let project = alice.create_project("Atlas").await.id();
    let body = json!({ "project_id": project, "name": " Sheet\u{301} " });
    let made = alice.post(RESOURCES, body).await.expect(201);
    let body = made.json();
    let id = made.id();
    assert_eq!(
        body,
        json!({
            "id": id,
            "tenant_id": me["tenant"]["id"],
            "project_id": project,
            "name": "Sheet\u{301}",
            "type": null,
            "data": {},
            "version": 1,
            "created_by": me["tenant"]["membership_id"],
            "created_at": body["created_at"],
            "updated_at": body["created_at"],
        })
    );
    assert_eq!(Uuid::try_parse(&id).unwrap().get_version_num(), 7);
    assert_eq!(made.header("location"), path(&id));
    assert_eq!(
        made.header("etag"),
        format!("\"{}-1\"", id.replace('-', ""))
    );
    assert_eq!(made.header("cache-control"), "no-store");
    made.assert_framed();
    let found = alice.get(made.header("location")).await.expect(200);
    assert_eq!(found.json(), body);
    assert_eq!(found.header("etag"), made.header("etag"));
    assert_eq!(found.header("cache-control"), "private, no-cache");
    let known = alice.with_header("if-none-match", made.header("etag"));
    assert_eq!(known.get(&path(&id)).await.expect(304).text(), "");
}

#[tokio::test]
async fn a_project_that_is_missing_foreign_or_deleted_has_no_resources_and_gets_none() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let foreign = bob.create_project("Globex").await.id();
    let secret = create_in(&bob, &foreign, "Globex secret", json!({}))
        .await
        .id();
    let deleted = alice.create_project("Deleted").await.id();
    let inside = create_in(&alice, &deleted, "Inside", json!({})).await.id();
    let changed = alice
        .patch(&path(&inside), json!({ "name": "Changed" }))
        .await;
    let _ = changed.expect(200);
    let _ = alice.delete(&projects::path(&deleted)).await.expect(204);
    let missing = Uuid::now_v7().to_string();

    let body = |project: &str| json!({ "project_id": project, "name": "pwned" });
    let random = alice.post(RESOURCES, body(&missing)).await;
    random.problem(404, "not_found");
    let nothing = alice
        .get(&format!("{RESOURCES}?project_id={missing}"))
        .await;
    nothing.problem(404, "not_found");
    for project in [&foreign, &deleted, &Uuid::nil().to_string()] {
        let answer = alice.post(RESOURCES, body(project)).await;
        assert_eq!(answer.essence(), random.essence());
        let answer = alice
            .get(&format!("{RESOURCES}?project_id={project}"))
            .await;
        assert_eq!(answer.essence(), nothing.essence());
    }
    for resource in [&inside, &secret, &missing] {
        for (method, rest, body) in [
            (Method::GET, "", None),
            (Method::PATCH, "", Some(json!({ "name": "pwned" }))),
            (Method::PATCH, "", Some(json!({}))),
            (Method::DELETE, "", None),
            (Method::GET, "/versions", None),
            (Method::GET, "/versions/1", None),
            (Method::POST, "/versions/1/restore", None),
        ] {
            let path = format!("{}{rest}", path(resource));
            let answer = alice.send(method, &path, body).await;
            assert_eq!(answer.essence(), random.essence(), "{path}");
        }
    }
    assert_eq!(ids(&alice.get(RESOURCES).await), Vec::<String>::new());
    assert_eq!(state::count(&app, "resources WHERE name = 'pwned'"), 0);
    // With its project it comes back.
    let restore = format!("{}/restore", projects::path(&deleted));
    let _ = alice.post(&restore, json!({})).await.expect(200);
    let back = alice.get(&path(&inside)).await.expect(200);
    assert_eq!(back.json()["version"], 2);
    assert_eq!(ids(&alice.get(RESOURCES).await), [inside]);
}

#[tokio::test]
async fn a_list_is_newest_first_paged_and_filtered_by_project() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    let projects = [
        alice.create_project("A").await.id(),
        alice.create_project("B").await.id(),
    ];
    let empty = alice.create_project("C").await.id();
    let (mut all, mut of_first) = (Vec::new(), Vec::new());
    for number in 0..7 {
        let project = &projects[number % 2];
        let id = create_in(&alice, project, &format!("R{number}"), json!({}))
            .await
            .id();
        let _ = create(&bob, json!({ "of": "Globex" })).await;
        all.insert(0, id.clone());
        if number % 2 == 0 {
            of_first.insert(0, id);
        }
    }
    let list = alice.get(RESOURCES).await.expect(200);
    assert_eq!(ids(&list), all);
    assert_eq!(
        list.json()["data"][0],
        alice.get(&path(&all[0])).await.json()
    );
    let filtered = format!("{RESOURCES}?project_id={}", projects[0]);
    for (query, expected) in [
        (format!("{RESOURCES}?limit=3"), &all),
        (format!("{filtered}&limit=3"), &of_first),
    ] {
        let (mut seen, mut next) = (Vec::new(), Some(query));
        while let Some(path) = next {
            let page = alice.get(&path).await.expect(200);
            assert!(ids(&page).len() <= 3);
            seen.extend(ids(&page));
            let link = page.header("link").strip_prefix('<');
            let link = link.and_then(|link| link.strip_suffix(">; rel=\"next\""));
            assert_eq!(link.is_some(), page.json()["next_cursor"].is_string());
            next = link.map(ToOwned::to_owned);
        }
        assert_eq!(&seen, expected);
    }
    let nothing = alice.get(&format!("{RESOURCES}?project_id={empty}")).await;
    assert_eq!(
        nothing.expect(200).json(),
        json!({ "data": [], "next_cursor": null })
    );
    let cursor = alice.get(&format!("{RESOURCES}?limit=1")).await.json()["next_cursor"].clone();
    let cursor = cursor.as_str().unwrap();
    for (query, parameter, code) in [
        (
            format!("project_id={}&cursor={cursor}", projects[0]),
            "/cursor",
            "invalid",
        ),
        ("cursor=nonsense".to_owned(), "/cursor", "invalid"),
        ("project_id=x".to_owned(), "/project_id", "invalid"),
        ("project_id=".to_owned(), "/project_id", "invalid"),
        ("limit=0".to_owned(), "/limit", "invalid"),
        ("limit=101".to_owned(), "/limit", "invalid"),
        ("sort=name".to_owned(), "/sort", "unknown_field"),
        ("tenant_id=x".to_owned(), "/tenant_id", "unknown_field"),
    ] {
        let answer = alice.get(&format!("{RESOURCES}?{query}")).await;
        assert_eq!(answer.refusals(), refusal(parameter, code), "{query}");
    }
    let foreign = bob.get(&format!("{RESOURCES}?cursor={cursor}")).await;
    assert_eq!(foreign.refusals(), refusal("/cursor", "invalid"));
}

#[tokio::test]
async fn what_a_key_makes_and_changes_is_its_makers() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let admin = alice.colleague("admin").await;
    let maker = admin.get("/api/v1/users/me").await.json()["tenant"]["membership_id"].clone();
    let (_, key) = admin
        .create_key(&["projects:write", "resources:read", "resources:write"])
        .await;
    let project = alice.create_project("Atlas").await.id();
    let made = create_in(&key, &project, "By a key", json!({})).await;
    assert_eq!(made.json()["created_by"], maker);
    let _ = key
        .patch(&path(&made.id()), json!({ "name": "Changed" }))
        .await
        .expect(200);
    let version = key.get(&format!("{}/versions/1", path(&made.id()))).await;
    assert_eq!(version.expect(200).json()["replaced_by"], maker);
}
