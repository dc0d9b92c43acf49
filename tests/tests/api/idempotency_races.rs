//! Idempotency keys, many at once and many in a row: whatever comes in between, what is asked for
//! once is made once.

use std::collections::HashMap;

use diesel::connection::SimpleConnection as _;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rowhouse_tests::{Caller, TestApp};
use serde_json::json;
use tokio::task::JoinSet;

use crate::idempotency::{PROJECTS, assert_replays, create, is_replayed, keyed};
use crate::state;

#[tokio::test]
async fn of_sixteen_first_requests_at_once_on_two_servers_one_is_worked_on() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let beside = app.start_beside(|_, _| ()).await;
    let other = beside.stranger().with_token(alice.token());
    for round in 0..4 {
        let (key, name) = (
            format!("key {round}").replace(' ', "-"),
            format!("Project {round}"),
        );
        let mut requests = JoinSet::new();
        for number in 0..16 {
            let caller = if number % 2 == 0 { &alice } else { &other }.clone();
            let (key, name) = (key.clone(), name.clone());
            requests.spawn(async move { create(&caller, &key, &name).await });
        }
        let answers = requests.join_all().await;
        let (made, refused): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status() == 201);
        let (replayed, first): (Vec<_>, Vec<_>) =
            made.into_iter().partition(|answer| is_replayed(answer));
        assert_eq!(first.len(), 1, "round {round}");
        for answer in replayed {
            assert_replays(answer, first[0]);
        }
        for answer in refused {
            answer.problem(409, "idempotency_key_in_use");
        }
        assert_replays(&create(&alice, &key, &name).await, first[0]);
        let rows = format!("projects WHERE name = '{name}'");
        assert_eq!(state::count(&app, &rows), 1);
    }
}

#[tokio::test]
async fn while_the_first_request_is_worked_on_the_second_is_told_so_and_no_other_key_waits() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let admin = alice.colleague("admin").await;
    let mut line = app.database().superuser();
    line.batch_execute("BEGIN; LOCK TABLE projects IN SHARE MODE")
        .unwrap();
    let caller = alice.clone();
    let first = tokio::spawn(async move { create(&caller, "a", "Atlas").await });
    state::until_waiting(&app, 1).await;
    for name in ["Atlas", "Another"] {
        let second = create(&alice, "a", name).await;
        second.problem(409, "idempotency_key_in_use");
    }
    // The key of somebody else is another, and so is another key.
    let role = |name: &str| json!({ "name": name, "based_on": "viewer", "permissions": [] });
    for (caller, name) in [(&admin, "one"), (&bob, "two")] {
        let made = keyed(caller, "a").post("/api/v1/roles", role(name)).await;
        let _ = made.expect(201);
    }
    let made = keyed(&alice, "b")
        .post("/api/v1/roles", role("three"))
        .await;
    let _ = made.expect(201);
    line.batch_execute("COMMIT").unwrap();
    let first = first.await.unwrap().expect(201);
    assert_replays(&create(&alice, "a", "Atlas").await, &first);
    let reused = create(&alice, "a", "Another").await;
    reused.problem(422, "idempotency_key_reused");
}

#[tokio::test]
async fn a_transaction_that_fails_leaves_nothing_and_the_next_request_goes() {
    let (app, alice, _) = TestApp::two_tenants().await;
    // It fails at its very end, after the answer was kept.
    state::change(
        &app,
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$;
         GRANT EXECUTE ON FUNCTION fail() TO PUBLIC;
         CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON idempotency_keys DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION fail()",
    );
    create(&alice, "a", "Atlas").await.problem(500, "internal");
    for table in ["projects", "idempotency_keys"] {
        assert_eq!(state::count(&app, table), 0, "{table}");
    }
    state::change(&app, "DROP TRIGGER fail ON idempotency_keys");
    let first = create(&alice, "a", "Atlas").await.expect(201);
    assert_replays(&create(&alice, "a", "Atlas").await, &first);
    assert_eq!(state::count(&app, "projects"), 1);
}

/// One request: who, which key if any, which body, whether it is one that is refused.
#[derive(Debug, Clone, Copy)]
struct Step {
    caller: usize,
    key: Option<usize>,
    body: usize,
}

fn step() -> impl Strategy<Value = Step> {
    (
        0..3_usize,
        proptest::option::weighted(0.9, 0..2_usize),
        0..3_usize,
    )
        .prop_map(|(caller, key, body)| Step { caller, key, body })
}

/// The bodies; the last is always refused.
fn body(step: Step, case: usize) -> serde_json::Value {
    match step.body {
        2 => json!({ "name": "" }),
        body => json!({ "name": format!("{case} {body}") }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_order_the_answers_are_those_of_a_map_of_keys() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let admin = alice.colleague("admin").await;
    let callers = [alice, admin, bob];
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let handle = tokio::runtime::Handle::current();
    let case = std::cell::Cell::new(0);
    tokio::task::block_in_place(|| {
        let result = runner.run(&proptest::collection::vec(step(), 1..12), |steps| {
            case.set(case.get() + 1);
            handle.block_on(check(&app, &callers, case.get(), &steps));
            Ok(())
        });
        result.unwrap();
    });
}

async fn check(app: &TestApp, callers: &[Caller; 3], case: usize, steps: &[Step]) {
    let mut model = HashMap::new();
    let mut made = 0;
    for step in steps {
        let caller = &callers[step.caller];
        let sent = match step.key {
            Some(key) => keyed(caller, &format!("{case}-{key}")),
            None => caller.clone(),
        };
        let answer = sent.post(PROJECTS, body(*step, case)).await;
        let known = step.key.and_then(|key| model.get(&(step.caller, key)));
        match known {
            // A body that is none is told before the key is looked up.
            _ if step.body == 2 => drop(answer.problem(422, "validation_failed")),
            Some((body, first)) if *body == step.body => assert_replays(&answer, first),
            Some(_) => drop(answer.problem(422, "idempotency_key_reused")),
            None => {
                assert!(answer.status() == 201 && !is_replayed(&answer), "{step:?}");
                made += 1;
                if let Some(key) = step.key {
                    model.insert((step.caller, key), (step.body, answer));
                }
            }
        }
    }
    let rows = format!("projects WHERE name LIKE '{case} %'");
    assert_eq!(state::count(app, &rows), made);
}
