//! What a resource may hold: it comes back as it was sent, or what is wrong with it is named.

use proptest::num;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use reqwest::Method;
use rowhouse_tests::TestApp;
use serde_json::{Value, json};

use super::{RESOURCES, create, create_in, path};
use crate::projects::refusal;
use crate::state;

#[tokio::test]
async fn an_object_comes_back_as_it_was_sent() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let data = json!({
        "": "an empty key", "a/b~c": [1, -2.5, 1e300, 9_007_199_254_740_993_i64], "null": null,
        "nested": { "list": [[], {}, [[true, false]]] }, "text": "株式会社 🏘️ \u{1}\u{7f} \"\\ $1 '; --",
        "__proto__": { "x": 1 },
    });
    let made = create(&alice, data.clone()).await;
    assert_eq!(made.json()["data"], data);
    let found = alice.get(&path(&made.id())).await.expect(200);
    assert_eq!(found.text(), made.text());
}

/// The largest and the least that a double holds, and whatever chance finds between.
#[tokio::test]
async fn every_number_comes_back_as_it_was_sent() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let id = create(&alice, json!({})).await.id();
    let mut runner = TestRunner::deterministic();
    for _ in 0..20 {
        let mut numbers = vec![
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            -1e308,
            0.1 + 0.2,
        ];
        let finite = num::f64::NORMAL | num::f64::SUBNORMAL | num::f64::ZERO;
        numbers.extend((0..100).map(|_| finite.new_tree(&mut runner).unwrap().current()));
        let data = json!({ "numbers": numbers });
        let patch = json!({ "data": data });
        let written = alice.patch(&path(&id), patch).await.expect(200).json();
        let read = alice.get(&path(&id)).await.expect(200).json();
        for data in [&written["data"], &read["data"]] {
            let back = data["numbers"].as_array().unwrap().iter();
            let back: Vec<f64> = back.map(|number| number.as_f64().unwrap()).collect();
            assert_eq!(back, numbers);
        }
    }
}

#[tokio::test]
async fn every_value_that_breaks_a_rule_is_named() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let long = "x".repeat(201);
    let deep = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
    // {"a":""} has eight bytes.
    let large = |bytes: usize| json!({ "a": "x".repeat(bytes - 8) });
    for (field, value, pointer, code) in [
        ("project_id", Value::Null, "/project_id", "wrong_type"),
        ("project_id", json!(7), "/project_id", "wrong_type"),
        ("project_id", json!("x"), "/project_id", "invalid"),
        (
            "project_id",
            json!(project.replace('-', "")),
            "/project_id",
            "invalid",
        ),
        (
            "project_id",
            json!(format!("{{{project}}}")),
            "/project_id",
            "invalid",
        ),
        ("name", Value::Null, "/name", "wrong_type"),
        ("name", json!(" \u{200b}"), "/name", "invalid"),
        ("name", json!(long), "/name", "invalid"),
        ("name", json!("a\nb"), "/name", "invalid"),
        ("name", json!("a\0b"), "/name", "invalid"),
        ("type", json!(7), "/type", "wrong_type"),
        ("type", json!(""), "/type", "invalid"),
        ("type", json!("x".repeat(51)), "/type", "invalid"),
        ("data", Value::Null, "/data", "wrong_type"),
        ("data", json!([]), "/data", "wrong_type"),
        ("data", json!("{}"), "/data", "wrong_type"),
        ("data", deep(33), "/data", "invalid"),
        ("data", large(65_537), "/data", "invalid"),
        (
            "data",
            json!({ "a": [{ "b~/": "\0" }] }),
            "/data/a/0/b~0~1",
            "invalid",
        ),
        ("data", json!({ "a\0": 1 }), "/data/a\0", "invalid"),
        ("version", json!(1), "/version", "unknown_field"),
        ("created_by", json!(project), "/created_by", "unknown_field"),
        ("tenant_id", json!(project), "/tenant_id", "unknown_field"),
        ("id", json!(project), "/id", "unknown_field"),
    ] {
        let mut body = json!({ "project_id": project, "name": "Sheet" });
        body[field] = value;
        let answer = alice.post(RESOURCES, body).await;
        assert_eq!(answer.refusals(), refusal(pointer, code), "{field}");
    }
    for missing in ["project_id", "name"] {
        let mut body = json!({ "project_id": project, "name": "Sheet" });
        body.as_object_mut().unwrap().remove(missing);
        let answer = alice.post(RESOURCES, body).await;
        let expected = refusal(&format!("/{missing}"), "missing_field");
        assert_eq!(answer.refusals(), expected);
    }
    // All at once.
    let body = json!({ "project_id": "x", "name": "", "type": "", "data": deep(33) });
    let refused = alice.post(RESOURCES, body).await.refusals();
    let pointers: Vec<&str> = refused
        .iter()
        .map(|(pointer, _)| pointer.as_str())
        .collect();
    assert_eq!(pointers, ["/project_id", "/name", "/type", "/data"]);
    assert_eq!(state::count(&app, "resources"), 0);
    // At the very edge.
    for data in [deep(32), large(65_536)] {
        let made = create_in(&alice, &project, &"x".repeat(200), data.clone()).await;
        assert_eq!(made.json()["data"], data);
    }
}

#[tokio::test]
async fn what_is_larger_than_any_body_or_deeper_than_any_json_is_refused() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let json = alice.with_header("content-type", "application/json");
    let send = |data: String| {
        let body = format!("{{\"project_id\":\"{project}\",\"name\":\"x\",\"data\":{data}}}");
        let json = &json;
        async move { json.send_bytes(Method::POST, RESOURCES, body).await }
    };
    let large = send(format!("{{\"a\":\"{}\"}}", "x".repeat(1_048_576))).await;
    large.problem(413, "payload_too_large");
    let deep = send(format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200))).await;
    deep.problem(400, "malformed_json");
    for odd in [
        "{\"a\":\"\\ud800\"}",
        "{\"a\":1e400}",
        "{\"a\":NaN}",
        "{\"a\":01}",
    ] {
        send(odd.to_owned()).await.problem(400, "malformed_json");
    }
    // Short to write, long to write out: numbers that the database keeps in few bytes.
    let long = send(format!("{{\"a\":[{}1e308]}}", "1e308,".repeat(8_000))).await;
    let id = long.expect(201).id();
    let _ = alice.get(&path(&id)).await.expect(200);
    assert_eq!(state::count(&app, "resources"), 1);
}

#[tokio::test]
async fn a_patch_that_breaks_a_rule_changes_nothing() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let made = create(&alice, json!({ "a": "x".repeat(60_000) })).await;
    let path = path(&made.id());
    let deep = (1..33).fold(json!({}), |inner, _| json!({ "a": inner }));
    for (patch, pointer, code) in [
        (json!({ "name": null }), "/name", "wrong_type"),
        (json!({ "name": "" }), "/name", "invalid"),
        (json!({ "type": "" }), "/type", "invalid"),
        (json!({ "data": null }), "/data", "wrong_type"),
        (json!({ "data": [1] }), "/data", "wrong_type"),
        (json!({ "data": deep }), "/data", "invalid"),
        (
            json!({ "data": { "b": "x".repeat(6_000) } }),
            "/data",
            "invalid",
        ),
        (json!({ "data": { "b": "\0" } }), "/data/b", "invalid"),
        (
            json!({ "project_id": made.json()["project_id"] }),
            "/project_id",
            "unknown_field",
        ),
        (json!({ "version": 7 }), "/version", "unknown_field"),
    ] {
        let answer = alice.patch(&path, patch).await;
        assert_eq!(answer.refusals(), refusal(pointer, code));
    }
    assert_eq!(alice.get(&path).await.json(), made.json());
    assert_eq!(state::count(&app, "resource_versions"), 0);
}
