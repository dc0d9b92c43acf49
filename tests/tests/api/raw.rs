//! HTTP as no client library would send it: bytes on a socket.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rowhouse_tests::{Caller, TestApp};

use crate::oddities::alice_and_project;
use crate::state;

/// Until an answer must have come.
const DEADLINE: Duration = Duration::from_secs(30);

/// All that the server says to these bytes until it closes the connection, which it must: the
/// sending side is shut behind them.
async fn send(app: &TestApp, bytes: impl Into<Vec<u8>>) -> Vec<u8> {
    let (address, bytes) = (app.address(), bytes.into());
    let exchange = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // A server that has answered already may close before all is sent.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                unreachable!("no answer within {DEADLINE:?}")
            }
            _ => answer,
        }
    };
    tokio::task::spawn_blocking(exchange).await.unwrap()
}

/// The statuses of all answers in these bytes, the interim ones left out.
fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    let lines = text.split("HTTP/1.1 ").skip(1);
    let lines = lines.chain(text.split("HTTP/1.0 ").skip(1));
    lines
        .filter_map(|line| line.get(..3)?.parse().ok())
        .filter(|status| *status >= 200)
        .collect()
}

/// A request of alice's, as bytes.
fn request(alice: &Caller, line: &[u8], headers: &[u8], body: &[u8]) -> Vec<u8> {
    let authorization = format!("\r\nauthorization: Bearer {}\r\n", alice.token());
    [line, authorization.as_bytes(), headers, b"\r\n", body].concat()
}

#[tokio::test]
async fn no_bytes_on_the_socket_are_too_odd() {
    let app = TestApp::start().await;
    let (alice, _) = alice_and_project(&app).await;
    let host: &[u8] = b"host: x\r\n";
    let get: &[u8] = b"GET /api/v1/projects HTTP/1.1";
    let post: &[u8] = b"POST /api/v1/projects HTTP/1.1";
    let json: &[u8] = b"host: x\r\ncontent-type: application/json\r\n";
    let with = |headers: &[u8], more: &[u8]| [headers, more].concat();
    let chunked = with(json, b"transfer-encoding: chunked\r\n");
    let many_headers = b"x-a: b\r\n".repeat(200);
    let long_header = [b"x-a: ".as_slice(), &vec![b'a'; 200_000], b"\r\n"].concat();
    let long_path = [b"GET /".as_slice(), &vec![b'a'; 200_000], b" HTTP/1.1"].concat();
    let odd: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        vec![0xff; 10_000],
        request(&alice, b"GET /api/v1/projects HTTP/1.0", b"", b""),
        request(&alice, get, b"", b""),
        request(&alice, get, b"host: x\r\nhost: y\r\n", b""),
        request(&alice, get, b"host: \xff\xfe\r\n", b""),
        request(&alice, get, b"host: x\r\nx-tenant-slug: \xff\xfe\r\n", b""),
        request(&alice, get, b"host: x\r\nx-request-id: \x80\r\n", b""),
        request(&alice, get, b"host: x\r\nif-match: \xff\r\n", b""),
        request(&alice, get, b"host: x\r\nx-a: \x00\r\n", b""),
        request(&alice, get, b"host: x\r\n bad: folded\r\n", b""),
        request(&alice, get, b"host: x\r\nno colon here\r\n", b""),
        request(&alice, get, &many_headers, b""),
        request(&alice, get, &long_header, b""),
        request(&alice, &long_path, host, b""),
        request(&alice, b"GET /api/v1/projects/\xff\xfe HTTP/1.1", host, b""),
        request(&alice, b"GET /api/v1/projects/\x00 HTTP/1.1", host, b""),
        request(
            &alice,
            b"GET /api/v1/projects/../users/me HTTP/1.1",
            host,
            b"",
        ),
        request(&alice, b"GET /docs/../../../etc/passwd HTTP/1.1", host, b""),
        request(
            &alice,
            b"GET /docs/%2e%2e/%2e%2e/etc/passwd HTTP/1.1",
            host,
            b"",
        ),
        request(
            &alice,
            b"GET /api/v1/projects?limit=\xe2\x80\xae HTTP/1.1",
            host,
            b"",
        ),
        request(&alice, b"GET /api/v1/projects#fragment HTTP/1.1", host, b""),
        request(
            &alice,
            b"GET http://globex-inc.rowhouse.test/api/v1/projects HTTP/1.1",
            host,
            b"",
        ),
        request(&alice, b"GET http://[::1/api HTTP/1.1", host, b""),
        request(&alice, b"GET //api/v1/projects HTTP/1.1", host, b""),
        request(&alice, b"GET * HTTP/1.1", host, b""),
        request(&alice, b"OPTIONS * HTTP/1.1", host, b""),
        request(&alice, b"CONNECT x:443 HTTP/1.1", host, b""),
        request(&alice, b"G\xc3\x84T / HTTP/1.1", host, b""),
        request(&alice, post, &with(json, b"content-length: 5\r\n"), b"{}"),
        request(&alice, post, &with(json, b"content-length: -1\r\n"), b"{}"),
        request(&alice, post, &with(json, b"content-length: 1e3\r\n"), b"{}"),
        request(
            &alice,
            post,
            &with(json, b"content-length: 99999999999999999999\r\n"),
            b"{}",
        ),
        request(
            &alice,
            post,
            &with(json, b"content-length: 2\r\ncontent-length: 3\r\n"),
            b"{}",
        ),
        request(
            &alice,
            post,
            &with(json, b"content-length: 2\r\ntransfer-encoding: chunked\r\n"),
            b"0\r\n\r\n",
        ),
        request(
            &alice,
            post,
            &with(json, b"transfer-encoding: gzip\r\n"),
            b"{}",
        ),
        request(&alice, post, &chunked, b"zz\r\n{}\r\n0\r\n\r\n"),
        request(&alice, post, &chunked, b"ffffffffffffffff\r\n{}\r\n"),
        request(&alice, post, &chunked, b"2\r\n{}"),
        request(
            &alice,
            post,
            &chunked,
            b"2;ext=\"x\"\r\n{}\r\n0\r\nx-trailer: y\r\n\r\n",
        ),
        request(
            &alice,
            post,
            &with(json, b"expect: 100-continue\r\ncontent-length: 2\r\n"),
            b"{}",
        ),
        request(
            &alice,
            post,
            &with(
                json,
                b"upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 2\r\n",
            ),
            b"{}",
        ),
    ];
    for bytes in odd {
        let answer = send(&app, bytes.clone()).await;
        let what = String::from_utf8_lossy(&bytes)
            .chars()
            .take(100)
            .collect::<String>();
        let statuses = statuses(&answer);
        assert!(statuses.len() <= 1, "{what}: {statuses:?}");
        assert!(
            statuses.iter().all(|status| *status < 500),
            "{what}: {statuses:?}"
        );
        let health = app.stranger().get("/health").await;
        assert_eq!(health.status(), 200, "{what}");
    }
    assert_eq!(state::count(&app, "projects"), 1);
}

#[tokio::test]
async fn a_request_hidden_in_the_body_of_another_is_not_served() {
    let app = TestApp::start().await;
    let (alice, _) = alice_and_project(&app).await;
    let hidden = request(
        &alice,
        b"GET /api/v1/projects HTTP/1.1",
        b"host: x\r\n",
        b"",
    );
    let length = format!("content-length: {}\r\n", hidden.len());
    // Both lengths: whoever believes the other one sees a second request.
    for headers in [
        format!("host: x\r\ncontent-type: application/json\r\n{length}"),
        format!(
            "host: x\r\ncontent-type: application/json\r\n{length}transfer-encoding: chunked\r\n"
        ),
        format!(
            "host: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n{length}"
        ),
    ] {
        let body = [b"0\r\n\r\n".as_slice(), &hidden].concat();
        let body = if headers.contains("chunked") {
            body
        } else {
            hidden.clone()
        };
        let bytes = request(
            &alice,
            b"POST /api/v1/projects HTTP/1.1",
            headers.as_bytes(),
            &body,
        );
        let answer = send(&app, bytes).await;
        let statuses = statuses(&answer);
        assert!(
            statuses.len() == 1 && statuses[0] >= 400,
            "{headers}: {statuses:?}"
        );
    }
}
