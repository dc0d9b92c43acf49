//! Lists of projects: newest first, paged by key, filtered.

use std::collections::BTreeMap;

use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};

use crate::projects::{path, refusal};

const PROJECTS: &str = "/api/v1/projects";

fn ids(page: &Answer) -> Vec<String> {
    let body = page.json();
    let projects = body["data"].as_array().unwrap();
    projects
        .iter()
        .map(|project| project["id"].as_str().unwrap().to_owned())
        .collect()
}

/// The path of `Link: <path>; rel="next"`.
fn next_link(page: &Answer) -> Option<String> {
    let link = page.header("link");
    let path = link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
    Some(path.to_owned())
}

async fn create(caller: &Caller, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(
            caller
                .create_project(&format!("Project {number}"))
                .await
                .id(),
        );
    }
    ids.reverse();
    ids
}

#[tokio::test]
async fn a_tenant_without_projects_has_an_empty_list() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let list = alice.get(PROJECTS).await.expect(200);
    assert_eq!(list.text(), r#"{"data":[],"next_cursor":null}"#);
    assert_eq!(list.header("content-type"), "application/json");
    assert_eq!(list.header("cache-control"), "private, no-cache");
    assert_eq!(list.header("link"), "");
    list.assert_framed();
}

#[tokio::test]
async fn a_list_shows_whole_projects_newest_first() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let mut expected = Vec::new();
    for number in 0..3 {
        expected.insert(
            0,
            alice
                .create_project(&format!("Project {number}"))
                .await
                .json(),
        );
    }
    let list = alice.get(PROJECTS).await.expect(200).json();
    assert_eq!(list, json!({ "data": expected, "next_cursor": null }));
}

#[tokio::test]
async fn walking_by_cursor_and_by_link_yields_each_project_once() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let all = create(&alice, 23).await;
    // The default page is one of 20.
    let page = alice.get(PROJECTS).await;
    assert_eq!(ids(&page), all[..20]);
    for limit in [1, 2, 7, 22, 23, 24, 100] {
        let (mut by_cursor, mut by_link) = (Vec::new(), Vec::new());
        let mut next = Some(format!("{PROJECTS}?limit={limit}"));
        while let Some(path) = next {
            let page = alice.get(&path).await.expect(200);
            by_cursor.extend(ids(&page));
            next = page.json()["next_cursor"]
                .as_str()
                .map(|cursor| format!("{PROJECTS}?limit={limit}&cursor={cursor}"));
            assert_eq!(next.is_some(), next_link(&page).is_some());
            assert!(ids(&page).len() <= limit, "{limit}");
        }
        let mut next = Some(format!("{PROJECTS}?limit={limit}"));
        while let Some(path) = next {
            let page = alice.get(&path).await.expect(200);
            by_link.extend(ids(&page));
            next = next_link(&page);
        }
        assert_eq!((&by_cursor, &by_link), (&all, &all), "{limit}");
    }
}

#[tokio::test]
async fn projects_made_or_deleted_meanwhile_neither_repeat_nor_hide_others() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let all = create(&alice, 6).await;
    let first = alice.get(&format!("{PROJECTS}?limit=3")).await;
    assert_eq!(ids(&first), all[..3]);
    let _ = alice.create_project("Newer").await;
    // The very project that the cursor stands behind.
    let _ = alice.delete(&path(&all[2])).await.expect(204);
    let _ = alice.delete(&path(&all[3])).await.expect(204);
    let second = alice.get(&next_link(&first).unwrap()).await.expect(200);
    assert_eq!(ids(&second), all[4..]);
    assert_eq!(second.json()["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_limit_beyond_1_to_100_is_refused() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    for limit in [
        "0",
        "101",
        "-1",
        "abc",
        "",
        "1.5",
        "1e1",
        "65537",
        "99999999999999999999",
        "%00",
    ] {
        let answer = alice.get(&format!("{PROJECTS}?limit={limit}")).await;
        let body = answer.problem(422, "validation_failed");
        let error = &body["errors"][0];
        assert_eq!(error["parameter"], "limit", "{limit}");
        assert_eq!(error["pointer"], "/limit");
        assert_eq!(error["code"], "invalid");
        assert_eq!(body["errors"].as_array().unwrap().len(), 1);
    }
    for limit in [1, 100] {
        let _ = alice
            .get(&format!("{PROJECTS}?limit={limit}"))
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn a_status_filters_the_list_and_its_pages() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let mut expected: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for number in 0..4 {
        for status in ["active", "completed", "archived"] {
            let body = json!({ "name": format!("{status} {number}"), "status": status });
            let made = alice.post(PROJECTS, body).await.expect(201).id();
            expected.entry(status).or_default().insert(0, made);
        }
    }
    for (status, all) in expected {
        let page = alice
            .get(&format!("{PROJECTS}?status={status}&limit=3"))
            .await;
        assert_eq!(ids(&page), all[..3], "{status}");
        let rest = alice.get(&next_link(&page).unwrap()).await.expect(200);
        assert_eq!(ids(&rest), all[3..], "{status}");
        assert_eq!(rest.json()["next_cursor"], Value::Null);
    }
    for status in ["deleted", "Active", "", "active,archived"] {
        let answer = alice.get(&format!("{PROJECTS}?status={status}")).await;
        assert_eq!(answer.refusals(), refusal("/status", "invalid"), "{status}");
    }
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_filter_only() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let _ = create(&alice, 3).await;
    let page = alice.get(&format!("{PROJECTS}?limit=1")).await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    for query in ["status=active&", "deleted=true&", "deleted=false&"] {
        let answer = alice
            .get(&format!("{PROJECTS}?{query}cursor={cursor}"))
            .await;
        assert_eq!(answer.refusals(), refusal("/cursor", "invalid"), "{query}");
    }
    // The size of a page is no filter.
    let answer = alice
        .get(&format!("{PROJECTS}?limit=2&cursor={cursor}"))
        .await;
    assert_eq!(ids(&answer.expect(200)).len(), 2);
    for cursor in [
        "",
        "x",
        "%00",
        "AAAA",
        &cursor[1..],
        &format!("{cursor}A"),
        &"A".repeat(8_000),
    ] {
        let answer = alice.get(&format!("{PROJECTS}?cursor={cursor}")).await;
        let refusals = answer.refusals();
        assert_eq!(refusals, refusal("/cursor", "invalid"), "{cursor:.80}");
    }
}

#[tokio::test]
async fn unknown_and_repeated_parameters_are_refused() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    for (query, pointer, code) in [
        ("page=2", "/page", "unknown_field"),
        ("offset=1", "/offset", "unknown_field"),
        ("Limit=1", "/Limit", "unknown_field"),
        ("a%2Fb=1", "/a~1b", "unknown_field"),
        ("limit=1&limit=2", "/limit", "duplicate"),
        ("status=active&status=active", "/status", "duplicate"),
        ("deleted=yes", "/deleted", "invalid"),
        ("deleted=1", "/deleted", "invalid"),
        ("deleted", "/deleted", "invalid"),
        ("status=%ff", "/status", "invalid"),
    ] {
        let answer = alice.get(&format!("{PROJECTS}?{query}")).await;
        assert_eq!(answer.refusals(), refusal(pointer, code), "{query}");
    }
}

#[tokio::test]
async fn deleted_projects_are_listed_for_admins_only_and_apart() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let all = create(&alice, 4).await;
    for id in &all[..2] {
        let _ = alice.delete(&path(id)).await.expect(204);
    }
    let deleted = format!("{PROJECTS}?deleted=true");
    for admin in [&alice, &alice.colleague("admin").await] {
        let list = admin.get(&deleted).await.expect(200);
        assert_eq!(ids(&list), all[..2]);
        for project in list.json()["data"].as_array().unwrap() {
            assert_eq!(project["is_deleted"], true);
            assert!(project["deleted_at"].is_string());
        }
        let page = admin.get(&format!("{deleted}&limit=1")).await;
        assert_eq!(ids(&page), all[..1]);
        let rest = admin.get(&next_link(&page).unwrap()).await;
        assert_eq!(ids(&rest), all[1..2]);
    }
    for role in ["member", "viewer"] {
        let caller = alice.colleague(role).await;
        caller.get(&deleted).await.problem(403, "forbidden");
        for query in ["", "?deleted=false"] {
            let list = caller.get(&format!("{PROJECTS}{query}")).await.expect(200);
            assert_eq!(ids(&list), all[2..]);
        }
    }
}
