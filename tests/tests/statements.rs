//! How many round trips to the database a request makes. The counter sees every connection of the
//! process, so this test has a binary of its own.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::{InstrumentationEvent, set_default_instrumentation};
use rowhouse_tests::{Caller, TestApp};

static STATEMENTS: AtomicUsize = AtomicUsize::new(0);

fn count(event: InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { .. } = event {
        STATEMENTS.fetch_add(1, Ordering::SeqCst);
    }
}

async fn statements_of(caller: &Caller, path: &str) -> usize {
    let before = STATEMENTS.load(Ordering::SeqCst);
    drop(caller.get(path).await.expect(200));
    STATEMENTS.load(Ordering::SeqCst) - before
}

#[tokio::test]
async fn a_request_makes_three_round_trips_however_many_rows_it_reads() {
    set_default_instrumentation(|| Some(Box::new(count))).unwrap();
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
