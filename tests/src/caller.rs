//! Somebody who calls the API: a base URL, a token, and requests as methods.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::Answer;

/// A caller; without a token, a stranger.
#[derive(Debug, Clone)]
pub struct Caller {
    client: Client,
    base: String,
    token: Option<String>,
    headers: Vec<(String, String)>,
}

impl Caller {
    pub(crate) fn stranger(client: Client, base: String) -> Self {
        Self {
            client,
            base,
            token: None,
            headers: Vec::new(),
        }
    }

    /// The same caller with this access token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self {
            token: Some(token.into()),
            ..self.clone()
        }
    }

    /// The same caller, sending this header with every request.
    #[must_use]
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut caller = self.clone();
        caller.headers.push((name.to_owned(), value.to_owned()));
        caller
    }

    /// The access token.
    ///
    /// # Panics
    /// For a stranger.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap()
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    /// `PATCH` with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Any method, with or without a JSON body.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.try_send(method, path, body).await.unwrap()
    }

    /// As [`send`](Self::send), for a server that may be gone.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.request(method.clone(), path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Ok(Answer::read(&method, request.send().await?).await)
    }

    /// Any method with these bytes as its body; the media type is a header like any other.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn send_bytes(&self, method: Method, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = self.request(method.clone(), path).body(body.into());
        Answer::read(&method, request.send().await.unwrap()).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A new project.
    ///
    /// # Panics
    /// When it is not made.
    pub async fn create_project(&self, name: &str) -> Answer {
        self.post("/api/v1/projects", json!({ "name": name }))
            .await
            .expect(201)
    }

    /// A managed account in this role, signed in.
    ///
    /// # Panics
    /// When the caller may not make one.
    pub async fn colleague(&self, role: &str) -> Self {
        let tenant = self.get("/api/v1/users/me").await.expect(200).json()["tenant"].clone();
        let slug = tenant["slug"].as_str().unwrap();
        let email = format!("{role}@{slug}.example");
        let body =
            json!({ "email": email, "full_name": role, "role": role, "password": "correct horse" });
        drop(self.post("/api/v1/users", body).await.expect(201));
        self.login(json!({ "email": email, "password": "correct horse", "tenant_slug": slug }))
            .await
    }

    /// A new key with these scopes: its id, and the program that holds it.
    ///
    /// # Panics
    /// When the caller may not make one.
    pub async fn create_key(&self, scopes: &[&str]) -> (String, Self) {
        let body = json!({ "name": "a program", "scopes": scopes });
        let made = self.post("/api/v1/api-keys", body).await.expect(201);
        let key = made.json()["key"].as_str().unwrap().to_owned();
        (made.id(), self.with_token(key))
    }

    /// A new role, and a managed account that has it, signed in.
    ///
    /// # Panics
    /// When the caller may not make them.
    pub async fn colleague_with(&self, name: &str, based_on: &str, permissions: &[&str]) -> Self {
        let role = json!({ "name": name, "based_on": based_on, "permissions": permissions });
        drop(self.post("/api/v1/roles", role).await.expect(201));
        self.colleague(name).await
    }

    /// Signs in.
    ///
    /// # Panics
    /// When that fails.
    pub async fn login(&self, body: Value) -> Self {
        let stranger = Self::stranger(self.client.clone(), self.base.clone());
        let answer = stranger
            .post("/api/v1/auth/login", body)
            .await
            .expect(200)
            .json();
        stranger.with_token(answer["access_token"].as_str().unwrap())
    }
}
