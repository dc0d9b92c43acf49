//! What is written about the API agrees with the API: `openapi.json`, `docs/errors.md`, `/docs`.

use crate::app::TestApp;
use api::{ErrorCode, openapi, routes};
use serde_json::Value;
use std::{collections::BTreeSet, env, fmt::Write as _, fs, path::Path};

/// Compares a generated file with the committed one; with `UPDATE=1`, writes it.
fn assert_committed(name: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name);
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{name} is out of date: run `UPDATE=1 cargo nextest run -p api description` and commit it"
    );
}

#[test]
fn openapi_json_is_the_one_that_the_handlers_generate() {
    let mut generated = openapi::document().to_pretty_json().unwrap();
    generated.push('\n');
    assert_committed("openapi.json", &generated);
}

#[test]
fn errors_md_lists_every_code() {
    let mut text = String::from(
        "# Error codes\n\n\
         Generated from `crates/api/src/error_code.rs`. Every error is `application/problem+json` (RFC 9457);\n\
         `code` is stable: it never changes its meaning. `detail` is for people and may change. What\n\
         `request_id` names stands in the server's log.\n\n\
         | status | code | meaning |\n| --- | --- | --- |\n",
    );
    for code in ErrorCode::ALL {
        let (status, meaning) = (code.status().as_u16(), code.meaning());
        writeln!(text, "| {status} | `{}` | {meaning} |", code.as_str()).unwrap();
    }
    assert_committed("docs/errors.md", &text);
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let described: BTreeSet<(String, String)> = openapi::document()
        .paths
        .paths
        .iter()
        .flat_map(|(path, item)| {
            let item = serde_json::to_value(item).unwrap();
            let methods = ["get", "post", "put", "patch", "delete"];
            let described = methods
                .into_iter()
                .filter(|method| item.get(method).is_some());
            let described: Vec<_> = described
                .map(|method| (path.clone(), method.to_uppercase()))
                .collect();
            described
        })
        .collect();
    let served: BTreeSet<(String, String)> = routes::list()
        .into_iter()
        // The description does not describe itself.
        .filter(|(path, _)| !path.starts_with("/docs") && *path != "/openapi.json")
        .flat_map(|(path, methods)| {
            methods
                .into_iter()
                .map(move |method| (path.to_owned(), method.to_string()))
        })
        .collect();
    assert_eq!(
        described, served,
        "annotate the handler with #[utoipa::path] and name it in openapi.rs"
    );
}

/// Where an example has `null`, and its schema does not allow it: nothing better was found.
fn gaps(schema: &Value, example: &Value, document: &Value, at: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = document.pointer(reference.trim_start_matches('#')).unwrap();
        return gaps(named, example, document, at);
    }
    let kind = &schema["type"];
    let may_be_null = schema["oneOf"].is_array()
        || kind
            .as_array()
            .is_some_and(|kinds| kinds.contains(&Value::from("null")));
    match example {
        Value::Null if !may_be_null => vec![at.to_owned()],
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| schema["properties"].get(name).is_some())
            .flat_map(|(name, value)| {
                gaps(
                    &schema["properties"][name],
                    value,
                    document,
                    &format!("{at}/{name}"),
                )
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .flat_map(|item| gaps(&schema["items"], item, document, &format!("{at}/0")))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_parameter_has_an_example_and_is_said_once() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array();
            let mut seen = BTreeSet::new();
            for parameter in parameters.into_iter().flatten() {
                let parameter = match parameter["$ref"].as_str() {
                    Some(name) => document.pointer(name.trim_start_matches('#')).unwrap(),
                    None => parameter,
                };
                let name = parameter["name"].as_str().unwrap();
                assert!(!parameter["example"].is_null(), "{method} {path}: {name}");
                assert!(seen.insert(name), "{method} {path}: {name} stands twice");
            }
        }
    }
}

#[test]
fn every_body_has_an_example_without_gaps() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap().values();
            let bodies = answers.chain([&operation["requestBody"]]);
            let contents = bodies.filter_map(|body| body["content"].as_object());
            for content in contents.flat_map(|contents| contents.values()) {
                let examples = content["examples"].as_object();
                let examples = examples.unwrap_or_else(|| panic!("{method} {path}: no example"));
                for reference in examples.values() {
                    let name = reference["$ref"].as_str().unwrap();
                    let example = document.pointer(name.trim_start_matches('#')).unwrap();
                    let gaps = gaps(&content["schema"], &example["value"], &document, name);
                    assert_eq!(gaps, Vec::<String>::new(), "{method} {path}: add examples");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

#[actix_web::test]
async fn the_description_and_its_page_are_served_without_anything_from_elsewhere() {
    let app = TestApp::start();
    let description = app.get("/openapi.json").await;
    assert_eq!(description.status, 200);
    let description: Value = description.json();
    assert_eq!(description["openapi"], "3.1.0");

    let page = app.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self';"), "{policy}");
    for text in [
        page.body.as_str(),
        app.get("/docs/swagger-initializer.js").await.body.as_str(),
    ] {
        assert!(
            !text.contains("http://") && !text.contains("https://"),
            "{text}"
        );
    }
    for file in [
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "swagger-initializer.js",
    ] {
        assert_eq!(
            app.get(&format!("/docs/{file}")).await.status,
            200,
            "{file}"
        );
    }
    assert_eq!(app.get("/docs/nothing").await.status, 404);
}

#[actix_web::test]
async fn the_type_of_a_problem_leads_to_its_meaning() {
    let app = TestApp::start();
    let problem = app.get("/nowhere").await.json();
    let explained = app.get(problem["type"].as_str().unwrap()).await;
    assert_eq!(explained.status, 200);
    assert_eq!(explained.json()["code"], "not_found");
    assert_eq!(explained.json()["status"], 404);
    assert_eq!(app.get("/docs/errors/unknown").await.status, 404);
}
