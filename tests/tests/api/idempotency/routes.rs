//! Which routes take a key, and that they do what they do once; which refuse one.

use std::collections::BTreeSet;

use rowhouse_tests::TestApp;
use serde_json::json;

use super::{assert_replays, create, keyed, post};
use crate::projects::path;
use crate::resources::create_in;
use crate::state;

/// Which `POST` takes a key: path with `{…}`, body, another body, status. Their ids are put in by
/// the test.
const TAKES: [(&str, &str, &str, u16); 10] = [
    (
        "/api/v1/users",
        r#"{"email":"new@acme.example","full_name":"New","role":"viewer","password":"correct horse"}"#,
        r#"{"email":"new@acme.example","full_name":"New","role":"viewer","password":"another horse"}"#,
        201,
    ),
    (
        "/api/v1/invitations",
        r#"{"email":"guest@home.example","role":"viewer"}"#,
        r#"{"email":"guest@home.example","role":"member"}"#,
        201,
    ),
    ("/api/v1/invitations/{invitation}/resend", "", "", 200),
    (
        "/api/v1/roles",
        r#"{"name":"auditor","based_on":"viewer","permissions":[]}"#,
        r#"{"name":"auditor","based_on":"member","permissions":[]}"#,
        201,
    ),
    (
        "/api/v1/projects",
        r#"{"name":"Atlas"}"#,
        r#"{"name":"Atlas","description":null}"#,
        201,
    ),
    ("/api/v1/projects/{deleted}/restore", "", "", 200),
    (
        "/api/v1/resources",
        r#"{"project_id":"{project}","name":"Sheet","data":{"a":{"b":[1,2]}}}"#,
        r#"{"project_id":"{project}","name":"Sheet","data":{"a":{"b":[2,1]}}}"#,
        201,
    ),
    (
        "/api/v1/resources/{resource}/versions/1/restore",
        "",
        "",
        200,
    ),
    (
        SEVERAL,
        r#"{"emails":["b@home.example","a@home.example"],"role":"viewer"}"#,
        r#"{"emails":["a@home.example","b@home.example"],"role":"viewer"}"#,
        201,
    ),
    (
        "/projects/create_project",
        r#"{"name":"Borealis"}"#,
        r#"{"name":"Corona"}"#,
        201,
    ),
];

/// The one that makes several things, which have no version.
const SEVERAL: &str = "/organization/add_users";

/// The one whose answer nobody gets twice: with it, the caller is no owner any more.
pub(super) const TRANSFER: &str = "/api/v1/tenant/transfer-ownership";

/// Which `POST` refuses a key: what answers a secret, and what is done in no tenant, as a deleted one
/// is.
const REFUSES: [&str; 23] = [
    "/api/v1/auth/register",
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    "/api/v1/auth/switch",
    "/api/v1/auth/logout",
    "/api/v1/auth/verify-email",
    "/api/v1/auth/verify-email/resend",
    "/api/v1/auth/password/forgot",
    "/api/v1/auth/password/reset",
    "/api/v1/auth/password/change",
    "/api/v1/auth/step-up",
    "/api/v1/auth/mfa/totp",
    "/api/v1/auth/mfa/totp/confirm",
    "/api/v1/invitations/accept",
    "/api/v1/tenants",
    "/api/v1/tenant/restore",
    "/api/v1/api-keys",
    "/login",
    "/logout",
    "/refresh_token",
    "/users/register",
    "/organization/register",
    "/organization/select",
];

#[test]
fn every_post_takes_a_key_or_refuses_it() {
    let listed = TAKES.iter().map(|(path, ..)| *path).chain([TRANSFER]);
    let listed: BTreeSet<String> = listed
        .map(|path| path.replace("{invitation}", "{id}"))
        .map(|path| {
            path.replace("{deleted}", "{id}")
                .replace("{resource}", "{id}")
        })
        .map(|path| path.replace("/1/", "/{n}/"))
        .chain(REFUSES.map(ToOwned::to_owned))
        .collect();
    let served: BTreeSet<String> = api::routes::list()
        .into_iter()
        .filter(|(_, methods)| methods.iter().any(|method| method == "POST"))
        .map(|(path, _)| path.to_owned())
        .collect();
    assert_eq!(
        served, listed,
        "a new POST is `.post_once` in routes.rs and stands in TAKES, or is `.post` and stands in REFUSES"
    );
}

#[tokio::test]
async fn every_route_that_takes_a_key_answers_again_and_does_nothing_again() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let project = alice.create_project("First").await.id();
    let deleted = alice.create_project("Deleted").await.id();
    let _ = alice.delete(&path(&deleted)).await.expect(204);
    let resource = create_in(&alice, &project, "Old", json!({})).await.id();
    let changed = format!("/api/v1/resources/{resource}");
    let _ = alice
        .patch(&changed, json!({ "name": "New" }))
        .await
        .expect(200);
    let body = json!({ "email": "i@acme.example", "role": "viewer" });
    let invitation = alice.post("/api/v1/invitations", body).await.id();
    let fill = |text: &str| {
        let text = text.replace("{project}", &project);
        let text = text.replace("{deleted}", &deleted);
        let text = text.replace("{resource}", &resource);
        text.replace("{invitation}", &invitation)
    };
    for (number, (path, body, other, status)) in TAKES.into_iter().enumerate() {
        let key = format!("key-{number}");
        let caller = keyed(&alice, &key);
        let (path, body, other) = (fill(path), fill(body), fill(other));
        let first = post(&caller, &path, &body).await.expect(status);
        assert_eq!(
            first.headers().contains_key("etag"),
            path != SEVERAL,
            "{path}"
        );
        let (before, jobs) = (state::rows_of(&app, "acme-corp"), state::rows(&app, "jobs"));
        for _ in 0..2 {
            assert_replays(&post(&caller, &path, &body).await, &first);
        }
        // In quotes it is the same key.
        let quoted = keyed(&alice, &format!("\"{key}\""));
        assert_replays(&post(&quoted, &path, &body).await, &first);
        if !body.is_empty() {
            let refused = post(&caller, &path, &other).await;
            refused.problem(422, "idempotency_key_reused");
        }
        let elsewhere = create(&alice, &key, "Elsewhere").await;
        elsewhere.problem(422, "idempotency_key_reused");
        assert_eq!(state::rows_of(&app, "acme-corp"), before, "{path}");
        assert_eq!(state::rows(&app, "jobs"), jobs, "{path}");
    }
}

#[tokio::test]
async fn every_route_that_refuses_a_key_says_so_and_does_nothing() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let before = state::rows_of(&app, "acme-corp");
    for path in REFUSES {
        for key in ["once", "", "ä"] {
            let answer = keyed(&alice, key).post(path, json!({})).await;
            answer.problem(400, "idempotency_key_not_allowed");
        }
    }
    assert_eq!(state::rows_of(&app, "acme-corp"), before);
}
