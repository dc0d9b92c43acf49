//! The paths of another system: served as our own are, and discouraged.

use reqwest::Method;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};

use crate::state;

/// Alias, method, and what it stands for.
const ALIASES: [(&str, &str, &str); 11] = [
    ("POST", "/login", "/api/v1/auth/login"),
    ("POST", "/logout", "/api/v1/auth/logout"),
    ("POST", "/refresh_token", "/api/v1/auth/refresh"),
    ("POST", "/users/register", "/api/v1/auth/register"),
    ("GET", "/users/me", "/api/v1/users/me"),
    ("GET", "/users/list_orgs", "/api/v1/users/me/tenants"),
    ("POST", "/organization/register", "/api/v1/tenants"),
    ("POST", "/organization/select", "/api/v1/auth/switch"),
    ("POST", "/organization/add_users", "/api/v1/invitations"),
    ("GET", "/organization/list_users", "/api/v1/users"),
    ("POST", "/projects/create_project", "/api/v1/projects"),
];

fn assert_deprecated(answer: &Answer, successor: &str) {
    assert_eq!(answer.header("deprecation"), "@1795219200", "{successor}");
    let expected = format!("<{successor}>; rel=\"successor-version\"");
    let links = answer.headers().get_all("link").iter();
    let found = links.filter(|link| *link == expected.as_str()).count();
    assert_eq!(found, 1, "{:?}", answer.headers());
}

fn successor(alias: &str) -> &'static str {
    let row = ALIASES.iter().find(|(_, path, _)| *path == alias);
    row.unwrap().2
}

async fn post(caller: &Caller, alias: &str, body: Value, status: u16) -> Answer {
    let answer = caller.post(alias, body).await;
    assert_deprecated(&answer, successor(alias));
    answer.expect(status)
}

async fn get(caller: &Caller, alias: &str) -> Value {
    let answer = caller.get(alias).await;
    assert_deprecated(&answer, successor(alias));
    answer.expect(200).json()
}

fn signed_in(app: &TestApp, answer: &Answer) -> Caller {
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    app.stranger().with_token(token)
}

#[tokio::test]
async fn whoever_comes_from_there_can_do_all_that_was_done_there() {
    let app = TestApp::start().await;
    let person =
        json!({ "email": "alice@home.example", "password": "securepass123", "full_name": "Alice" });
    let registered = post(&app.stranger(), "/users/register", person, 201).await;
    assert_eq!(registered.json()["tenant"], Value::Null);

    let login = json!({ "email": "alice@home.example", "password": "securepass123" });
    let answer = post(&app.stranger(), "/login", login, 200).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let alice = signed_in(&app, &answer);
    let me = get(&alice, "/users/me").await;
    assert_eq!(me["email"], "alice@home.example");

    let body = json!({ "name": "Acme Corporation", "slug": "acme-corp" });
    let founded = post(&alice, "/organization/register", body, 201).await;
    assert_eq!(founded.header("location"), "/api/v1/tenant");
    let orgs = get(&alice, "/users/list_orgs").await;
    assert_eq!(orgs["data"][0]["slug"], "acme-corp");
    assert_eq!(orgs["data"][0]["role"], "owner");
    assert_eq!(orgs["next_cursor"], Value::Null);

    let body = json!({ "organization_id": founded.id() });
    let selected = post(&alice, "/organization/select", body, 200).await;
    assert_eq!(selected.json()["tenant"]["slug"], "acme-corp");
    let alice = signed_in(&app, &selected);
    let by_slug = post(
        &alice,
        "/organization/select",
        json!({ "slug": "acme-corp" }),
        200,
    )
    .await;
    let alice = signed_in(&app, &by_slug);

    let body = json!({ "emails": ["zoe@home.example", "bob@home.example"], "role": "member" });
    let added = post(&alice, "/organization/add_users", body, 201)
        .await
        .json();
    assert_eq!(added["next_cursor"], Value::Null);
    let added = added["data"].as_array().unwrap();
    let told: Vec<_> = added
        .iter()
        .map(|place| (&place["email"], &place["role"], &place["status"]))
        .collect();
    let (member, pending) = (&json!("member"), &json!("pending"));
    assert_eq!(
        told,
        [
            (&json!("zoe@home.example"), member, pending),
            (&json!("bob@home.example"), member, pending)
        ]
    );
    // Each is what its own path shows.
    for invitation in added {
        let path = format!("/api/v1/invitations/{}", invitation["id"].as_str().unwrap());
        assert_eq!(alice.get(&path).await.expect(200).json(), *invitation);
    }
    let users = get(&alice, "/organization/list_users").await;
    assert_eq!(users, alice.get("/api/v1/users").await.json());
    assert_eq!(users["data"].as_array().unwrap().len(), 3);

    let project = post(
        &alice,
        "/projects/create_project",
        json!({ "name": "Atlas" }),
        201,
    )
    .await;
    let location = project.header("location");
    assert_eq!(location, format!("/api/v1/projects/{}", project.id()));
    assert!(!project.header("etag").is_empty());
    assert_eq!(alice.get(location).await.expect(200).json(), project.json());

    let body = json!({ "refresh_token": by_slug.json()["refresh_token"] });
    let refreshed = post(&app.stranger(), "/refresh_token", body, 200).await;
    let alice = signed_in(&app, &refreshed);
    assert_eq!(
        get(&alice, "/users/me").await["tenant"]["slug"],
        "acme-corp"
    );

    let gone = alice.send(Method::POST, "/logout", None).await;
    assert_deprecated(&gone, "/api/v1/auth/logout");
    assert_eq!((gone.status(), gone.text()), (204, ""));
    alice.get("/users/me").await.problem(401, "session_revoked");
}

#[tokio::test]
async fn an_alias_answers_as_what_it_stands_for_and_says_that_it_is_one() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let viewer = alice.colleague("viewer").await;
    let (_, key) = alice.create_key(&["users:read"]).await;
    let callers = [&app.stranger(), &viewer, &key];
    // A logout would leave nobody to ask: it is the end of the story above.
    let asked = ALIASES.iter().filter(|(_, alias, _)| *alias != "/logout");
    for &(method, alias, successor) in asked {
        let method: Method = method.parse().unwrap();
        for caller in callers {
            for body in [None, Some(json!({ "nonsense": 1 })), Some(json!([]))] {
                let canonical = caller.send(method.clone(), successor, body.clone()).await;
                let answer = caller.send(method.clone(), alias, body.clone()).await;
                assert_deprecated(&answer, successor);
                let what = format!("{method} {alias} {body:?}");
                let has_own_body = ["/organization/select", "/organization/add_users"];
                if has_own_body.contains(&alias) {
                    assert_eq!(answer.status(), canonical.status(), "{what}");
                } else {
                    assert_eq!(
                        answer.without_request_id(),
                        canonical.without_request_id(),
                        "{what}"
                    );
                }
                assert_eq!(canonical.header("deprecation"), "", "{successor}");
            }
        }
        let other = app.stranger().send(Method::PUT, alias, None).await;
        other.problem(405, "method_not_allowed");
        assert_deprecated(&other, successor);
        assert_eq!(
            other.header("allow"),
            if method == Method::GET {
                "GET, HEAD"
            } else {
                "POST"
            }
        );
    }
}

#[tokio::test]
async fn nobody_is_added_when_one_of_them_cannot_be() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let viewer = alice.colleague("viewer").await;
    let before = state::rows_of(&app, "acme-corp");
    let many: Vec<String> = (0..51).map(|n| format!("u{n}@home.example")).collect();
    let one_too_many = json!({ "emails": many, "role": "member" });
    for (body, refusals) in [
        (
            json!({ "emails": ["a@home.example"] }),
            vec![("/role", "missing_field")],
        ),
        (
            json!({ "role": "member" }),
            vec![("/emails", "missing_field")],
        ),
        (
            json!({ "emails": [], "role": "member" }),
            vec![("/emails", "invalid")],
        ),
        (one_too_many, vec![("/emails", "invalid")]),
        (
            json!({ "emails": ["a@home.example", "nonsense", ""], "role": "BOSS" }),
            vec![
                ("/role", "invalid"),
                ("/emails/1", "invalid"),
                ("/emails/2", "invalid"),
            ],
        ),
        (
            json!({ "emails": ["a@home.example", "A@Home.example"], "role": "member" }),
            vec![("/emails/1", "duplicate")],
        ),
        (
            json!({ "emails": "a@home.example", "role": "member" }),
            vec![("/emails", "wrong_type")],
        ),
        (
            json!({ "emails": [7], "role": "member" }),
            vec![("/emails/0", "wrong_type")],
        ),
        (
            json!({ "emails": ["a@home.example"], "role": "member", "x": 1 }),
            vec![("/x", "unknown_field")],
        ),
    ] {
        let answer = alice.post("/organization/add_users", body).await;
        let told = answer.refusals();
        let told: Vec<_> = told
            .iter()
            .map(|(at, code)| (at.as_str(), code.as_str()))
            .collect();
        assert_eq!(told, refusals);
    }
    let taken = json!({ "emails": ["a@home.example", "viewer@acme-corp.example", "b@home.example"], "role": "member" });
    let answer = alice.post("/organization/add_users", taken).await;
    answer.problem(409, "email_taken");
    let body = json!({ "emails": ["a@home.example"], "role": "member" });
    let answer = viewer.post("/organization/add_users", body.clone()).await;
    answer.problem(403, "forbidden");
    let admin = alice.colleague("admin").await;
    let above = json!({ "emails": ["a@home.example"], "role": "owner" });
    let answer = admin.post("/organization/add_users", above).await;
    answer.problem(403, "forbidden");
    assert_eq!(state::count(&app, "invitations"), 0);
    assert_eq!(state::count(&app, "jobs WHERE kind = 'mail_invitation'"), 0);
    // A neighbour's invitation is in the neighbour's tenant.
    let _ = post(&bob, "/organization/add_users", body, 201).await;
    let now = state::rows_of(&app, "acme-corp");
    assert!(!now.contains("a@home.example") && before.len() < now.len());
}

#[tokio::test]
async fn of_many_who_add_the_same_people_in_any_order_one_does() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let emails: Vec<String> = (0..8).map(|n| format!("u{n}@home.example")).collect();
    let asked = (0..6).map(|n| {
        let (alice, mut emails) = (alice.clone(), emails.clone());
        emails.rotate_left(n);
        if n % 2 == 0 {
            emails.reverse();
        }
        tokio::spawn(async move {
            let body = json!({ "emails": emails, "role": "member" });
            alice.post("/organization/add_users", body).await
        })
    });
    let mut made = 0;
    for asked in asked.collect::<Vec<_>>() {
        let answer = asked.await.unwrap();
        match answer.status() {
            201 => made += 1,
            _ => drop(answer.problem(409, "email_taken")),
        }
    }
    assert_eq!(made, 1);
    assert_eq!(state::count(&app, "invitations"), 8);
}

#[tokio::test]
async fn an_organization_is_selected_by_one_name_and_only_by_its_members() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let id = bob.get("/api/v1/tenant").await.expect(200).id();
    for body in [
        json!({ "organization_id": id }),
        json!({ "slug": "globex-inc" }),
        json!({ "slug": "nobody" }),
        json!({ "slug": "" }),
    ] {
        let answer = alice.post("/organization/select", body).await;
        answer.problem(403, "not_a_member");
        assert_deprecated(&answer, "/api/v1/auth/switch");
    }
    for (body, pointer, code) in [
        (json!({}), "/slug", "missing_field"),
        (
            json!({ "slug": "acme-corp", "organization_id": id }),
            "/organization_id",
            "invalid",
        ),
        (
            json!({ "tenant_slug": "acme-corp" }),
            "/tenant_slug",
            "unknown_field",
        ),
        (
            json!({ "organization_id": "nonsense" }),
            "/organization_id",
            "invalid",
        ),
        (
            json!({ "organization_id": 7 }),
            "/organization_id",
            "wrong_type",
        ),
    ] {
        let answer = alice.post("/organization/select", body).await;
        assert_eq!(answer.refusals(), [(pointer.to_owned(), code.to_owned())]);
    }
    let answer = app.stranger().post("/organization/select", json!({})).await;
    answer.problem(401, "missing_token");
    drop(alice.get("/api/v1/projects").await.expect(200));
}

#[tokio::test]
async fn a_list_under_an_alias_leads_on_under_it() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let body = json!({ "emails": ["a@home.example", "b@home.example"], "role": "member" });
    let _ = post(&alice, "/organization/add_users", body, 201).await;
    let mut path = "/organization/list_users?limit=1".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = alice.get(&path).await.expect(200);
        assert_deprecated(&answer, "/api/v1/users");
        seen.push(answer.json()["data"][0]["id"].clone());
        let links = answer.headers().get_all("link").iter();
        let mut next =
            links.filter_map(|link| link.to_str().unwrap().strip_suffix("; rel=\"next\""));
        let Some(next) = next.next_back() else { break };
        path = next.trim_matches(['<', '>']).to_owned();
        assert!(path.starts_with("/organization/list_users?"), "{path}");
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn the_description_lists_them_as_deprecated() {
    let document = serde_json::to_value(api::openapi::document()).unwrap();
    for (method, alias, successor) in ALIASES {
        let method = method.to_lowercase();
        let operation = &document["paths"][alias][&method];
        assert_eq!(operation["deprecated"], true, "{alias}");
        let description = operation["description"].as_str().unwrap();
        assert!(description.contains(successor), "{description}");
        assert_ne!(document["paths"][successor][&method]["deprecated"], true);
    }
    let page = include_str!("../../../docs/aliases.md");
    for (method, alias, successor) in ALIASES {
        let row = format!("| `{method} {alias}` | `{method} {successor}`");
        assert!(page.contains(&row), "docs/aliases.md lacks {row}");
    }
}
