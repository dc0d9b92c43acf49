//! Heads that are too large.

use crate::app::{TestApp, send};
use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

#[actix_web::test]
async fn a_target_beyond_eight_kibibytes_is_refused() {
    let app = TestApp::start();
    let prefix = "/queries?q=";
    let fits = format!("{prefix}{}", "x".repeat(8 * 1024 - prefix.len()));
    assert_eq!(fits.len(), 8 * 1024);
    assert_eq!(app.get(&fits).await.status, 200);
    for target in [format!("{fits}x"), format!("/{}", "x".repeat(60_000))] {
        app.get(&target).await.problem(414, "uri_too_long");
    }
}

#[actix_web::test]
async fn more_headers_than_64_or_than_32_kibibytes_are_refused() {
    let app = TestApp::start();
    let with = |count: usize, size: usize| {
        let mut request = app.request("GET", "/queries");
        for number in 0..count {
            request = request.header(format!("x-{number}"), "x".repeat(size));
        }
        send(request)
    };
    // Two are the client's own: `host` and `accept`.
    assert_eq!(with(62, 1).await.status, 200);
    with(63, 1).await.problem(431, "headers_too_large");
    assert_eq!(with(30, 1000).await.status, 200);
    with(33, 1000).await.problem(431, "headers_too_large");
    with(1, 33_000).await.problem(431, "headers_too_large");
}

/// What the server says until it hangs up, also on a client that is still talking.
fn send_all(app: &TestApp, request: &str) -> String {
    let mut stream = TcpStream::connect(app.address).unwrap();
    let deadline = Duration::from_secs(30);
    stream.set_read_timeout(Some(deadline)).unwrap();
    let _ = stream.write_all(request.as_bytes());
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
            Err(error) => {
                let kind = error.kind();
                assert_eq!(
                    kind,
                    ErrorKind::ConnectionReset,
                    "the connection stayed open"
                );
                break;
            }
        }
    }
    String::from_utf8(answer).unwrap()
}

#[actix_web::test]
async fn what_actix_does_not_read_is_a_bare_refusal_that_ends_the_connection() {
    let app = TestApp::start();
    let many = "x-a: b\r\n".repeat(200);
    let large = format!("x-a: {}\r\n", "b".repeat(200_000));
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(200_000));
    for request in [
        format!("GET /health HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        format!("GET /health HTTP/1.1\r\nhost: x\r\n{large}\r\n"),
        long,
    ] {
        let answer = send_all(&app, &request);
        let status = answer.get(..12).unwrap_or_default();
        assert!(
            matches!(
                status,
                "HTTP/1.1 400" | "HTTP/1.1 431" | "HTTP/1.1 413" | "HTTP/1.1 414"
            ),
            "{answer}"
        );
        assert!(!answer.contains("problem+json"), "{answer}");
    }
}
