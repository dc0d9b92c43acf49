//! What a resource was: every change leaves a version behind, in whatever way it comes.

use std::collections::BTreeSet;

use diesel::prelude::*;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};
use tenant_db::{Error, TenantConn};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::projects::{refusal, time};
use crate::resources::{create, path};
use crate::rows::context;
use crate::state;

async fn versions(caller: &Caller, id: &str) -> Vec<Value> {
    let list = caller
        .get(&format!("{}/versions?limit=100", path(id)))
        .await;
    list.expect(200).json()["data"].as_array().unwrap().clone()
}

fn numbers(versions: &[Value]) -> Vec<i64> {
    versions
        .iter()
        .map(|version| version["version"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn every_change_keeps_what_was_there_whole() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let member = alice.colleague("member").await;
    let me = |caller: &Caller| {
        let caller = caller.clone();
        async move { caller.get("/api/v1/users/me").await.json()["tenant"]["membership_id"].clone() }
    };
    let first = create(&alice, json!({ "a": 1 })).await;
    let id = first.id();
    assert_eq!(versions(&alice, &id).await, Vec::<Value>::new());
    let second = member
        .patch(
            &path(&id),
            json!({ "name": "Two", "type": "t", "data": { "a": null } }),
        )
        .await
        .expect(200);
    let third = alice
        .patch(&path(&id), json!({ "name": "Three" }))
        .await
        .expect(200);

    let replaced = |was: &Value, by: Value, at: &Value| {
        let mut version = was.clone();
        version["replaced_at"] = at["updated_at"].clone();
        version["replaced_by"] = by;
        version
    };
    let expected = [
        replaced(&second.json(), me(&alice).await, &third.json()),
        replaced(&first.json(), me(&member).await, &second.json()),
    ];
    assert_eq!(versions(&alice, &id).await, expected);
    for version in &expected {
        let one = format!("{}/versions/{}", path(&id), version["version"]);
        let found = alice.get(&one).await.expect(200);
        assert_eq!(found.json(), *version);
        let tag = format!("\"{}-{}\"", id.replace('-', ""), version["version"]);
        assert_eq!(found.header("etag"), tag);
        let known = alice.with_header("if-none-match", &tag);
        assert_eq!(known.get(&one).await.status(), 304);
    }
    assert!(time(&expected[0]["replaced_at"]) > time(&expected[1]["replaced_at"]));
}

#[tokio::test]
async fn restoring_is_a_change_with_a_version_of_its_own() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let first = create(&alice, json!({ "a": { "b": [1] } })).await.json();
    let id = first["id"].as_str().unwrap();
    let patch = json!({ "name": "Two", "type": "t", "data": { "a": null, "c": 2 } });
    let second = alice.patch(&path(id), patch).await.expect(200).json();
    let restore = |number: &str| {
        let path = format!("{}/versions/{number}/restore", path(id));
        let alice = alice.clone();
        async move { alice.post(&path, json!({})).await }
    };
    let third = restore("1").await.expect(200);
    for field in [
        "name",
        "type",
        "data",
        "project_id",
        "created_by",
        "created_at",
        "id",
    ] {
        assert_eq!(third.json()[field], first[field], "{field}");
    }
    assert_eq!(third.json()["version"], 3);
    assert_eq!(
        third.header("etag"),
        format!("\"{}-3\"", id.replace('-', ""))
    );
    assert_eq!(alice.get(&path(id)).await.json(), third.json());
    // What was replaced is kept like anything else, and comes back the same way.
    let fourth = restore("2").await.expect(200).json();
    for field in ["name", "type", "data"] {
        assert_eq!(fourth[field], second[field], "{field}");
    }
    assert_eq!(numbers(&versions(&alice, id).await), [3, 2, 1]);
    for number in [
        "0",
        "4",
        "5",
        "-1",
        "01",
        "+1",
        "1.0",
        "x",
        "%00",
        "2147483648",
        "99999999999",
    ] {
        restore(number).await.problem(404, "not_found");
        let answer = alice.get(&format!("{}/versions/{number}", path(id))).await;
        answer.problem(404, "not_found");
    }
    assert_eq!(alice.get(&path(id)).await.json(), fourth);
}

#[tokio::test]
async fn versions_are_paged_newest_first_by_a_cursor_of_this_resource() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let ids = [
        create(&alice, json!({})).await.id(),
        create(&alice, json!({})).await.id(),
    ];
    for id in &ids {
        for number in 2..=6 {
            let patch = json!({ "name": format!("V{number}") });
            let _ = alice.patch(&path(id), patch).await.expect(200);
        }
    }
    let (mut seen, mut next) = (
        Vec::new(),
        Some(format!("{}/versions?limit=2", path(&ids[0]))),
    );
    let mut cursor = String::new();
    while let Some(path) = next {
        let page = alice.get(&path).await.expect(200);
        let body = page.json();
        seen.extend(numbers(body["data"].as_array().unwrap()));
        if let Some(text) = body["next_cursor"].as_str() {
            cursor = text.to_owned();
        }
        let link = page.header("link").strip_prefix('<');
        next = link
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            .map(ToOwned::to_owned);
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    let other = alice
        .get(&format!("{}/versions?cursor={cursor}", path(&ids[1])))
        .await;
    assert_eq!(other.refusals(), refusal("/cursor", "invalid"));
    let unknown = alice
        .get(&format!("{}/versions?project_id=1", path(&ids[0])))
        .await;
    assert_eq!(unknown.refusals(), refusal("/project_id", "unknown_field"));
}

#[tokio::test]
async fn sixteen_writers_at_once_leave_sixteen_versions_without_a_gap() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let id = create(&alice, json!({})).await.id();
    let mut writers = JoinSet::new();
    for number in 0..16 {
        let (caller, path) = (alice.clone(), path(&id));
        writers.spawn(async move {
            let patch = json!({ "data": { format!("k{number}"): number } });
            caller.patch(&path, patch).await.expect(200).json()
        });
    }
    let mut answers = writers.join_all().await;
    let current = alice.get(&path(&id)).await.json();
    assert_eq!(current["version"], 17);
    // Nobody's member was lost, and each answer is a version that stood.
    assert_eq!(current["data"].as_object().unwrap().len(), 16);
    let kept = versions(&alice, &id).await;
    assert_eq!(numbers(&kept), (1..=16).rev().collect::<Vec<i64>>());
    answers.sort_by_key(|answer| answer["version"].as_i64());
    for (answer, number) in answers.iter().zip(2..) {
        assert_eq!(answer["version"], number);
        if let Some(version) = kept.iter().find(|version| version["version"] == number) {
            assert_eq!(
                (&version["data"], &version["updated_at"]),
                (&answer["data"], &answer["updated_at"])
            );
        }
    }
    let times: BTreeSet<_> = kept
        .iter()
        .map(|version| time(&version["replaced_at"]))
        .collect();
    assert_eq!(times.len(), 16);
}

async fn execute(app: &TestApp, caller: &Caller, sql: String) -> Result<usize, Error> {
    let work = move |conn: &mut TenantConn<'_>| Ok(diesel::sql_query(sql).execute(conn)?);
    app.tenants().run(context(caller), work).await
}

#[tokio::test]
async fn raw_sql_of_the_application_neither_skips_a_version_nor_touches_one() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let made = create(&alice, json!({ "a": 1 })).await.json();
    let id = made["id"].as_str().unwrap();
    let changed = execute(
        &app,
        &alice,
        "UPDATE resources SET name = 'by SQL'".to_owned(),
    )
    .await;
    assert_eq!(changed.unwrap(), 1);
    let kept = versions(&alice, id).await;
    assert_eq!(numbers(&kept), [1]);
    assert_eq!(kept[0]["name"], made["name"]);
    assert_eq!(alice.get(&path(id)).await.json()["version"], 2);
    let tenant = made["tenant_id"].as_str().unwrap();
    for sql in [
        "UPDATE resources SET version = 1".to_owned(),
        "UPDATE resources SET updated_at = now()".to_owned(),
        "UPDATE resources SET project_id = gen_random_uuid()".to_owned(),
        "UPDATE resources SET created_by = gen_random_uuid()".to_owned(),
        "UPDATE resource_versions SET name = 'pwned'".to_owned(),
        "DELETE FROM resource_versions".to_owned(),
        format!(
            "INSERT INTO resource_versions (tenant_id, resource_id, version, name, data, updated_at, replaced_at)
             VALUES ('{tenant}', '{id}', 7, 'pwned', '{{}}', now(), now())"
        ),
        "SELECT directory.keep_resource_version()".to_owned(),
        "SELECT directory.acting_member()".to_owned(),
        "ALTER TABLE resources DISABLE TRIGGER ALL".to_owned(),
        "SET session_replication_role = replica".to_owned(),
    ] {
        let refused = execute(&app, &alice, sql.clone()).await.unwrap_err();
        let said = format!("{refused:?}");
        assert!(
            said.contains("permission denied") || said.contains("must be owner"),
            "{sql}: {said}"
        );
    }
    assert_eq!(versions(&alice, id).await, kept);
    // Nor does it make a resource in somebody else's name.
    let member = alice.colleague("member").await;
    let sql = format!(
        "INSERT INTO resources (tenant_id, id, project_id, name, version, created_by)
         SELECT tenant_id, '{}', project_id, 'forged', 9, created_by FROM resources",
        Uuid::now_v7()
    );
    assert_eq!(execute(&app, &member, sql).await.unwrap(), 1);
    let listed = member.get("/api/v1/resources").await.json()["data"].clone();
    let forged = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "forged")
        .unwrap();
    let me = member.get("/api/v1/users/me").await.json();
    assert_eq!(forged["created_by"], me["tenant"]["membership_id"]);
    assert_eq!(forged["version"], 1);
}

#[tokio::test]
async fn no_statement_reaches_a_neighbours_resources_or_their_versions() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let theirs = create(&bob, json!({ "secret": "Globex" })).await.json();
    let id = theirs["id"].as_str().unwrap();
    let _ = bob
        .patch(&path(id), json!({ "name": "Globex two" }))
        .await
        .expect(200);
    let own = create(&alice, json!({})).await.json();
    let before = state::rows_of(&app, "globex-inc");
    let (tenant, project) = (
        theirs["tenant_id"].as_str().unwrap(),
        theirs["project_id"].as_str().unwrap(),
    );
    for sql in [
        "DELETE FROM resources WHERE name LIKE 'Globex%'".to_owned(),
        format!("UPDATE resources SET name = 'pwned' WHERE id = '{id}'"),
        format!("UPDATE resources SET name = 'pwned' WHERE tenant_id = '{tenant}'"),
        "CREATE TEMP TABLE stolen AS SELECT * FROM resource_versions".to_owned(),
    ] {
        if let Ok(count) = execute(&app, &alice, sql.clone()).await {
            assert_eq!(count, 0, "{sql}");
        }
    }
    for table in ["resources", "resource_versions"] {
        let sql = format!("SELECT * FROM {table} WHERE tenant_id = '{tenant}' OR data ? 'secret'");
        assert_eq!(execute(&app, &alice, sql).await.unwrap(), 0, "{table}");
    }
    // Into the neighbour's tenant, and into the neighbour's project.
    for (tenant, project) in [
        (tenant, project),
        (own["tenant_id"].as_str().unwrap(), project),
    ] {
        let sql = format!(
            "INSERT INTO resources (tenant_id, id, project_id, name) VALUES ('{tenant}', '{}', '{project}', 'pwned')",
            Uuid::now_v7()
        );
        assert!(execute(&app, &alice, sql).await.is_err());
    }
    assert_eq!(state::rows_of(&app, "globex-inc"), before);
    assert_eq!(state::count(&app, "resources WHERE name = 'pwned'"), 0);
}
