//! Who may do what: every route, asked by everybody. The answers are `docs/access.txt`, and what each
//! role permits is `docs/permissions.txt`; a change of either is read before it is committed.

use std::collections::BTreeSet;
use std::{env, fs};

use auth::{Permission, role_permits};
use domain::Role;
use reqwest::Method;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::projects::path;
use crate::resources;

/// Who asks. `homeless` is signed in to no tenant, `neighbour` owns another one, `key` has every
/// scope that there is, `bare_key` every scope but what the route asks for.
const CALLERS: [&str; 9] = [
    "anonymous",
    "homeless",
    "neighbour",
    "viewer",
    "member",
    "admin",
    "owner",
    "key",
    "bare_key",
];

/// What is asked, and about what. `standing` and `deleted` are the owner's projects, or
/// resources in them, `own` is the
/// caller's where it can make one; behind `POST /users` stands the role that is to be granted,
/// behind a user's id the role that it has. Logout stands last, as nobody is left behind it.
const CASES: &str = "
GET    /health                                    -
GET    /health/live                               -
GET    /health/ready                              -
GET    /.well-known/jwks.json                     -
GET    /openapi.json                              -
GET    /docs                                      -
GET    /docs/{file:.*}                            -
GET    /docs/errors/{code}                        -
POST   /api/v1/auth/register                      -
POST   /api/v1/auth/login                         -
POST   /api/v1/auth/refresh                       nonsense
POST   /api/v1/auth/switch                        acme-corp
POST   /api/v1/auth/verify-email                  nonsense
POST   /api/v1/auth/verify-email/resend           -
POST   /api/v1/auth/password/forgot               -
POST   /api/v1/auth/password/reset                nonsense
POST   /api/v1/auth/password/change               -
POST   /api/v1/auth/step-up                       -
POST   /api/v1/auth/mfa/totp                      -
POST   /api/v1/auth/mfa/totp/confirm              wrong
DELETE /api/v1/auth/mfa/totp                      -
GET    /api/v1/users/me                           -
PATCH  /api/v1/users/me                           -
DELETE /api/v1/users/me                           throwaway
POST   /api/v1/tenants                            -
GET    /api/v1/users/me/tenants                   -
GET    /api/v1/users/me/sessions                  -
DELETE /api/v1/users/me/sessions/{id}             missing
GET    /api/v1/tenant                             -
PATCH  /api/v1/tenant                             -
DELETE /api/v1/tenant                             -
GET    /api/v1/tenant/usage                       -
GET    /api/v1/tenant/features                    -
POST   /api/v1/tenant/restore                     -
POST   /api/v1/tenant/transfer-ownership          oneself
GET    /api/v1/users                              -
GET    /api/v1/users/{id}                         owner
PATCH  /api/v1/users/{id}                         viewer
PATCH  /api/v1/users/{id}                         owner
DELETE /api/v1/users/{id}                         viewer
DELETE /api/v1/users/{id}                         owner
GET    /api/v1/users/{id}/history                 owner
POST   /api/v1/users                              viewer
POST   /api/v1/users                              member
POST   /api/v1/users                              admin
POST   /api/v1/users                              owner
GET    /api/v1/invitations                        -
POST   /api/v1/invitations                        viewer
POST   /api/v1/invitations                        owner
POST   /api/v1/invitations/accept                 nonsense
GET    /api/v1/invitations/{id}                   viewer
POST   /api/v1/invitations/{id}/resend            viewer
POST   /api/v1/invitations/{id}/resend            owner
DELETE /api/v1/invitations/{id}                   viewer
DELETE /api/v1/invitations/{id}                   owner
GET    /api/v1/roles                              -
POST   /api/v1/roles                              -
GET    /api/v1/roles/{id}                         built_in
GET    /api/v1/roles/{id}                         custom
PATCH  /api/v1/roles/{id}                         built_in
PATCH  /api/v1/roles/{id}                         custom
DELETE /api/v1/roles/{id}                         built_in
DELETE /api/v1/roles/{id}                         custom
GET    /api/v1/api-keys                           -
POST   /api/v1/api-keys                           -
GET    /api/v1/api-keys/{id}                      -
DELETE /api/v1/api-keys/{id}                      -
GET    /api/v1/projects                           -
GET    /api/v1/projects?deleted=true              -
POST   /api/v1/projects                           -
GET    /api/v1/projects/{id}                      standing
GET    /api/v1/projects/{id}                      deleted
GET    /api/v1/projects/{id}?deleted=true         standing
GET    /api/v1/projects/{id}?deleted=true         deleted
PATCH  /api/v1/projects/{id}                      standing
PATCH  /api/v1/projects/{id}                      deleted
DELETE /api/v1/projects/{id}                      standing
DELETE /api/v1/projects/{id}                      own
DELETE /api/v1/projects/{id}                      deleted
POST   /api/v1/projects/{id}/restore              standing
POST   /api/v1/projects/{id}/restore              deleted
GET    /api/v1/projects/{id}/history              standing
GET    /api/v1/projects/{id}/history              deleted
GET    /api/v1/resources                          -
POST   /api/v1/resources                          standing
POST   /api/v1/resources                          deleted
GET    /api/v1/resources/{id}                     standing
GET    /api/v1/resources/{id}                     deleted
PATCH  /api/v1/resources/{id}                     standing
PATCH  /api/v1/resources/{id}                     deleted
DELETE /api/v1/resources/{id}                     standing
DELETE /api/v1/resources/{id}                     deleted
GET    /api/v1/resources/{id}/history             standing
GET    /api/v1/resources/{id}/history             deleted
GET    /api/v1/resources/{id}/versions            standing
GET    /api/v1/resources/{id}/versions/{n}        standing
POST   /api/v1/resources/{id}/versions/{n}/restore standing
GET    /api/v1/audit/events                       -
GET    /api/v1/audit/events/export?format=csv     -
GET    /api/v1/audit/denials                      -
GET    /api/v1/audit/reads                        -
POST   /login                                     -
POST   /refresh_token                             nonsense
POST   /users/register                            -
GET    /users/me                                  -
GET    /users/list_orgs                           -
POST   /organization/register                     -
POST   /organization/select                       acme-corp
POST   /organization/add_users                    viewer
POST   /organization/add_users                    owner
GET    /organization/list_users                   -
POST   /projects/create_project                   -
POST   /logout                                    throwaway
POST   /api/v1/auth/logout                        -
";

struct Row {
    method: Method,
    target: &'static str,
    about: &'static str,
}

fn cases() -> Vec<Row> {
    let lines = CASES.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Row {
                method: words[0].parse().unwrap(),
                target: words[1],
                about: words[2],
            }
        })
        .collect()
}

/// Compares with the committed file, or writes it.
fn assert_committed(file: &str, text: &str) {
    let path = format!("{}/../docs/{file}", env!("CARGO_MANIFEST_DIR"));
    if env::var_os("UPDATE").is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    assert_eq!(
        fs::read_to_string(path).unwrap(),
        text,
        "docs/{file} says something else: run UPDATE=1 cargo nextest run -p rowhouse-tests access, and read \
         what changed before you commit it"
    );
}

/// The code that goes with a status here.
fn code(row: &Row, status: u16, who: &str) -> Option<&'static str> {
    let is_key = matches!(who, "key" | "bare_key");
    let of_accounts = [
        "/api/v1/auth/",
        "/api/v1/users/me",
        "/api/v1/tenants",
        "/logout",
        "/users/me",
        "/users/list_orgs",
        "/organization/register",
        "/organization/select",
    ];
    match status {
        403 if is_key
            && of_accounts
                .iter()
                .any(|start| row.target.starts_with(start)) =>
        {
            Some("key_not_allowed")
        }
        403 if row.about == "built_in" && matches!(who, "admin" | "owner" | "neighbour") => {
            Some("built_in_role")
        }
        401 if row.about == "wrong" && who != "anonymous" && !is_key => Some("invalid_credentials"),
        409 if row.about == "oneself" => Some("conflict"),
        401 if row.about == "nonsense" => Some("invalid_token"),
        403 if row.target.ends_with("/tenants") || row.target == "/organization/register" => {
            Some("forbidden")
        }
        403 if row.target.ends_with("/switch") || row.target == "/organization/select" => {
            Some("not_a_member")
        }
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
fn body(row: &Row, email: &str, who: &str, owners_id: &Value) -> Option<Value> {
    let (password, full_name) = ("securepass123", "New");
    let body = match (row.method.as_str(), row.target) {
        ("POST", "/api/v1/auth/register" | "/users/register") => {
            json!({ "email": email, "password": password, "full_name": full_name })
        }
        ("POST", "/api/v1/auth/login" | "/login") => {
            json!({ "email": "alice@acme.example", "password": password })
        }
        ("POST", "/api/v1/auth/refresh" | "/refresh_token") => {
            json!({ "refresh_token": row.about })
        }
        ("POST", "/api/v1/auth/switch") => json!({ "tenant_slug": row.about }),
        ("POST", "/organization/select") => json!({ "slug": row.about }),
        ("POST", "/organization/add_users") => json!({ "emails": [email], "role": row.about }),
        ("POST", "/organization/register" | "/projects/create_project") => json!({ "name": "New" }),
        ("POST", "/api/v1/auth/verify-email") => json!({ "token": row.about }),
        ("POST", "/api/v1/auth/verify-email/resend" | "/api/v1/auth/password/forgot") => {
            json!({ "email": email })
        }
        ("POST", "/api/v1/auth/password/reset") => {
            json!({ "token": row.about, "password": password })
        }
        ("POST", "/api/v1/auth/password/change") => {
            let managed = matches!(who, "admin" | "member" | "viewer");
            let current = if managed { "correct horse" } else { password };
            json!({ "current_password": current, "new_password": current })
        }
        ("POST", "/api/v1/auth/step-up") => {
            let managed = matches!(who, "admin" | "member" | "viewer");
            json!({ "password": if managed { "correct horse" } else { password } })
        }
        ("POST", "/api/v1/auth/mfa/totp/confirm") => json!({ "totp": row.about }),
        ("POST", "/api/v1/tenant/transfer-ownership") => json!({ "user_id": owners_id }),
        ("PATCH", "/api/v1/users/me" | "/api/v1/users/{id}") => json!({ "full_name": full_name }),
        ("POST", "/api/v1/users") => {
            json!({ "email": email, "password": password, "full_name": full_name, "role": row.about })
        }
        ("POST", "/api/v1/invitations") => json!({ "email": email, "role": row.about }),
        ("POST", "/api/v1/invitations/accept") => json!({ "token": row.about }),
        ("POST", "/api/v1/roles") => {
            let name = format!("r{}", &Uuid::new_v4().simple().to_string()[..31]);
            json!({ "name": name, "based_on": "viewer", "permissions": ["projects:read"] })
        }
        ("PATCH", "/api/v1/roles/{id}") => json!({ "permissions": ["users:read"] }),
        ("POST", "/api/v1/api-keys") => json!({ "name": "New", "scopes": ["projects:read"] }),
        ("POST", "/api/v1/tenants" | "/api/v1/projects" | "/api/v1/resources") | ("PATCH", _) => {
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
    if target.starts_with("/api/v1/users/{id}") {
        let email = format!("{}@new.example", Uuid::now_v7());
        let user = json!({ "email": email, "full_name": "Old", "role": row.about, "password": "securepass123" });
        let id = owner.post("/api/v1/users", user).await.expect(201).id();
        target = target.replace("{id}", &id);
    }
    if target.starts_with("/api/v1/roles/") {
        let body = json!({ "name": format!("r{}", &Uuid::new_v4().simple().to_string()[..31]),
            "based_on": "viewer", "permissions": ["projects:read"] });
        let id = match row.about {
            "built_in" => "00000000-0000-7000-8000-000000000002".to_owned(),
            _ => owner.post("/api/v1/roles", body).await.expect(201).id(),
        };
        target = target.replace("{id}", &id);
    }
    if target.starts_with("/api/v1/invitations/{id}") {
        let email = format!("{}@new.example", Uuid::now_v7());
        let body = json!({ "email": email, "role": row.about });
        let id = owner
            .post("/api/v1/invitations", body)
            .await
            .expect(201)
            .id();
        target = target.replace("{id}", &id);
    }
    if target.starts_with("/api/v1/api-keys/") {
        let id = owner.create_key(&["projects:read"]).await.0;
        target = target.replace("{id}", &id);
    }
    if target.starts_with("/api/v1/resources/") {
        let project = owner.create_project("Atlas").await.id();
        let id = resources::create_in(owner, &project, "Sheet", json!({}))
            .await
            .id();
        let resource = resources::path(&id);
        let changed = owner.patch(&resource, json!({ "name": "Sheet 2" })).await;
        let _ = changed.expect(200);
        if row.about == "deleted" {
            let _ = owner.delete(&path(&project)).await.expect(204);
        }
        target = target.replace("{id}", &id).replace("{n}", "1");
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

/// The owner's project, standing or deleted.
async fn project(row: &Row, owner: &Caller) -> String {
    let id = owner.create_project("Atlas").await.id();
    if row.about == "deleted" {
        let _ = owner.delete(&path(&id)).await.expect(204);
    }
    id
}

async fn callers(app: &TestApp, owner: &Caller, neighbour: Caller) -> [Caller; 8] {
    let mut carol = json!({ "email": "carol@home.example", "password": "securepass123" });
    let login = carol.clone();
    carol["full_name"] = json!("Carol");
    let registered = app.stranger().post("/api/v1/auth/register", carol).await;
    let _ = registered.expect(201);
    let scopes = Permission::ALL.iter().filter(|scope| scope.is_scope());
    let scopes: Vec<&str> = scopes.map(|scope| scope.as_str()).collect();
    [
        app.stranger(),
        app.stranger().login(login).await,
        neighbour,
        owner.colleague("viewer").await,
        owner.colleague("member").await,
        owner.colleague("admin").await,
        owner.clone(),
        owner.create_key(&scopes).await.1,
    ]
}

/// A key of the owner's without the scope that this route asks for.
async fn bare_key(owner: &Caller, row: &Row) -> Caller {
    let other = match row.target {
        "/api/v1/tenant" | "/api/v1/tenant/usage" | "/api/v1/tenant/features" => "projects:read",
        _ => "tenant:read",
    };
    owner.create_key(&[other]).await.1
}

/// Somebody like `caller` whom nobody needs afterwards.
async fn throwaway(app: &TestApp, owner: &Caller, caller: &Caller, who: &str) -> Caller {
    let id = Uuid::now_v7();
    let email = format!("{id}@new.example");
    let password = "securepass123";
    match who {
        "anonymous" | "key" | "bare_key" => caller.clone(),
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
async fn each_caller_may_what_the_committed_table_says_and_nothing_else() {
    let (app, owner, neighbour) = TestApp::two_tenants().await;
    let callers = callers(&app, &owner, neighbour).await;
    // To hand over to oneself is a conflict, and leaves everybody what they are.
    let me = owner.get("/api/v1/users/me").await.expect(200).json();
    let owners_id = &me["tenant"]["membership_id"];
    let mut text = format!(
        "# Generated: which status each caller gets. UPDATE=1 cargo nextest run -p rowhouse-tests access\n\
         # homeless: signed in to no tenant. neighbour: owner of another tenant. key: an API key with\n\
         # every scope. bare_key: one that lacks what the route asks for.\n{:<52} {:<10}",
        "route", "about"
    );
    for who in CALLERS {
        text.push_str(&format!(" {who:<9}"));
    }
    for (number, row) in cases().iter().enumerate() {
        let bare_key = bare_key(&owner, row).await;
        let route = format!("{:<6} {}", row.method.as_str(), row.target);
        text = format!("{}\n{route:<52} {:<10}", text.trim_end(), row.about);
        for (who, caller) in CALLERS.iter().zip(callers.iter().chain([&bare_key])) {
            let target = target(row, &owner, caller, who).await;
            let caller = match row.about {
                "throwaway" => &throwaway(&app, &owner, caller, who).await,
                _ => caller,
            };
            let mut body = body(row, &format!("{who}{number}@new.example"), who, owners_id);
            if let Some(body) = &mut body
                && target == resources::RESOURCES
            {
                body["project_id"] = json!(project(row, &owner).await);
            }
            let answer = caller.send(row.method.clone(), &target, body).await;
            let status = answer.status();
            if row.method == Method::DELETE && row.target == "/api/v1/tenant" && status == 202 {
                let restored = caller.post("/api/v1/tenant/restore", json!({})).await;
                let _ = restored.expect(200);
            }
            assert!(
                status < 500,
                "{who}: {route} {}: {}",
                row.about,
                answer.text()
            );
            if let Some(code) = code(row, status, who) {
                answer.problem(status, code);
            }
            text.push_str(&format!(" {status:<9}"));
        }
    }
    assert_committed("access.txt", &format!("{}\n", text.trim_end()));
}

#[test]
fn every_role_permits_what_the_committed_table_says_and_nothing_else() {
    let mut text = String::from(
        "# Generated: what each role permits, and which permissions an API key may have as scopes.\n\
         # UPDATE=1 cargo nextest run -p rowhouse-tests access\n",
    );
    let columns = Role::ALL.iter().map(|role| role.as_str()).chain(["key"]);
    let line = |name: &str, cells: Vec<&str>| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:<7}")).collect();
        format!("{}\n", format!("{name:<18} {}", cells.join(" ")).trim_end())
    };
    text.push_str(&line("permission", columns.collect()));
    for &permission in Permission::ALL {
        let mark = |yes| if yes { "yes" } else { "-" };
        let roles = Role::ALL
            .iter()
            .map(|role| mark(role_permits(*role, permission)));
        let cells = roles.chain([mark(permission.is_scope())]).collect();
        text.push_str(&line(permission.as_str(), cells));
    }
    assert_committed("permissions.txt", &text);
}

#[test]
fn every_route_is_asked() {
    let mut served = BTreeSet::new();
    for (path, methods) in api::routes::list() {
        served.extend(methods.iter().map(|method| format!("{method} {path}")));
    }
    let asked: BTreeSet<String> = cases()
        .iter()
        .map(|row| {
            let path = row.target.split('?').next().unwrap();
            format!("{} {path}", row.method)
        })
        .collect();
    let missing: Vec<&String> = served.difference(&asked).collect();
    assert!(
        missing.is_empty(),
        "nobody asks {missing:?}. Add a line to CASES above, its body to body() and its object to target(); \
         then run UPDATE=1 cargo nextest run -p rowhouse-tests access, and read what docs/access.txt says of it"
    );
    let gone: Vec<&String> = asked.difference(&served).collect();
    assert!(
        gone.is_empty(),
        "{gone:?} is served no more: take it out of CASES above"
    );
}
