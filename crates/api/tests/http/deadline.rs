//! How long a request may take.

use crate::app::{ORIGIN, THING, TestApp, send};
use api::ServerSettings;
use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    num::NonZeroU64,
    thread,
    time::{Duration, Instant},
};

fn app_of_a_second() -> TestApp {
    TestApp::start_with(ServerSettings {
        request_timeout_seconds: NonZeroU64::MIN,
        body_timeout_seconds: 1,
        ..ServerSettings::default()
    })
}

#[actix_web::test]
async fn a_handler_that_hangs_is_given_up_with_an_answer_like_any_other() {
    let app = app_of_a_second();
    let asked = app
        .request("GET", "/hangs")
        .header("origin", ORIGIN)
        .header("x-request-id", "hanging");
    let answer = send(asked).await;
    let problem = answer.problem(503, "deadline_exceeded");
    assert_eq!(problem["request_id"], "hanging");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let next = app.get("/queries").await;
    assert_eq!(next.status, 200);
}

/// Sends a byte, and another one whenever the server has been silent for a moment, until it answers
/// and closes: all that it said.
fn drip(app: &TestApp, head: &str) -> String {
    let mut stream = TcpStream::connect(app.address).unwrap();
    let moment = Duration::from_millis(20);
    stream.set_read_timeout(Some(moment)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while Instant::now() < deadline {
        match stream.read(&mut buffer) {
            Ok(0) => return String::from_utf8(answer).unwrap(),
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let _ = stream.write_all(b" ");
            }
            Err(_) => return String::from_utf8(answer).unwrap(),
        }
    }
    panic!(
        "the server goes on reading: {}",
        String::from_utf8_lossy(&answer)
    );
}

/// Drips into several connections at once: each head, with what its answer must begin with.
fn drip_all(app: &TestApp, heads: &[(String, &[u16])]) {
    thread::scope(|scope| {
        for (head, expected) in heads {
            scope.spawn(move || {
                let answer = drip(app, head);
                let status = answer.get(9..12).and_then(|status| status.parse().ok());
                let is_expected = status.is_some_and(|status| expected.contains(&status));
                assert!(is_expected, "{head}: {answer}");
            });
        }
    });
}

const LENGTH: &str = "content-length: 1000000\r\n\r\n{";
const CHUNKED: &str = "transfer-encoding: chunked\r\n\r\n100000\r\n{";

#[actix_web::test]
async fn bytes_that_drip_are_cut_however_steadily_they_come() {
    let app = app_of_a_second();
    let head = "POST /bodies HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    drip_all(
        &app,
        &[LENGTH, CHUNKED].map(|body| (format!("{head}{body}"), &[408, 503][..])),
    );
}

#[actix_web::test]
async fn a_body_that_nobody_reads_does_not_keep_its_connection() {
    let app = app_of_a_second();
    let thing = format!("DELETE /things/{THING}");
    let requests: [(&str, &[u16]); 8] = [
        ("POST /hangs", &[503]),
        ("POST /bodies", &[415]),
        ("POST /nowhere", &[404]),
        ("PUT /health", &[405]),
        ("GET /api/v1/projects", &[401]),
        ("GET /queries", &[200]),
        ("HEAD /queries", &[200]),
        (&thing, &[204]),
    ];
    for body in [LENGTH, CHUNKED] {
        let head = |line: &str| format!("{line} HTTP/1.1\r\nhost: x\r\n{body}");
        drip_all(
            &app,
            &requests.map(|(line, expected)| (head(line), expected)),
        );
    }
}

#[actix_web::test]
async fn a_chunked_body_that_was_read_keeps_its_connection() {
    let app = TestApp::start();
    let body = r#"{"email": "a@b.example", "name": "Park"}"#;
    let chunked = format!(
        "POST /bodies HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let last = "GET /queries HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = app.raw_until_closed(format!("{chunked}{chunked}{last}").as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 3, "{answers}");
}

#[actix_web::test]
async fn a_head_that_drips_is_cut() {
    let app = TestApp::start_with(ServerSettings {
        head_timeout_seconds: 1,
        ..ServerSettings::default()
    });
    let answer = drip(&app, "GET /health HTTP/1.1\r\nhost: x\r\nx-slow:");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}
