//! A `POST` with an `Idempotency-Key` that is sent again is answered again, and does nothing again.
//! Many at once, and many in a row, are `idempotency_races.rs`.

use std::collections::BTreeSet;

use diesel::prelude::*;
use reqwest::Method;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};
use store::{Chore, Next, Retention};

use crate::projects::path;
use crate::resources::create_in;
use crate::rows::context;
use crate::state;

pub(crate) const PROJECTS: &str = "/api/v1/projects";

/// Which `POST` takes a key: path with `{…}`, body, another body, status. Their ids are put in by
/// the test.
const TAKES: [(&str, &str, &str, u16); 10] = [
    (
        "/api/v1/users",
        r#"{"email":"new@acme.example","full_name":"New","role":"viewer","password":"correct horse"}"#,
        r#"{"email":"new@acme.example","full_name":"New","role":"viewer","password":"another horse"}"#,
        201,
    ),
    (
        "/api/v1/invitations",
        r#"{"email":"guest@home.example","role":"viewer"}"#,
        r#"{"email":"guest@home.example","role":"member"}"#,
        201,
    ),
    ("/api/v1/invitations/{invitation}/resend", "", "", 200),
    (
        "/api/v1/roles",
        r#"{"name":"auditor","based_on":"viewer","permissions":[]}"#,
        r#"{"name":"auditor","based_on":"member","permissions":[]}"#,
        201,
    ),
    (
        "/api/v1/projects",
        r#"{"name":"Atlas"}"#,
        r#"{"name":"Atlas","description":null}"#,
        201,
    ),
    ("/api/v1/projects/{deleted}/restore", "", "", 200),
    (
        "/api/v1/resources",
        r#"{"project_id":"{project}","name":"Sheet","data":{"a":{"b":[1,2]}}}"#,
        r#"{"project_id":"{project}","name":"Sheet","data":{"a":{"b":[2,1]}}}"#,
        201,
    ),
    (
        "/api/v1/resources/{resource}/versions/1/restore",
        "",
        "",
        200,
    ),
    (
        SEVERAL,
        r#"{"emails":["b@home.example","a@home.example"],"role":"viewer"}"#,
        r#"{"emails":["a@home.example","b@home.example"],"role":"viewer"}"#,
        201,
    ),
    (
        "/projects/create_project",
        r#"{"name":"Borealis"}"#,
        r#"{"name":"Corona"}"#,
        201,
    ),
];

/// The one that makes several things, which have no version.
const SEVERAL: &str = "/organization/add_users";

/// The one whose answer nobody gets twice: with it, the caller is no owner any more.
const TRANSFER: &str = "/api/v1/tenant/transfer-ownership";

/// Which `POST` refuses a key: what answers a secret, and what is done in no tenant, as a deleted one
/// is.
const REFUSES: [&str; 23] = [
    "/api/v1/auth/register",
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    "/api/v1/auth/switch",
    "/api/v1/auth/logout",
    "/api/v1/auth/verify-email",
    "/api/v1/auth/verify-email/resend",
    "/api/v1/auth/password/forgot",
    "/api/v1/auth/password/reset",
    "/api/v1/auth/password/change",
    "/api/v1/auth/step-up",
    "/api/v1/auth/mfa/totp",
    "/api/v1/auth/mfa/totp/confirm",
    "/api/v1/invitations/accept",
    "/api/v1/tenants",
    "/api/v1/tenant/restore",
    "/api/v1/api-keys",
    "/login",
    "/logout",
    "/refresh_token",
    "/users/register",
    "/organization/register",
    "/organization/select",
];

pub(crate) fn keyed(caller: &Caller, key: &str) -> Caller {
    caller.with_header("idempotency-key", key)
}

pub(crate) async fn create(caller: &Caller, key: &str, name: &str) -> Answer {
    keyed(caller, key)
        .post(PROJECTS, json!({ "name": name }))
        .await
}

pub(crate) fn is_replayed(answer: &Answer) -> bool {
    answer.headers().contains_key("idempotency-replayed")
}

/// The first answer again, and said to be so.
#[track_caller]
pub(crate) fn assert_replays(again: &Answer, first: &Answer) {
    assert!(!is_replayed(first), "{}", first.text());
    let (status, mut headers, text) = again.essence();
    assert_eq!(
        headers.remove("idempotency-replayed").as_deref(),
        Some("true"),
        "{status} {text}"
    );
    assert_eq!((status, headers, text), first.essence());
}

async fn post(caller: &Caller, path: &str, body: &str) -> Answer {
    if body.is_empty() {
        return caller.send(Method::POST, path, None).await;
    }
    let caller = caller.with_header("content-type", "application/json");
    caller.send_bytes(Method::POST, path, body).await
}

#[test]
fn every_post_takes_a_key_or_refuses_it() {
    let listed = TAKES.iter().map(|(path, ..)| *path).chain([TRANSFER]);
    let listed: BTreeSet<String> = listed
        .map(|path| path.replace("{invitation}", "{id}"))
        .map(|path| {
            path.replace("{deleted}", "{id}")
                .replace("{resource}", "{id}")
        })
        .map(|path| path.replace("/1/", "/{n}/"))
        .chain(REFUSES.map(ToOwned::to_owned))
        .collect();
    let served: BTreeSet<String> = api::routes::list()
        .into_iter()
        .filter(|(_, methods)| methods.iter().any(|method| method == "POST"))
        .map(|(path, _)| path.to_owned())
        .collect();
    assert_eq!(
        served, listed,
        "a new POST is `.post_once` in routes.rs and stands in TAKES, or is `.post` and stands in REFUSES"
    );
}

#[tokio::test]
async fn every_route_that_takes_a_key_answers_again_and_does_nothing_again() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let project = alice.create_project("First").await.id();
    let deleted = alice.create_project("Deleted").await.id();
    let _ = alice.delete(&path(&deleted)).await.expect(204);
    let resource = create_in(&alice, &project, "Old", json!({})).await.id();
    let changed = format!("/api/v1/resources/{resource}");
    let _ = alice
        .patch(&changed, json!({ "name": "New" }))
        .await
        .expect(200);
    let body = json!({ "email": "i@acme.example", "role": "viewer" });
    let invitation = alice.post("/api/v1/invitations", body).await.id();
    let fill = |text: &str| {
        let text = text.replace("{project}", &project);
        let text = text.replace("{deleted}", &deleted);
        let text = text.replace("{resource}", &resource);
        text.replace("{invitation}", &invitation)
    };
    for (number, (path, body, other, status)) in TAKES.into_iter().enumerate() {
        let key = format!("key-{number}");
        let caller = keyed(&alice, &key);
        let (path, body, other) = (fill(path), fill(body), fill(other));
        let first = post(&caller, &path, &body).await.expect(status);
        assert_eq!(
            first.headers().contains_key("etag"),
            path != SEVERAL,
            "{path}"
        );
        let (before, jobs) = (state::rows_of(&app, "acme-corp"), state::rows(&app, "jobs"));
        for _ in 0..2 {
            assert_replays(&post(&caller, &path, &body).await, &first);
        }
        // In quotes it is the same key.
        let quoted = keyed(&alice, &format!("\"{key}\""));
        assert_replays(&post(&quoted, &path, &body).await, &first);
        if !body.is_empty() {
            let refused = post(&caller, &path, &other).await;
            refused.problem(422, "idempotency_key_reused");
        }
        let elsewhere = create(&alice, &key, "Elsewhere").await;
        elsewhere.problem(422, "idempotency_key_reused");
        assert_eq!(state::rows_of(&app, "acme-corp"), before, "{path}");
        assert_eq!(state::rows(&app, "jobs"), jobs, "{path}");
    }
}

#[tokio::test]
async fn every_route_that_refuses_a_key_says_so_and_does_nothing() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let before = state::rows_of(&app, "acme-corp");
    for path in REFUSES {
        for key in ["once", "", "ä"] {
            let answer = keyed(&alice, key).post(path, json!({})).await;
            answer.problem(400, "idempotency_key_not_allowed");
        }
    }
    assert_eq!(state::rows_of(&app, "acme-corp"), before);
}

#[tokio::test]
async fn what_is_no_key_is_refused_before_anything_is_done() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let long = "x".repeat(256);
    for key in [
        "",
        " ",
        "a b",
        "a, b",
        "\"\"",
        "\"a",
        "\"a\"b",
        "\"a\";b=1",
        "ä",
        &long,
    ] {
        let answer = create(&alice, key, "Atlas").await;
        let problem = answer.problem(400, "invalid_idempotency_key");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("Idempotency-Key "), "{detail}");
        assert!(!detail.contains("xxx"), "{detail}");
        // Also where there is no body to read, and where the body is worse.
        let restore = format!("{PROJECTS}/no-id/restore");
        let answer = keyed(&alice, key).send(Method::POST, &restore, None).await;
        answer.problem(400, "invalid_idempotency_key");
    }
    let twice = keyed(&keyed(&alice, "a"), "a");
    let answer = twice.post(PROJECTS, json!({ "name": "Atlas" })).await;
    let problem = answer.problem(400, "invalid_idempotency_key");
    assert_eq!(
        problem["detail"],
        "Idempotency-Key stands twice in the request"
    );
    assert_eq!(state::count(&app, "projects"), 0);
    // Who is asking is asked first.
    let answer = create(&app.stranger(), "a b", "Atlas").await;
    answer.problem(401, "missing_token");
    let viewer = alice.colleague("viewer").await;
    let answer = create(&viewer, "a b", "Atlas").await;
    answer.problem(403, "forbidden");
    // The longest key is one.
    let longest = &long[1..];
    let first = create(&alice, longest, "Atlas").await.expect(201);
    assert_replays(&create(&alice, longest, "Atlas").await, &first);
}

#[tokio::test]
async fn a_body_is_the_same_when_it_is_the_same_json() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let project = alice.create_project("First").await.id();
    let caller = keyed(&alice, "a");
    let send = async |text: &str| {
        let text = text.replace("{project}", &project);
        post(&caller, "/api/v1/resources", &text).await
    };
    let first = send(r#"{"project_id":"{project}","name":"é","data":{"a":1,"b":{"c":2,"d":3}}}"#);
    let first = first.await.expect(201);
    for same in [
        r#"{"data":{"b":{"d":3,"c":2},"a":1},"name":"é","project_id":"{project}"}"#,
        "{\n \"project_id\" : \"{project}\",\t\"name\":\"\\u00e9\",\"data\":{\"a\":1,\"b\":{\"c\":2,\"d\":3}}}\n",
    ] {
        assert_replays(&send(same).await, &first);
    }
    for other in [
        r#"{"project_id":"{project}","name":"É","data":{"a":1,"b":{"c":2,"d":3}}}"#,
        r#"{"project_id":"{project}","name":"é","data":{"a":1,"b":{"c":3,"d":2}}}"#,
        r#"{"project_id":"{project}","name":"é","type":null,"data":{"a":1,"b":{"c":2,"d":3}}}"#,
    ] {
        send(other).await.problem(422, "idempotency_key_reused");
    }
    // What is no body at all is told as ever.
    send("{").await.problem(400, "malformed_json");
    send(r#"{"name":7}"#)
        .await
        .problem(422, "validation_failed");
}

#[tokio::test]
async fn a_condition_belongs_to_the_request_and_does_not_stand_in_the_way_of_its_answer() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let made = alice.create_project("Atlas").await;
    let _ = alice.delete(&path(&made.id())).await.expect(204);
    let deleted = format!("{}?deleted=true", path(&made.id()));
    let tag = alice.get(&deleted).await.header("etag").to_owned();
    let restore = format!("{}/restore", path(&made.id()));
    let with = |tag: &str| keyed(&alice, "a").with_header("if-match", tag);
    // A refusal is not kept: with the right condition the same key goes.
    let stale = with(made.header("etag")).post(&restore, json!({})).await;
    stale.problem(412, "precondition_failed");
    let first = with(&tag).post(&restore, json!({})).await.expect(200);
    // The tag is stale by now, by what this request itself has done.
    assert_replays(&with(&tag).post(&restore, json!({})).await, &first);
    for other in [with("*"), with(first.header("etag")), keyed(&alice, "a")] {
        let answer = other.post(&restore, json!({})).await;
        answer.problem(422, "idempotency_key_reused");
    }
}

#[tokio::test]
async fn the_same_key_of_another_caller_is_another_key() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let admin = alice.colleague("admin").await;
    let (_, program) = alice.create_key(&["projects:write"]).await;
    let (_, other_program) = alice.create_key(&["projects:write"]).await;
    let callers = [&alice, &admin, &bob, &program, &other_program];
    let mut made = Vec::new();
    for (number, caller) in callers.into_iter().enumerate() {
        let name = format!("Project {number}");
        made.push(create(caller, "the-same", &name).await.expect(201));
    }
    for (number, caller) in callers.into_iter().enumerate() {
        let name = format!("Project {number}");
        assert_replays(&create(caller, "the-same", &name).await, &made[number]);
    }
    assert_eq!(state::count(&app, "projects"), 5);
    // Another session of the same person is the same caller.
    let again = alice.login(
        json!({ "email": "alice@acme.example", "password": "securepass123", "tenant_slug": "acme-corp" }),
    );
    assert_replays(
        &create(&again.await, "the-same", "Project 0").await,
        &made[0],
    );
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let caller = keyed(&alice, "a");
    let role = json!({ "name": "auditor", "based_on": "viewer", "permissions": [] });
    let taken = alice.post("/api/v1/roles", role.clone()).await.expect(201);
    for _ in 0..2 {
        let refused = caller.post("/api/v1/roles", role.clone()).await;
        refused.problem(409, "role_name_taken");
    }
    let resource = json!({ "project_id": taken.id(), "name": "Sheet" });
    let refused = caller.post("/api/v1/resources", resource).await;
    refused.problem(404, "not_found");
    caller
        .post(PROJECTS, json!({ "name": "" }))
        .await
        .problem(422, "validation_failed");
    let taken = format!("/api/v1/roles/{}", taken.id());
    let _ = alice.delete(&taken).await.expect(204);
    let first = caller.post("/api/v1/roles", role.clone()).await.expect(201);
    assert_replays(&caller.post("/api/v1/roles", role).await, &first);
}

#[tokio::test]
async fn whoever_lost_the_right_gets_no_answer_again() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let member = alice.colleague("member").await;
    let first = create(&member, "a", "Atlas").await.expect(201);
    state::update_member(&app, "member@acme-corp.example", "role = 'viewer'");
    let stale = create(&member, "a", "Atlas").await;
    stale.problem(401, "token_stale");
    let login = json!({ "email": "member@acme-corp.example", "password": "correct horse", "tenant_slug": "acme-corp" });
    let viewer = alice.login(login.clone()).await;
    create(&viewer, "a", "Atlas")
        .await
        .problem(403, "forbidden");
    state::update_member(&app, "member@acme-corp.example", "role = 'member'");
    let member = alice.login(login).await;
    assert_replays(&create(&member, "a", "Atlas").await, &first);
    // A suspended tenant answers nothing, and has forgotten nothing.
    state::set_tenant_status(&app, "acme-corp", "suspended");
    create(&member, "a", "Atlas")
        .await
        .problem(403, "tenant_suspended");
    state::set_tenant_status(&app, "acme-corp", "active");
    assert_replays(&create(&member, "a", "Atlas").await, &first);
    let id = state::rows(
        &app,
        "(SELECT * FROM memberships WHERE email LIKE 'member@%')",
    );
    let id = serde_json::from_str::<Value>(&id).unwrap()[0]["id"].clone();
    let removed = format!("/api/v1/users/{}", id.as_str().unwrap());
    let _ = alice.delete(&removed).await.expect(204);
    let answer = create(&member, "a", "Atlas").await;
    assert!(matches!(answer.status(), 401 | 403), "{}", answer.text());
    assert!(!answer.text().contains("Atlas"));
}

#[tokio::test]
async fn ownership_is_handed_over_once_and_its_answer_is_for_owners() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let colleague = alice.colleague("admin").await;
    let me = colleague.get("/api/v1/users/me").await.json();
    let caller = keyed(&alice, "a");
    let body = json!({ "user_id": me["tenant"]["membership_id"] });
    let first = caller.post(TRANSFER, body.clone()).await.expect(200);
    assert!(!first.header("etag").is_empty());
    let again = caller.post(TRANSFER, body.clone()).await;
    again.problem(401, "token_stale");
    let alice = alice.login(json!({ "email": "alice@acme.example", "password": "securepass123" }));
    let again = keyed(&alice.await, "a").post(TRANSFER, body).await;
    again.problem(403, "forbidden");
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day_and_then_forgotten() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let day = "idempotency_keys WHERE expires_at - now() BETWEEN interval '23 hours 59 minutes' AND interval '24 hours'";
    let first = create(&alice, "old", "Atlas").await.expect(201);
    let _ = create(&bob, "old", "Globex").await.expect(201);
    let _ = create(&alice, "young", "Young").await.expect(201);
    assert_eq!(state::count(&app, day), 3);
    state::change(
        &app,
        "UPDATE idempotency_keys SET expires_at = now() WHERE key = 'old'",
    );
    state::set_tenant_status(&app, "globex-inc", "suspended");
    // Expired, it is a new key, for whatever request, whether or not it was forgotten.
    let second = create(&alice, "old", "Atlas again").await.expect(201);
    assert_ne!(first.id(), second.id());
    assert_replays(&create(&alice, "old", "Atlas again").await, &second);

    let retention = Retention {
        session_days: 30,
        job_days: 7,
        project_days: 30,
        denial_days: 90,
        read_days: 90,
    };
    let period = std::time::Duration::from_secs(3600);
    let run = || {
        app.identity()
            .run_chore(Chore::ForgetAnswers, period, retention, chrono::Utc::now())
    };
    let ran = |is_finished| Next::Ran { is_finished };
    // More than one batch.
    state::change(
        &app,
        "INSERT INTO idempotency_keys (tenant_id, actor_kind, actor_id, key, fingerprint, status, body, expires_at)
         SELECT id, 'user', id, n::text, sha256(''), 201, '{}', now() - interval '1 second'
         FROM tenants, generate_series(1, 600) n",
    );
    assert_eq!(state::count(&app, "idempotency_keys"), 1203);
    assert_eq!(run().await.unwrap(), ran(false));
    assert_eq!(state::count(&app, "idempotency_keys"), 203);
    assert_eq!(run().await.unwrap(), ran(true));
    assert_eq!(state::count(&app, "idempotency_keys"), 2);
    assert!(matches!(run().await.unwrap(), Next::In(_)));
    assert_replays(&create(&alice, "old", "Atlas again").await, &second);
}

#[tokio::test]
async fn the_longest_answer_is_kept_too() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let project = alice.create_project("First").await.id();
    // {"a":""} has eight bytes.
    let data = json!({ "a": "x".repeat(65_536 - 8) });
    let body = json!({ "project_id": project, "name": "x".repeat(200), "data": data });
    let caller = keyed(&alice, "a");
    let first = caller.post("/api/v1/resources", body.clone()).await;
    let first = first.expect(201);
    assert_replays(&caller.post("/api/v1/resources", body).await, &first);
}

#[tokio::test]
async fn a_kept_answer_is_seen_by_nobody_but_its_caller_and_holds_no_password() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let body = json!({ "email": "new@acme.example", "full_name": "New", "role": "viewer", "password": "correct horse" });
    let made = keyed(&alice, "a").post("/api/v1/users", body).await;
    let made = made.expect(201);
    let kept = state::rows(&app, "(SELECT key AS id, * FROM idempotency_keys)");
    assert!(kept.contains("new@acme.example"));
    assert!(!kept.contains("correct horse"), "{kept}");
    let table = |conn: &mut tenant_db::TenantConn<'_>| {
        let read = diesel::sql_query("SELECT FROM idempotency_keys").execute(conn);
        Ok::<_, tenant_db::Error>(read.map(drop)?)
    };
    let refused = app.tenants().run(context(&alice), table).await.unwrap_err();
    let tenant_db::Error::Query(refused) = refused else {
        unreachable!("{refused:?}")
    };
    let denied = "permission denied for table idempotency_keys";
    assert_eq!(refused.to_string(), denied);
    drop(made);
}

#[tokio::test]
async fn a_new_secret_key_knows_what_the_one_before_it_has_kept() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let first = create(&alice, "a", "Atlas").await.expect(201);
    let old = "a secret key of at least thirty-two bytes";
    let new = "another secret key of at least thirty-two bytes";
    for (previous, is_known) in [(vec![old.into()], true), (Vec::new(), false)] {
        let keys = auth::SecretKeys::new(new.into(), previous);
        let key = auth::FingerprintKey::derive(&keys);
        let beside = app
            .start_beside(|_, services| services.fingerprint_key = key)
            .await;
        let caller = beside.stranger().with_token(alice.token());
        let again = create(&caller, "a", "Atlas").await;
        if is_known {
            assert_replays(&again, &first);
        } else {
            again.problem(422, "idempotency_key_reused");
        }
    }
}
