//! Who may do what: the table of DESIGN section 6, one row per thing that can be asked.

use std::collections::BTreeSet;

use reqwest::Method;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::projects::path;

/// The columns behind the third: who asks. `homeless` is signed in to no tenant, `neighbour` owns
/// another one.
const CALLERS: [&str; 7] = [
    "owner",
    "admin",
    "member",
    "viewer",
    "nobody",
    "homeless",
    "neighbour",
];

/// What is asked, about what, and the status that each caller gets. `standing` and `deleted` are
/// the owner's projects, `own` is the caller's where it can make one; behind `POST /users` stands
/// the role that is to be granted, behind a user's id the role that it has. Logout stands last, as nobody is left behind it.
const TABLE: &str = "
GET    /health                             -           200   200   200   200   200   200   200
GET    /health/live                        -           200   200   200   200   200   200   200
GET    /health/ready                       -           200   200   200   200   200   200   200
GET    /openapi.json                       -           200   200   200   200   200   200   200
GET    /docs                               -           200   200   200   200   200   200   200
GET    /docs/{file:.*}                     -           200   200   200   200   200   200   200
GET    /docs/errors/{code}                 -           200   200   200   200   200   200   200
POST   /api/v1/auth/register               -           201   201   201   201   201   201   201
POST   /api/v1/auth/login                  -           200   200   200   200   200   200   200
POST   /api/v1/auth/refresh                nonsense    401   401   401   401   401   401   401
POST   /api/v1/auth/switch                 acme-corp   200   200   200   200   401   403   403
POST   /api/v1/auth/password/change        -           204   204   204   204   401   204   204
GET    /api/v1/users/me                    -           200   200   200   200   401   200   200
PATCH  /api/v1/users/me                    -           200   200   200   200   401   200   200
DELETE /api/v1/users/me                    throwaway   204   204   204   204   401   204   409
POST   /api/v1/tenants                     -           201   403   403   403   401   201   201
GET    /api/v1/users/me/tenants            -           200   200   200   200   401   200   200
GET    /api/v1/users/me/sessions           -           200   200   200   200   401   200   200
DELETE /api/v1/users/me/sessions/{id}      missing     404   404   404   404   401   404   404
GET    /api/v1/tenant                      -           200   200   200   200   401   403   200
PATCH  /api/v1/tenant                      -           200   200   403   403   401   403   200
GET    /api/v1/users                       -           200   200   200   200   401   403   200
GET    /api/v1/users/{id}                  owner       200   200   200   200   401   403   404
PATCH  /api/v1/users/{id}                  viewer      200   200   403   403   401   403   404
PATCH  /api/v1/users/{id}                  owner       200   403   403   403   401   403   404
DELETE /api/v1/users/{id}                  viewer      204   204   403   403   401   403   404
DELETE /api/v1/users/{id}                  owner       204   403   403   403   401   403   404
POST   /api/v1/users                       viewer      201   201   403   403   401   403   201
POST   /api/v1/users                       member      201   201   403   403   401   403   201
POST   /api/v1/users                       admin       201   201   403   403   401   403   201
POST   /api/v1/users                       owner       201   403   403   403   401   403   201
GET    /api/v1/projects                    -           200   200   200   200   401   403   200
GET    /api/v1/projects?deleted=true       -           200   200   403   403   401   403   200
POST   /api/v1/projects                    -           201   201   201   403   401   403   201
GET    /api/v1/projects/{id}               standing    200   200   200   200   401   403   404
GET    /api/v1/projects/{id}               deleted     404   404   404   404   401   403   404
GET    /api/v1/projects/{id}?deleted=true  standing    404   404   403   403   401   403   404
GET    /api/v1/projects/{id}?deleted=true  deleted     200   200   403   403   401   403   404
PATCH  /api/v1/projects/{id}               standing    200   200   200   403   401   403   404
PATCH  /api/v1/projects/{id}               deleted     404   404   404   403   401   403   404
DELETE /api/v1/projects/{id}               standing    204   204   403   403   401   403   404
DELETE /api/v1/projects/{id}               own         204   204   204   403   401   403   404
DELETE /api/v1/projects/{id}               deleted     404   404   404   403   401   403   404
POST   /api/v1/projects/{id}/restore       standing    409   409   403   403   401   403   404
POST   /api/v1/projects/{id}/restore       deleted     200   200   403   403   401   403   404
POST   /api/v1/auth/logout                 -           204   204   204   204   401   204   204
";

struct Row {
    method: Method,
    target: &'static str,
    about: &'static str,
    statuses: Vec<u16>,
}

fn table() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| !line.is_empty());
    let rows: Vec<Row> = lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Row {
                method: words[0].parse().unwrap(),
                target: words[1],
                about: words[2],
                statuses: words[3..]
                    .iter()
                    .map(|word| word.parse().unwrap())
                    .collect(),
            }
        })
        .collect();
    assert!(rows.iter().all(|row| row.statuses.len() == CALLERS.len()));
    rows
}

/// The code that goes with a status here.
fn code(row: &Row, status: u16, who: &str) -> Option<&'static str> {
    match status {
        401 if row.target.ends_with("/refresh") => Some("invalid_token"),
        403 if row.target.ends_with("/tenants") => Some("forbidden"),
        403 if row.target.ends_with("/switch") => Some("not_a_member"),
        401 => Some("missing_token"),
        403 if who == "homeless" => Some("no_tenant"),
        403 => Some("forbidden"),
        404 => Some("not_found"),
        409 if row.about == "throwaway" => Some("last_owner"),
        409 => Some("not_deleted"),
        _ => None,
    }
}

/// A body of which only the role of the caller can be wrong.
fn body(row: &Row, email: &str, who: &str) -> Option<Value> {
    let (password, full_name) = ("securepass123", "New");
    let body = match (row.method.as_str(), row.target) {
        ("POST", "/api/v1/auth/register") => {
            json!({ "email": email, "password": password, "full_name": full_name })
        }
        ("POST", "/api/v1/auth/login") => {
            json!({ "email": "alice@acme.example", "password": password })
        }
        ("POST", "/api/v1/auth/refresh") => json!({ "refresh_token": row.about }),
        ("POST", "/api/v1/auth/switch") => json!({ "tenant_slug": row.about }),
        ("POST", "/api/v1/auth/password/change") => {
            let managed = matches!(who, "admin" | "member" | "viewer");
            let current = if managed { "correct horse" } else { password };
            json!({ "current_password": current, "new_password": current })
        }
        ("PATCH", "/api/v1/users/me" | "/api/v1/users/{id}") => json!({ "full_name": full_name }),
        ("POST", "/api/v1/users") => {
            json!({ "email": email, "password": password, "full_name": full_name, "role": row.about })
        }
        ("POST", "/api/v1/tenants") | ("POST", "/api/v1/projects") | ("PATCH", _) => {
            json!({ "name": "New" })
        }
        _ => return None,
    };
    Some(body)
}

/// The path that the request goes to, its object made.
async fn target(row: &Row, owner: &Caller, caller: &Caller, who: &str) -> String {
    let makes_its_own = row.about == "own" && matches!(who, "admin" | "member");
    let maker = if makes_its_own { caller } else { owner };
    let mut target = row.target.replace("{file:.*}", "");
    target = target.replace("{code}", "not_found");
    if target == "/api/v1/users/{id}" {
        let email = format!("{}@new.example", Uuid::now_v7());
        let user = json!({ "email": email, "full_name": "Old", "role": row.about, "password": "securepass123" });
        let id = owner.post("/api/v1/users", user).await.expect(201).id();
        target = target.replace("{id}", &id);
    }
    if target.contains("{id}") {
        let id = maker.create_project("Atlas").await.id();
        if row.about == "deleted" {
            let _ = owner.delete(&path(&id)).await.expect(204);
        }
        target = target.replace("{id}", &id);
    }
    target
}

async fn callers(app: &TestApp, owner: &Caller, neighbour: Caller) -> [Caller; 7] {
    let mut carol = json!({ "email": "carol@home.example", "password": "securepass123" });
    let login = carol.clone();
    carol["full_name"] = json!("Carol");
    let registered = app.stranger().post("/api/v1/auth/register", carol).await;
    let _ = registered.expect(201);
    [
        owner.clone(),
        owner.colleague("admin").await,
        owner.colleague("member").await,
        owner.colleague("viewer").await,
        app.stranger(),
        app.stranger().login(login).await,
        neighbour,
    ]
}

/// Somebody like `caller` whom nobody needs afterwards.
async fn throwaway(app: &TestApp, owner: &Caller, caller: &Caller, who: &str) -> Caller {
    let id = Uuid::now_v7();
    let email = format!("{id}@new.example");
    let password = "securepass123";
    match who {
        "nobody" => caller.clone(),
        "neighbour" => app.register(&email, &format!("n-{}", id.simple())).await,
        "homeless" => {
            let body = json!({ "email": email, "password": password, "full_name": "New" });
            let answer = app.stranger().post("/api/v1/auth/register", body).await;
            let token = answer.expect(201).json()["access_token"].clone();
            app.stranger().with_token(token.as_str().unwrap())
        }
        role => {
            let user =
                json!({ "email": email, "full_name": "New", "role": role, "password": password });
            let _ = owner.post("/api/v1/users", user).await.expect(201);
            let slug = "acme-corp";
            let login = json!({ "email": email, "password": password, "tenant_slug": slug });
            owner.login(login).await
        }
    }
}

#[tokio::test]
async fn each_caller_may_what_the_table_says_and_nothing_else() {
    let (app, owner, neighbour) = TestApp::two_tenants().await;
    let callers = callers(&app, &owner, neighbour).await;
    for (number, row) in table().iter().enumerate() {
        let columns = CALLERS.iter().zip(&callers).zip(&row.statuses);
        for ((who, caller), expected) in columns {
            let target = target(row, &owner, caller, who).await;
            let caller = match row.about {
                "throwaway" => &throwaway(&app, &owner, caller, who).await,
                _ => caller,
            };
            let body = body(row, &format!("{who}{number}@new.example"), who);
            let answer = caller.send(row.method.clone(), &target, body).await;
            let (method, text) = (&row.method, answer.text());
            let what = format!("{who}: {method} {} {}: {text:.300}", row.target, row.about);
            assert_eq!(answer.status(), *expected, "{what}");
            if let Some(code) = code(row, *expected, who) {
                answer.problem(*expected, code);
            }
        }
    }
}

#[test]
fn every_route_stands_in_the_table() {
    let mut served = BTreeSet::new();
    for (path, methods) in api::routes::list() {
        served.extend(methods.iter().map(|method| format!("{method} {path}")));
    }
    let asked: BTreeSet<String> = table()
        .iter()
        .map(|row| {
            let path = row.target.split('?').next().unwrap();
            format!("{} {path}", row.method)
        })
        .collect();
    assert_eq!(asked, served, "add what is missing to TABLE above");
}
