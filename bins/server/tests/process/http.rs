//! What clients of these tests say and hear.

use reqwest::Method;
use serde_json::{Value, json};

/// The password of every demo login, as the banner prints it.
const DEMO_PASSWORD: &str = "demo-rowhouse-2026";

/// A caller of one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    key: Option<String>,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn of(address: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            base: format!("http://{address}"),
            token: None,
            key: None,
        }
    }

    /// The same person at another server.
    pub(crate) fn at(&self, address: &str) -> Self {
        Self {
            token: self.token.clone(),
            ..Self::of(address)
        }
    }

    /// The same person, sending this `Idempotency-Key`.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self.clone()
        }
    }

    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = &self.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        Ok(Answer {
            status: response.status().as_u16(),
            content_type: header("content-type").unwrap_or_default(),
            retry_after: header("retry-after").map(|seconds| seconds.parse().unwrap()),
            body: response.json().await.unwrap_or_default(),
        })
    }

    #[track_caller]
    fn body_of(answer: reqwest::Result<Answer>, status: u16) -> Value {
        let answer = answer.unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
        answer.body
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        Self::body_of(self.try_send(Method::GET, path, None).await, 200)
    }

    pub(crate) async fn create_project(&self, name: &str) -> reqwest::Result<Answer> {
        let body = json!({ "name": name });
        self.try_send(Method::POST, "/api/v1/projects", Some(&body))
            .await
    }

    /// Signs in with one of the demo logins.
    pub(crate) async fn demo(&self, email: &str) -> Self {
        let body = json!({ "email": email, "password": DEMO_PASSWORD });
        let answer = self
            .try_send(Method::POST, "/api/v1/auth/login", Some(&body))
            .await;
        let token = Self::body_of(answer, 200)["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        Self {
            token: Some(token),
            ..self.clone()
        }
    }

    /// The ids and names of all projects that this caller sees, page by page.
    pub(crate) async fn projects(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self
                .get(&format!("/api/v1/projects?limit=100{cursor}"))
                .await;
            for project in page["data"].as_array().unwrap() {
                let text = |key: &str| project[key].as_str().unwrap().to_owned();
                all.push((text("id"), text("name")));
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }
}
