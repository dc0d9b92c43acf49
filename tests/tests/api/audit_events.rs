//! `/audit/events`: what was changed in a tenant, as its admins read it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::Method;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};

use crate::projects::path;
use crate::refresh::Session;
use crate::rows::principal;
use crate::state;

pub(crate) const EVENTS: &str = "/api/v1/audit/events";

/// The id that `/users` shows of whoever asks.
pub(crate) async fn own_id(caller: &Caller) -> String {
    let me = caller.get("/api/v1/users/me").await.expect(200).json();
    me["tenant"]["membership_id"].as_str().unwrap().to_owned()
}

/// The events that this query finds, all pages of them.
pub(crate) async fn events(caller: &Caller, query: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = caller
            .get(&format!("{EVENTS}?limit=3&{query}{cursor}"))
            .await;
        let page = page.expect(200).json();
        found.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else {
            return found;
        };
        cursor = format!("&cursor={next}");
    }
}

fn ids(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_event_says_who_changed_what_when_and_by_which_request() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let member = alice.colleague("member").await;
    let before = Utc::now();
    let named = member.with_header("x-request-id", "renames-atlas");
    let body = json!({ "name": "Atlas 2", "status": "completed" });
    drop(named.patch(&path(&project), body).await.expect(200));
    let found = events(
        &alice,
        &format!("object_type=projects&object_id={project}&action=update"),
    )
    .await;
    let [event] = found.as_slice() else {
        panic!("{found:?}")
    };
    let at: DateTime<Utc> = event["at"].as_str().unwrap().parse().unwrap();
    assert!(before <= at && at <= Utc::now(), "{at}");
    let changes = &event["changes"];
    assert_eq!(
        *event,
        json!({
            "id": event["id"], "seq": null, "at": event["at"],
            "actor": { "kind": "user", "id": own_id(&member).await },
            "action": "update",
            "object": { "type": "projects", "id": project },
            "changes": {
                "name": { "before": "Atlas", "after": "Atlas 2" },
                "status": { "before": "active", "after": "completed" },
                "version": changes["version"],
            },
            "request_id": "renames-atlas", "address": "127.0.0.1",
        })
    );
    let (id, key) = alice.create_key(&["projects:write", "projects:read"]).await;
    drop(key.create_project("By a key").await);
    let found = events(&alice, &format!("actor={id}")).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["actor"], json!({ "kind": "key", "id": id }));
    // Nobody is told the id of anybody's account.
    let all = json!(events(&alice, "").await).to_string();
    for caller in [&alice, &member] {
        assert!(!all.contains(&principal(caller).account.to_string()));
    }
    assert!(!all.contains("account_id"));
}

#[tokio::test]
async fn what_is_asked_for_is_found_and_nothing_else() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let member = alice.colleague("member").await;
    let first = alice.create_project("First").await.id();
    let middle = events(&alice, &format!("object_id={first}")).await[0]["at"].clone();
    let middle = middle.as_str().unwrap();
    let second = member.create_project("Second").await.id();
    drop(alice.delete(&path(&second)).await.expect(204));
    let all = events(&alice, "").await;
    let own = own_id(&member).await;
    let of = |test: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        all.iter().filter(|event| test(event)).cloned().collect()
    };
    let at = |event: &Value| {
        event["at"]
            .as_str()
            .unwrap()
            .parse::<DateTime<Utc>>()
            .unwrap()
    };
    let time: DateTime<Utc> = middle.parse().unwrap();
    for (query, expected) in [
        (
            format!("actor={own}"),
            of(&|event| event["actor"]["id"] == own.as_str()),
        ),
        (
            "action=insert".to_owned(),
            of(&|event| event["action"] == "insert"),
        ),
        (
            "object_type=users".to_owned(),
            of(&|event| event["object"]["type"] == "users"),
        ),
        (
            "object_type=tenant".to_owned(),
            of(&|event| event["object"]["type"] == "tenant"),
        ),
        (
            format!("object_id={second}"),
            of(&|event| event["object"]["id"] == second.as_str()),
        ),
        (format!("from={middle}"), of(&|event| at(event) >= time)),
        (format!("to={middle}"), of(&|event| at(event) < time)),
        (
            format!("from={middle}&object_type=projects&action=update"),
            of(&|event| {
                at(event) >= time
                    && event["action"] == "update"
                    && event["object"]["type"] == "projects"
            }),
        ),
    ] {
        assert!(!expected.is_empty(), "{query}");
        assert_eq!(events(&alice, &query).await, expected, "{query}");
    }
    for query in [
        "object_type=nothing",
        "actor=0198c0de-0000-7000-8000-000000000001",
        "to=1969-01-01T00:00:00Z",
        "from=9999-12-31T23:59:59Z",
    ] {
        assert_eq!(events(&alice, query).await, Vec::<Value>::new(), "{query}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_by_name() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    let long = "x".repeat(201);
    for (query, parameter) in [
        ("actor=alice", "/actor"),
        ("action=read", "/action"),
        ("action=INSERT", "/action"),
        ("object_type=", "/object_type"),
        ("object_type=Projects", "/object_type"),
        ("object_type=projects%3B--", "/object_type"),
        ("object_id=", "/object_id"),
        (&format!("object_id={long}"), "/object_id"),
        (&format!("object_type={long}"), "/object_type"),
        ("from=yesterday", "/from"),
        ("from=2026-01-01", "/from"),
        ("to=2026-01-01T00:00:00", "/to"),
        ("from=2026-02-01T00:00:00Z&to=2026-02-01T00:00:00Z", "/to"),
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("cursor=x", "/cursor"),
        ("tenant_id=x", "/tenant_id"),
        ("actor=x&actor=y", "/actor"),
    ] {
        let answer = alice.get(&format!("{EVENTS}?{query}")).await;
        let refusals: Vec<String> = answer.refusals().into_iter().map(|(at, _)| at).collect();
        assert_eq!(refusals, [parameter], "{query}");
    }
    // A cursor is good for its own tenant and its own filters.
    let page = alice
        .get(&format!("{EVENTS}?limit=1"))
        .await
        .expect(200)
        .json();
    let cursor = page["next_cursor"].as_str().unwrap();
    for (caller, query) in [(&bob, ""), (&alice, "&action=insert")] {
        let answer = caller
            .get(&format!("{EVENTS}?limit=1&cursor={cursor}{query}"))
            .await;
        assert_eq!(answer.refusals()[0].0, "/cursor");
    }
}

#[tokio::test]
async fn nobody_below_an_admin_reads_the_trail_and_nobody_that_of_another_tenant() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    let project = alice.create_project("Secret Atlas").await.id();
    let paths = [
        "events",
        "events/export?format=csv",
        "events/export?format=jsonl",
        "denials",
        "reads",
    ]
    .map(|list| format!("/api/v1/audit/{list}"));
    for role in ["viewer", "member"] {
        let caller = alice.colleague(role).await;
        for path in &paths {
            for method in [Method::GET, Method::HEAD] {
                let answer = caller.send(method, path, None).await;
                assert_eq!(answer.status(), 403, "{role} {path}");
            }
        }
    }
    let blind = alice
        .colleague_with("blind", "admin", &["projects:read", "users:read"])
        .await;
    let auditor = alice
        .colleague_with("auditor", "admin", &["audit:read"])
        .await;
    for path in &paths {
        drop(blind.get(path).await.problem(403, "forbidden"));
        drop(auditor.get(path).await.expect(200));
    }
    let own = own_id(&alice).await;
    for query in [
        "".to_owned(),
        format!("object_id={project}"),
        format!("actor={own}"),
    ] {
        let found = json!(events(&bob, &query).await).to_string();
        for word in ["Secret Atlas", "alice@", "acme", &project, &own] {
            assert!(!found.contains(word), "{query}: {word}");
        }
    }
    assert_eq!(
        events(&bob, &format!("object_id={project}")).await,
        Vec::<Value>::new()
    );
    assert_eq!(
        events(&bob, &format!("actor={own}")).await,
        Vec::<Value>::new()
    );
}

#[tokio::test]
async fn a_cursor_goes_on_where_it_was_while_others_write() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    for number in 0..7 {
        drop(alice.create_project(&format!("Project {number}")).await);
    }
    let before = events(&alice, "").await;
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = alice
            .get(&format!("{EVENTS}?limit=2{cursor}"))
            .await
            .expect(200);
        let link = page.headers().get("link").is_some();
        let page = page.json();
        paged.extend(page["data"].as_array().unwrap().clone());
        drop(alice.create_project("Meanwhile").await);
        let Some(next) = page["next_cursor"].as_str() else {
            assert!(!link);
            break;
        };
        assert!(link);
        cursor = format!("&cursor={next}");
    }
    assert_eq!(ids(&paged), ids(&before));
    let sorted: BTreeSet<&str> = ids(&before).into_iter().collect();
    let newest_first: Vec<&str> = sorted.into_iter().rev().collect();
    assert_eq!(ids(&before), newest_first);
}

#[tokio::test]
async fn events_get_their_place_in_the_chain_once_they_are_sealed() {
    let app = TestApp::start_with_mails().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    drop(alice.create_project("Atlas").await);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut seqs: Vec<Option<i64>> = events(&alice, "")
            .await
            .iter()
            .map(|event| event["seq"].as_i64())
            .collect();
        if seqs.iter().all(Option::is_some) {
            seqs.reverse();
            let expected: Vec<Option<i64>> = (1..).map(Some).take(seqs.len()).collect();
            assert_eq!(seqs, expected);
            return;
        }
        assert!(Instant::now() < deadline, "{seqs:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn whoever_left_stays_who_they_were_and_what_was_deleted_is_still_told_of() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let member = alice.colleague("member").await;
    let id = own_id(&member).await;
    let project = member.create_project("Atlas").await.id();
    drop(
        alice
            .delete(&format!("/api/v1/users/{id}"))
            .await
            .expect(204),
    );
    drop(alice.delete(&path(&project)).await.expect(204));
    let found = events(&alice, &format!("object_id={project}&action=insert")).await;
    assert_eq!(found[0]["actor"], json!({ "kind": "user", "id": id }));
    assert_eq!(
        events(&alice, &format!("actor={id}&action=insert")).await,
        found
    );
}

/// What was recorded of somebody whose account is the tenant's own goes with them, whoever removes
/// them; somebody with an account of their own deletes that.
#[tokio::test]
async fn of_a_managed_member_who_is_gone_nothing_personal_is_left_and_the_chain_holds() {
    let (app, alice, _) = TestApp::two_tenants().await;
    state::set_signup(&app, "acme-corp", "open");
    let join = json!({ "email": "bob@globex.example", "password": "securepass123", "full_name": "Bob",
        "tenant_slug": "acme-corp" });
    let joined = app.stranger().post("/api/v1/auth/register", join).await;
    let bob = Session::of(&app, &joined.expect(201)).caller;
    let (removed, leaving, ending) = (
        alice.colleague("member").await,
        alice.colleague("admin").await,
        alice.colleague("viewer").await,
    );
    let mut ids = Vec::new();
    for caller in [&removed, &leaving, &ending, &bob] {
        ids.push(own_id(caller).await);
    }
    drop(removed.create_project("Atlas").await);
    drop(leaving.create_project("Borealis").await);
    // Some of it is sealed, and some is not.
    for waiting in app.identity().tenants_to_seal(10).await.unwrap() {
        let sealed = app.identity().seal_events(waiting.tenant.into(), 100).await;
        assert!(sealed.unwrap() > 0);
    }
    drop(removed.create_project("Caldera").await);
    let emails = ["member", "admin", "viewer"].map(|role| format!("{role}@acme-corp.example"));
    let before = json!(events(&alice, "").await).to_string();
    assert!(
        emails.iter().all(|email| before.contains(email)),
        "{before}"
    );

    let user = |id: &str| format!("/api/v1/users/{id}");
    drop(alice.delete(&user(&ids[0])).await.expect(204));
    drop(leaving.delete(&user(&ids[1])).await.expect(204));
    drop(ending.delete("/api/v1/users/me").await.expect(204));
    drop(alice.delete(&user(&ids[3])).await.expect(204));

    let after = json!(events(&alice, "").await).to_string();
    assert!(emails.iter().all(|email| !after.contains(email)), "{after}");
    assert!(after.contains("bob@globex.example"));
    for id in &ids[..3] {
        let of_object = events(&alice, &format!("object_type=users&object_id={id}")).await;
        assert!(of_object.len() >= 2);
        assert!(
            of_object
                .iter()
                .all(|event| event["changes"] == Value::Null),
            "{of_object:?}"
        );
    }
    // What they did stays, without where they were.
    for (id, least) in [(&ids[0], 2), (&ids[1], 2), (&ids[2], 1)] {
        let done = events(&alice, &format!("actor={id}")).await;
        assert!(done.len() >= least, "{done:?}");
        assert!(
            done.iter().all(|event| event["address"] == Value::Null),
            "{done:?}"
        );
    }
    let removals = events(
        &alice,
        &format!("object_id={}&actor={}", ids[0], own_id(&alice).await),
    )
    .await;
    assert_eq!(removals[0]["address"], "127.0.0.1");
    let flaws = "tenancy.audit_heads h, tenancy.audit_chain(h.tenant_id, 0, 1000) c WHERE c.state";
    assert_eq!(
        state::count(&app, &format!("{flaws} IN ('changed', 'missing')")),
        0
    );
    assert!(state::count(&app, &format!("{flaws} = 'erased'")) > 3);
    let unsealed =
        "tenants t, tenancy.audit_unsealed(t.id) u WHERE u.state NOT IN ('whole', 'erased')";
    assert_eq!(state::count(&app, unsealed), 0);
}

#[tokio::test]
async fn times_among_changes_are_those_that_the_object_shows() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let odd = "2026-01-02T03:04:05.120000+00:00";
    let made = alice
        .post("/api/v1/projects", json!({ "name": odd }))
        .await
        .expect(201)
        .json();
    let id = made["id"].as_str().unwrap();
    drop(alice.delete(&path(id)).await.expect(204));
    let shown = alice
        .get("/api/v1/projects?deleted=true")
        .await
        .expect(200)
        .json();
    let found = events(&alice, &format!("object_type=projects&object_id={id}")).await;
    let [deleted, inserted] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        inserted["changes"]["created_at"]["after"],
        made["created_at"]
    );
    assert_eq!(
        deleted["changes"]["deleted_at"]["after"],
        shown["data"][0]["deleted_at"]
    );
    assert!(made["created_at"].as_str().unwrap().ends_with('Z'));
    // A name is what somebody wrote.
    assert_eq!(inserted["changes"]["name"]["after"], odd);
}
