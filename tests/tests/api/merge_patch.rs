//! Every `PATCH` is a JSON merge patch (RFC 7396): what is absent stays, `null` removes what can be
//! absent, a value replaces.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Map, Value, json};

use crate::resources::create_in;

/// Every `PATCH`: its path, and its fields with another value each; `?` behind those that can be
/// absent.
const PATCHES: [(&str, &[(&str, &str)]); 6] = [
    ("/api/v1/users/me", &[("full_name", "\"Another\"")]),
    (
        "/api/v1/users/{user}",
        &[
            ("full_name", "\"Another\""),
            ("role", "\"member\""),
            ("status", "\"suspended\""),
        ],
    ),
    (
        "/api/v1/tenant",
        &[
            ("name", "\"Another\""),
            ("signup", "\"open\""),
            ("signup_domains", "[\"acme.example\"]"),
            ("settings", "{\"grid\":{\"rows\":2}}"),
            ("branding", "{\"primary_color\":\"#1a2b3c\"}"),
        ],
    ),
    (
        "/api/v1/roles/{role}",
        &[
            ("name", "\"another\""),
            ("based_on", "\"member\""),
            ("permissions", "[\"projects:read\"]"),
        ],
    ),
    (
        "/api/v1/projects/{project}",
        &[
            ("name", "\"Another\""),
            ("description?", "\"Another\""),
            ("status", "\"completed\""),
        ],
    ),
    (
        "/api/v1/resources/{resource}",
        &[
            ("name", "\"Another\""),
            ("type?", "\"another\""),
            ("data", "{\"b\":{\"c\":2}}"),
        ],
    ),
];

const MERGE_PATCH: &str = "application/merge-patch+json";

struct Company {
    alice: Caller,
    ids: Vec<(&'static str, String)>,
    _app: TestApp,
}

impl Company {
    async fn found() -> Self {
        let (app, alice, _) = TestApp::two_tenants().await;
        let made = async |path: &str, body: Value| alice.post(path, body).await.expect(201).id();
        let user = json!({ "email": "u@acme.example", "full_name": "U", "role": "viewer", "password": "correct horse" });
        let role = json!({ "name": "auditor", "based_on": "viewer", "permissions": [] });
        let project = json!({ "name": "Atlas", "description": "Maps" });
        let project = made("/api/v1/projects", project).await;
        let resource =
            json!({ "project_id": project, "name": "Sheet", "type": "map", "data": { "a": 1 } });
        let ids = vec![
            ("{user}", made("/api/v1/users", user).await),
            ("{role}", made("/api/v1/roles", role).await),
            ("{resource}", made("/api/v1/resources", resource).await),
            ("{project}", project),
        ];
        Self {
            alice,
            ids,
            _app: app,
        }
    }

    fn path(&self, path: &str) -> String {
        let fill = |path: String, (what, id): &(&str, String)| path.replace(what, id);
        self.ids.iter().fold(path.to_owned(), fill)
    }

    async fn read(&self, path: &str) -> Value {
        self.alice.get(path).await.expect(200).json()
    }
}

#[test]
fn every_patch_is_asked() {
    let general = |path: &str| match path.split_once("/{") {
        Some((list, _)) => format!("{list}/{{id}}"),
        None => path.to_owned(),
    };
    let asked: BTreeSet<String> = PATCHES.iter().map(|(path, _)| general(path)).collect();
    let served: BTreeSet<String> = api::routes::list()
        .into_iter()
        .filter(|(_, methods)| methods.iter().any(|method| method == "PATCH"))
        .map(|(path, _)| path.to_owned())
        .collect();
    assert_eq!(asked, served, "add what is missing to PATCHES");
}

#[test]
fn every_field_of_a_patch_is_asked() {
    let document = serde_json::to_value(api::openapi::document()).unwrap();
    for (path, fields) in PATCHES {
        let general = match path.split_once("/{") {
            Some((list, _)) => format!("{list}/{{id}}"),
            None => path.to_owned(),
        };
        let body = &document["paths"][&general]["patch"]["requestBody"]["content"][MERGE_PATCH];
        let schema = body["schema"]["$ref"].as_str().unwrap();
        let schema = document.pointer(schema.trim_start_matches('#')).unwrap();
        let described = schema["properties"].as_object().unwrap().keys();
        let described: BTreeSet<&str> = described.map(String::as_str).collect();
        let asked = fields.iter().map(|(field, _)| field.trim_end_matches('?'));
        assert_eq!(asked.collect::<BTreeSet<_>>(), described, "{path}");
    }
}

#[tokio::test]
async fn what_is_absent_stays_null_removes_and_a_value_replaces() {
    let company = Company::found().await;
    let alice = company.alice.with_header("content-type", MERGE_PATCH);
    let patch = async |path: &str, body: &Value| {
        let text = serde_json::to_vec(body).unwrap();
        alice.send_bytes(Method::PATCH, path, text).await
    };
    for (path, fields) in PATCHES {
        let path = company.path(path);
        let names = || fields.iter().map(|(field, _)| field.trim_end_matches('?'));
        let before = company.read(&path).await;
        assert_eq!(patch(&path, &json!({})).await.expect(200).json(), before);
        assert_eq!(company.read(&path).await, before, "{path}");
        // What cannot be absent cannot be null, and then nothing else is changed either.
        for (field, _) in fields.iter().filter(|(field, _)| !field.ends_with('?')) {
            let others = fields.iter().filter(|(other, _)| other != field);
            let mut body: Map<String, Value> = others
                .map(|(other, value)| {
                    let value = serde_json::from_str(value).unwrap();
                    (other.trim_end_matches('?').to_owned(), value)
                })
                .collect();
            body.insert((*field).to_owned(), Value::Null);
            let refusals = patch(&path, &body.into()).await.refusals();
            let expected = (format!("/{field}"), "wrong_type".to_owned());
            assert_eq!(refusals, [expected], "{path}");
        }
        assert_eq!(company.read(&path).await, before, "{path}");
        for (field, value) in fields {
            let name = field.trim_end_matches('?');
            let before = company.read(&path).await;
            let value: Value = serde_json::from_str(value).unwrap();
            let body = json!({ name: value });
            let after = patch(&path, &body).await.expect(200).json();
            assert_eq!(company.read(&path).await, after, "{path}");
            let expected = merged(before[name].clone(), value);
            assert_eq!(after[name], expected, "{path} {name}");
            assert_ne!(after[name], before[name], "{path} {name}");
            for other in names().filter(|other| *other != name) {
                assert_eq!(after[other], before[other], "{path} {name} {other}");
            }
            if field.ends_with('?') {
                let cleared = patch(&path, &json!({ name: null })).await.expect(200);
                let cleared = cleared.json();
                assert_eq!(cleared[name], Value::Null, "{path} {name}");
                for other in names().filter(|other| *other != name) {
                    assert_eq!(cleared[other], after[other], "{path} {name} {other}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_patch_is_a_merge_patch_or_json_and_nothing_else() {
    let company = Company::found().await;
    for (path, fields) in PATCHES {
        let path = company.path(path);
        let before = company.read(&path).await;
        let (field, value) = fields[0];
        let body = format!("{{\"{field}\":{value}}}");
        let send = async |media_type: Option<&str>, encoding: Option<&str>| {
            let mut caller = company.alice.clone();
            for (name, value) in [("content-type", media_type), ("content-encoding", encoding)] {
                if let Some(value) = value {
                    caller = caller.with_header(name, value);
                }
            }
            caller.send_bytes(Method::PATCH, &path, body.clone()).await
        };
        for other in [
            None,
            Some("application/json-patch+json"),
            Some("application/merge-patch"),
            Some("application/x-www-form-urlencoded"),
            Some("text/json"),
            Some("text/plain"),
            Some("*/*"),
            Some(""),
        ] {
            let answer = send(other, None).await;
            let problem = answer.problem(415, "unsupported_media_type");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(MERGE_PATCH), "{path} {detail}");
        }
        let packed = send(Some(MERGE_PATCH), Some("gzip")).await;
        packed.problem(415, "unsupported_media_type");
        assert_eq!(company.read(&path).await, before, "{path}");
        for right in [
            "application/json",
            "application/merge-patch+json; charset=utf-8",
            "Application/Merge-Patch+JSON",
        ] {
            let after = send(Some(right), None).await.expect(200).json();
            assert_eq!(after[field].to_string(), value, "{path} {right}");
        }
    }
}

/// RFC 7396, 2, word by word.
fn merged(target: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch;
    };
    let mut target = match target {
        Value::Object(target) => target,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            let old = target.remove(&name).unwrap_or_default();
            target.insert(name, merged(old, value));
        }
    }
    Value::Object(target)
}

/// Few names, so that documents and patches meet.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        3 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        1 => "[a-z é\"\\\\]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            3 => object(inner).prop_map(Value::from),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof![Just("a"), Just("b"), Just("c"), Just(""), Just("~/")];
    proptest::collection::btree_map(name.prop_map(str::to_owned), inner, 0..4)
        .prop_map(|members| members.into_iter().collect())
}

#[test]
fn the_examples_of_the_rfc_hold() {
    // RFC 7396, appendix A.
    for (target, patch, result) in [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (
            r#"{"a":{"b":"c"}}"#,
            r#"{"a":{"b":"d","c":null}}"#,
            r#"{"a":{"b":"d"}}"#,
        ),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        (
            r#"{"a":"foo"}"#,
            r#"{"b":[1,null]}"#,
            r#"{"a":"foo","b":[1,null]}"#,
        ),
        ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ] {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(merged(read(target), read(patch)), read(result), "{patch}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_of_a_resource_is_merged_as_the_rfc_says() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let handle = tokio::runtime::Handle::current();
    let patches = proptest::collection::vec(object(value()), 1..4);
    tokio::task::block_in_place(|| {
        let result = runner.run(&(object(value()), patches), |(data, patches)| {
            let merges = check(&alice, &project, data, patches);
            handle.block_on(merges);
            Ok(())
        });
        result.unwrap();
    });
}

/// A document, and patches one after the other.
async fn check(
    alice: &Caller,
    project: &str,
    data: Map<String, Value>,
    patches: Vec<Map<String, Value>>,
) {
    let mut model = Value::from(data.clone());
    let made = create_in(alice, project, "Sheet", data.into()).await;
    assert_eq!(made.json()["data"], model);
    let path = format!("/api/v1/resources/{}", made.id());
    let caller = alice.with_header("content-type", MERGE_PATCH);
    for patch in patches {
        let patch = Value::from(patch);
        let text = json!({ "data": patch }).to_string();
        let answer = caller.send_bytes(Method::PATCH, &path, text).await;
        model = merged(model, patch);
        assert_eq!(answer.expect(200).json()["data"], model);
    }
    assert_eq!(alice.get(&path).await.json()["data"], model);
}
