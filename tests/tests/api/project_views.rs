//! View counts: kept in the server, written down together, in each tenant's own context. That a
//! server loses none when it stops is a test of the server.

use reqwest::Method;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};
use tenant_db::{Actor, Context, Error, Role};

use crate::projects::path;
use crate::rows::{context, principal};
use crate::state;

/// As a list shows it: to be listed is not to be looked at.
async fn listed(caller: &Caller, id: &str) -> Value {
    let list = caller
        .get("/api/v1/projects?limit=100")
        .await
        .expect(200)
        .json();
    let projects = list["data"].as_array().unwrap();
    projects
        .iter()
        .find(|project| project["id"] == id)
        .unwrap()
        .clone()
}

#[tokio::test]
async fn views_are_counted_together_and_change_nothing_else() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let viewer = alice.colleague("viewer").await;
    let made = alice.create_project("Atlas").await;
    let other = alice.create_project("Other").await.id();
    let theirs = bob.create_project("Globex").await.id();
    let id = made.id();
    for _ in 0..5 {
        let _ = alice.get(&path(&id)).await.expect(200);
        let _ = viewer.get(&path(&id)).await.expect(200);
    }
    // Whoever has it already looks at it too.
    let known = viewer.with_header("if-none-match", made.header("etag"));
    let _ = known.get(&path(&id)).await.expect(304);
    let _ = bob.get(&path(&theirs)).await.expect(200);
    // None of these is a look at it.
    for (caller, method, path) in [
        (&alice, Method::HEAD, path(&id)),
        (&alice, Method::GET, format!("{}?deleted=true", path(&id))),
        (&alice, Method::GET, format!("{}?unknown=1", path(&id))),
        (&alice, Method::GET, "/api/v1/projects".to_owned()),
        (&bob, Method::GET, path(&id)),
        (&app.stranger(), Method::GET, path(&id)),
    ] {
        let _ = caller.send(method, &path, None).await;
    }
    // Nothing is written for a view.
    assert_eq!(state::count(&app, "projects WHERE view_count > 0"), 0);
    app.flush_views().await;
    let mut expected = made.json();
    expected["view_count"] = json!(11);
    assert_eq!(listed(&alice, &id).await, expected);
    assert_eq!(listed(&alice, &other).await["view_count"], 0);
    assert_eq!(listed(&bob, &theirs).await["view_count"], 1);
    let found = alice.get(&path(&id)).await.expect(200);
    assert_eq!(found.header("etag"), made.header("etag"));
    // Each flush adds what came since, and leaves nothing behind.
    app.flush_views().await;
    app.flush_views().await;
    assert_eq!(listed(&alice, &id).await["view_count"], 12);
    assert_eq!(state::count(&app, "jobs WHERE kind = 'count_views'"), 0);
    assert_eq!(state::count(&app, "tenancy.job"), 0);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_kept_for_the_next_time() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let (id, theirs) = (
        alice.create_project("Atlas").await.id(),
        bob.create_project("Globex").await.id(),
    );
    let gone = alice.create_project("Gone").await.id();
    for (caller, id) in [(&alice, &id), (&alice, &gone), (&bob, &theirs)] {
        let _ = caller.get(&path(id)).await.expect(200);
    }
    state::change(
        &app,
        "REVOKE EXECUTE ON FUNCTION directory.count_views(uuid[], bigint[]) FROM rowhouse_app",
    );
    app.flush_views().await;
    let _ = alice.get(&path(&id)).await.expect(200);
    state::change(
        &app,
        "GRANT EXECUTE ON FUNCTION directory.count_views(uuid[], bigint[]) TO rowhouse_app",
    );
    state::change(
        &app,
        "REVOKE EXECUTE ON FUNCTION directory.open_view_counts(uuid, uuid[], int) FROM rowhouse_auth",
    );
    app.flush_views().await;
    state::change(
        &app,
        "GRANT EXECUTE ON FUNCTION directory.open_view_counts(uuid, uuid[], int) TO rowhouse_auth",
    );
    // A project that is gone by now hides none of the others, nor does a tenant that is suspended.
    state::change(&app, &format!("DELETE FROM projects WHERE id = '{gone}'"));
    state::set_tenant_status(&app, "globex-inc", "suspended");
    app.flush_views().await;
    assert_eq!(listed(&alice, &id).await["view_count"], 2);
    state::set_tenant_status(&app, "globex-inc", "active");
    assert_eq!(listed(&bob, &theirs).await["view_count"], 0);
    // What the first attempt left open goes when its time is over, and not before.
    assert_eq!(state::count(&app, "jobs WHERE kind = 'count_views'"), 2);
    state::change(&app, "UPDATE jobs SET due_at = now() - interval '1 second'");
    for (caller, id) in [(&alice, &id), (&bob, &theirs)] {
        let _ = caller.get(&path(id)).await.expect(200);
    }
    app.flush_views().await;
    assert_eq!(state::count(&app, "jobs WHERE kind = 'count_views'"), 0);
}

#[tokio::test]
async fn nobody_but_the_counting_job_counts_and_that_one_once_in_its_own_tenant() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let (id, theirs) = (
        alice.create_project("Atlas").await.id(),
        bob.create_project("Globex").await.id(),
    );
    let (acme, globex) = (
        principal(&alice).tenant.unwrap().id,
        principal(&bob).tenant.unwrap().id,
    );
    let count = async |context: Context, ids: [&str; 2]| {
        let ids = ids.map(|id| id.parse().unwrap());
        let work = move |conn: &mut tenant_db::TenantConn<'_>| {
            store::projects::count_views(conn, ids.map(|id| (id, 1000)))
        };
        app.tenants().run(context, work).await
    };
    // No user, whatever the role; and nobody writes the column itself.
    let refused = count(context(&alice), [&id, &theirs]).await.unwrap_err();
    assert!(
        matches!(refused, store::Error::Database(Error::Stale)),
        "{refused:?}"
    );
    let work = |conn: &mut tenant_db::TenantConn<'_>| {
        let sql = "UPDATE projects SET view_count = 7";
        Ok::<_, Error>(diesel::RunQueryDsl::execute(diesel::sql_query(sql), conn)?)
    };
    let refused = app.tenants().run(context(&alice), work).await.unwrap_err();
    assert!(
        format!("{refused:?}").contains("permission denied"),
        "{refused:?}"
    );
    // No other job.
    let job = uuid::Uuid::now_v7();
    state::change(
        &app,
        &format!(
            "INSERT INTO jobs (tenant_id, id, kind, payload, status, attempts, worker)
             VALUES ('{acme}', '{job}', 'welcome_member', '{{}}', 'running', 1, gen_random_uuid())"
        ),
    );
    let of_job = |tenant: domain::TenantId, job: uuid::Uuid| {
        Context::new(tenant.uuid(), Actor::Job { id: job }).with_role(Role::Owner, 1)
    };
    let refused = count(of_job(acme, job), [&id, &theirs]).await.unwrap_err();
    assert!(
        matches!(refused, store::Error::Database(Error::Stale)),
        "{refused:?}"
    );
    // The right one, in its own tenant only, once.
    let worker = uuid::Uuid::now_v7();
    let opened = app
        .identity()
        .open_view_counts(worker, vec![acme], 60)
        .await
        .unwrap();
    let [(tenant, job)] = opened[..] else {
        unreachable!("{opened:?}")
    };
    assert_eq!(tenant, acme);
    let refused = count(of_job(globex, job.uuid()), [&id, &theirs])
        .await
        .unwrap_err();
    assert!(
        matches!(refused, store::Error::Database(Error::NotAMember)),
        "{refused:?}"
    );
    count(of_job(acme, job.uuid()), [&id, &theirs])
        .await
        .unwrap();
    let refused = count(of_job(acme, job.uuid()), [&id, &theirs])
        .await
        .unwrap_err();
    assert!(
        matches!(refused, store::Error::Database(Error::NotAMember)),
        "{refused:?}"
    );
    assert_eq!(listed(&alice, &id).await["view_count"], 1000);
    assert_eq!(listed(&bob, &theirs).await["view_count"], 0);
}
