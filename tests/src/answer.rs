//! What a server answered, read whole: status, headers, body.

use std::collections::BTreeMap;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::described::Asked;

/// A response whose body has been read.
#[derive(Debug, Clone)]
pub struct Answer {
    asked: Asked,
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    pub(crate) async fn read(method: &Method, response: reqwest::Response) -> Self {
        let asked = Asked::new(method, response.url().path());
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Self {
            asked,
            status,
            headers,
            text,
        }
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header's value; empty when it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body as it came.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|e| panic!("{e} in {} {:?}", self.status, self.text))
    }

    /// `id` of the body.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn id(&self) -> String {
        self.json()["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no id in {} {}", self.status, self.text))
            .to_owned()
    }

    /// `code` of a problem document.
    ///
    /// # Panics
    /// When the body is no problem document.
    #[must_use]
    pub fn code(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text
        );
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// The body of a problem document, held against all that is promised of one: that the API's
    /// description knows it, media type, members, caching, the request id twice, the challenge of a
    /// 401.
    ///
    /// # Panics
    /// When it is another problem, or not told as it should be.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(
            (self.status, self.code().as_str()),
            (status, code),
            "{}",
            self.text
        );
        self.asked.assert_is_described(status, code);
        let body = self.json();
        let members: Vec<&str> = body
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let always = ["code", "detail", "request_id", "status", "title", "type"];
        let refused = [
            "code",
            "detail",
            "errors",
            "request_id",
            "status",
            "title",
            "type",
        ];
        let limited = [
            "code",
            "detail",
            "limit",
            "request_id",
            "status",
            "title",
            "type",
        ];
        let mut planned = vec!["code", "current", "detail", "limit", "request_id"];
        if body["resource"] == "api_calls" {
            planned.push("resets_at");
        }
        planned.extend(["resource", "status", "title", "type"]);
        let expected = match status {
            402 => &planned[..],
            422 if code == "validation_failed" => &refused[..],
            429 => &limited[..],
            _ => &always[..],
        };
        assert_eq!(members, expected, "{}", self.text);
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("/docs/errors/{code}"));
        assert_eq!(body["request_id"], self.header("x-request-id"));
        assert_eq!(self.header("cache-control"), "no-store");
        self.assert_framed();
        let challenge = self.header("www-authenticate");
        assert_eq!(
            challenge.starts_with("Bearer realm=\"rowhouse\""),
            status == 401,
            "{challenge}"
        );
        let comes_back = matches!(status, 429 | 503);
        assert_eq!(self.headers.contains_key("retry-after"), comes_back);
        body
    }

    /// Pointer and code of every value that a 422 refuses, in its order.
    ///
    /// # Panics
    /// When it is another answer.
    pub fn refusals(&self) -> Vec<(String, String)> {
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let body = self.problem(422, "validation_failed");
        let errors = body["errors"].as_array().unwrap().iter();
        errors
            .map(|error| (word(&error["pointer"]), word(&error["code"])))
            .collect()
    }

    /// Looks for the headers that every answer carries.
    ///
    /// # Panics
    /// When one is missing.
    pub fn assert_framed(&self) {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(
                self.header(name),
                value,
                "{name} of {} {}",
                self.status,
                self.text
            );
        }
        assert!(!self.header("x-request-id").is_empty());
        assert!(!self.header("cache-control").is_empty());
    }

    /// All that an answer says, without what differs from request to request: to be compared
    /// with another one. `connection` does: an answer that overtook a body closes it.
    ///
    /// # Panics
    /// When a header is not text.
    #[must_use]
    pub fn essence(&self) -> (u16, BTreeMap<String, String>, String) {
        let headers = self.headers.iter();
        let headers = headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .filter(|(name, _)| !matches!(name.as_str(), "connection" | "date" | "x-request-id"))
            .collect();
        let (status, text) = self.without_request_id();
        (status, headers, text)
    }

    /// Itself, when the status is this one.
    ///
    /// # Panics
    /// When it is another; with the whole answer.
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Status and body, without what differs from request to request.
    #[must_use]
    pub fn without_request_id(&self) -> (u16, String) {
        let id = self.header("x-request-id");
        (self.status, self.text.replace(id, "<request id>"))
    }
}
