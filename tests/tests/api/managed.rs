//! The server on a database that no superuser made: what it does, it does there as well.

use rowhouse_tests::TestApp;
use serde_json::{Value, json};
use tenant_db::Level;
use tenant_db::verify::verify;
use uuid::Uuid;

const PROJECTS: &str = "/api/v1/projects";

#[tokio::test]
async fn companies_work_beside_each_other_without_a_superuser() {
    let app = TestApp::start_managed().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let bob = app.register("bob@globex.example", "globex-inc").await;
    let vera = alice.colleague("viewer").await;

    let made = alice
        .post(PROJECTS, json!({ "name": "Atlas" }))
        .await
        .expect(201)
        .json();
    let path = format!("{PROJECTS}/{}", made["id"].as_str().unwrap());
    let renamed = alice.patch(&path, json!({ "name": "Atlas 2" })).await;
    assert_eq!(renamed.expect(200).json()["name"], "Atlas 2");
    let listed = vera.get(PROJECTS).await.expect(200).json();
    assert_eq!(listed["data"][0]["name"], "Atlas 2");
    let body = json!({ "project_id": made["id"], "name": "Ore" });
    let resource = alice
        .post("/api/v1/resources", body)
        .await
        .expect(201)
        .json();
    assert_eq!(resource["project_id"], made["id"]);
    vera.patch(&path, json!({ "name": "Mine" }))
        .await
        .problem(403, "forbidden");

    // For a neighbour there is nothing, whatever it is asked by.
    assert_eq!(
        bob.get(PROJECTS).await.expect(200).json()["data"],
        Value::Array(Vec::new())
    );
    for path in [path.clone(), format!("{PROJECTS}/{}", Uuid::now_v7())] {
        bob.get(&path).await.problem(404, "not_found");
        bob.patch(&path, json!({ "name": "Taken" }))
            .await
            .problem(404, "not_found");
    }
    let foreign = json!({ "project_id": made["id"], "name": "Planted" });
    bob.post("/api/v1/resources", foreign)
        .await
        .problem(404, "not_found");

    // Who was removed is out at once, with a token that is still good.
    let me = vera.get("/api/v1/users/me").await.expect(200).json();
    let member = me["tenant"]["membership_id"].as_str().unwrap();
    let removed = alice.delete(&format!("/api/v1/users/{member}")).await;
    assert_eq!(removed.expect(204).status(), 204);
    vera.get(PROJECTS).await.problem(401, "session_revoked");

    let mut server = app.database().connect_as("rowhouse_auth");
    let report = verify(&mut server, &store::catalog::catalog()).unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.level(), Level::Managed);
}
