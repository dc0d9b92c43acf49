//! An example of every body, made from those of its properties.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::Modify;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::path::{Parameter, ParameterBuilder};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Schema};

use super::problems::codes_of;
use crate::error_code::ErrorCode;

const ID: &str = "01980e6f-a30b-7f0d-9a3c-5d2b8e41c07a";
const TIME: &str = "2026-01-31T09:30:00.123456Z";
const SCHEMA: &str = "#/components/schemas/";

/// Gives every body its example.
pub(super) struct Examples;

impl Modify for Examples {
    fn modify(&self, document: &mut OpenApi) {
        let Some(components) = &mut document.components else {
            return;
        };
        let schemas = serde_json::to_value(&components.schemas).unwrap_or_default();
        let mut named = BTreeMap::new();
        for item in document.paths.paths.values_mut() {
            for (_, operation) in super::frame::operations(item) {
                for parameter in operation.parameters.iter_mut().flatten() {
                    if let RefOr::T(parameter) = parameter {
                        exemplify(parameter, &schemas);
                    }
                }
                if let Some(RefOr::T(body)) = &mut operation.request_body {
                    refer(body.content.values_mut(), &mut named);
                }
                for response in operation.responses.responses.values_mut() {
                    let RefOr::T(response) = response else {
                        continue;
                    };
                    let codes = codes_of(response);
                    for content in response.content.values_mut() {
                        let RefOr::T(content) = content else {
                            continue;
                        };
                        for code in &codes {
                            add(content, code.as_str());
                        }
                    }
                    if codes.is_empty() {
                        refer(response.content.values_mut(), &mut named);
                    }
                }
            }
        }
        for (name, schema) in named {
            let example = of(&json!({ "$ref": schema }), &schemas);
            components.examples.insert(name, described(example, ""));
        }
        for code in ErrorCode::ALL {
            let example = described(problem(*code), code.title());
            components
                .examples
                .insert(code.as_str().to_owned(), example);
        }
    }
}

/// A parameter's example: what is usual for its name, or fits its schema.
fn exemplify(parameter: &mut Parameter, schemas: &Value) {
    let usual = match parameter.name.as_str() {
        "cursor" => Some(json!("AZgObqMLfw2aPF0rjkHAeg")),
        "q" => Some(json!("atl")),
        _ => None,
    };
    let described = serde_json::to_value(&*parameter).unwrap_or_default();
    if described.get("example").is_none() {
        let schema = described.get("schema").unwrap_or(&Value::Null);
        let example = usual.unwrap_or_else(|| of(schema, schemas));
        let builder = ParameterBuilder::from(std::mem::take(parameter));
        *parameter = builder.example(Some(example)).build();
    }
}

fn described(value: Value, summary: &str) -> RefOr<Example> {
    let example = ExampleBuilder::new().summary(summary).value(Some(value));
    example.build().into()
}

/// Names the example after the schema.
fn refer<'a>(
    contents: impl Iterator<Item = &'a mut RefOr<Content>>,
    named: &mut BTreeMap<String, String>,
) {
    for content in contents {
        let RefOr::T(content) = content else {
            continue;
        };
        let Some(schema) = content.schema.as_ref().and_then(name_of) else {
            continue;
        };
        let Some(name) = schema.strip_prefix(SCHEMA).map(str::to_owned) else {
            continue;
        };
        add(content, &name);
        named.insert(name, schema);
    }
}

/// The schema that is referred to; of a body that may be absent, that of one that is not.
fn name_of(schema: &RefOr<Schema>) -> Option<String> {
    match schema {
        RefOr::Ref(schema) => Some(schema.ref_location.clone()),
        RefOr::T(Schema::OneOf(one_of)) => one_of.items.iter().find_map(name_of),
        RefOr::T(_) => None,
    }
}

fn add(content: &mut Content, name: &str) {
    let reference = Ref::new(format!("#/components/examples/{name}"));
    content
        .examples
        .insert(name.to_owned(), RefOr::Ref(reference));
}

/// What a problem with this code looks like.
fn problem(code: ErrorCode) -> Value {
    let mut problem = json!({
        "type": code.uri().to_string(),
        "title": code.title(),
        "status": code.status().as_u16(),
        "detail": code.title(),
        "code": code.as_str(),
        "request_id": "01980e6fa30b7f0d9a3c5d2b8e41c07a",
    });
    if let Some(members) = problem.as_object_mut() {
        if code == ErrorCode::ValidationFailed {
            let error =
                json!({ "pointer": "/name", "code": "invalid", "detail": "must not be empty" });
            members.insert("errors".to_owned(), json!([error]));
        }
        if code == ErrorCode::PlanLimitExceeded {
            members.insert("resource".to_owned(), json!("projects"));
            members.insert("limit".to_owned(), json!(10));
            members.insert("current".to_owned(), json!(10));
        }
        if code == ErrorCode::TooManyAttempts {
            members.insert("limit".to_owned(), json!("address"));
        }
    }
    problem
}

/// What fits a schema: its own example, or one put together from those of its parts.
fn of(schema: &Value, schemas: &Value) -> Value {
    let said = ["example", "default"]
        .into_iter()
        .find_map(|key| schema.get(key));
    if let Some(example) = said {
        return example.clone();
    }
    if let Some(first) = schema.pointer("/examples/0").or(schema.pointer("/enum/0")) {
        return first.clone();
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let named = name.strip_prefix(SCHEMA).and_then(|name| schemas.get(name));
        return named.map_or(Value::Null, |named| of(named, schemas));
    }
    if let Some(first) = schema.pointer("/oneOf/0").or(schema.pointer("/anyOf/0")) {
        return of(first, schemas);
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
        let parts = parts
            .iter()
            .filter_map(|part| of(part, schemas).as_object().cloned());
        return parts.flatten().collect::<Map<_, _>>().into();
    }
    let format = schema.get("format").and_then(Value::as_str);
    match schema.get("type") {
        Some(Value::String(kind)) => match kind.as_str() {
            "object" => {
                let properties = schema.get("properties").and_then(Value::as_object);
                let properties = properties.into_iter().flatten();
                properties
                    .map(|(name, property)| (name.clone(), of(property, schemas)))
                    .collect::<Map<_, _>>()
                    .into()
            }
            "array" => schema
                .get("items")
                .map_or(json!([]), |items| json!([of(items, schemas)])),
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
            "boolean" => json!(true),
            _ => match format {
                Some("uuid") => json!(ID),
                Some("date-time") => json!(TIME),
                // A test asks for an example.
                _ => Value::Null,
            },
        },
        // Something that may be absent.
        _ => Value::Null,
    }
}
