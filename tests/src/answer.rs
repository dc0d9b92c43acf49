//! What a server answered, read whole: status, headers, body.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// A response whose body has been read.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Self {
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
