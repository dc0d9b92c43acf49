//! What was asked for, as the API's description names it.

use std::collections::HashMap;
use std::sync::LazyLock;

use reqwest::Method;
use serde_json::Value;

/// By method and path of the description: the problems that it says, `status code`.
static PROBLEMS: LazyLock<HashMap<(String, String), Vec<String>>> = LazyLock::new(|| {
    let document = serde_json::to_value(api::openapi::document()).unwrap();
    let mut problems = HashMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let described = responses
                .iter()
                .flat_map(|(status, response)| codes(&document, status, response));
            let key = (method.to_uppercase(), path.clone());
            problems.insert(key, described.collect());
        }
    }
    problems
});

fn codes(document: &Value, status: &str, response: &Value) -> Vec<String> {
    let response = response["$ref"].as_str().map_or(response, |reference| {
        document.pointer(reference.trim_start_matches('#')).unwrap()
    });
    let examples = response["content"]["application/problem+json"]["examples"].as_object();
    let codes = examples.into_iter().flatten();
    codes.map(|(code, _)| format!("{status} {code}")).collect()
}

/// A request's method and path, as they were sent.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    method: String,
    path: String,
}

impl Asked {
    pub(crate) fn new(method: &Method, path: &str) -> Self {
        // HEAD is answered as GET, and not described.
        let method = if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        Self {
            method: method.to_string(),
            path: path.to_owned(),
        }
    }

    /// A client may rely on the description: it names every problem that comes back. What is asked
    /// of no operation is not described, nor is what any operation answers to HTTP gone wrong.
    pub(crate) fn assert_is_described(&self, status: u16, code: &str) {
        let templates = PROBLEMS.keys().map(|(_, template)| template);
        let templates = templates.filter(|template| fits(template, &self.path));
        // A literal segment goes before a parameter.
        let Some(template) = templates.min_by_key(|template| template.matches('{').count()) else {
            return;
        };
        let key = (self.method.clone(), template.clone());
        if let Some(problems) = PROBLEMS.get(&key) {
            let problem = format!("{status} {code}");
            assert!(
                problems.contains(&problem),
                "{} {template} answered {problem}, which its description does not name",
                self.method
            );
        }
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut parts, mut segments) = (template.split('/'), path.split('/'));
    loop {
        match (parts.next(), segments.next()) {
            (None, None) => return true,
            (Some(part), Some(segment)) if part.starts_with('{') || part == segment => {}
            _ => return false,
        }
    }
}
