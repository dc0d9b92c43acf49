//! A project deleted, seen by those who may, and brought back.

use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::projects::{path, time};
use crate::state;

fn restore(id: &str) -> String {
    format!("{}/restore", path(id))
}

/// A project of `owner`, deleted.
async fn deleted(owner: &Caller) -> String {
    let id = owner.create_project("Atlas").await.id();
    let _ = owner.delete(&path(&id)).await.expect(204);
    id
}

#[tokio::test]
async fn a_deleted_project_is_gone_for_everybody_but_admins_who_ask_for_it() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let made = alice.create_project("Atlas").await;
    let (id, mut expected) = (made.id(), made.json());
    let answer = alice.delete(&path(&id)).await.expect(204);
    assert_eq!((answer.text(), answer.header("content-type")), ("", ""));
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.assert_framed();

    let missing = path(&Uuid::now_v7().to_string());
    for caller in [&alice, &alice.colleague("member").await] {
        let gone = caller.get(&path(&id)).await;
        assert_eq!(gone.essence(), caller.get(&missing).await.essence());
        gone.problem(404, "not_found");
        caller.delete(&path(&id)).await.problem(404, "not_found");
        let answer = caller.patch(&path(&id), json!({ "name": "X" })).await;
        answer.problem(404, "not_found");
        let answer = caller.patch(&path(&id), json!({})).await;
        answer.problem(404, "not_found");
    }
    let seen = alice
        .get(&format!("{}?deleted=true", path(&id)))
        .await
        .expect(200);
    let body = seen.json();
    assert_eq!(body["deleted_at"], body["updated_at"]);
    for (field, value) in [("is_deleted", json!(true)), ("version", json!(2))] {
        expected[field] = value;
    }
    for field in ["deleted_at", "updated_at"] {
        assert!(time(&body[field]) > time(&expected["created_at"]));
        expected[field] = body[field].clone();
    }
    assert_eq!(body, expected);
}

#[tokio::test]
async fn deleted_true_shows_deleted_projects_only_and_to_admins_only() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let standing = alice.create_project("Borealis").await.id();
    let gone = deleted(&alice).await;
    let ask = |id: &str| format!("{}?deleted=true", path(id));
    let admin = alice.colleague("admin").await;
    let _ = admin.get(&ask(&gone)).await.expect(200);
    admin.get(&ask(&standing)).await.problem(404, "not_found");
    let also = format!("{}?deleted=false", path(&standing));
    let _ = admin.get(&also).await.expect(200);
    for role in ["member", "viewer"] {
        let caller = alice.colleague(role).await;
        // The same for every id: the answer is about the question.
        for id in [&gone, &standing, &Uuid::now_v7().to_string()] {
            caller.get(&ask(id)).await.problem(403, "forbidden");
        }
    }
}

#[tokio::test]
async fn a_member_deletes_what_it_owns_and_nothing_else() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let member = alice.colleague("member").await;
    let own = member.create_project("Own").await.id();
    let foreign = alice.create_project("Alice's").await.id();
    let answer = member.delete(&path(&foreign)).await;
    answer.problem(403, "forbidden");
    let _ = alice.get(&path(&foreign)).await.expect(200);
    let _ = member.delete(&path(&own)).await.expect(204);
    let unknown = member.delete(&path(&Uuid::now_v7().to_string())).await;
    unknown.problem(404, "not_found");
    let admin = alice.colleague("admin").await;
    for project in [foreign, member.create_project("Another").await.id()] {
        let _ = admin.delete(&path(&project)).await.expect(204);
    }
}

#[tokio::test]
async fn a_member_who_became_a_viewer_deletes_nothing_any_more() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let member = alice.colleague("member").await;
    let own = member.create_project("Own").await.id();
    state::update_member(&app, "member@acme-corp.example", "role = 'viewer'");
    member.delete(&path(&own)).await.problem(401, "token_stale");
    let again = json!({ "email": "member@acme-corp.example", "password": "correct horse", "tenant_slug": "acme-corp" });
    let viewer = app.stranger().login(again).await;
    viewer.delete(&path(&own)).await.problem(403, "forbidden");
    let _ = viewer.get(&path(&own)).await.expect(200);
}

#[tokio::test]
async fn a_restored_project_is_what_it_was_but_for_its_version() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let made = alice
        .post(
            "/api/v1/projects",
            json!({ "name": "Atlas", "description": "Maps", "status": "completed" }),
        )
        .await
        .expect(201);
    let (id, mut expected) = (made.id(), made.json());
    let _ = alice.delete(&path(&id)).await.expect(204);
    let admin = alice.colleague("admin").await;
    let answer = admin
        .send(reqwest::Method::POST, &restore(&id), None)
        .await
        .expect(200);
    let body = answer.json();
    expected["version"] = json!(3);
    expected["updated_at"] = body["updated_at"].clone();
    assert_eq!(body, expected);
    assert_eq!(body["deleted_at"], Value::Null);
    answer.assert_framed();
    let found = alice.get(&path(&id)).await.expect(200);
    assert_eq!(
        (found.json(), found.header("etag")),
        (body, answer.header("etag"))
    );
    let asked = alice.get(&format!("{}?deleted=true", path(&id))).await;
    asked.problem(404, "not_found");
    let list = alice.get("/api/v1/projects?deleted=true").await.json();
    assert_eq!(list["data"], json!([]));
}

#[tokio::test]
async fn only_what_is_deleted_is_restored_and_only_by_admins() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let standing = alice.create_project("Borealis").await.id();
    let gone = deleted(&alice).await;
    let post = |caller: &Caller, id: &str| {
        let (caller, path) = (caller.clone(), restore(id));
        async move { caller.post(&path, json!({})).await }
    };
    post(&alice, &standing).await.problem(409, "not_deleted");
    for id in [Uuid::now_v7().to_string(), "nothing".to_owned()] {
        post(&alice, &id).await.problem(404, "not_found");
    }
    for role in ["member", "viewer"] {
        let caller = alice.colleague(role).await;
        for id in [&standing, &gone, &Uuid::now_v7().to_string()] {
            post(&caller, id).await.problem(403, "forbidden");
        }
    }
    let _ = post(&alice, &gone).await.expect(200);
    post(&alice, &gone).await.problem(409, "not_deleted");
}

#[tokio::test]
async fn a_restore_heeds_if_match() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let made = alice.create_project("Atlas").await;
    let (id, stale) = (made.id(), made.header("etag").to_owned());
    let _ = alice.delete(&path(&id)).await.expect(204);
    let seen = alice.get(&format!("{}?deleted=true", path(&id))).await;
    let stale = alice.with_header("if-match", &stale);
    let answer = stale.post(&restore(&id), json!({})).await;
    answer.problem(412, "precondition_failed");
    let fresh = alice.with_header("if-match", seen.header("etag"));
    let restored = fresh.post(&restore(&id), json!({})).await.expect(200);
    // Not deleted any more is what an answer says first.
    let again = fresh.post(&restore(&id), json!({})).await;
    again.problem(409, "not_deleted");
    let unknown = restore(&Uuid::now_v7().to_string());
    fresh
        .post(&unknown, json!({}))
        .await
        .problem(404, "not_found");
    let fresh = alice.with_header("if-match", restored.header("etag"));
    let _ = fresh.delete(&path(&id)).await.expect(204);
}

#[tokio::test]
async fn of_sixteen_who_delete_one_does_and_of_sixteen_who_restore_one_does() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let id = alice.create_project("Atlas").await.id();
    for (method, path, done, refused) in [
        (reqwest::Method::DELETE, path(&id), 204, (404, "not_found")),
        (
            reqwest::Method::POST,
            restore(&id),
            200,
            (409, "not_deleted"),
        ),
    ] {
        let mut callers = JoinSet::new();
        for _ in 0..16 {
            let (caller, method, path) = (alice.clone(), method.clone(), path.clone());
            callers.spawn(async move { caller.send(method, &path, None).await });
        }
        let mut winners = 0;
        for answer in callers.join_all().await {
            if answer.status() == done {
                winners += 1;
            } else {
                answer.problem(refused.0, refused.1);
            }
        }
        assert_eq!(winners, 1, "{method}");
    }
    assert_eq!(alice.get(&path(&id)).await.json()["version"], 3);
}
