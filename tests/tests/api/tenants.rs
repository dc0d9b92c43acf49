//! `POST /tenants`: how somebody who has an account founds another company.

use rowhouse_tests::{Caller, Setup, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::refresh::{Session, sign_in};
use crate::state;

const TENANTS: &str = "/api/v1/tenants";

async fn homeless(app: &TestApp) -> Session {
    let body =
        json!({ "email": "carol@home.example", "password": "securepass123", "full_name": "Carol" });
    let answer = app.stranger().post("/api/v1/auth/register", body).await;
    Session::of(app, &answer.expect(201))
}

async fn slug_of(caller: &Caller, name: &str) -> String {
    let made = caller.post(TENANTS, json!({ "name": name })).await;
    made.expect(201).json()["slug"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn whoever_founds_a_tenant_owns_it_and_the_session_stays_where_it_stood() {
    let app = TestApp::start().await;
    let carol = homeless(&app).await.caller;
    let body = json!({ "name": "Initech", "slug": "initech-inc" });
    let made = carol.post(TENANTS, body).await.expect(201);
    assert_eq!(made.header("location"), "/api/v1/tenant");
    let tenant = made.json();
    assert_eq!(tenant["slug"], "initech-inc");
    assert_eq!(tenant["subdomain"], "initech-inc");
    assert_eq!(tenant["subscription_tier"], "free");
    assert_eq!(tenant["signup"], "closed");

    let me = carol.get("/api/v1/users/me").await.expect(200).json();
    assert_eq!(me["tenant"], Value::Null);
    let switched = carol
        .post("/api/v1/auth/switch", json!({ "tenant_id": tenant["id"] }))
        .await;
    let there = Session::of(&app, &switched.expect(200)).caller;
    assert_eq!(there.get("/api/v1/tenant").await.expect(200).json(), tenant);
    let me = there.get("/api/v1/users/me").await.expect(200).json();
    assert_eq!(me["tenant"]["role"], "owner");
}

#[tokio::test]
async fn a_slug_that_nobody_chose_is_made_of_the_name_and_never_refused() {
    let app = TestApp::start().await;
    let carol = homeless(&app).await.caller;
    assert_eq!(slug_of(&carol, "Café Zürich & Co.").await, "cafe-zurich-co");
    let second = slug_of(&carol, "Café Zürich & Co.").await;
    let end = second.strip_prefix("cafe-zurich-co-").unwrap();
    assert_eq!(end.len(), 4, "{second}");
    let long = "n".repeat(100);
    assert_eq!(slug_of(&carol, &long).await.len(), 63);
    assert_eq!(slug_of(&carol, &long).await.len(), 63);
}

#[tokio::test]
async fn what_makes_no_tenant_is_named() {
    let app = TestApp::start().await;
    let carol = homeless(&app).await.caller;
    for (body, pointer) in [
        (json!({}), "/name"),
        (json!({ "name": 7 }), "/name"),
        (json!({ "name": "" }), "/name"),
        (json!({ "name": "n".repeat(201) }), "/name"),
        (json!({ "name": "東京" }), "/slug"),
        (json!({ "name": "Admin" }), "/slug"),
        (json!({ "name": "Acme", "slug": "A" }), "/slug"),
        (json!({ "name": "Acme", "slug": "acme\u{0}corp" }), "/slug"),
        (json!({ "name": "Acme", "tier": "enterprise" }), "/tier"),
    ] {
        let problem = carol.post(TENANTS, body).await;
        let problem = problem.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    drop(
        app.stranger()
            .post(TENANTS, json!({ "name": "Acme" }))
            .await
            .problem(401, "missing_token"),
    );
    let chosen = json!({ "name": "Acme", "slug": "acme-corp" });
    drop(carol.post(TENANTS, chosen.clone()).await.expect(201));
    drop(carol.post(TENANTS, chosen).await.problem(409, "slug_taken"));
}

#[tokio::test]
async fn a_managed_account_founds_nothing() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let anna = alice.colleague("admin").await;
    let answer = anna.post(TENANTS, json!({ "name": "Mine" })).await;
    drop(answer.problem(403, "forbidden"));
    let tenants = anna.get("/api/v1/users/me/tenants").await.expect(200);
    assert_eq!(tenants.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn of_many_who_want_one_slug_at_once_one_gets_it() {
    let app = TestApp::start().await;
    drop(homeless(&app).await);
    let mut founders = JoinSet::new();
    for _ in 0..8 {
        let carol = sign_in(&app, "carol@home.example").await.caller;
        founders.spawn(async move {
            let body = json!({ "name": "Initech", "slug": "initech" });
            carol.post(TENANTS, body).await.status()
        });
    }
    let mut statuses = founders.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn of_thirty_two_tenants_at_once_an_account_founds_as_many_as_it_may() {
    let app = TestApp::start_as(Setup {
        max_tenants_per_account: 3,
        ..Setup::default()
    })
    .await;
    let register = |email: &str, slug: &str| {
        let stranger = app.stranger();
        let body = json!({ "email": email, "password": "securepass123", "full_name": "Carol",
            "tenant_slug": slug });
        async move { stranger.post("/api/v1/auth/register", body).await }
    };
    let carol = homeless(&app).await.caller;
    drop(
        register("carol@home.example", "first-inc")
            .await
            .expect(201),
    );
    let mut founding = JoinSet::new();
    for number in 0..32 {
        let carol = carol.clone();
        let body = json!({ "name": format!("Number {number}") });
        founding.spawn(async move { carol.post(TENANTS, body).await });
    }
    let answers = founding.join_all().await;
    let made = answers.iter().filter(|answer| answer.status() == 201);
    assert_eq!(made.count(), 2);
    for answer in answers.iter().filter(|answer| answer.status() != 201) {
        let problem = answer.problem(409, "too_many_tenants");
        assert_eq!(problem["detail"], "an account owns at most 3 tenants");
    }
    // By no other way either; and what is deleted counts until it is gone.
    let again = register("carol@home.example", "fifth-inc").await;
    drop(again.problem(409, "too_many_tenants"));
    state::change(
        &app,
        "UPDATE tenants SET status = 'deleting', erase_after = now() + interval '1 day' \
         WHERE slug = 'first-inc'",
    );
    let body = json!({ "name": "Number 33" });
    drop(
        carol
            .post(TENANTS, body)
            .await
            .problem(409, "too_many_tenants"),
    );
    assert_eq!(state::count(&app, "tenants"), 3);
    // Somebody else may, and Carol may join them.
    let bob = app.register("bob@globex.example", "globex-inc").await;
    let open = json!({ "signup": "open" });
    drop(bob.patch("/api/v1/tenant", open).await.expect(200));
    drop(
        register("carol@home.example", "globex-inc")
            .await
            .expect(201),
    );
}
