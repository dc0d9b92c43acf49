//! Deleted projects are erased once nobody may want them back, by a job of their own tenant.

use std::time::{Duration, Instant};

use rowhouse_tests::{Caller, TestApp, Work};
use serde_json::json;
use tenant_db::{Error, TenantConn};

use crate::projects::path;
use crate::resources::create_in;
use crate::rows::context;
use crate::state;

async fn eventually(app: &TestApp, rows: &str, count: i64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while state::count(app, rows) != count {
        assert!(Instant::now() < deadline, "{rows} are not {count}");
        tokio::task::yield_now().await;
    }
}

/// A project that was deleted so many days ago, with a resource that has a version.
async fn deleted(app: &TestApp, caller: &Caller, name: &str, days: u32) -> String {
    let id = caller.create_project(name).await.id();
    let resource = create_in(caller, &id, name, json!({})).await.id();
    let resource = format!("/api/v1/resources/{resource}");
    let changed = caller.patch(&resource, json!({ "type": "x" })).await;
    let _ = changed.expect(200);
    let _ = caller.delete(&path(&id)).await.expect(204);
    let age = format!(
        "UPDATE projects SET deleted_at = now() - interval '{days} days' WHERE id = '{id}'"
    );
    state::change(app, &age);
    id
}

#[tokio::test]
async fn what_was_deleted_long_ago_is_erased_with_its_resources_and_nothing_else() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let standing = alice.create_project("Standing").await.id();
    let _ = create_in(&alice, &standing, "Standing", json!({})).await;
    let young = deleted(&app, &alice, "Young", 29).await;
    // More than one transaction's worth.
    for number in 0..25 {
        let _ = deleted(&app, &alice, &format!("Old {number}"), 31).await;
    }
    let theirs = deleted(&app, &bob, "Globex old", 31).await;
    let kept = deleted(&app, &bob, "Globex young", 1).await;
    assert_eq!(state::count(&app, "resource_versions"), 28);
    let worker = app.start_worker(&Work::default());
    eventually(
        &app,
        "jobs WHERE kind = 'purge_projects' AND status = 'done'",
        2,
    )
    .await;
    worker.stop_within(Duration::from_secs(10));
    worker.ended().await;
    assert_eq!(state::count(&app, "projects"), 3);
    assert_eq!(
        state::count(
            &app,
            "projects WHERE name LIKE 'Old%' OR name = 'Globex old'"
        ),
        0
    );
    assert_eq!(state::count(&app, "resources"), 3);
    assert_eq!(state::count(&app, "resource_versions"), 2);
    let restore = format!("{}/restore", path(&theirs));
    bob.post(&restore, json!({}))
        .await
        .problem(404, "not_found");
    for (caller, id) in [(&alice, &young), (&bob, &kept)] {
        let restored = caller
            .post(&format!("{}/restore", path(id)), json!({}))
            .await;
        let _ = restored.expect(200);
    }
    let _ = alice.get(&path(&standing)).await.expect(200);
}

#[tokio::test]
async fn a_tenant_is_asked_once_and_not_while_it_is_suspended() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let _ = deleted(&app, &alice, "Old", 31).await;
    let _ = deleted(&app, &bob, "Globex old", 31).await;
    state::set_tenant_status(&app, "globex-inc", "suspended");
    state::change(
        &app,
        "INSERT INTO jobs (tenant_id, id, kind, payload, due_at)
         SELECT id, gen_random_uuid(), 'purge_projects', '{}', now() + interval '1 hour'
         FROM tenants WHERE slug = 'acme-corp'",
    );
    let worker = app.start_worker(&Work::default());
    eventually(
        &app,
        "schedule WHERE name = 'purge_projects' AND runs = 1",
        1,
    )
    .await;
    worker.stop_within(Duration::from_secs(10));
    worker.ended().await;
    assert_eq!(state::count(&app, "jobs WHERE kind = 'purge_projects'"), 1);
    assert_eq!(state::count(&app, "projects WHERE is_deleted"), 2);
}

#[tokio::test]
async fn nobody_but_a_job_erases_projects() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let _ = deleted(&app, &alice, "Old", 31).await;
    let purge = |conn: &mut TenantConn<'_>| store::projects::purge(conn, 0, 100);
    let refused = app.tenants().run(context(&alice), purge).await.unwrap_err();
    assert!(
        matches!(refused, store::Error::Database(Error::Stale)),
        "{refused:?}"
    );
    assert_eq!(state::count(&app, "projects WHERE is_deleted"), 1);
}
