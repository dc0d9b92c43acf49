//! Jobs of tenants, from the request that leaves one to the mail that comes of it.

use std::collections::BTreeSet;

use rowhouse_tests::{TestApp, Work};
use serde_json::json;

use crate::state;

const USERS: &str = "/api/v1/users";

fn colleague(email: &str) -> serde_json::Value {
    json!({ "email": email, "full_name": "Vera", "role": "viewer", "password": "correct horse" })
}

#[tokio::test]
async fn a_person_whom_an_admin_makes_an_account_gets_a_mail() {
    let app = TestApp::start_with_mails().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let answer = alice
        .post(USERS, colleague("vera@acme.example"))
        .await
        .expect(201);
    let mail = app.mail_to("vera@acme.example", 1).await;
    assert_eq!(mail.subject, "An account was made for you");
    assert!(mail.source.contains("acme-corp"));
    assert!(!mail.source.contains("token=") && !mail.source.contains("correct horse"));
    state::until(&app, "jobs WHERE status = 'done' AND attempts = 1", 1).await;
    // Ids, and nothing else.
    let payload = format!(
        "jobs WHERE payload = '{{\"membership_id\": \"{}\"}}'",
        answer.id()
    );
    assert_eq!(state::count(&app, &payload), 1);
}

#[tokio::test]
async fn a_request_that_is_rolled_back_leaves_no_job() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let _ = alice
        .post(USERS, colleague("vera@acme.example"))
        .await
        .expect(201);
    assert_eq!(state::count(&app, "jobs"), 1);
    let answer = alice.post(USERS, colleague("vera@acme.example")).await;
    answer.problem(409, "email_taken");
    assert_eq!(state::count(&app, "jobs"), 1);
}

#[tokio::test]
async fn the_jobs_of_a_suspended_tenant_wait() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let _ = alice
        .post(USERS, colleague("vera@acme.example"))
        .await
        .expect(201);
    let _ = bob
        .post(USERS, colleague("vera@globex.example"))
        .await
        .expect(201);
    state::change(&app, "DELETE FROM account_mails");
    state::set_tenant_status(&app, "acme-corp", "suspended");
    let _worker = app.start_worker(&Work::default());
    let _ = app.mail_to("vera@globex.example", 1).await;
    let waiting = "jobs WHERE status = 'queued' AND attempts = 0";
    assert_eq!(state::count(&app, waiting), 1);
    assert_eq!(app.mails().len(), 1);
    state::set_tenant_status(&app, "acme-corp", "active");
    let _ = app.mail_to("vera@acme.example", 1).await;
}

#[tokio::test]
async fn a_member_who_was_removed_meanwhile_gets_no_mail() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let vera = alice
        .post(USERS, colleague("vera@acme.example"))
        .await
        .expect(201)
        .id();
    let _ = alice.delete(&format!("{USERS}/{vera}")).await.expect(204);
    state::change(&app, "DELETE FROM account_mails");
    let _worker = app.start_worker(&Work::default());
    state::until(&app, "jobs WHERE status = 'done'", 1).await;
    assert_eq!(app.mails().len(), 0);
}

#[tokio::test]
async fn three_workers_do_each_job_once() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    state::change(&app, "DELETE FROM account_mails");
    for number in 0..30 {
        let email = format!("vera{number}@acme.example");
        let _ = alice.post(USERS, colleague(&email)).await.expect(201);
    }
    let workers: Vec<_> = (0..3).map(|_| app.start_worker(&Work::default())).collect();
    state::until(&app, "jobs WHERE status = 'done'", 30).await;
    // At least once is what is promised; where nobody dies and no lease ends, it is once.
    assert_eq!(state::count(&app, "jobs WHERE attempts <> 1"), 0);
    let mails = app.mails();
    let recipients: BTreeSet<_> = mails.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!((mails.len(), recipients.len()), (30, 30));
    drop(workers);
}

#[tokio::test]
async fn a_job_that_nobody_can_read_is_dead_with_its_error() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    state::change(
        &app,
        "INSERT INTO jobs (tenant_id, id, kind, payload)
         SELECT id, gen_random_uuid(), 'welcome_member', '{\"membership_id\": 7}' FROM tenants WHERE slug = 'acme-corp';
         INSERT INTO jobs (tenant_id, id, kind, payload)
         SELECT id, gen_random_uuid(), 'of_a_newer_version', '{}' FROM tenants WHERE slug = 'acme-corp'",
    );
    let _worker = app.start_worker(&Work::default());
    let dead = "jobs WHERE status = 'dead' AND attempts = 1 AND finished_at IS NOT NULL
                AND last_error LIKE 'the job is not what its kind says: %'";
    state::until(&app, dead, 1).await;
    // What only a newer worker knows is left to it.
    let left = "jobs WHERE kind = 'of_a_newer_version' AND status = 'queued' AND attempts = 0";
    assert_eq!(state::count(&app, left), 1);
}

#[tokio::test]
async fn of_two_workers_one_runs_what_runs_by_the_clock() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    state::change(
        &app,
        "UPDATE sessions SET revoked_at = now() - interval '31 days' WHERE account_id IN
             (SELECT id FROM accounts WHERE email LIKE 'bob%');
         INSERT INTO jobs (tenant_id, id, kind, payload, status, finished_at)
         SELECT id, gen_random_uuid(), 'x', '{}', word, now() - interval '8 days'
         FROM tenants, (VALUES ('done'), ('dead')) AS status (word) WHERE slug = 'acme-corp'",
    );
    let _workers = [(); 2].map(|()| app.start_worker(&Work::default()));
    for runs in 1..=3 {
        state::until(
            &app,
            &format!("schedule WHERE name <> 'audit_checkpoint' AND runs = {runs}"),
            6,
        )
        .await;
        // What is dead stays, and so does who is signed in.
        assert_eq!(
            state::count(&app, "jobs WHERE status = 'done' AND kind = 'x'"),
            0
        );
        assert_eq!(state::count(&app, "jobs WHERE status = 'dead'"), 1);
        assert_eq!(state::count(&app, "sessions"), 1);
        let _ = alice.get("/api/v1/projects").await.expect(200);
        // An hour later, for both at once.
        state::change(
            &app,
            "UPDATE schedule SET last_run_at = now() - interval '2 hours'",
        );
    }
}
