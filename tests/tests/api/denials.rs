//! What an operator sees of refusals: one line each, target `denial`, without a secret in it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use log::kv::{Error, Key, Value as LogValue, VisitSource};
use log::{Log, Metadata, Record};
use rowhouse_tests::TestApp;
use serde_json::json;

use crate::refresh::{age_used_tokens, refresh, sign_in};
use crate::{rows::principal, state};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Capture;

struct Pairs(String);

impl<'kvs> VisitSource<'kvs> for Pairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: LogValue<'kvs>) -> Result<(), Error> {
        self.0.push_str(&format!(" {key}={value}"));
        Ok(())
    }
}

impl Log for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut pairs = Pairs(String::new());
        record.key_values().visit(&mut pairs).unwrap();
        let line = format!("{}: {}{} ", record.target(), record.args(), pairs.0);
        LINES.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

/// The one denial of this request; every line of the log is looked through.
async fn denial(request_id: &str) -> String {
    let named = format!(" request_id={request_id} ");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let lines = LINES.lock().unwrap().clone();
        let of_request: Vec<&String> = lines.iter().filter(|line| line.contains(&named)).collect();
        // The access line comes last.
        if of_request
            .iter()
            .any(|line| line.starts_with("api::access"))
        {
            let mut denials = of_request
                .into_iter()
                .filter(|line| line.starts_with("denial"));
            let denial = denials.next().unwrap().clone();
            assert_eq!(denials.count(), 0);
            return denial;
        }
        assert!(Instant::now() < deadline, "no line for {request_id}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn whoever_reaches_beyond_their_own_leaves_a_line() {
    log::set_logger(&Capture).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let viewer = alice.colleague("viewer").await;
    let (account, tenant) = (
        principal(&viewer).account,
        principal(&viewer).tenant.unwrap().id,
    );
    let of_viewer = format!(" actor_kind=user actor_id={account} tenant_id={tenant} ");
    let as_request = |id: &str| app.stranger().with_header("x-request-id", id);

    let wrong = json!({ "email": "alice@acme.example", "password": "hunter2 hunter2" });
    let answer = as_request("denial-login")
        .post("/api/v1/auth/login", wrong)
        .await;
    answer.problem(401, "invalid_credentials");
    let line = denial("denial-login").await;
    assert!(line.contains(" reason=failed_login status=401 method=POST route=/api/v1/auth/login "));
    assert!(line.contains(" actor_kind=stranger "), "{line}");

    let taken =
        json!({ "email": "alice@acme.example", "password": "hunter2 hunter2", "full_name": "A" });
    let answer = as_request("denial-register")
        .post("/api/v1/auth/register", taken)
        .await;
    answer.problem(409, "email_taken");
    assert!(
        denial("denial-register")
            .await
            .contains(" reason=failed_login ")
    );

    let session = sign_in(&app, "alice@acme.example").await;
    let _ = refresh(&app, &session.refresh).await.expect(200);
    age_used_tokens(&app, "1 hour");
    let body = json!({ "refresh_token": session.refresh });
    let answer = as_request("denial-reuse")
        .post("/api/v1/auth/refresh", body)
        .await;
    answer.problem(401, "session_revoked");
    let line = denial("denial-reuse").await;
    assert!(
        line.contains(" reason=refresh_reused status=401 "),
        "{line}"
    );

    let reaching = viewer.with_header("x-request-id", "denial-role");
    let answer = reaching
        .post("/api/v1/projects", json!({ "name": "Atlas" }))
        .await;
    answer.problem(403, "forbidden");
    let line = denial("denial-role").await;
    assert!(
        line.contains(" reason=forbidden ") && line.contains(&of_viewer),
        "{line}"
    );

    let selecting = viewer
        .with_header("x-request-id", "denial-mismatch")
        .with_header("x-tenant-slug", "globex-inc");
    let answer = selecting.get("/api/v1/projects").await;
    answer.problem(403, "tenant_mismatch");
    let line = denial("denial-mismatch").await;
    assert!(
        line.contains(" reason=tenant_mismatch ") && line.contains(&of_viewer),
        "{line}"
    );

    // A seal under a key that the database does not know.
    state::change(&app, "DELETE FROM tenancy.seal_key");
    let sealed = viewer.with_header("x-request-id", "denial-seal");
    sealed
        .get("/api/v1/projects")
        .await
        .problem(500, "internal");
    let line = denial("denial-seal").await;
    assert!(
        line.contains(" reason=isolation_violation status=500 "),
        "{line}"
    );
    assert!(line.contains(&of_viewer), "{line}");

    for line in LINES.lock().unwrap().iter() {
        for secret in [
            "hunter2",
            "@acme.example",
            "globex",
            session.refresh.as_str(),
            viewer.token(),
        ] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}
