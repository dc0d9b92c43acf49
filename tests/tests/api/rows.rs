//! The way behind HTTP: the server's own `TenantDb`, with queries that forget the tenant.

use std::collections::BTreeSet;

use auth::{Principal, UserPrincipal};
use chrono::Utc;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text, Uuid as SqlUuid};
use rowhouse_tests::{Caller, TestApp, access_tokens};
use tenant_db::{Context, Error, TenantConn};
use uuid::Uuid;

use crate::state;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    #[expect(dead_code, reason = "SELECT * has it")]
    description: Option<String>,
}

/// Who the server believes this caller to be.
pub(crate) fn principal(caller: &Caller) -> UserPrincipal {
    access_tokens().verify(caller.token(), Utc::now()).unwrap()
}

/// What the server would seal for this caller.
pub(crate) fn context(caller: &Caller) -> Context {
    let tenant = principal(caller).tenant.unwrap();
    store::context(&Principal::User(principal(caller)), &tenant)
}

fn tenant(caller: &Caller) -> Uuid {
    principal(caller).tenant.unwrap().id.uuid()
}

fn query<'t>(sql: &str, conn: &mut TenantConn<'t>) -> Result<Vec<Row>, Error> {
    Ok(diesel::sql_query(sql).load(conn)?)
}

#[tokio::test]
async fn an_unfiltered_select_returns_the_rows_of_its_own_tenant_only() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    for number in 0..3 {
        let _ = alice.create_project(&format!("Acme {number}")).await;
        let _ = bob.create_project(&format!("Globex {number}")).await;
    }
    for (caller, prefix) in [(&alice, "Acme"), (&bob, "Globex")] {
        let rows = app
            .tenants()
            .run(context(caller), |conn| {
                query("SELECT * FROM projects", conn)
            })
            .await
            .unwrap();
        let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        let expected = [0, 1, 2].map(|number| format!("{prefix} {number}"));
        assert_eq!(names, expected.iter().map(String::as_str).collect());
        assert!(rows.iter().all(|row| row.tenant_id == tenant(caller)));
    }
}

#[tokio::test]
async fn a_select_that_asks_for_another_tenant_finds_nothing() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let _ = bob.create_project("Globex").await;
    let theirs = tenant(&bob);
    for sql in [
        format!("SELECT * FROM projects WHERE tenant_id = '{theirs}'"),
        "SELECT * FROM projects WHERE name = 'Globex' OR true".to_owned(),
        "SELECT p.* FROM projects p JOIN memberships m ON m.id = p.owner_id".to_owned(),
        "SELECT * FROM projects UNION ALL SELECT * FROM ONLY projects".to_owned(),
    ] {
        let rows = app
            .tenants()
            .run(context(&alice), move |conn| query(&sql, conn))
            .await
            .unwrap();
        assert_eq!(rows.len(), 0);
    }
}

#[tokio::test]
async fn an_unfiltered_update_changes_the_rows_of_its_own_tenant_only() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let _ = alice.create_project("Acme").await;
    let _ = bob.create_project("Globex").await;
    let before = state::rows_of(&app, "globex-inc");
    let changed = app
        .tenants()
        .run(context(&alice), |conn| {
            let sql = "UPDATE projects SET name = 'pwned', is_deleted = true, deleted_at = now()";
            Ok::<_, Error>(diesel::sql_query(sql).execute(conn)?)
        })
        .await
        .unwrap();
    assert_eq!(changed, 1);
    assert_eq!(state::rows_of(&app, "globex-inc"), before);
}

#[tokio::test]
async fn no_row_is_put_into_another_tenant_or_under_another_tenants_member() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let owner = bob.create_project("Globex").await.json()["owner_id"].clone();
    let owner = owner.as_str().unwrap().to_owned();
    let before = state::rows_of(&app, "globex-inc");
    let insert = |tenant: Uuid| {
        let sql = format!(
            "INSERT INTO projects (tenant_id, id, name, owner_id)
             VALUES ('{tenant}', gen_random_uuid(), 'pwned', '{owner}')"
        );
        app.tenants().run(context(&alice), move |conn| {
            Ok::<_, Error>(diesel::sql_query(sql).execute(conn)?)
        })
    };
    let refused = insert(tenant(&bob)).await.unwrap_err();
    assert!(matches!(refused, Error::Violation(_)), "{refused:?}");
    // The composite foreign key: a member of this tenant, or none.
    let refused = insert(tenant(&alice)).await.unwrap_err();
    assert!(matches!(refused, Error::Query(_)), "{refused:?}");
    assert_eq!(state::rows_of(&app, "globex-inc"), before);
    assert_eq!(state::count(&app, "projects WHERE name = 'pwned'"), 0);
}

#[tokio::test]
async fn a_context_of_another_tenant_is_refused_by_the_database() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let _ = bob.create_project("Globex").await;
    // What a bug that mixes two requests up would seal: one caller, the other's tenant.
    let theirs = principal(&bob).tenant.unwrap();
    let mixed_up = store::context(&Principal::User(principal(&alice)), &theirs);
    let refused = app
        .tenants()
        .run(mixed_up, |conn| query("SELECT * FROM projects", conn))
        .await
        .map(|rows| rows.len())
        .unwrap_err();
    assert!(matches!(refused, Error::Stale), "{refused:?}");
}
