//! What is written to the log, and what never is.

use crate::app::{TestApp, member, send};
use domain::Role;
use log::{
    Log, Metadata, Record,
    kv::{Error, Key, Value, VisitSource},
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Capture;

struct Pairs(String);

impl<'kvs> VisitSource<'kvs> for Pairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
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
        let (level, target) = (record.level(), record.target());
        let target = if target == "denial" { "denial: " } else { "" };
        let line = format!("{level} {target}{}{}", record.args(), pairs.0);
        LINES.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

/// The lines that name this request id; the access line comes last.
fn lines(request_id: &str) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let lines: Vec<String> = LINES
            .lock()
            .unwrap()
            .iter()
            .filter(|line| line.contains(request_id))
            .cloned()
            .collect();
        if lines.iter().any(|line| line.contains("was answered")) {
            return lines;
        }
        assert!(Instant::now() < deadline, "no line for {request_id}");
        std::thread::yield_now();
    }
}

fn capture() {
    let _ = log::set_logger(&Capture);
    log::set_max_level(log::LevelFilter::Info);
}

#[actix_web::test]
async fn a_request_is_one_line_that_names_the_route_and_not_the_path() {
    capture();
    let app = TestApp::start();
    let alice = member(Role::Viewer);
    let token = app.token(&alice);
    let request = app.request("GET", "/numbers?min=30&even=true");
    let request = request.header("x-request-id", "log-1");
    send(request.bearer_auth(&token)).await;
    let lines = lines("log-1");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    let tenant_id = alice.tenant.unwrap().id;
    for part in [
        "INFO a request was answered",
        " method=GET",
        " route=/numbers ",
        " status=200",
        " duration_ms=",
        " request_id=log-1",
        &format!(" tenant_id={tenant_id}"),
    ] {
        assert!(line.contains(part), "{part:?} is not in {line}");
    }
    assert!(!line.contains("min="), "{line}");
    assert!(!line.contains(&token), "{line}");
}

#[actix_web::test]
async fn ids_in_paths_and_unknown_paths_are_not_logged() {
    capture();
    let app = TestApp::start();
    for (path, route) in [
        ("/things/secret-path", "/things/{id}"),
        ("/secret-path", "none"),
    ] {
        let request_id = format!("log-2{}", route.len());
        let request = app.request("GET", path).header("x-request-id", &request_id);
        send(request).await;
        let lines = lines(&request_id);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(&format!(" route={route} ")), "{lines:?}");
        assert!(!lines[0].contains("secret-path"), "{lines:?}");
    }
}

#[actix_web::test]
async fn a_failure_is_logged_once_with_its_causes() {
    capture();
    let app = TestApp::start();
    let request = app.request("GET", "/failures/internal");
    send(request.header("x-request-id", "log-3")).await;
    let lines = lines("log-3");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("ERROR "), "{lines:?}");
    assert!(lines[0].contains("code=internal"), "{lines:?}");
    assert!(lines[0].contains("cause=the disk said:"), "{lines:?}");
    assert!(lines[1].contains("status=500"), "{lines:?}");
}

#[actix_web::test]
async fn a_clients_fault_and_its_body_are_not_logged() {
    capture();
    let app = TestApp::start();
    let request = app
        .request("POST", "/bodies")
        .header("x-request-id", "log-4");
    let request = request.header("content-type", "application/json");
    send(request.body(r#"{"email": "secret@mail.example"}"#)).await;
    let lines = lines("log-4");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        !LINES
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains("secret@"))
    );
}

/// Counts since the last call, by reason. A snapshot takes the counts with it, so one test reads
/// them all.
fn denials(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let metrics = snapshotter.snapshot().into_vec().into_iter();
    metrics
        .filter_map(|(key, _, _, value)| {
            let reason = key.key().labels().next()?.value().to_owned();
            match (key.key().name(), value) {
                ("rowhouse_denials_total", DebugValue::Counter(count)) if count > 0 => {
                    Some((reason, count))
                }
                _ => None,
            }
        })
        .collect()
}

#[actix_web::test]
async fn each_denial_is_one_line_and_one_count() {
    capture();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    let app = TestApp::start();
    let alice = member(Role::Viewer);
    let tenant_id = alice.tenant.as_ref().unwrap().id;
    let token = app.token(&alice);
    for (number, (kind, reason, status)) in [
        ("credentials", Some("failed_login"), 401),
        ("taken-by-another", Some("failed_login"), 409),
        ("attempts", Some("too_many_attempts"), 429),
        ("reused", Some("refresh_reused"), 401),
        ("forbidden", Some("forbidden"), 403),
        ("suspended", Some("tenant_suspended"), 403),
        ("no-member", Some("not_a_member"), 403),
        ("closed", Some("signup_closed"), 403),
        ("violation", Some("isolation_violation"), 500),
        ("seal", Some("isolation_violation"), 500),
        ("taken", None, 409),
        ("session", None, 401),
        ("second-factor", None, 401),
        ("step-up", None, 401),
        ("internal", None, 500),
        ("nothing", None, 404),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("denial-{number}-");
        let request = app.request("GET", &format!("/failures/{kind}"));
        let answer = send(request.header("x-request-id", &id)).await;
        assert_eq!(answer.status, status, "{kind}");
        let lines = lines(&id);
        let denied: Vec<_> = lines
            .iter()
            .filter(|line| line.contains("denial: "))
            .collect();
        let expected = reason.map(|reason| {
            format!(
                "WARN denial: a request was denied reason={reason} status={status} method=GET \
                 route=/failures/{{kind}} request_id={id} actor_kind=stranger"
            )
        });
        assert_eq!(
            denied.len(),
            usize::from(reason.is_some()),
            "{kind}: {lines:?}"
        );
        if let (Some(line), Some(expected)) = (denied.first(), expected) {
            assert!(line.starts_with(&expected), "{line}");
            assert!(!line.contains("hunter2"), "{line}");
        }
        // At least: other tests of this process are refused too.
        let counted = denials(&snapshotter);
        assert!(
            reason.is_none_or(|reason| counted.contains_key(reason)),
            "{kind}"
        );
    }

    // Who asks is named, and of another tenant nothing.
    for (path, header, reason) in [
        ("/owner", ("x-other", "x"), "forbidden"),
        ("/owner", ("x-tenant-slug", "globex"), "tenant_mismatch"),
    ] {
        let id = format!("denial-{reason}-");
        let request = app.request("POST", path).bearer_auth(&token);
        let request = request.header("x-request-id", &id);
        send(request.header(header.0, header.1))
            .await
            .problem(403, reason);
        let lines = lines(&id);
        let line = lines.iter().find(|line| line.contains("denial: ")).unwrap();
        for part in [
            format!(" reason={reason} "),
            " route=/owner ".to_owned(),
            " actor_kind=user ".to_owned(),
            format!(" actor_id={} ", alice.account),
            format!(" tenant_id={tenant_id}"),
        ] {
            assert!(line.contains(&part), "{part:?} is not in {line}");
        }
        assert!(!line.contains("globex") && !line.contains(&token), "{line}");
        assert!(denials(&snapshotter).contains_key(reason));
    }
    // Also what a middleware refuses.
    let request = app.request("GET", "/refused");
    send(request.header("x-request-id", "denial-refused")).await;
    assert!(denials(&snapshotter).contains_key("not_a_member"));
}
