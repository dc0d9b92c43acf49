//! `rowhouse-admin tenant`: companies and their owners.

use rowhouse_tests::TestApp;
use serde_json::{Value, json};

use super::{admin, admin_with, done, done_as_json, refused, text};

#[tokio::test]
async fn a_tenant_is_made_and_given_an_owner_who_enters_it() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let made = done_as_json(
        &app,
        &["tenant", "create", "initech", "--name", "Initech Ltd"],
    );
    assert_eq!(made["name"], "Initech Ltd");
    assert_eq!(made["status"], "active");
    assert_eq!(made["members"], 0);
    let owned = done_as_json(
        &app,
        &["tenant", "add-owner", "initech", "Alice@Acme.example"],
    );
    assert_eq!(owned["members"], 1);
    let switch = json!({ "tenant_slug": "initech" });
    let switched = alice.post("/api/v1/auth/switch", switch).await.expect(200);
    assert_eq!(switched.json()["tenant"]["role"], "owner");

    // Again: nothing changes.
    let again = done_as_json(
        &app,
        &["tenant", "add-owner", "initech", "alice@acme.example"],
    );
    assert_eq!(again, owned);
    let list = done(&app, &["tenant", "list"]);
    assert!(
        list.contains("acme-corp") && list.contains("Initech Ltd"),
        "{list}"
    );
    assert_eq!(
        done_as_json(&app, &["tenant", "show", "initech"]),
        done_as_json(&app, &["tenant", "list"])
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone()
    );
}

#[tokio::test]
async fn a_member_whom_the_tenant_manages_becomes_its_owner_too() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let vera = alice.colleague("viewer").await;
    let email = "viewer@acme-corp.example";
    let added = done_as_json(&app, &["tenant", "add-owner", "acme-corp", email]);
    assert_eq!(added["members"], 2);
    drop(
        vera.get("/api/v1/projects")
            .await
            .problem(401, "token_stale"),
    );
    let login = json!({ "email": email, "password": "correct horse", "tenant_slug": "acme-corp" });
    let vera = vera.login(login).await;
    let me = vera.get("/api/v1/users/me").await.expect(200).json();
    assert_eq!(me["tenant"]["role"], "owner");
}

#[tokio::test]
async fn whoever_has_not_registered_is_invited_to_own_the_tenant() {
    let app = TestApp::start_with_mails().await;
    drop(done(
        &app,
        &["tenant", "create", "initech", "--name", "Initech"],
    ));
    let boss = "boss@initech.example";
    for members in [1, 1] {
        let invited = admin(&app, &["tenant", "add-owner", "initech", boss, "--json"]);
        assert!(text(&invited.stderr).contains("is invited by mail"));
        let tenant: Value = serde_json::from_slice(&invited.stdout).unwrap();
        assert_eq!(tenant["members"], members);
    }
    // The second mail replaces the first, which may never have been sent.
    let token = loop {
        let mails = app.mails();
        let accept = match mails.last() {
            Some(mail) => {
                let body = json!({ "token": mail.token(), "password": "securepass123" });
                app.stranger()
                    .post("/api/v1/invitations/accept", body)
                    .await
            }
            None => continue,
        };
        if accept.status() == 200 {
            break accept.json()["access_token"].as_str().unwrap().to_owned();
        }
        accept.problem(401, "invalid_token");
    };
    let owner = app.stranger().with_token(token);
    let me = owner.get("/api/v1/users/me").await.expect(200).json();
    assert_eq!(me["tenant"]["role"], "owner");
}

#[tokio::test]
async fn a_suspended_tenant_is_shut_with_the_next_request_until_it_is_activated() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let bob = app.register("bob@globex.example", "globex-inc").await;
    let suspended = done_as_json(&app, &["tenant", "suspend", "acme-corp"]);
    assert_eq!(suspended["status"], "suspended");
    let answer = alice.get("/api/v1/projects").await;
    drop(answer.problem(403, "tenant_suspended"));
    drop(bob.get("/api/v1/projects").await.expect(200));
    drop(done(&app, &["tenant", "activate", "acme-corp"]));
    drop(alice.get("/api/v1/projects").await.expect(200));
}

#[tokio::test]
async fn tier_and_limits_are_what_the_tenant_reads() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    drop(done(&app, &["tenant", "set-tier", "acme-corp", "premium"]));
    let limits = [
        "tenant",
        "set-limits",
        "acme-corp",
        "--per-minute",
        "50",
        "--burst",
        "5",
    ];
    drop(done(&app, &limits));
    let tenant = alice.get("/api/v1/tenant").await.expect(200).json();
    assert_eq!(tenant["subscription_tier"], "premium");
    assert_eq!(tenant["rate_limit_per_minute"], 50);
    assert_eq!(tenant["rate_limit_burst"], 5);
    drop(done(&app, &["tenant", "set-limits", "acme-corp"]));
    let tenant = alice.get("/api/v1/tenant").await.expect(200).json();
    assert_eq!(tenant["rate_limit_per_minute"], Value::Null);
}

#[tokio::test]
async fn a_tenant_is_erased_at_once_when_its_slug_is_said_twice() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let bob = app.register("bob@globex.example", "globex-inc").await;
    // Roles that members have are in the way of nothing.
    let _ = alice
        .colleague_with("auditor", "viewer", &["projects:read"])
        .await;
    let _ = alice.create_project("Atlas").await;
    let theirs = bob.create_project("Globex").await.id();
    let before = done_as_json(&app, &["tenant", "show", "acme-corp"]);
    for (arguments, why) in [
        (&["tenant", "erase", "acme-corp"][..], "--confirm"),
        (
            &["tenant", "erase", "acme-corp", "--confirm", "acme-corps"],
            "nothing was erased",
        ),
        (
            &["tenant", "erase", "nowhere", "--confirm", "nowhere"],
            "there is no tenant nowhere",
        ),
    ] {
        refused(&app, 2, arguments, why);
    }
    assert_eq!(done_as_json(&app, &["tenant", "show", "acme-corp"]), before);
    let erase = ["tenant", "erase", "acme-corp", "--confirm", "acme-corp"];
    assert_eq!(done_as_json(&app, &erase), before);
    let why = "there is no tenant acme-corp";
    refused(&app, 2, &erase, why);
    drop(
        alice
            .get("/api/v1/projects")
            .await
            .problem(401, "token_stale"),
    );
    let project = format!("/api/v1/projects/{theirs}");
    drop(bob.get(&project).await.expect(200));
    drop(app.register("dora@home.example", "acme-corp").await);
}

#[tokio::test]
async fn what_is_to_be_erased_is_shown_and_needs_no_grace_to_be_over() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let shown = done_as_json(&app, &["tenant", "show", "acme-corp"]);
    assert_eq!(shown["erase_after"], Value::Null);
    let deleted = alice.delete("/api/v1/tenant").await.expect(202).json();
    let shown = done_as_json(&app, &["tenant", "show", "acme-corp"]);
    assert_eq!(shown["status"], "deleting");
    assert_eq!(shown["erase_after"], deleted["erase_after"]);
    let day = deleted["erase_after"]
        .as_str()
        .unwrap()
        .split('T')
        .next()
        .unwrap()
        .to_owned();
    let table = done(&app, &["tenant", "show", "acme-corp"]);
    assert!(table.contains(&day), "{table}");
    for refused_command in ["activate", "suspend"] {
        let why = "acme-corp is about to be erased";
        refused(&app, 1, &["tenant", refused_command, "acme-corp"], why);
    }
    let erase = ["tenant", "erase", "acme-corp", "--confirm", "acme-corp"];
    let _ = done(&app, &erase);
    assert!(!done(&app, &["tenant", "list"]).contains("acme-corp"));
}

#[tokio::test]
async fn a_feature_is_turned_off_and_on_and_left_to_the_tier() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    for (setting, enabled, source) in [
        ("off", false, "tenant"),
        ("on", true, "tenant"),
        ("default", true, "tier"),
    ] {
        let set = ["tenant", "set-feature", "acme-corp", "api_keys", setting];
        drop(done(&app, &set));
        let features = alice.get("/api/v1/tenant/features").await.expect(200);
        let expected = json!({ "name": "api_keys", "enabled": enabled, "source": source });
        assert_eq!(features.json()["data"][0], expected);
    }
}

#[tokio::test]
async fn a_tenant_that_is_full_gets_no_more_owners_but_those_that_it_has() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    drop(alice.colleague("member").await);
    let full = [("ROWHOUSE__PLANS__FREE__MAX_MEMBERS", "2")];
    let add = |email| {
        let arguments = ["tenant", "add-owner", "acme-corp", email];
        admin_with(&app, &full, &arguments)
    };
    for _ in 0..2 {
        let refused = add("boss@home.example");
        assert_eq!(refused.status.code(), Some(1));
        let why = text(&refused.stderr);
        assert!(why.contains("the plan allows 2 members"), "{why}");
    }
    let users = alice.get("/api/v1/users").await.expect(200).json();
    assert_eq!(users["data"].as_array().unwrap().len(), 2, "{users}");
    // Somebody who is in already takes no new place.
    assert!(add("member@acme-corp.example").status.success());
}
