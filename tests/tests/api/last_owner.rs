//! A tenant keeps an owner, whatever its owners do at once.

use reqwest::Method;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::state;

const REPETITIONS: usize = 20;
const OWNERS: usize = 8;

/// The owners of a new tenant, each with the path of their own membership.
async fn owners(app: &TestApp, slug: &str) -> Vec<(Caller, String)> {
    let founder = app.register(&format!("founder@{slug}.example"), slug).await;
    let me = founder.get("/api/v1/users/me").await.expect(200).json();
    let id = me["tenant"]["membership_id"].as_str().unwrap();
    let mut owners = vec![(founder.clone(), format!("/api/v1/users/{id}"))];
    for number in 1..OWNERS {
        let email = format!("owner{number}@{slug}.example");
        let body = json!({ "email": email, "full_name": "Owner", "role": "owner", "password": "correct horse" });
        let id = founder.post("/api/v1/users", body).await.expect(201).id();
        let login = json!({ "email": email, "password": "correct horse", "tenant_slug": slug });
        owners.push((founder.login(login).await, format!("/api/v1/users/{id}")));
    }
    owners
}

/// Every way in which one owner can take an owner away: themselves, or the next one.
fn ways(own: &str, next: &str) -> [(Method, String, Option<Value>); 8] {
    let demote = Some(json!({ "role": "viewer" }));
    let suspend = Some(json!({ "status": "suspended" }));
    [
        (Method::PATCH, own.to_owned(), demote.clone()),
        (Method::PATCH, next.to_owned(), demote),
        (Method::PATCH, own.to_owned(), suspend.clone()),
        (Method::PATCH, next.to_owned(), suspend),
        (Method::DELETE, own.to_owned(), None),
        (Method::DELETE, next.to_owned(), None),
        (Method::DELETE, "/api/v1/users/me".to_owned(), None),
        (Method::DELETE, "/api/v1/users/me".to_owned(), None),
    ]
}

/// To hand over to the next one.
fn hand_over(next: &str) -> (Method, String, Option<Value>) {
    let id = next.rsplit('/').next().unwrap();
    let path = "/api/v1/tenant/transfer-ownership".to_owned();
    (Method::POST, path, Some(json!({ "user_id": id })))
}

#[tokio::test]
async fn of_owners_who_go_at_once_in_every_way_exactly_one_stays() {
    let app = TestApp::start().await;
    for repetition in 0..REPETITIONS {
        let slug = format!("tenant-{repetition}");
        let owners = owners(&app, &slug).await;
        let mut calls = JoinSet::new();
        for (number, (owner, path)) in owners.iter().enumerate() {
            let (_, next) = &owners[(number + 1) % OWNERS];
            let mut ways = ways(path, next);
            // Who is handed the tenant may have gone before: then more than one can stay.
            let hands_over = repetition % 2 == 1;
            if hands_over {
                ways[7] = hand_over(next);
            }
            for (method, path, body) in ways {
                let owner = owner.clone();
                calls.spawn(async move { owner.send(method, &path, body).await });
            }
        }
        assert_eq!(calls.len(), 64);
        while let Some(answer) = calls.join_next().await {
            let answer = answer.unwrap();
            assert!(answer.status() < 500, "{answer:?}");
        }
        let left = state::count(
            &app,
            &format!(
                "memberships m JOIN tenants t ON t.id = m.tenant_id JOIN accounts a ON a.id = m.account_id
                 WHERE t.slug = '{slug}' AND m.role = 'owner' AND m.status = 'active'
                     AND m.removed_at IS NULL AND a.removed_at IS NULL"
            ),
        );
        let is_right = left == 1 || repetition % 2 == 1 && left > 1;
        assert!(is_right, "{left} in repetition {repetition}");
    }
}
