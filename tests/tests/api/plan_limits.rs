//! What a plan allows, and the last one that fits: counted by the database, whoever asks at once.

use chrono::{DateTime, Datelike as _, Utc};
use diesel::prelude::*;
use rowhouse_tests::{Answer, Caller, Setup, TestApp, Work};
use serde_json::{Value, json};
use store::{PlanSettings, PlansSettings};
use tokio::task::JoinSet;

use crate::state;

const INVITATIONS: &str = "/api/v1/invitations";
const PROJECTS: &str = "/api/v1/projects";
const USERS: &str = "/api/v1/users";
const USAGE: &str = "/api/v1/tenant/usage";
const ROLES: &str = "/api/v1/roles";
const KEYS: &str = "/api/v1/api-keys";
const SEATS: &str = "memberships WHERE status = 'active' AND removed_at IS NULL";

/// Acme, free, and its owner, on a server where the free plan is this small.
async fn acme(max_members: u32, max_projects: u32) -> (TestApp, Caller) {
    acme_on(plans(max_members, max_projects)).await
}

async fn acme_on(plans: PlansSettings) -> (TestApp, Caller) {
    let app = TestApp::start_as(Setup {
        plans: Some(plans),
        worker: Some(Work::default()),
        ..Setup::default()
    })
    .await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    (app, alice)
}

fn plans(max_members: u32, max_projects: u32) -> PlansSettings {
    free(PlanSettings {
        max_members,
        max_projects,
        ..PlanSettings::default()
    })
}

fn free(free: PlanSettings) -> PlansSettings {
    PlansSettings {
        free,
        ..PlansSettings::default()
    }
}

fn set_tier(app: &TestApp, tier: &str) {
    diesel::sql_query(format!(
        "SELECT directory.set_tenant_tier('acme-corp', '{tier}')"
    ))
    .execute(&mut app.database().connect_as("rowhouse_ops"))
    .unwrap();
}

#[track_caller]
fn assert_full(answer: &Answer, resource: &str, limit: i64, current: i64) {
    let problem = answer.problem(402, "plan_limit_exceeded");
    let members = json!([problem["resource"], problem["limit"], problem["current"]]);
    assert_eq!(members, json!([resource, limit, current]), "{problem}");
    assert_eq!(problem.get("resets_at"), None);
}

fn user(email: &str) -> Value {
    json!({ "email": email, "full_name": "X", "role": "member", "password": "correct horse" })
}

async fn create(caller: &Caller) -> Answer {
    caller.post(PROJECTS, json!({ "name": "Another" })).await
}

async fn usage(caller: &Caller) -> Value {
    caller.get(USAGE).await.expect(200).json()
}

/// How many of these answers are what was asked for; all others are 402.
async fn count_made(answers: JoinSet<Answer>, status: u16) -> usize {
    let answers = answers.join_all().await;
    let made = answers.iter().filter(|answer| answer.status() == status);
    let made = made.count();
    for answer in answers.iter().filter(|answer| answer.status() != status) {
        drop(answer.problem(402, "plan_limit_exceeded"));
    }
    made
}

#[test]
fn the_default_plans_are_those_of_the_default_settings() {
    let text = include_str!("../../../config/default.toml");
    let plans = PlansSettings::default();
    for (tier, plan) in [
        ("free", plans.free),
        ("basic", plans.basic),
        ("premium", plans.premium),
        ("enterprise", plans.enterprise),
    ] {
        let section = format!(
            "[plans.{tier}]\nmax_members = {}\nmax_projects = {}\nmax_api_calls = {}\n\
             max_roles = {}\nmax_api_keys = {}\n",
            plan.max_members,
            plan.max_projects,
            plan.max_api_calls,
            plan.max_roles,
            plan.max_api_keys
        );
        assert!(text.contains(&section), "{section}");
    }
    assert_eq!((plans.free.max_members, plans.free.max_projects), (5, 10));
    assert_eq!(plans.premium.max_api_calls, 10_000_000);
}

#[tokio::test]
async fn of_sixty_four_projects_at_once_those_that_fit_are_made() {
    let (app, alice) = acme(0, 7).await;
    let other = app
        .start_beside_as(Setup {
            plans: Some(plans(0, 7)),
            ..Setup::default()
        })
        .await;
    let elsewhere = other.stranger().with_token(alice.token());
    drop(alice.create_project("First").await);
    let mut calls = JoinSet::new();
    for number in 0..64 {
        let caller = if number % 2 == 0 { &alice } else { &elsewhere };
        let caller = match number % 3 {
            0 => caller.with_header("idempotency-key", &format!("key-{number}")),
            _ => caller.clone(),
        };
        calls.spawn(async move { create(&caller).await });
    }
    assert_eq!(count_made(calls, 201).await, 6);
    assert_eq!(state::count(&app, "projects WHERE NOT is_deleted"), 7);
    assert_full(&create(&alice).await, "projects", 7, 7);
    // What another tenant has counts for nobody else.
    let bob = app.register("bob@globex.example", "globex-inc").await;
    drop(bob.create_project("First").await);
}

#[tokio::test]
async fn a_restored_project_needs_room_and_a_deleted_one_gives_it() {
    let (app, alice) = acme(0, 2).await;
    let first = alice.create_project("First").await.id();
    let second = alice.create_project("Second").await.id();
    let path = format!("{PROJECTS}/{first}");
    drop(alice.delete(&path).await.expect(204));
    drop(alice.create_project("Third").await);
    let restore = format!("{path}/restore");
    assert_full(&alice.post(&restore, json!({})).await, "projects", 2, 2);
    drop(
        alice
            .delete(&format!("{PROJECTS}/{second}"))
            .await
            .expect(204),
    );
    // Of many who restore at once there is room for one; for the others it stands already.
    drop(alice.post(&restore, json!({})).await.expect(200));
    assert_eq!(
        usage(&alice).await["projects"],
        json!({ "current": 2, "limit": 2 })
    );
    // Several deleted ones, and room for one of them.
    drop(alice.delete(&path).await.expect(204));
    let mut calls = JoinSet::new();
    for id in [&first, &second] {
        let (alice, path) = (alice.clone(), format!("{PROJECTS}/{id}/restore"));
        calls.spawn(async move { alice.post(&path, json!({})).await });
    }
    assert_eq!(count_made(calls, 200).await, 1);
    assert_eq!(state::count(&app, "projects WHERE NOT is_deleted"), 2);
}

#[tokio::test]
async fn of_sixty_four_members_and_invitations_at_once_those_that_fit_are_made() {
    let (app, alice) = acme(9, 0).await;
    let mut calls = JoinSet::new();
    for number in 0..64 {
        let (alice, email) = (alice.clone(), format!("user{number}@acme.example"));
        calls.spawn(async move {
            match number % 4 {
                0 => alice.post(USERS, user(&email)).await,
                1 => {
                    let body = json!({ "email": email, "full_name": "X", "role": "viewer" });
                    alice.post(USERS, body).await
                }
                2 => {
                    let body = json!({ "emails": [email], "role": "viewer" });
                    alice.post("/organization/add_users", body).await
                }
                _ => {
                    let body = json!({ "email": email, "role": "viewer" });
                    alice.post(INVITATIONS, body).await
                }
            }
        });
    }
    assert_eq!(count_made(calls, 201).await, 8);
    assert_eq!(
        state::count(&app, "memberships WHERE removed_at IS NULL"),
        9
    );
    assert_eq!(
        usage(&alice).await["members"],
        json!({ "current": 9, "limit": 9 })
    );
    assert_full(
        &alice.post(USERS, user("x@acme.example")).await,
        "members",
        9,
        9,
    );
    // Nothing of what was refused is left.
    assert_eq!(
        state::count(&app, "accounts WHERE email = 'x@acme.example'"),
        0
    );
}

#[tokio::test]
async fn many_who_are_invited_in_one_request_all_fit_or_none() {
    let (app, alice) = acme(3, 0).await;
    let invite = |emails: Value| {
        let alice = alice.clone();
        async move {
            let body = json!({ "emails": emails, "role": "viewer" });
            alice.post("/organization/add_users", body).await
        }
    };
    let three = json!(["a@x.example", "b@x.example", "c@x.example"]);
    assert_full(&invite(three).await, "members", 3, 1);
    assert_eq!(state::count(&app, "memberships"), 1);
    drop(
        invite(json!(["a@x.example", "b@x.example"]))
            .await
            .expect(201),
    );
}

#[tokio::test]
async fn an_invitation_that_ended_gives_its_place_and_takes_it_again_when_it_is_renewed() {
    let (app, alice) = acme(2, 0).await;
    let body = json!({ "email": "vera@home.example", "role": "viewer" });
    let vera = alice.post(INVITATIONS, body).await.expect(201).id();
    let resend = format!("{INVITATIONS}/{vera}/resend");
    let body = json!({ "email": "otto@home.example", "role": "viewer" });
    assert_full(
        &alice.post(INVITATIONS, body.clone()).await,
        "members",
        2,
        2,
    );
    // It stands, and is sent again without another place.
    drop(alice.post(&resend, json!({})).await.expect(200));
    state::change(
        &app,
        "UPDATE invitations SET expires_at = now() - interval '1 hour'",
    );
    assert_eq!(usage(&alice).await["members"]["current"], 1);
    let otto = alice.post(INVITATIONS, body).await.expect(201).id();
    assert_full(&alice.post(&resend, json!({})).await, "members", 2, 2);
    drop(
        alice
            .delete(&format!("{INVITATIONS}/{otto}"))
            .await
            .expect(204),
    );
    drop(alice.post(&resend, json!({})).await.expect(200));
    assert_eq!(usage(&alice).await["members"]["current"], 2);
}

/// The links of so many who were invited, one after the other.
async fn links(app: &TestApp, alice: &Caller, guests: usize) -> Vec<String> {
    let email = |number| format!("guest{number}@home.example");
    for number in 0..guests {
        let body = json!({ "email": email(number), "role": "viewer" });
        drop(alice.post(INVITATIONS, body).await.expect(201));
    }
    let mut links = Vec::new();
    for number in 0..guests {
        links.push(app.mail_to(&email(number), 1).await.token());
    }
    links
}

fn accepting(app: &TestApp, links: Vec<String>) -> JoinSet<Answer> {
    let mut calls = JoinSet::new();
    for token in links {
        let stranger = app.stranger();
        let body = json!({ "token": token, "password": "securepass123" });
        calls.spawn(async move { stranger.post("/api/v1/invitations/accept", body).await });
    }
    calls
}

/// By themselves, and by the owner.
fn coming(app: &TestApp, alice: &Caller, people: usize) -> JoinSet<Answer> {
    let mut calls = JoinSet::new();
    for number in 0..people {
        if number % 2 == 0 {
            let stranger = app.stranger();
            let body = json!({ "email": format!("joe{number}@home.example"),
                "password": "securepass123", "full_name": "Joe", "tenant_slug": "acme-corp" });
            calls.spawn(async move { stranger.post("/api/v1/auth/register", body).await });
        } else {
            let alice = alice.clone();
            let body = user(&format!("max{number}@acme.example"));
            calls.spawn(async move { alice.post(USERS, body).await });
        }
    }
    calls
}

#[tokio::test]
async fn of_sixty_four_who_accept_at_once_in_a_plan_that_shrank_those_that_fit_come_in() {
    let (app, alice) = acme(9, 0).await;
    let open = json!({ "signup": "open" });
    drop(alice.patch("/api/v1/tenant", open).await.expect(200));
    set_tier(&app, "enterprise");
    let links = links(&app, &alice, 64).await;
    set_tier(&app, "free");
    // Whoever was not invited finds no room at all, as all places are kept.
    let (accepting, coming) = (accepting(&app, links), coming(&app, &alice, 16));
    assert_eq!(count_made(accepting, 200).await, 8);
    assert_eq!(count_made(coming, 201).await, 0);
    assert_eq!(state::count(&app, SEATS), 9);
    // What was there stays, and there is no more of it.
    let members = usage(&alice).await["members"].clone();
    assert_eq!(members, json!({ "current": 65, "limit": 9 }));
    assert_full(
        &alice.post(USERS, user("x@acme.example")).await,
        "members",
        9,
        65,
    );
    drop(alice.get(USERS).await.expect(200));
}

#[tokio::test]
async fn of_sixty_four_who_accept_join_and_are_made_at_once_those_that_fit_come_in() {
    let (app, alice) = acme(28, 0).await;
    let open = json!({ "signup": "open" });
    drop(alice.patch("/api/v1/tenant", open).await.expect(200));
    let links = links(&app, &alice, 16).await;
    // Sixteen places are kept and the owner has one: there are eleven, for forty-eight.
    let (accepting, coming) = (accepting(&app, links), coming(&app, &alice, 48));
    assert_eq!(count_made(accepting, 200).await, 16);
    assert_eq!(count_made(coming, 201).await, 11);
    assert_eq!(state::count(&app, SEATS), 28);
    // Of those who were refused there is no account either.
    assert_eq!(state::count(&app, "accounts"), 28);
}

#[tokio::test]
async fn whoever_joins_by_open_sign_up_needs_room_too() {
    let (app, alice) = acme(3, 0).await;
    let open = json!({ "signup": "open" });
    drop(alice.patch("/api/v1/tenant", open).await.expect(200));
    let mut joining = JoinSet::new();
    for number in 0..64 {
        let stranger = app.stranger();
        joining.spawn(async move {
            let body = json!({ "email": format!("joe{number}@home.example"), "password": "securepass123",
                "full_name": "Joe", "tenant_slug": "acme-corp" });
            stranger.post("/api/v1/auth/register", body).await
        });
    }
    assert_eq!(count_made(joining, 201).await, 2);
    assert_eq!(state::count(&app, "memberships"), 3);
    // Of those who were refused there is no account either.
    assert_eq!(state::count(&app, "accounts"), 3);
    // Somebody from outside does not learn how many there are beyond the plan.
    set_tier(&app, "basic");
    drop(
        alice
            .post(USERS, user("max@acme.example"))
            .await
            .expect(201),
    );
    set_tier(&app, "free");
    let body = json!({ "email": "zoe@home.example", "password": "securepass123", "full_name": "Zoe",
        "tenant_slug": "acme-corp" });
    let answer = app.stranger().post("/api/v1/auth/register", body).await;
    assert_full(&answer, "members", 3, 3);
}

#[tokio::test]
async fn of_sixty_four_roles_and_keys_at_once_those_that_fit_are_made() {
    let (app, alice) = acme_on(free(PlanSettings {
        max_roles: 5,
        max_api_keys: 7,
        ..PlanSettings::default()
    }))
    .await;
    let role = |number: usize| {
        json!({ "name": format!("role{number}"), "based_on": "viewer",
            "permissions": ["projects:read"] })
    };
    let key = json!({ "name": "a program", "scopes": ["projects:read"] });
    let (mut roles, mut keys) = (JoinSet::new(), JoinSet::new());
    for number in 0..64 {
        let (caller, body) = (alice.clone(), role(number));
        roles.spawn(async move { caller.post(ROLES, body).await });
        let (caller, body) = (alice.clone(), key.clone());
        keys.spawn(async move { caller.post(KEYS, body).await });
    }
    assert_eq!(count_made(roles, 201).await, 5);
    assert_eq!(count_made(keys, 201).await, 7);
    assert_eq!(state::count(&app, "roles"), 5);
    assert_eq!(state::count(&app, "api_keys"), 7);
    assert_full(&alice.post(ROLES, role(64)).await, "roles", 5, 5);
    assert_full(&alice.post(KEYS, key.clone()).await, "api_keys", 7, 7);
    // One less gives room for one; the built-in roles need none.
    for (list, body, another) in [
        (ROLES, role(65), role(66)),
        (KEYS, key.clone(), key.clone()),
    ] {
        let all = alice.get(list).await.expect(200).json();
        let all = all["data"].as_array().unwrap();
        let own = all.iter().find(|it| it["built_in"] != true).unwrap();
        let path = format!("{list}/{}", own["id"].as_str().unwrap());
        drop(alice.delete(&path).await.expect(204));
        drop(alice.post(list, body).await.expect(201));
        let answer = alice.post(list, another).await;
        drop(answer.problem(402, "plan_limit_exceeded"));
    }
    // What another tenant has counts for nobody else.
    let bob = app.register("bob@globex.example", "globex-inc").await;
    drop(bob.post(ROLES, role(0)).await.expect(201));
    drop(bob.post(KEYS, key).await.expect(201));
}

/// The store's functions demand that somebody asks about room; so whatever makes a row without them
/// has to be looked at.
#[tokio::test]
async fn the_doors_that_make_what_plans_limit_are_these() {
    #[derive(QueryableByName)]
    struct Door {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let app = TestApp::start().await;
    let doors: Vec<Door> = diesel::sql_query(
        "SELECT p.oid::regproc::text AS name FROM pg_proc p \
         WHERE p.prosrc ~* 'INSERT INTO (public[.])?(memberships|invitations|projects|roles|api_keys)[ (]' \
             OR p.prosrc ~* 'is_deleted *= *false' \
         ORDER BY 1",
    )
    .load(&mut app.database().superuser())
    .unwrap();
    let doors: Vec<&str> = doors.iter().map(|door| door.name.as_str()).collect();
    assert_eq!(
        doors,
        [
            "directory.add_owner",
            "directory.create_managed_account",
            "directory.create_tenant",
            "directory.invite",
            "directory.join_tenant",
        ],
        "who calls a new door takes what it makes from a `Room`, see crates/store/src/plan_limits.rs"
    );
}

#[tokio::test]
async fn a_smaller_plan_takes_nothing_away() {
    let (app, alice) = acme(2, 2).await;
    set_tier(&app, "basic");
    let mut projects = Vec::new();
    for number in 0..4 {
        projects.push(
            alice
                .create_project(&format!("P{number}"))
                .await
                .expect(201)
                .id(),
        );
    }
    let max = alice.colleague("member").await;
    drop(alice.colleague("viewer").await);
    set_tier(&app, "free");
    assert_full(&create(&alice).await, "projects", 2, 4);
    assert_full(
        &alice.post(USERS, user("x@acme.example")).await,
        "members",
        2,
        3,
    );
    let path = format!("{PROJECTS}/{}", projects[0]);
    let body = json!({ "name": "Renamed" });
    drop(max.patch(&path, body).await.expect(200));
    drop(alice.delete(&path).await.expect(204));
    assert_full(&create(&alice).await, "projects", 2, 3);
    set_tier(&app, "enterprise");
    drop(create(&alice).await.expect(201));
    let now = usage(&alice).await;
    assert_eq!(now["projects"], json!({ "current": 4, "limit": null }));
    assert_eq!(now["members"], json!({ "current": 3, "limit": null }));
}

#[tokio::test]
async fn everybody_in_the_tenant_sees_what_it_has() {
    let (app, alice) = acme(5, 10).await;
    drop(alice.create_project("First").await);
    let viewer = alice.colleague("viewer").await;
    let (_, program) = alice.create_key(&["tenant:read"]).await;
    let month: DateTime<Utc> = Utc::now();
    let resets_at = store::end_of(store::month_of(month));
    for caller in [&alice, &viewer, &program] {
        let seen = usage(caller).await;
        let calls = seen["api_calls"]["current"].as_i64().unwrap();
        assert!(calls > 0, "{seen}");
        let resets_at = resets_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        assert_eq!(
            seen,
            json!({
                "members": { "current": 2, "limit": 5 }, "projects": { "current": 1, "limit": 10 },
                "api_calls": { "current": calls, "limit": null, "resets_at": resets_at },
            })
        );
    }
    assert_eq!(resets_at.day(), 1);
    let bob = app.register("bob@globex.example", "globex-inc").await;
    assert_eq!(usage(&bob).await["members"]["current"], 1);
    drop(
        app.stranger()
            .get(USAGE)
            .await
            .problem(401, "missing_token"),
    );
    let answer = alice.get(&format!("{USAGE}?month=2026-01")).await;
    drop(answer.problem(422, "validation_failed"));
}
