//! Resources: made, read, changed and deleted, inside a project that stands. What they were is
//! `resource_versions.rs`.

use proptest::num;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use reqwest::Method;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::projects::{self, refusal, time};
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
async fn an_object_comes_back_as_it_was_sent() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let data = json!({
        "": "an empty key", "a/b~c": [1, -2.5, 1e300, 9_007_199_254_740_993_i64], "null": null,
        "nested": { "list": [[], {}, [[true, false]]] }, "text": "株式会社 🏘️ \u{1}\u{7f} \"\\ $1 '; --",
        "__proto__": { "x": 1 },
    });
    let made = create(&alice, data.clone()).await;
    assert_eq!(made.json()["data"], data);
    let found = alice.get(&path(&made.id())).await.expect(200);
    assert_eq!(found.text(), made.text());
}

/// The largest and the least that a double holds, and whatever chance finds between.
#[tokio::test]
async fn every_number_comes_back_as_it_was_sent() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let id = create(&alice, json!({})).await.id();
    let mut runner = TestRunner::deterministic();
    for _ in 0..20 {
        let mut numbers = vec![
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            -1e308,
            0.1 + 0.2,
        ];
        let finite = num::f64::NORMAL | num::f64::SUBNORMAL | num::f64::ZERO;
        numbers.extend((0..100).map(|_| finite.new_tree(&mut runner).unwrap().current()));
        let data = json!({ "numbers": numbers });
        let patch = json!({ "data": data });
        let written = alice.patch(&path(&id), patch).await.expect(200).json();
        let read = alice.get(&path(&id)).await.expect(200).json();
        for data in [&written["data"], &read["data"]] {
            let back = data["numbers"].as_array().unwrap().iter();
            let back: Vec<f64> = back.map(|number| number.as_f64().unwrap()).collect();
            assert_eq!(back, numbers);
        }
    }
}

#[tokio::test]
async fn every_value_that_breaks_a_rule_is_named() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let long = "x".repeat(201);
    let deep = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
    // {"a":""} has eight bytes.
    let large = |bytes: usize| json!({ "a": "x".repeat(bytes - 8) });
    for (field, value, pointer, code) in [
        ("project_id", Value::Null, "/project_id", "wrong_type"),
        ("project_id", json!(7), "/project_id", "wrong_type"),
        ("project_id", json!("x"), "/project_id", "invalid"),
        (
            "project_id",
            json!(project.replace('-', "")),
            "/project_id",
            "invalid",
        ),
        (
            "project_id",
            json!(format!("{{{project}}}")),
            "/project_id",
            "invalid",
        ),
        ("name", Value::Null, "/name", "wrong_type"),
        ("name", json!(" \u{200b}"), "/name", "invalid"),
        ("name", json!(long), "/name", "invalid"),
        ("name", json!("a\nb"), "/name", "invalid"),
        ("name", json!("a\0b"), "/name", "invalid"),
        ("type", json!(7), "/type", "wrong_type"),
        ("type", json!(""), "/type", "invalid"),
        ("type", json!("x".repeat(51)), "/type", "invalid"),
        ("data", Value::Null, "/data", "wrong_type"),
        ("data", json!([]), "/data", "wrong_type"),
        ("data", json!("{}"), "/data", "wrong_type"),
        ("data", deep(33), "/data", "invalid"),
        ("data", large(65_537), "/data", "invalid"),
        (
            "data",
            json!({ "a": [{ "b~/": "\0" }] }),
            "/data/a/0/b~0~1",
            "invalid",
        ),
        ("data", json!({ "a\0": 1 }), "/data/a\0", "invalid"),
        ("version", json!(1), "/version", "unknown_field"),
        ("created_by", json!(project), "/created_by", "unknown_field"),
        ("tenant_id", json!(project), "/tenant_id", "unknown_field"),
        ("id", json!(project), "/id", "unknown_field"),
    ] {
        let mut body = json!({ "project_id": project, "name": "Sheet" });
        body[field] = value;
        let answer = alice.post(RESOURCES, body).await;
        assert_eq!(answer.refusals(), refusal(pointer, code), "{field}");
    }
    for missing in ["project_id", "name"] {
        let mut body = json!({ "project_id": project, "name": "Sheet" });
        body.as_object_mut().unwrap().remove(missing);
        let answer = alice.post(RESOURCES, body).await;
        let expected = refusal(&format!("/{missing}"), "missing_field");
        assert_eq!(answer.refusals(), expected);
    }
    // All at once.
    let body = json!({ "project_id": "x", "name": "", "type": "", "data": deep(33) });
    let refused = alice.post(RESOURCES, body).await.refusals();
    let pointers: Vec<&str> = refused
        .iter()
        .map(|(pointer, _)| pointer.as_str())
        .collect();
    assert_eq!(pointers, ["/project_id", "/name", "/type", "/data"]);
    assert_eq!(state::count(&app, "resources"), 0);
    // At the very edge.
    for data in [deep(32), large(65_536)] {
        let made = create_in(&alice, &project, &"x".repeat(200), data.clone()).await;
        assert_eq!(made.json()["data"], data);
    }
}

#[tokio::test]
async fn what_is_larger_than_any_body_or_deeper_than_any_json_is_refused() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let json = alice.with_header("content-type", "application/json");
    let send = |data: String| {
        let body = format!("{{\"project_id\":\"{project}\",\"name\":\"x\",\"data\":{data}}}");
        let json = &json;
        async move { json.send_bytes(Method::POST, RESOURCES, body).await }
    };
    let large = send(format!("{{\"a\":\"{}\"}}", "x".repeat(1_048_576))).await;
    large.problem(413, "payload_too_large");
    let deep = send(format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200))).await;
    deep.problem(400, "malformed_json");
    for odd in [
        "{\"a\":\"\\ud800\"}",
        "{\"a\":1e400}",
        "{\"a\":NaN}",
        "{\"a\":01}",
    ] {
        send(odd.to_owned()).await.problem(400, "malformed_json");
    }
    // Short to write, long to write out: numbers that the database keeps in few bytes.
    let long = send(format!("{{\"a\":[{}1e308]}}", "1e308,".repeat(8_000))).await;
    let id = long.expect(201).id();
    let _ = alice.get(&path(&id)).await.expect(200);
    assert_eq!(state::count(&app, "resources"), 1);
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
async fn a_patch_changes_what_it_names_and_merges_the_object() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let made = create(&alice, json!({ "a": 1, "b": { "c": 2, "d": [1, 2] } })).await;
    let mut expected = made.json();
    let path = path(&made.id());
    for (patch, name, kind, data) in [
        (
            json!({ "name": "Map" }),
            "Map",
            Value::Null,
            json!({ "a": 1, "b": { "c": 2, "d": [1, 2] } }),
        ),
        (
            json!({ "type": "sheet" }),
            "Map",
            json!("sheet"),
            json!({ "a": 1, "b": { "c": 2, "d": [1, 2] } }),
        ),
        (
            json!({ "data": { "b": { "c": null, "d": [3] } } }),
            "Map",
            json!("sheet"),
            json!({ "a": 1, "b": { "d": [3] } }),
        ),
        (
            json!({ "type": null, "data": { "b": null, "e": "x" } }),
            "Map",
            Value::Null,
            json!({ "a": 1, "e": "x" }),
        ),
    ] {
        let before = time(&expected["updated_at"]);
        let answer = alice.patch(&path, patch.clone()).await.expect(200);
        let body = answer.json();
        expected["name"] = json!(name);
        expected["type"] = kind;
        expected["data"] = data;
        expected["version"] = json!(expected["version"].as_i64().unwrap() + 1);
        expected["updated_at"] = body["updated_at"].clone();
        assert_eq!(body, expected, "{patch}");
        assert!(time(&body["updated_at"]) > before);
        let found = alice.get(&path).await.expect(200);
        assert_eq!(
            (found.json(), found.header("etag")),
            (body, answer.header("etag"))
        );
    }
    // Nothing to change is no change.
    for patch in [json!({}), json!({ "data": {} })] {
        let answer = alice.patch(&path, patch).await.expect(200);
        assert_eq!(answer.json(), expected);
    }
}

#[tokio::test]
async fn a_patch_that_breaks_a_rule_changes_nothing() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let made = create(&alice, json!({ "a": "x".repeat(60_000) })).await;
    let path = path(&made.id());
    let deep = (1..33).fold(json!({}), |inner, _| json!({ "a": inner }));
    for (patch, pointer, code) in [
        (json!({ "name": null }), "/name", "wrong_type"),
        (json!({ "name": "" }), "/name", "invalid"),
        (json!({ "type": "" }), "/type", "invalid"),
        (json!({ "data": null }), "/data", "wrong_type"),
        (json!({ "data": [1] }), "/data", "wrong_type"),
        (json!({ "data": deep }), "/data", "invalid"),
        (
            json!({ "data": { "b": "x".repeat(6_000) } }),
            "/data",
            "invalid",
        ),
        (json!({ "data": { "b": "\0" } }), "/data/b", "invalid"),
        (
            json!({ "project_id": made.json()["project_id"] }),
            "/project_id",
            "unknown_field",
        ),
        (json!({ "version": 7 }), "/version", "unknown_field"),
    ] {
        let answer = alice.patch(&path, patch).await;
        assert_eq!(answer.refusals(), refusal(pointer, code));
    }
    assert_eq!(alice.get(&path).await.json(), made.json());
    assert_eq!(state::count(&app, "resource_versions"), 0);
}

#[tokio::test]
async fn a_condition_keeps_two_writers_apart() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let made = create(&alice, json!({})).await;
    let path = path(&made.id());
    let first = alice.with_header("if-match", made.header("etag"));
    let second = first
        .patch(&path, json!({ "name": "Two" }))
        .await
        .expect(200);
    for (method, rest, body) in [
        (Method::PATCH, "", Some(json!({ "name": "Three" }))),
        (Method::PATCH, "", Some(json!({}))),
        (Method::DELETE, "", None),
        (Method::POST, "/versions/1/restore", None),
        (Method::GET, "", None),
    ] {
        let answer = first.send(method, &format!("{path}{rest}"), body).await;
        answer.problem(412, "precondition_failed");
    }
    assert_eq!(alice.get(&path).await.json(), second.json());
    let current = alice.with_header("if-match", second.header("etag"));
    let restore = format!("{path}/versions/1/restore");
    let third = current.post(&restore, json!({})).await.expect(200);
    assert_eq!(third.json()["version"], 3);
    let current = alice.with_header("if-match", third.header("etag"));
    let _ = current.delete(&path).await.expect(204);
    current.delete(&path).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_deleted_resource_is_gone_with_its_versions() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let kept = create_in(&alice, &project, "Kept", json!({})).await.id();
    let gone = create_in(&alice, &project, "Gone", json!({})).await.id();
    for id in [&kept, &gone] {
        let _ = alice
            .patch(&path(id), json!({ "name": "X" }))
            .await
            .expect(200);
    }
    // A member's own right, and the versions go by the member's hand.
    let member = alice.colleague("member").await;
    let answer = member.delete(&path(&gone)).await.expect(204);
    assert_eq!(answer.text(), "");
    for (method, rest) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::GET, "/versions"),
        (Method::GET, "/versions/1"),
        (Method::POST, "/versions/1/restore"),
    ] {
        let answer = alice
            .send(method, &format!("{}{rest}", path(&gone)), None)
            .await;
        answer.problem(404, "not_found");
    }
    assert_eq!(
        ids(&alice.get(RESOURCES).await),
        std::slice::from_ref(&kept)
    );
    assert_eq!(state::count(&app, "resource_versions"), 1);
    assert_eq!(state::count(&app, "projects WHERE NOT is_deleted"), 1);
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
