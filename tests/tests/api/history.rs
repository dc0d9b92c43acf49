//! `/{projects,resources,users}/{id}/history`: who has set each field last.

use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};

use crate::audit_events::own_id;
use crate::projects::path;
use crate::{resources, state};

async fn history(caller: &Caller, object: &str) -> Value {
    caller
        .get(&format!("{object}/history"))
        .await
        .expect(200)
        .json()
}

#[tokio::test]
async fn each_field_is_blamed_on_whoever_set_it_last() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let member = alice.colleague("member").await;
    let viewer = alice.colleague("viewer").await;
    let (alices, members) = (own_id(&alice).await, own_id(&member).await);
    let project = path(&alice.create_project("Atlas").await.id());
    drop(
        member
            .patch(&project, json!({ "name": "Atlas 2" }))
            .await
            .expect(200),
    );
    drop(
        alice
            .patch(&project, json!({ "name": "Atlas 3" }))
            .await
            .expect(200),
    );
    drop(
        member
            .patch(&project, json!({ "status": "completed" }))
            .await
            .expect(200),
    );
    let told = history(&viewer, &project).await;
    let events = told["data"].as_array().unwrap();
    assert_eq!(events.len(), 4);
    let author = |id: &str, event: usize| json!({ "actor": { "kind": "user", "id": id }, "at": events[event]["at"] });
    assert_eq!(
        told["fields"],
        json!({
            "name": author(&alices, 1),
            "status": author(&members, 0),
            "version": author(&members, 0),
            "owner_id": author(&alices, 3),
            "created_at": author(&alices, 3),
            "is_deleted": author(&alices, 3),
            // Empty from the start.
            "description": author(&alices, 3),
            "deleted_at": author(&alices, 3),
        })
    );
    assert_eq!(told["next_cursor"], Value::Null);
    assert_eq!(
        events[0]["changes"]["status"],
        json!({ "before": "active", "after": "completed" })
    );
    // Where somebody was is not for everybody.
    assert_eq!(events[0]["address"], Value::Null);
    assert_eq!(
        history(&alice, &project).await["data"][0]["address"],
        "127.0.0.1"
    );
}

#[tokio::test]
async fn a_resource_and_a_member_have_their_history_too() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let viewer = alice.colleague("viewer").await;
    let alices = own_id(&alice).await;
    let resource = resources::path(&resources::create(&alice, json!({ "a": 1 })).await.id());
    let member = alice.colleague("member").await;
    drop(
        member
            .patch(&resource, json!({ "data": { "a": 2 } }))
            .await
            .expect(200),
    );
    let told = history(&viewer, &resource).await;
    assert_eq!(
        told["fields"]["data"]["actor"]["id"],
        own_id(&member).await.as_str()
    );
    assert_eq!(told["fields"]["name"]["actor"]["id"], alices.as_str());
    assert_eq!(told["fields"]["type"]["actor"]["id"], alices.as_str());
    assert_eq!(
        told["data"][0]["changes"]["data"]["after"],
        json!({ "a": 2 })
    );

    let id = own_id(&viewer).await;
    let user = format!("/api/v1/users/{id}");
    drop(
        alice
            .patch(&user, json!({ "role": "member" }))
            .await
            .expect(200),
    );
    let told = history(&alice, &user).await;
    assert_eq!(told["fields"]["role"]["at"], told["data"][0]["at"]);
    assert_eq!(told["fields"]["full_name"]["actor"]["id"], alices.as_str());
    let fields: Vec<&String> = told["fields"].as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        ["created_at", "email", "full_name", "role", "status"]
    );
    assert_eq!(
        told["data"][0]["object"],
        json!({ "type": "users", "id": id })
    );
    assert!(!told.to_string().contains("account_id"));
}

#[tokio::test]
async fn what_is_not_there_has_no_history() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let resource = resources::create(&alice, json!({})).await.id();
    let user = own_id(&alice).await;
    for (list, id) in [
        ("projects", &project),
        ("resources", &resource),
        ("users", &user),
    ] {
        let object = format!("/api/v1/{list}/{id}");
        drop(alice.get(&format!("{object}/history")).await.expect(200));
        let (foreign, missing) = (
            bob.get(&format!("{object}/history")).await,
            bob.get(&object).await,
        );
        assert_eq!(foreign.essence(), missing.essence());
        for id in ["0198c0de-0000-7000-8000-000000000001", "x"] {
            let answer = alice.get(&format!("/api/v1/{list}/{id}/history")).await;
            drop(answer.problem(404, "not_found"));
        }
    }
    drop(alice.delete(&path(&project)).await.expect(204));
    let answer = alice.get(&format!("{}/history", path(&project))).await;
    drop(answer.problem(404, "not_found"));
    drop(alice.delete(&resources::path(&resource)).await.expect(204));
    let answer = alice
        .get(&format!("{}/history", resources::path(&resource)))
        .await;
    drop(answer.problem(404, "not_found"));
}

#[tokio::test]
async fn a_history_is_paged_and_its_cursor_is_its_own() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let project = path(&alice.create_project("Atlas").await.id());
    let other = path(&alice.create_project("Other").await.id());
    for number in 0..4 {
        let body = json!({ "name": format!("Atlas {number}") });
        drop(alice.patch(&project, body).await.expect(200));
    }
    let whole = history(&alice, &project).await;
    let mut events = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = alice
            .get(&format!("{project}/history?limit=2{cursor}"))
            .await
            .expect(200);
        let page = answer.json();
        assert_eq!(page["fields"], whole["fields"]);
        events.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        assert!(answer.header("link").contains("rel=\"next\""));
        cursor = format!("&cursor={next}");
        let answer = alice.get(&format!("{other}/history?limit=2{cursor}")).await;
        assert_eq!(answer.refusals()[0].0, "/cursor");
    }
    assert_eq!(json!(events), whole["data"]);
    for query in ["limit=0", "limit=101", "deleted=true", "actor=x"] {
        let answer = alice.get(&format!("{project}/history?{query}")).await;
        drop(answer.problem(422, "validation_failed"));
    }
}

#[tokio::test]
async fn where_no_event_tells_nobody_is_blamed() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let id = alice.create_project("Atlas").await.id();
    drop(
        alice
            .patch(&path(&id), json!({ "name": "Atlas 2" }))
            .await
            .expect(200),
    );
    // As it is where a row is older than the trail.
    state::change(
        &app,
        &format!("DELETE FROM tenancy.audit_events WHERE object_id = '{id}' AND action = 'insert'"),
    );
    let told = history(&alice, &path(&id)).await;
    assert_eq!(told["fields"]["description"], Value::Null);
    assert_eq!(
        told["fields"]["name"]["actor"]["id"],
        own_id(&alice).await.as_str()
    );
}
