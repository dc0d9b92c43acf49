//! `POST /tenant/transfer-ownership`.

use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::projects::refusal;
use crate::state;

const TRANSFER: &str = "/api/v1/tenant/transfer-ownership";

async fn own_id(caller: &Caller) -> String {
    let me = caller.get("/api/v1/users/me").await.expect(200).json();
    me["tenant"]["membership_id"].as_str().unwrap().to_owned()
}

fn to(id: &str) -> Value {
    json!({ "user_id": id })
}

fn owners(app: &TestApp) -> i64 {
    state::count(
        app,
        "memberships m JOIN tenants t ON t.id = m.tenant_id
         WHERE t.slug = 'acme-corp' AND role = 'owner' AND m.status = 'active' AND removed_at IS NULL",
    )
}

async fn role_of(app: &TestApp, email: &str, password: &str) -> Value {
    let body = json!({ "email": email, "password": password, "tenant_slug": "acme-corp" });
    let answer = app.stranger().post("/api/v1/auth/login", body).await;
    answer.expect(200).json()["tenant"]["role"].clone()
}

#[tokio::test]
async fn the_owner_hands_over_and_stays_as_an_admin() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let max = alice.colleague("member").await;
    let tenant = alice.get("/api/v1/tenant").await.expect(200).json();
    let answer = alice.post(TRANSFER, to(&own_id(&max).await)).await;
    assert_eq!(answer.expect(200).json(), tenant);
    for caller in [&alice, &max] {
        let answer = caller.get("/api/v1/projects").await;
        answer.problem(401, "token_stale");
    }
    let alices = role_of(&app, "alice@acme.example", "securepass123").await;
    let maxs = role_of(&app, "member@acme-corp.example", "correct horse").await;
    assert_eq!((alices, maxs), (json!("admin"), json!("owner")));
    assert_eq!(owners(&app), 1);
}

#[tokio::test]
async fn nobody_but_an_owner_hands_over() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let before = state::rows_of(&app, "globex-inc");
    let max = own_id(&alice.colleague("member").await).await;
    for role in ["admin", "viewer"] {
        let answer = alice.colleague(role).await.post(TRANSFER, to(&max)).await;
        answer.problem(403, "forbidden");
    }
    // A neighbour's member is nobody.
    bob.post(TRANSFER, to(&max)).await.problem(404, "not_found");
    assert_eq!(owners(&app), 1);
    assert_eq!(state::rows_of(&app, "globex-inc"), before);
}

#[tokio::test]
async fn only_an_active_member_takes_over() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let own = own_id(&alice).await;
    alice
        .post(TRANSFER, to(&own))
        .await
        .problem(409, "conflict");
    let max = own_id(&alice.colleague("member").await).await;
    for status in ["suspended", "invited"] {
        let set = format!("status = '{status}'");
        state::update_member(&app, "member@acme-corp.example", &set);
        alice
            .post(TRANSFER, to(&max))
            .await
            .problem(409, "conflict");
    }
    state::update_member(
        &app,
        "member@acme-corp.example",
        "status = 'active', removed_at = now()",
    );
    let nobody = "0198c0de-0000-7000-8000-000000000001";
    for id in [&max, nobody] {
        alice.post(TRANSFER, to(id)).await.problem(404, "not_found");
    }
    for (body, pointer, code) in [
        (json!({}), "/user_id", "missing_field"),
        (json!({ "user_id": null }), "/user_id", "wrong_type"),
        (json!({ "user_id": 7 }), "/user_id", "wrong_type"),
        (
            json!({ "user_id": max, "role": "owner" }),
            "/role",
            "unknown_field",
        ),
    ] {
        let answer = alice.post(TRANSFER, body).await;
        assert_eq!(answer.refusals(), refusal(pointer, code));
    }
    let answer = alice.post(TRANSFER, to("max")).await;
    answer.problem(422, "validation_failed");
    assert_eq!(owners(&app), 1);
    // Nothing of all that made the owner's token stale.
    let _ = alice.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn of_sixteen_handovers_at_once_one_counts() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let mut heirs = Vec::new();
    for number in 0..16 {
        let email = format!("heir{number}@acme.example");
        let body = json!({ "email": email, "full_name": "Heir", "role": "member", "password": "correct horse" });
        heirs.push(alice.post("/api/v1/users", body).await.expect(201).id());
    }
    let mut handovers = JoinSet::new();
    for heir in heirs {
        let alice = alice.clone();
        handovers.spawn(async move { alice.post(TRANSFER, to(&heir)).await });
    }
    let mut done = 0;
    for answer in handovers.join_all().await {
        match answer.status() {
            200 => done += 1,
            _ => drop(answer.problem(401, "token_stale")),
        }
    }
    assert_eq!((done, owners(&app)), (1, 1));
}

#[tokio::test]
async fn two_owners_who_hand_over_to_each_other_leave_an_owner() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let olga = alice.colleague("owner").await;
    let (alices, olgas) = (own_id(&alice).await, own_id(&olga).await);
    let mut calls = JoinSet::new();
    for (owner, heir) in [(&alice, &olgas), (&olga, &alices)].repeat(4) {
        let (owner, body) = (owner.clone(), to(heir));
        calls.spawn(async move { owner.post(TRANSFER, body).await });
    }
    for answer in calls.join_all().await {
        assert!(matches!(answer.status(), 200 | 401), "{answer:?}");
    }
    assert!(owners(&app) >= 1);
}
