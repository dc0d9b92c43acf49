//! The server behind PgBouncer, with two backends for each of its roles.

use rowhouse_tests::{Setup, TestApp, Work};
use serde_json::json;
use tokio::task::JoinSet;

fn behind_pgbouncer() -> Setup {
    Setup {
        pgbouncer: true,
        worker: Some(Work::default()),
        ..Setup::default()
    }
}

#[tokio::test]
async fn the_server_works_behind_pgbouncer_and_keeps_tenants_apart() {
    works_and_keeps_tenants_apart(TestApp::start_as(behind_pgbouncer()).await).await;
}

/// Without the slot and with keys for every backend.
#[tokio::test]
async fn the_server_works_behind_pgbouncer_at_level_managed() {
    works_and_keeps_tenants_apart(TestApp::start_managed_as(behind_pgbouncer()).await).await;
}

async fn works_and_keeps_tenants_apart(app: TestApp) {
    let report = app.identity().verify().await.unwrap();
    assert!(report.is_clean(), "{report}");
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let bob = app.register("bob@globex.example", "globex-inc").await;

    // Many at once, of both: each finds its own.
    let names: Vec<String> = (0..20).map(|number| format!("Project {number}")).collect();
    let mut rounds = JoinSet::new();
    for (number, name) in names.iter().cloned().enumerate() {
        let (own, other) = if number % 2 == 0 {
            (alice.clone(), bob.clone())
        } else {
            (bob.clone(), alice.clone())
        };
        rounds.spawn(async move {
            let made = own.post("/api/v1/projects", json!({ "name": name })).await;
            let made = made.expect(201).json();
            let path = format!("/api/v1/projects/{}", made["id"].as_str().unwrap());
            assert_eq!(own.get(&path).await.expect(200).json()["name"], *name);
            assert_eq!(other.get(&path).await.status(), 404);
        });
    }
    rounds.join_all().await;
    for (caller, remainder) in [(&alice, 0), (&bob, 1)] {
        let list = caller.get("/api/v1/projects?limit=100").await.expect(200);
        let list = list.json();
        let mut seen: Vec<&str> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|project| project["name"].as_str().unwrap())
            .collect();
        let own = names.iter().skip(remainder).step_by(2);
        let mut own: Vec<&str> = own.map(String::as_str).collect();
        seen.sort_unstable();
        own.sort_unstable();
        assert_eq!(seen, own);
    }

    // Sign-in, its end, and the worker's mails go the same way.
    app.mail_to("alice@acme.example", 1).await;
    let sign_in = json!({ "email": "bob@globex.example", "password": "securepass123" });
    let answers = [
        app.stranger().post("/api/v1/auth/login", sign_in).await,
        bob.post("/api/v1/auth/logout", json!({})).await,
        bob.get("/api/v1/projects").await,
        app.stranger().get("/health/ready").await,
    ];
    assert_eq!(answers.map(|answer| answer.status()), [200, 204, 401, 200]);
}
