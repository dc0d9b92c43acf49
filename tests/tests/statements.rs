//! How many round trips to the database a request makes. The counter sees every connection of the
//! process, so these tests have a binary of their own, and run one at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::{InstrumentationEvent, set_default_instrumentation};
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};
use tokio::sync::Mutex;

static STATEMENTS: AtomicUsize = AtomicUsize::new(0);

static ALONE: Mutex<()> = Mutex::const_new(());

fn count(event: &InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { .. } = event {
        STATEMENTS.fetch_add(1, Ordering::SeqCst);
    }
}

async fn statements_of(caller: &Caller, path: &str) -> usize {
    let before = STATEMENTS.load(Ordering::SeqCst);
    drop(caller.get(path).await.expect(200));
    STATEMENTS.load(Ordering::SeqCst) - before
}

/// The least of a few refused logins: the first on a connection prepares its statements.
async fn statements_of_refused_login(caller: &Caller, body: &Value) -> usize {
    let mut least = usize::MAX;
    for _ in 0..8 {
        let before = STATEMENTS.load(Ordering::SeqCst);
        let answer = caller.post("/api/v1/auth/login", body.clone()).await;
        drop(answer.expect(401));
        least = least.min(STATEMENTS.load(Ordering::SeqCst) - before);
    }
    least
}

#[tokio::test]
async fn a_refused_login_asks_as_much_for_somebody_unknown_as_for_somebody_known() {
    let _alone = ALONE.lock().await;
    set_default_instrumentation(|| Some(Box::new(|event: InstrumentationEvent<'_>| count(&event))))
        .unwrap();
    let (app, alice, _) = TestApp::two_tenants().await;
    let _ = alice.colleague("member").await;
    let stranger = app.stranger();
    for slug in [Value::Null, json!("acme-corp"), json!("no-such-tenant")] {
        let login = |email: &str| json!({ "email": email, "password": "wrong password", "tenant_slug": slug });
        let unknown = login("nobody@acme.example");
        let expected = statements_of_refused_login(&stranger, &unknown).await;
        for email in [
            "alice@acme.example",
            "bob@globex.example",
            "member@acme-corp.example",
        ] {
            let asked = statements_of_refused_login(&stranger, &login(email)).await;
            assert_eq!(asked, expected, "{email} {slug}");
        }
    }
}

#[tokio::test]
async fn a_request_makes_three_round_trips_however_many_rows_it_reads() {
    let _alone = ALONE.lock().await;
    set_default_instrumentation(|| Some(Box::new(|event: InstrumentationEvent<'_>| count(&event))))
        .unwrap();
    let (app, alice, _) = TestApp::two_tenants().await;
    let first = alice.create_project("First").await.id();
    // Each connection prepares a statement once, which Diesel counts with the statement itself.
    for path in [
        format!("/api/v1/projects/{first}"),
        "/api/v1/projects?limit=100".to_owned(),
    ] {
        assert_eq!(
            statements_of(&alice, &path).await,
            3,
            "{path}: prologue, query, COMMIT"
        );
    }
    for number in 0..50 {
        alice.create_project(&format!("Project {number}")).await;
    }
    assert_eq!(
        statements_of(&alice, "/api/v1/projects?limit=100").await,
        3,
        "a list of 51"
    );
    assert_eq!(
        statements_of(&alice, "/api/v1/projects?limit=20").await,
        3,
        "a page of 20"
    );
    drop(app);
}
