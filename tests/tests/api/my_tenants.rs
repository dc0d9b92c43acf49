//! `GET /users/me/tenants`: where an account can go.

use rowhouse_tests::{Answer, TestApp};
use serde_json::{Value, json};

use crate::refresh::{Session, sign_in, sign_in_managed};
use crate::{rows::principal, state};

const TENANTS: &str = "/api/v1/users/me/tenants";
const ALICE: &str = "alice@acme.example";

fn names(page: &Answer) -> Vec<String> {
    let body = page.json();
    let data = body["data"].as_array().unwrap().iter();
    data.map(|tenant| tenant["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Alice founds a tenant of each of these names, and Bob one of his own.
async fn founder_of(names: &[&str]) -> (TestApp, Session) {
    let app = TestApp::start().await;
    let _ = app.register("bob@globex.example", "globex-inc").await;
    for (number, name) in names.iter().enumerate() {
        let body = json!({
            "email": ALICE, "password": "securepass123", "full_name": "Alice",
            "tenant_slug": format!("alices-{number}"), "tenant_name": name,
        });
        let answer = app.stranger().post("/api/v1/auth/register", body).await;
        let _ = answer.expect(201);
    }
    let session = sign_in(&app, ALICE).await;
    (app, session)
}

#[tokio::test]
async fn an_account_sees_its_tenants_by_name_whether_it_stands_in_one_or_not() {
    let (app, homeless) = founder_of(&["Zebra", "acme", "Äpfel", "Acme", "Mint"]).await;
    state::set_tenant_status(&app, "alices-4", "suspended");
    let body = json!({ "tenant_slug": "alices-1" });
    let answer = homeless.caller.post("/api/v1/auth/switch", body).await;
    let at_home = Session::of(&app, &answer.expect(200));
    let answer = at_home.caller.get(TENANTS).await.expect(200);
    assert_eq!(names(&answer), ["acme", "Acme", "Mint", "Zebra", "Äpfel"]);
    let body = answer.json();
    assert_eq!(body["next_cursor"], Value::Null);
    for (row, slug, status) in [(0, "alices-1", "active"), (2, "alices-4", "suspended")] {
        let tenant = &body["data"][row];
        assert_eq!(
            *tenant,
            json!({
                "id": tenant["id"],
                "slug": slug,
                "name": tenant["name"],
                "role": "owner",
                "status": status,
                "membership_id": tenant["membership_id"],
            })
        );
    }
    let me = at_home.caller.get("/api/v1/users/me").await.json();
    assert_eq!(body["data"][0]["id"], me["tenant"]["id"]);
    assert_eq!(
        body["data"][0]["membership_id"],
        me["tenant"]["membership_id"]
    );
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    answer.assert_framed();
}

#[tokio::test]
async fn whoever_belongs_to_no_tenant_has_an_empty_list() {
    let app = TestApp::start().await;
    let body = json!({ "email": ALICE, "password": "securepass123", "full_name": "Alice" });
    let answer = app.stranger().post("/api/v1/auth/register", body).await;
    let alice = Session::of(&app, &answer.expect(201));
    let answer = alice.caller.get(TENANTS).await.expect(200);
    assert_eq!(answer.json(), json!({ "data": [], "next_cursor": null }));
}

#[tokio::test]
async fn a_tenant_that_one_may_not_enter_as_a_member_is_not_listed() {
    let (app, session) = founder_of(&["One", "Two"]).await;
    let body = json!({ "tenant_slug": "alices-0" });
    let answer = session.caller.post("/api/v1/auth/switch", body).await;
    let session = Session::of(&app, &answer.expect(200));
    // A tenant keeps an owner.
    let _ = session.caller.colleague("owner").await;
    for (assignment, left) in [
        ("status = 'suspended'", vec!["Two"]),
        ("removed_at = now(), status = 'active'", vec!["Two"]),
        ("removed_at = NULL", vec!["One", "Two"]),
    ] {
        state::change(
            &app,
            &format!(
                "UPDATE memberships SET {assignment}
                 WHERE email = '{ALICE}' AND tenant_id = (SELECT id FROM tenants WHERE slug = 'alices-0')"
            ),
        );
        let answer = session.caller.get(TENANTS).await.expect(200);
        assert_eq!(names(&answer), left, "{assignment}");
    }
}

#[tokio::test]
async fn a_managed_account_sees_its_own_tenant() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let _ = alice.colleague("viewer").await;
    let body = json!({ "email": "viewer@acme-corp.example", "full_name": "V", "role": "admin", "password": "correct horse" });
    let _ = bob.post("/api/v1/users", body).await.expect(201);
    let session = sign_in_managed(&app, "viewer").await;
    let body = session.caller.get(TENANTS).await.expect(200).json();
    let tenant = principal(&alice).tenant.unwrap();
    assert_eq!(body["data"].as_array().unwrap().len(), 1);
    assert_eq!(body["data"][0]["id"], json!(tenant.id));
    assert_eq!(body["data"][0]["role"], "viewer");
}

#[tokio::test]
async fn walking_by_cursor_yields_each_tenant_once() {
    let all = ["a", "A", "b", "ß", "c", "C"].map(|letter| format!("{letter} & Sons"));
    let (_app, session) = founder_of(&all.each_ref().map(String::as_str)).await;
    let whole = names(&session.caller.get(TENANTS).await.expect(200));
    assert_eq!(whole.len(), 6);
    let (mut walked, mut next) = (Vec::new(), format!("{TENANTS}?limit=1"));
    loop {
        let page = session.caller.get(&next).await.expect(200);
        walked.extend(names(&page));
        match page.json()["next_cursor"].as_str() {
            Some(cursor) => next = format!("{TENANTS}?limit=1&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(walked, whole);
}
