//! `rowhouse-admin demo`: data to try things with.

use std::process::{Command, Output};

use rowhouse_tests::{Caller, TestApp};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{done, text};

fn seed(app: &TestApp, environment: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_rowhouse-admin"))
        .env_clear()
        .env("ROWHOUSE_ENV", environment)
        .env("ROWHOUSE_HOME", home.path())
        .env("ROWHOUSE__AUTH__BCRYPT_COST", "4")
        .env(
            "DATABASE_URL",
            app.database().url("postgres").expose_secret(),
        )
        .current_dir(home.path())
        .args(["demo", "seed"])
        .output()
        .unwrap()
}

async fn owner_of(app: &TestApp, slug: &str) -> Caller {
    let email = format!("owner@{slug}.example");
    let login = json!({ "email": email, "password": "demo-rowhouse-2026", "tenant_slug": slug });
    app.stranger().login(login).await
}

async fn projects_of(owner: &Caller) -> usize {
    let projects = owner.get("/api/v1/projects").await.expect(200).json();
    let listed = projects.get("data").and_then(Value::as_array);
    listed.unwrap().len()
}

#[tokio::test]
async fn the_demo_is_seeded_by_the_database_s_owner_and_never_in_production() {
    let app = TestApp::start().await;
    assert_eq!(seed(&app, "production").status.code(), Some(1));
    for added in ["3 of 3", "0 of 3"] {
        let seeded = seed(&app, "development");
        assert!(text(&seeded.stdout).starts_with(added), "{seeded:?}");
    }
    let owner = owner_of(&app, "dunder-mifflin").await;
    assert_eq!(projects_of(&owner).await, 3);
}

#[tokio::test]
async fn a_demo_tenant_that_was_erased_comes_back_with_the_logins_that_it_had() {
    let app = TestApp::start().await;
    assert!(seed(&app, "development").status.success());
    let before = owner_of(&app, "aliki-farms").await;
    let erase = ["tenant", "erase", "aliki-farms", "--confirm", "aliki-farms"];
    done(&app, &erase);
    drop(before.get("/api/v1/projects").await.expect(401));
    let seeded = seed(&app, "development");
    assert!(text(&seeded.stdout).starts_with("1 of 3"), "{seeded:?}");
    let owner = owner_of(&app, "aliki-farms").await;
    assert_eq!(projects_of(&owner).await, 3);
}
