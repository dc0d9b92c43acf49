//! The database and the API agree: for each role, each table of tenants and each command, what raw
//! SQL may do in a sealed context is what a request may do.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::Text;
use domain::Role;
use reqwest::Method;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};
use tenant_db::Error;
use uuid::Uuid;

use crate::resources::{RESOURCES, create};
use crate::rows::{context, principal};

const COMMANDS: [&str; 4] = ["select", "insert", "update", "delete"];

/// Table, command, the least role that the database lets, the least that the API lets. `-` is
/// nobody: no grant, and no route. Where the two differ, [`STRICTER`] says why.
const TABLE: &str = "
tenants      select  viewer  viewer
tenants      insert  -       -
tenants      update  admin   admin
tenants      delete  -       -
memberships  select  viewer  viewer
memberships  insert  admin   admin
memberships  update  admin   admin
memberships  delete  -       -
projects     select  viewer  viewer
projects     insert  member  member
projects     update  member  member
projects     delete  -       -
resources    select  viewer  viewer
resources    insert  member  member
resources    update  member  member
resources    delete  member  member
resource_versions select viewer viewer
resource_versions insert - -
resource_versions update - -
resource_versions delete - -
roles        select  viewer  admin
roles        insert  admin   admin
roles        update  admin   admin
roles        delete  admin   admin
api_keys     select  viewer  admin
api_keys     insert  admin   admin
api_keys     update  -       -
api_keys     delete  admin   admin
invitations  select  viewer  admin
invitations  insert  admin   admin
invitations  update  admin   admin
invitations  delete  -       -
jobs         select  viewer  -
jobs         insert  -       -
jobs         update  -       -
jobs         delete  -       -
idempotency_keys select - -
idempotency_keys insert - -
idempotency_keys update - -
idempotency_keys delete - -
api_usage    select  -       -
api_usage    insert  -       -
api_usage    update  -       -
api_usage    delete  -       -
audit_events select  viewer  viewer
audit_events insert  -       -
audit_events update  -       -
audit_events delete  -       -
denials      select  admin   admin
denials      insert  -       -
denials      update  -       -
denials      delete  -       -
reads        select  admin   admin
reads        insert  -       -
reads        update  -       -
reads        delete  -       -
";

/// Where the API asks for more than the database, and why that is no hole in the wall: it is all
/// one tenant's, and policies know reading and writing only.
const STRICTER: [(&str, &str, &str); 4] = [
    (
        "roles",
        "select",
        "whoever lists the members reads the names of their roles",
    ),
    (
        "api_keys",
        "select",
        "of a key there are its name and a hash that opens nothing",
    ),
    (
        "invitations",
        "select",
        "who is invited stands among the members; a hash of a link opens nothing",
    ),
    (
        "jobs",
        "select",
        "a job says ids only, and the tenant's own worker reads it",
    ),
];

struct Row {
    table: &'static str,
    command: &'static str,
    database: Option<Role>,
    api: Option<Role>,
}

fn table() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Row {
                table: words[0],
                command: words[1],
                database: words[2].parse().ok(),
                api: words[3].parse().ok(),
            }
        })
        .collect()
}

/// A statement that only the role can make fail. Updates and deletes match nothing: they are
/// refused all the same.
fn statement(row: &Row, caller: &Caller) -> String {
    let tenant = principal(caller).tenant.unwrap().id;
    let id = Uuid::now_v7();
    let hex = id.simple();
    match (row.table, row.command) {
        ("audit_events", "select") => "SELECT 1 FROM tenancy.audit_events".to_owned(),
        ("audit_events", "insert") => "INSERT INTO tenancy.audit_events DEFAULT VALUES".to_owned(),
        ("audit_events", "update") => {
            "UPDATE tenancy.audit_events SET role = 'x' WHERE false".to_owned()
        }
        ("audit_events", "delete") => "DELETE FROM tenancy.audit_events WHERE false".to_owned(),
        // Read by doors, which ask for an admin.
        (table @ ("denials" | "reads"), "select") => {
            format!("SELECT directory.{table}('{}', '{}', NULL, 1)", Uuid::nil(), Uuid::max())
        }
        (table @ ("denials" | "reads"), "insert") => {
            format!("INSERT INTO {table} DEFAULT VALUES")
        }
        (table @ ("denials" | "reads"), "update") => {
            format!("UPDATE {table} SET route = 'x' WHERE false")
        }
        (table, "select") => format!("SELECT 1 FROM {table}"),
        (table, "delete") => format!("DELETE FROM {table} WHERE false"),
        ("jobs", "insert") => format!(
            "INSERT INTO jobs (tenant_id, id, kind, payload) VALUES ('{tenant}', '{id}', 'x', '{{}}')"
        ),
        ("idempotency_keys", "insert") => format!(
            "INSERT INTO idempotency_keys (tenant_id, actor_kind, actor_id, key, fingerprint, status, body)
             VALUES ('{tenant}', 'user', '{id}', 'x', sha256(''), 201, '{{}}')"
        ),
        ("idempotency_keys", "update") => {
            "UPDATE idempotency_keys SET body = '' WHERE false".to_owned()
        }
        ("api_usage", "insert") => {
            format!("INSERT INTO api_usage (tenant_id, month) VALUES ('{tenant}', '2026-11-01')")
        }
        ("api_usage", "update") => "UPDATE api_usage SET calls = 0 WHERE false".to_owned(),
        ("jobs", "update") => "UPDATE jobs SET kind = 'x' WHERE false".to_owned(),
        ("api_keys", "update") => "UPDATE api_keys SET name = 'x' WHERE false".to_owned(),
        ("invitations", "update") => "UPDATE invitations SET issue = 1 WHERE false".to_owned(),
        // A place comes by a door, which asks the same.
        ("invitations", "insert") => {
            format!("SELECT directory.invite('{id}@x.example', 'x', now())")
        }
        ("memberships", "update") => {
            "UPDATE memberships SET full_name = 'x' WHERE false".to_owned()
        }
        (table, "update") => format!("UPDATE {table} SET name = 'x' WHERE false"),
        // Members come in by a door, which asks the same.
        ("memberships", "insert") => {
            format!("SELECT directory.create_managed_account('{id}@x.example', 'x', 'x')")
        }
        ("tenants", "insert") => format!(
            "INSERT INTO tenants (id, slug, subdomain, name) VALUES ('{id}', '{id}', '{id}', 'x')"
        ),
        ("projects", "insert") => format!(
            "INSERT INTO projects (tenant_id, id, name, owner_id)
             SELECT '{tenant}', '{id}', 'x', id FROM memberships LIMIT 1"
        ),
        ("resources", "insert") => format!(
            "WITH project AS (
                 INSERT INTO projects (tenant_id, id, name, owner_id)
                 SELECT '{tenant}', '{id}', 'x', id FROM memberships LIMIT 1)
             INSERT INTO resources (tenant_id, id, project_id, name) VALUES ('{tenant}', '{id}', '{id}', 'x')"
        ),
        ("resource_versions", "insert") => format!(
            "INSERT INTO resource_versions
                 (tenant_id, resource_id, version, name, data, updated_at, replaced_at)
             VALUES ('{tenant}', '{id}', 1, 'x', '{{}}', now(), now())"
        ),
        ("roles", "insert") => format!(
            "INSERT INTO roles (tenant_id, id, name, based_on, permissions)
             VALUES ('{tenant}', '{id}', 'r{}', 'viewer', '{{}}')",
            &hex.to_string()[1..]
        ),
        ("api_keys", "insert") => format!(
            "INSERT INTO api_keys (tenant_id, id, name, prefix, hash, role, scopes)
             VALUES ('{tenant}', '{id}', 'x', 'rh_{}', decode(repeat('00', 32), 'hex'), 'viewer', '{{x:y}}')",
            &hex.to_string()[20..]
        ),
        other => unreachable!("no statement for {other:?}: add one here"),
    }
}

/// The same as a request; its object is the owner's.
async fn request(row: &Row, owner: &Caller) -> Option<(Method, String, Option<Value>)> {
    let text = Uuid::new_v4().simple().to_string();
    let role =
        json!({ "name": format!("r{}", &text[1..]), "based_on": "viewer", "permissions": [] });
    let user = json!({ "email": format!("{text}@y.example"), "full_name": "x", "role": "viewer",
        "password": "correct horse" });
    let key = json!({ "name": "x", "scopes": ["projects:read"] });
    let place = json!({ "email": format!("{text}@z.example"), "role": "viewer" });
    let at = |path: &str, id: String| format!("/api/v1/{path}/{id}");
    let (method, path, body) = match (row.table, row.command) {
        ("tenants", "select") => (Method::GET, "/api/v1/tenant".to_owned(), None),
        ("tenants", "update") => (
            Method::PATCH,
            "/api/v1/tenant".to_owned(),
            Some(json!({ "name": "x" })),
        ),
        ("memberships", "select") => (Method::GET, "/api/v1/users".to_owned(), None),
        ("memberships", "insert") => (Method::POST, "/api/v1/users".to_owned(), Some(user)),
        ("memberships", "update") => {
            let id = owner.post("/api/v1/users", user).await.expect(201).id();
            (
                Method::PATCH,
                at("users", id),
                Some(json!({ "full_name": "y" })),
            )
        }
        ("projects", "select") => (Method::GET, "/api/v1/projects".to_owned(), None),
        ("projects", "insert") => (
            Method::POST,
            "/api/v1/projects".to_owned(),
            Some(json!({ "name": "x" })),
        ),
        ("projects", "update") => {
            let id = owner.create_project("x").await.id();
            (
                Method::PATCH,
                at("projects", id),
                Some(json!({ "name": "y" })),
            )
        }
        ("resources", "select") => (Method::GET, RESOURCES.to_owned(), None),
        ("resources", "insert") => {
            let project = owner.create_project("x").await.id();
            let body = json!({ "project_id": project, "name": "x" });
            (Method::POST, RESOURCES.to_owned(), Some(body))
        }
        ("resources", command) => {
            let path = at("resources", create(owner, json!({})).await.id());
            match command {
                "update" => (Method::PATCH, path, Some(json!({ "name": "y" }))),
                _ => (Method::DELETE, path, None),
            }
        }
        ("resource_versions", "select") => {
            let id = create(owner, json!({})).await.id();
            (Method::GET, at("resources", format!("{id}/versions")), None)
        }
        ("audit_events", "select") => {
            let id = owner.create_project("x").await.id();
            (Method::GET, at("projects", format!("{id}/history")), None)
        }
        ("denials" | "reads", "select") => {
            (Method::GET, format!("/api/v1/audit/{}", row.table), None)
        }
        ("roles", "select") => (Method::GET, "/api/v1/roles".to_owned(), None),
        ("roles", "insert") => (Method::POST, "/api/v1/roles".to_owned(), Some(role)),
        ("roles", command) => {
            let id = owner.post("/api/v1/roles", role).await.expect(201).id();
            match command {
                "update" => (
                    Method::PATCH,
                    at("roles", id),
                    Some(json!({ "permissions": ["users:read"] })),
                ),
                _ => (Method::DELETE, at("roles", id), None),
            }
        }
        ("invitations", "select") => (Method::GET, "/api/v1/invitations".to_owned(), None),
        ("invitations", "insert") => (Method::POST, "/api/v1/invitations".to_owned(), Some(place)),
        ("invitations", "update") => {
            let made = owner.post("/api/v1/invitations", place).await;
            let path = format!("{}/resend", at("invitations", made.expect(201).id()));
            (Method::POST, path, None)
        }
        ("api_keys", "select") => (Method::GET, "/api/v1/api-keys".to_owned(), None),
        ("api_keys", "insert") => (Method::POST, "/api/v1/api-keys".to_owned(), Some(key)),
        ("api_keys", "delete") => {
            let id = owner.create_key(&["projects:read"]).await.0;
            (Method::DELETE, at("api-keys", id), None)
        }
        _ => return None,
    };
    Some((method, path, body))
}

/// Whether the database lets this caller.
async fn database_lets(app: &TestApp, row: &Row, caller: &Caller) -> bool {
    let sql = statement(row, caller);
    let done = app
        .tenants()
        .run(context(caller), move |conn| {
            Ok::<_, Error>(diesel::sql_query(sql).execute(conn)?)
        })
        .await;
    let Err(refused) = done else { return true };
    assert!(
        matches!(refused, Error::PermissionDenied(_) | Error::RoleMayNotWrite),
        "{} {}: {refused:?}",
        row.table,
        row.command
    );
    false
}

#[tokio::test]
async fn what_a_role_may_in_the_database_it_may_in_the_api_and_nothing_else() {
    let (app, owner, _) = TestApp::two_tenants().await;
    let callers = [
        (Role::Viewer, owner.colleague("viewer").await),
        (Role::Member, owner.colleague("member").await),
        (Role::Admin, owner.colleague("admin").await),
        (Role::Owner, owner.clone()),
    ];
    for row in table() {
        let differs = row.database != row.api;
        let declared = STRICTER
            .iter()
            .any(|(table, command, _)| (*table, *command) == (row.table, row.command));
        let what = format!("{} {}", row.table, row.command);
        assert_eq!(differs, declared, "{what}: STRICTER says why they differ");
        assert!(
            row.api >= row.database || row.api.is_none(),
            "{what}: the API lets more than the database"
        );
        for (role, caller) in &callers {
            let lets = |least: Option<Role>| least.is_some_and(|least| *role >= least);
            let database = database_lets(&app, &row, caller).await;
            assert_eq!(database, lets(row.database), "{role} {what}: database");
            let Some((method, path, body)) = request(&row, &owner).await else {
                assert_eq!(row.api, None, "{what}: add its request above");
                continue;
            };
            let answer = caller.send(method, &path, body).await;
            if lets(row.api) {
                assert!(answer.status() < 300, "{role} {what}: {}", answer.text());
            } else {
                drop(answer.problem(403, "forbidden"));
            }
        }
    }
}

#[tokio::test]
async fn every_table_of_tenants_is_asked_with_every_command() {
    #[derive(QueryableByName)]
    struct Protected {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let app = TestApp::start().await;
    let protected: Vec<Protected> = diesel::sql_query(
        "SELECT c.relname::text AS name FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
         WHERE p.polname = 'tenancy_guard'",
    )
    .load(&mut app.database().superuser())
    .unwrap();
    let there: BTreeSet<(String, &str)> = protected
        .into_iter()
        .flat_map(|table| COMMANDS.map(|command| (table.name.clone(), command)))
        .collect();
    let asked: BTreeSet<(String, &str)> = table()
        .iter()
        .map(|row| (row.table.to_owned(), row.command))
        .collect();
    assert_eq!(
        asked, there,
        "add what is missing to TABLE above, with its statement and its request"
    );
}
