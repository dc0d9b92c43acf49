//! Who may do what: the table of DESIGN section 6, one row per thing that can be asked.

use reqwest::Method;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};

use crate::projects::path;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Object {
    Nothing,
    /// A project of the owner's.
    Standing,
    /// A project of the owner's, deleted.
    Deleted,
    /// A project of the caller's own, where the caller can make one.
    Own,
}

/// `{}` stands for the object's path.
struct Request {
    method: Method,
    target: &'static str,
    object: Object,
    body: Value,
    /// For owner, admin, member, viewer, nobody, an account without a tenant, another tenant's
    /// owner.
    expected: [&'static str; 7],
}

fn request(method: Method, target: &'static str, object: Object, body: Value, expected: [&'static str; 7]) -> Request {
    Request { method, target, object, body, expected }
}

const NOBODY: &str = "401 missing_token";
const HOMELESS: &str = "403 no_tenant";
const NO: &str = "403 forbidden";
const MISSING: &str = "404 not_found";

fn table() -> Vec<Request> {
    use Object::{Deleted, Nothing, Own, Standing};
    let null = Value::Null;
    let user = |role: &str| json!({ "email": "new@new.example", "full_name": "New", "role": role, "password": "correct horse" });
    let patch = json!({ "name": "Changed" });
    let (get, post) = (Method::GET, Method::POST);
    vec![
        request(get.clone(), "/health", Nothing, null.clone(), ["200"; 7]),
        request(get.clone(), "/health/ready", Nothing, null.clone(), ["200"; 7]),
        request(get.clone(), "/api/v1/users/me", Nothing, null.clone(), ["200", "200", "200", "200", NOBODY, "200", "200"]),
        request(get.clone(), "/api/v1/projects", Nothing, null.clone(), ["200", "200", "200", "200", NOBODY, HOMELESS, "200"]),
        request(get.clone(), "/api/v1/projects?deleted=true", Nothing, null.clone(), ["200", "200", NO, NO, NOBODY, HOMELESS, "200"]),
        request(get.clone(), "{}", Standing, null.clone(), ["200", "200", "200", "200", NOBODY, HOMELESS, MISSING]),
        request(get.clone(), "{}", Deleted, null.clone(), [MISSING, MISSING, MISSING, MISSING, NOBODY, HOMELESS, MISSING]),
        request(get, "{}?deleted=true", Deleted, null.clone(), ["200", "200", NO, NO, NOBODY, HOMELESS, MISSING]),
        request(post.clone(), "/api/v1/projects", Nothing, json!({ "name": "New" }), ["201", "201", "201", NO, NOBODY, HOMELESS, "201"]),
        request(Method::PATCH, "{}", Standing, patch.clone(), ["200", "200", "200", NO, NOBODY, HOMELESS, MISSING]),
        request(Method::PATCH, "{}", Deleted, patch, [MISSING, MISSING, MISSING, NO, NOBODY, HOMELESS, MISSING]),
        request(Method::DELETE, "{}", Standing, null.clone(), ["204", "204", NO, NO, NOBODY, HOMELESS, MISSING]),
        request(Method::DELETE, "{}", Own, null.clone(), ["204", "204", "204", NO, NOBODY, HOMELESS, MISSING]),
        request(Method::DELETE, "{}", Deleted, null.clone(), [MISSING, MISSING, MISSING, NO, NOBODY, HOMELESS, MISSING]),
        request(post.clone(), "{}/restore", Deleted, null.clone(), ["200", "200", NO, NO, NOBODY, HOMELESS, MISSING]),
        request(post.clone(), "{}/restore", Standing, null, ["409 not_deleted", "409 not_deleted", NO, NO, NOBODY, HOMELESS, MISSING]),
        request(post.clone(), "/api/v1/users", Nothing, user("viewer"), ["201", "201", NO, NO, NOBODY, HOMELESS, "201"]),
        request(post.clone(), "/api/v1/users", Nothing, user("member"), ["201", "201", NO, NO, NOBODY, HOMELESS, "201"]),
        request(post.clone(), "/api/v1/users", Nothing, user("admin"), ["201", "201", NO, NO, NOBODY, HOMELESS, "201"]),
        request(post, "/api/v1/users", Nothing, user("owner"), ["201", NO, NO, NO, NOBODY, HOMELESS, "201"]),
    ]
}

async fn target(request: &Request, owner: &Caller, caller: &Caller, who: &str) -> String {
    if request.object == Object::Nothing {
        return request.target.to_owned();
    }
    let makes_its_own = request.object == Object::Own && matches!(who, "owner" | "admin" | "member");
    let maker = if makes_its_own { caller } else { owner };
    let id = maker.create_project("Atlas").await.id();
    if request.object == Object::Deleted {
        let _ = owner.delete(&path(&id)).await.expect(204);
    }
    request.target.replace("{}", &path(&id))
}

#[tokio::test]
async fn each_role_may_what_the_table_says_and_nothing_else() {
    let (app, owner, bob) = TestApp::two_tenants().await;
    let homeless = json!({ "email": "carol@home.example", "password": "securepass123", "full_name": "Carol" });
    let _ = app
        .stranger()
        .post("/api/v1/auth/register", homeless.clone())
        .await
        .expect(201);
    let homeless = json!({ "email": homeless["email"], "password": homeless["password"] });
    let callers = [
        ("owner", owner.clone()),
        ("admin", owner.colleague("admin").await),
        ("member", owner.colleague("member").await),
        ("viewer", owner.colleague("viewer").await),
        ("nobody", app.stranger()),
        ("homeless", app.stranger().login(homeless).await),
        ("neighbour", bob),
    ];
    for (number, request) in table().iter().enumerate() {
        for ((who, caller), expected) in callers.iter().zip(request.expected) {
            let target = target(request, &owner, caller, who).await;
            let mut body = request.body.clone();
            if body["email"].is_string() {
                body["email"] = json!(format!("{who}{number}@new.example"));
            }
            let body = Some(body).filter(|body| !body.is_null());
            let answer = caller.send(request.method.clone(), &target, body).await;
            let (status, code) = expected.split_once(' ').unwrap_or((expected, ""));
            let line = format!("{who}: {} {} {:?}", request.method, request.target, request.object);
            assert_eq!(answer.status().to_string(), status, "{line}: {}", answer.text());
            if !code.is_empty() {
                answer.problem(status.parse().unwrap(), code);
            }
        }
    }
}
