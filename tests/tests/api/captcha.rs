//! Registration where a captcha is demanded: the verifier is somebody else, here a listener of the
//! test's own.

use std::sync::{Arc, Mutex};

use auth::CaptchaSettings;
use rowhouse_tests::{Setup, TestApp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::projects::refusal;
use crate::registration::founder;
use crate::state;
use crate::verification::post;

const REGISTER: &str = "/api/v1/auth/register";
const ALICE: &str = "alice@acme.example";

/// A verifier that takes `good` for good, answers `broken` with what is no verdict, and remembers
/// what it was asked.
async fn verifier() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/siteverify", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let questions = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let question = answer(stream).await;
            questions.lock().unwrap().push(question);
        }
    });
    (url, asked)
}

/// Reads one request and answers it; its body.
async fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut buffer = [0; 1024];
        let length = stream.read(&mut buffer).await.unwrap();
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let expected = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.parse::<usize>().unwrap())
        });
        if Some(body.len()) == expected {
            let (status, verdict) = match body {
                it if it.contains("response=good") => (200, r#"{"success":true,"hostname":"x"}"#),
                it if it.contains("response=broken") => (200, "nonsense"),
                it if it.contains("response=failing") => (500, "{}"),
                _ => (
                    200,
                    r#"{"success":false,"error-codes":["invalid-input-response"]}"#,
                ),
            };
            let length = verdict.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{verdict}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            return body.to_owned();
        }
    }
}

async fn start(verify_url: String) -> TestApp {
    TestApp::start_as(Setup {
        captcha: CaptchaSettings {
            verify_url: Some(verify_url),
            secret: Some("its secret".to_owned().into()),
        },
        ..Setup::default()
    })
    .await
}

fn with(token: &Value) -> Value {
    let mut body = founder(ALICE, "acme-corp");
    body["captcha_token"] = token.clone();
    body
}

#[tokio::test]
async fn a_registration_needs_a_token_that_the_verifier_takes_for_good() {
    let (url, asked) = verifier().await;
    let app = start(url).await;
    for (body, code) in [
        (founder(ALICE, "acme-corp"), "missing_field"),
        (with(&Value::Null), "missing_field"),
        (with(&json!("bad")), "invalid"),
        (with(&json!("")), "invalid"),
        (with(&json!("x".repeat(8193))), "invalid"),
        (with(&json!(7)), "wrong_type"),
    ] {
        let answer = post(&app, REGISTER, body).await;
        assert_eq!(answer.refusals(), refusal("/captcha_token", code));
    }
    assert_eq!(state::count(&app, "accounts"), 0);
    let _ = post(&app, REGISTER, with(&json!("good"))).await.expect(201);
    assert_eq!(
        *asked.lock().unwrap(),
        [
            "secret=its+secret&response=bad&remoteip=127.0.0.1",
            "secret=its+secret&response=good&remoteip=127.0.0.1"
        ]
    );
    // Sign-in asks for none.
    let login = json!({ "email": ALICE, "password": "securepass123" });
    let _ = app.stranger().login(login).await;
}

#[tokio::test]
async fn a_verifier_that_says_nothing_of_use_is_503() {
    let (url, _) = verifier().await;
    let app = start(url).await;
    for token in ["broken", "failing"] {
        let answer = post(&app, REGISTER, with(&json!(token))).await;
        answer.problem(503, "captcha_unavailable");
        assert!(!answer.text().contains("secret"));
    }
    // A port at which nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let down = start(nobody).await;
    let answer = post(&down, REGISTER, with(&json!("good"))).await;
    answer.problem(503, "captcha_unavailable");
    for app in [app, down] {
        assert_eq!(state::count(&app, "accounts"), 0);
    }
}

#[tokio::test]
async fn without_a_verifier_a_token_is_not_looked_at() {
    let app = TestApp::start().await;
    let _ = post(&app, REGISTER, with(&json!("whatever")))
        .await
        .expect(201);
}
