//! What is read and written on condition: `ETag`, `If-Match`, `If-None-Match` (RFC 9110, 13), on every
//! route that has them.

use std::collections::BTreeSet;

use diesel::connection::SimpleConnection as _;
use reqwest::Method;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::resources::create_in;
use crate::state;

/// What has a version: its path, how it is changed by number `n`, and whether it can be deleted.
const THINGS: [(&str, Changes, bool); 7] = [
    ("/api/v1/users/me", rename_person, false),
    ("/api/v1/users/{user}", rename_person, true),
    ("/api/v1/tenant", rename, false),
    ("/api/v1/roles/{role}", rename_role, true),
    ("/api/v1/invitations/{invitation}", resend, true),
    ("/api/v1/projects/{project}", rename, true),
    ("/api/v1/resources/{resource}", rename, true),
];

/// Reads of one thing without a version: what a key is last used for, or what is used up, would change
/// it all the time, and of features there is no write.
const UNVERSIONED: [&str; 3] = [
    "/api/v1/api-keys/{id}",
    "/api/v1/tenant/usage",
    "/api/v1/tenant/features",
];

/// Method, what stands behind the path, body.
type Change = (Method, &'static str, Option<Value>);

/// The change with this number.
type Changes = fn(u32) -> Change;

fn rename(n: u32) -> Change {
    (
        Method::PATCH,
        "",
        Some(json!({ "name": format!("Name {n}") })),
    )
}

fn rename_person(n: u32) -> Change {
    (
        Method::PATCH,
        "",
        Some(json!({ "full_name": format!("Name {n}") })),
    )
}

fn rename_role(n: u32) -> Change {
    (
        Method::PATCH,
        "",
        Some(json!({ "name": format!("role_{n}") })),
    )
}

fn resend(_: u32) -> Change {
    (Method::POST, "/resend", None)
}

/// Alice's company with one of each; fills in their ids.
struct Company {
    app: TestApp,
    alice: Caller,
    ids: Vec<(&'static str, String)>,
}

impl Company {
    async fn found() -> Self {
        let (app, alice, _) = TestApp::two_tenants().await;
        let mut ids = Vec::new();
        for (what, path, body) in [
            (
                "{user}",
                "/api/v1/users",
                json!({ "email": "u@acme.example", "full_name": "U", "role": "viewer", "password": "correct horse" }),
            ),
            (
                "{role}",
                "/api/v1/roles",
                json!({ "name": "auditor", "based_on": "viewer", "permissions": ["projects:read"] }),
            ),
            (
                "{invitation}",
                "/api/v1/invitations",
                json!({ "email": "i@acme.example", "role": "viewer" }),
            ),
            ("{project}", "/api/v1/projects", json!({ "name": "Atlas" })),
        ] {
            let made = alice.post(path, body).await.expect(201);
            // What was made is what is read, to the tag.
            let read = alice.get(made.header("location")).await.expect(200);
            assert_eq!(read.header("etag"), made.header("etag"), "{path}");
            assert_eq!(read.json(), made.json(), "{path}");
            ids.push((what, made.id()));
        }
        let resource = create_in(&alice, &ids[3].1, "Sheet", json!({ "a": 1 })).await;
        ids.push(("{resource}", resource.id()));
        Self { app, alice, ids }
    }

    fn path(&self, path: &str) -> String {
        let fill = |path: String, (what, id): &(&str, String)| path.replace(what, id);
        self.ids.iter().fold(path.to_owned(), fill)
    }

    async fn tag(&self, path: &str) -> String {
        self.alice
            .get(path)
            .await
            .expect(200)
            .header("etag")
            .to_owned()
    }
}

async fn change(caller: &Caller, if_match: &str, path: &str, change: Change) -> Answer {
    let (method, behind, body) = change;
    let caller = caller.with_header("if-match", if_match);
    caller.send(method, &format!("{path}{behind}"), body).await
}

/// A former version of something, which never changes.
const VERSION: &str = "/api/v1/resources/{resource}/versions/1";

#[test]
fn every_thing_has_a_version() {
    let general = |path: &str| match path.split_once("/{") {
        Some((list, rest)) if rest.contains("/versions/") => {
            format!("{list}/{{id}}/versions/{{n}}")
        }
        Some((list, _)) => format!("{list}/{{id}}"),
        None => path.to_owned(),
    };
    let listed = THINGS.iter().map(|(path, ..)| *path).chain([VERSION]);
    let listed: BTreeSet<String> = listed.map(general).collect();
    let document = serde_json::to_value(api::openapi::document()).unwrap();
    let mut versioned = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let answer = &item["get"]["responses"]["200"];
        let schema = answer["content"]["application/json"]["schema"]["$ref"].as_str();
        let Some(schema) = schema.filter(|_| path.starts_with("/api/")) else {
            continue;
        };
        let schema = document.pointer(schema.trim_start_matches('#')).unwrap();
        let is_list = schema["properties"].get("next_cursor").is_some();
        if is_list || UNVERSIONED.contains(&path.as_str()) {
            continue;
        }
        assert!(
            answer["headers"].get("ETag").is_some(),
            "{path} has no ETag"
        );
        versioned.insert(path.clone());
    }
    assert_eq!(listed, versioned, "add what is missing to THINGS");
}

#[tokio::test]
async fn what_is_read_is_read_once() {
    let company = Company::found().await;
    let alice = &company.alice;
    let changed = company.path("/api/v1/resources/{resource}");
    let _ = alice.patch(&changed, json!({ "name": "New" })).await;
    for path in THINGS.iter().map(|(path, ..)| *path).chain([VERSION]) {
        let path = company.path(path);
        let first = alice.get(&path).await.expect(200);
        let tag = first.header("etag");
        assert!(tag.starts_with('"') && tag.len() > 20, "{path} {tag}");
        assert_eq!(company.tag(&path).await, tag, "{path}");
        for known in [
            tag,
            "*",
            &format!("W/{tag}"),
            &format!("\"x\", W/\"y\",{tag}"),
        ] {
            let answer = alice.with_header("if-none-match", known).get(&path).await;
            assert_eq!((answer.status(), answer.text()), (304, ""), "{path}");
            assert_eq!(answer.header("etag"), tag);
        }
        let unknown = alice.with_header("if-none-match", "\"x\", \"y\"");
        assert_eq!(unknown.get(&path).await.expect(200).json(), first.json());
        for (if_match, status) in [(tag, 200), ("*", 200), ("\"x\"", 412)] {
            let answer = alice.with_header("if-match", if_match).get(&path).await;
            assert_eq!(answer.status(), status, "{path} {if_match}");
        }
        for header in ["if-match", "if-none-match"] {
            for malformed in ["", "x", "\"x", "*, \"x\"", tag.trim_matches('"')] {
                let answer = alice.with_header(header, malformed).get(&path).await;
                let problem = answer.problem(400, "malformed_condition");
                let expected = format!("{header} is neither * nor a list of entity tags");
                assert_eq!(problem["detail"], expected);
            }
        }
    }
}

#[tokio::test]
async fn whoever_knows_an_old_version_changes_nothing() {
    let company = Company::found().await;
    let alice = &company.alice;
    for (path, changes, is_deleted) in THINGS {
        let path = company.path(path);
        let first = company.tag(&path).await;
        let done = change(alice, &first, &path, changes(1)).await.expect(200);
        let second = done.header("etag").to_owned();
        assert_ne!(second, first, "{path}");
        assert_eq!(company.tag(&path).await, second, "{path}");
        let before = state::rows_of(&company.app, "acme-corp");
        let mails = state::rows(&company.app, "jobs");
        let mut refused = vec![changes(2)];
        if is_deleted {
            refused.push((Method::DELETE, "", None));
        }
        for request in refused {
            for stale in [&first, "\"x\"", &format!("W/{second}")] {
                let answer = change(alice, stale, &path, request.clone()).await;
                answer.problem(412, "precondition_failed");
            }
            for malformed in ["", "x", "\"x", second.trim_matches('"'), "*,*"] {
                let answer = change(alice, malformed, &path, request.clone()).await;
                answer.problem(400, "malformed_condition");
            }
        }
        assert_eq!(state::rows_of(&company.app, "acme-corp"), before, "{path}");
        assert_eq!(state::rows(&company.app, "jobs"), mails, "{path}");
        let either = format!("{first}, {second}");
        let third = change(alice, &either, &path, changes(3)).await.expect(200);
        let third = third.header("etag").to_owned();
        assert_ne!(third, second, "{path}");
        let fourth = change(alice, "*", &path, changes(4)).await.expect(200);
        assert_eq!(fourth.header("etag"), company.tag(&path).await, "{path}");
        // Without a condition anything goes.
        let (method, behind, body) = changes(5);
        let answer = alice.send(method, &format!("{path}{behind}"), body).await;
        let _ = answer.expect(200);
    }
    // The one before the other: a project takes its resources along.
    for (path, _, is_deleted) in THINGS.into_iter().rev() {
        if is_deleted {
            let path = company.path(path);
            let tag = company.tag(&path).await;
            let answer = change(alice, &tag, &path, (Method::DELETE, "", None)).await;
            let _ = answer.expect(204);
        }
    }
    let close = change(alice, "\"x\"", "/api/v1/tenant", (Method::DELETE, "", None));
    close.await.problem(412, "precondition_failed");
    let tag = company.tag("/api/v1/tenant").await;
    let close = change(alice, &tag, "/api/v1/tenant", (Method::DELETE, "", None));
    let _ = close.await.expect(202);
    let me = "/api/v1/users/me";
    let guest = company.app.register("guest@home.example", "guest-house");
    let guest = guest.await;
    let close = guest.create_project("Atlas").await;
    let gone = change(&guest, close.header("etag"), me, (Method::DELETE, "", None));
    gone.await.problem(412, "precondition_failed");
    let _ = guest.get(me).await.expect(200);
}

/// What somebody else holds all of, so that nobody is through before several have looked.
const HOLD: &str =
    "BEGIN; SELECT FROM accounts FOR NO KEY UPDATE; SELECT FROM memberships FOR NO KEY UPDATE;
    SELECT FROM tenants FOR NO KEY UPDATE; SELECT FROM roles FOR NO KEY UPDATE;
    SELECT FROM invitations FOR NO KEY UPDATE; SELECT FROM projects FOR NO KEY UPDATE;
    SELECT FROM resources FOR NO KEY UPDATE";

/// Of sixteen who change the same version at once, by these sessions, one does.
async fn race(app: &TestApp, callers: &[Caller], path: &str, changes: Changes) {
    let caller = &callers[0];
    let tag = caller.get(path).await.expect(200).header("etag").to_owned();
    let mut line = app.database().superuser();
    line.batch_execute(HOLD).unwrap();
    let mut writers = JoinSet::new();
    for (number, caller) in (100..116).zip(callers.iter().cycle()) {
        let (caller, tag, path) = (caller.clone(), tag.clone(), path.to_owned());
        writers.spawn(async move { change(&caller, &tag, &path, changes(number)).await });
    }
    state::until_waiting(app, 3).await;
    line.batch_execute("COMMIT").unwrap();
    let mut winners = Vec::new();
    for answer in writers.join_all().await {
        if answer.status() == 200 {
            winners.push(answer);
        } else {
            answer.problem(412, "precondition_failed");
        }
    }
    assert_eq!(winners.len(), 1, "{path}");
    let read = caller.get(path).await.expect(200);
    assert_eq!(read.header("etag"), winners[0].header("etag"), "{path}");
    assert_eq!(read.json(), winners[0].json(), "{path}");
}

/// The same person in four sessions.
async fn sessions(caller: &Caller, email: &str, password: &str) -> Vec<Caller> {
    let mut sessions = Vec::new();
    for _ in 0..4 {
        let body = json!({ "email": email, "password": password, "tenant_slug": "acme-corp" });
        sessions.push(caller.login(body).await);
    }
    sessions
}

#[tokio::test]
async fn of_sixteen_writers_with_one_version_one_wins_everywhere() {
    let company = Company::found().await;
    let (app, alice) = (&company.app, &company.alice);
    let owner = sessions(alice, "alice@acme.example", "securepass123").await;
    for (path, changes, _) in THINGS {
        race(app, &owner, &company.path(path), changes).await;
    }
    // Whoever may not write to memberships renames nobody but themselves.
    for role in ["viewer", "member"] {
        let colleague = alice.colleague(role).await;
        let email = format!("{role}@acme-corp.example");
        let callers = sessions(&colleague, &email, "correct horse").await;
        let me = colleague.get("/api/v1/users/me").await.json();
        let id = me["tenant"]["membership_id"].as_str().unwrap().to_owned();
        race(app, &callers, &format!("/api/v1/users/{id}"), rename_person).await;
    }
}

#[tokio::test]
async fn somebody_who_leaves_on_condition_is_held_to_it() {
    let company = Company::found().await;
    let viewer = company.alice.colleague("viewer").await;
    let me = viewer.get("/api/v1/users/me").await.json();
    let id = me["tenant"]["membership_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/users/{id}");
    let stale = company.tag(&path).await;
    let renamed = company
        .alice
        .patch(&path, json!({ "full_name": "V" }))
        .await;
    let tag = renamed.expect(200).header("etag").to_owned();
    let leave = || (Method::DELETE, "", None);
    let answer = change(&viewer, &stale, &path, leave()).await;
    answer.problem(412, "precondition_failed");
    // A condition tells nobody what they may not do.
    let other = company.path("/api/v1/users/{user}");
    for tag in [&tag, "*"] {
        let answer = change(&viewer, tag, &other, rename_person(1)).await;
        answer.problem(403, "forbidden");
    }
    let _ = change(&viewer, &tag, &path, leave()).await.expect(204);
}

#[tokio::test]
async fn a_tag_changes_with_all_that_can_be_seen() {
    let company = Company::found().await;
    let alice = &company.alice;
    let colleague = alice.colleague_with("clerk", "member", &["projects:read"]);
    let colleague = colleague.await;
    let me = colleague.get("/api/v1/users/me").await.expect(200);
    let account = me.header("etag").to_owned();
    let id = me.json()["tenant"]["membership_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let member = format!("/api/v1/users/{id}");
    let tag = company.tag(&member).await;
    let roles = alice.get("/api/v1/roles?limit=100").await.json();
    let mut clerk = roles["data"].as_array().unwrap().iter();
    let clerk = clerk.find(|role| role["name"] == "clerk").unwrap();
    let clerk = format!("/api/v1/roles/{}", clerk["id"].as_str().unwrap());
    // The role's new name stands in the member, whose own row says nothing of it.
    let renamed = alice.patch(&clerk, json!({ "name": "scribe" })).await;
    let _ = renamed.expect(200);
    assert_ne!(company.tag(&member).await, tag);
    let login = json!({ "email": "clerk@acme-corp.example", "password": "correct horse", "tenant_slug": "acme-corp" });
    let colleague = alice.login(login).await;
    let me = colleague.get("/api/v1/users/me").await.expect(200);
    assert_ne!(me.header("etag"), account);
    // So does the time that runs out.
    let invitation = company.path("/api/v1/invitations/{invitation}");
    let pending = company.tag(&invitation).await;
    state::change(
        &company.app,
        "UPDATE invitations SET expires_at = now() - interval '1 second'",
    );
    assert_ne!(company.tag(&invitation).await, pending);
    // A built-in role is the same for everybody.
    let viewer = roles["data"][0]["id"].as_str().unwrap();
    let built_in = format!("/api/v1/roles/{viewer}");
    let tag = company.tag(&built_in).await;
    let answer = change(alice, &tag, &built_in, rename_role(1)).await;
    answer.problem(403, "built_in_role");
}
