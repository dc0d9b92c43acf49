//! `rowhouse-admin job`: what is listed of the outboxes, and how a dead job comes back.

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::{Caller, TestApp, Work};
use serde_json::{Value, json};

use super::{admin, done, done_as_json, refused, text};

/// A job of the caller's tenant that no worker has seen, and whom it is about.
async fn welcome(app: &TestApp, caller: &Caller, email: &str) -> (String, String) {
    let body = json!({ "email": email, "full_name": "Vera", "role": "viewer", "password": "correct horse" });
    let member = caller.post("/api/v1/users", body).await.expect(201).id();
    let listed = done_as_json(app, &["job", "list", "--limit", "1"]);
    (ids(&listed).pop().unwrap().to_owned(), member)
}

fn set(app: &TestApp, job: &str, columns: &str) {
    let sql = format!("UPDATE jobs SET {columns} WHERE id = '{job}'");
    app.database().superuser().batch_execute(&sql).unwrap();
}

const DEAD: &str = "status = 'dead', finished_at = now(), attempts = 20, \
    last_error = E'the mail server said \"no\"\\nand more'";

fn ids(listed: &Value) -> Vec<&str> {
    let listed = listed.as_array().unwrap().iter();
    listed.map(|job| job["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_dead_job_is_found_put_back_and_done_and_its_tenant_can_read_who_did_it() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let (job, member) = welcome(&app, &alice, "vera@acme.example").await;
    set(&app, &job, DEAD);
    let listed = done_as_json(&app, &["job", "list", "--state", "dead"]);
    let dead = &listed[0];
    let expected = json!([{
        "id": job, "tenant": "acme-corp", "kind": "welcome_member", "state": "dead", "attempts": 20,
        "due_at": dead["due_at"], "created_at": dead["created_at"], "finished_at": dead["finished_at"],
        "error": "the mail server said \"no\"\nand more",
    }]);
    assert_eq!(listed, expected);
    assert!(dead["finished_at"].is_string(), "{dead}");
    let line = done(&app, &["job", "list"]);
    assert_eq!(line.lines().count(), 1, "{line}");
    for expected in [
        " dead acme-corp welcome_member attempts=20 due=",
        r#" error="the mail server said \"no\"\nand more" "#,
        &format!(" id={job}"),
    ] {
        assert!(line.contains(expected), "{expected} in {line}");
    }
    // Whom it is about is the tenant's own.
    assert!(!line.contains(&member) && !listed.to_string().contains(&member));

    let retried = done_as_json(&app, &["job", "retry", &job]);
    assert_eq!(retried, json!({ "id": job, "state": "waiting" }));
    let waiting = done_as_json(&app, &["job", "list", "--state", "waiting"]);
    assert_eq!(ids(&waiting), [job.as_str()]);
    let _worker = app.start_worker(&Work::default());
    drop(app.mail_to("vera@acme.example", 1).await);

    let events = format!("/api/v1/audit/events?object_id={job}");
    let seen = alice.get(&events).await.expect(200).json();
    assert_eq!(seen["data"].as_array().unwrap().len(), 1, "{seen}");
    let event = &seen["data"][0];
    assert_eq!(event["actor"]["kind"], "system");
    assert_eq!(event["object"], json!({ "type": "jobs", "id": job }));
    let status = json!({ "status": { "before": "dead", "after": "queued" } });
    assert_eq!(event["changes"], status);
    let theirs = bob.get(&events).await.expect(200).json();
    assert_eq!(theirs["data"], json!([]));
}

#[tokio::test]
async fn jobs_are_listed_by_tenant_by_state_and_in_pages() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    assert_eq!(done_as_json(&app, &["job", "list"]), json!([]));
    assert_eq!(done(&app, &["job", "list"]), "");
    let (first, _) = welcome(&app, &alice, "vera@acme.example").await;
    let (second, _) = welcome(&app, &alice, "vito@acme.example").await;
    let (third, _) = welcome(&app, &bob, "vera@globex.example").await;
    let (fourth, _) = welcome(&app, &bob, "vito@globex.example").await;
    set(
        &app,
        &second,
        "status = 'running', worker = gen_random_uuid(), attempts = 1",
    );
    set(&app, &third, DEAD);
    set(&app, &fourth, "status = 'done', finished_at = now()");
    for (options, expected) in [
        (&[][..], vec![&third, &second, &first]),
        (&["--tenant", "acme-corp"], vec![&second, &first]),
        (&["--tenant", "globex-inc"], vec![&third]),
        (&["--state", "running"], vec![&second]),
        (&["--tenant", "acme-corp", "--state", "dead"], vec![]),
        (&["--limit", "2"], vec![&third, &second]),
        (&["--limit", "2", "--before", &second], vec![&first]),
    ] {
        let listed = done_as_json(&app, &[&["job", "list"], options].concat());
        assert_eq!(ids(&listed), expected, "{options:?}");
    }
}

#[tokio::test]
async fn what_is_not_dead_is_not_put_back() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let (job, _) = welcome(&app, &alice, "vera@acme.example").await;
    for (columns, state) in [
        ("status = 'queued'", "waiting"),
        (
            "status = 'running', worker = gen_random_uuid(), attempts = 1",
            "running",
        ),
        (
            "status = 'done', worker = NULL, finished_at = now()",
            "done",
        ),
    ] {
        set(&app, &job, columns);
        let why = format!("job {job} is not dead, it is {state}");
        refused(&app, 1, &["job", "retry", &job], &why);
    }
    let nobody = "0198c0de-0000-7000-8000-000000000001";
    let unknown = format!("there is no job {nobody}");
    for (arguments, why) in [
        (&["job", "retry", nobody][..], unknown.as_str()),
        (&["job", "retry", "7"], "7"),
        (&["job", "retry"], "<ID>"),
        (&["job", "list", "--state", "done"], "done"),
        (&["job", "list", "--limit", "0"], "--limit"),
        (&["job", "list", "--limit", "1001"], "--limit"),
        (&["job", "list", "--before", "7"], "--before"),
        (
            &["job", "list", "--tenant", "nowhere"],
            "there is no tenant nowhere",
        ),
    ] {
        refused(&app, 2, arguments, why);
    }
    // Whoever comes first of two.
    set(&app, &job, DEAD);
    let said = done(&app, &["job", "retry", &job]);
    assert_eq!(said, format!("job {job} waits for a worker\n"));
    let again = admin(&app, &["job", "retry", &job]);
    assert_eq!(again.status.code(), Some(1), "{}", text(&again.stderr));
}
