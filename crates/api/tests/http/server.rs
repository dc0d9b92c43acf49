//! The server itself: ports, health, connections, stopping.

use crate::app::{TestApp, state};
use api::{Claim, Server, ServerSettings, routes};
use serde_json::json;
use std::{io, io::ErrorKind, net::TcpListener, sync::Arc};

#[actix_web::test]
async fn health_needs_nothing_and_tells_the_version() {
    let app = TestApp::start();
    for path in ["/health", "/health/live"] {
        let answer = app.get(path).await;
        let expected = json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")});
        assert_eq!((answer.status, answer.json()), (200, expected));
    }
}

#[actix_web::test]
async fn a_busy_port_is_said_to_be_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = ServerSettings {
        port: taken.local_addr().unwrap().port(),
        ..ServerSettings::default()
    };
    let error = bind(settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[actix_web::test]
async fn port_0_takes_a_free_port_and_stop_ends_the_server() {
    let settings = ServerSettings {
        port: 0,
        ..ServerSettings::default()
    };
    let server = bind(settings).unwrap();
    let address = server.addresses()[0];
    assert_ne!(address.port(), 0);
    let handle = server.handle();
    let running = actix_web::rt::spawn(server.run());
    let health = reqwest::get(format!("http://{address}/health")).await;
    assert_eq!(health.unwrap().status(), 200);
    handle.stop(true).await;
    running.await.unwrap().unwrap();
    assert!(
        reqwest::get(format!("http://{address}/health"))
            .await
            .is_err()
    );
}

#[actix_web::test]
async fn a_head_that_does_not_arrive_is_cut() {
    let app = TestApp::start_with(ServerSettings {
        head_timeout_seconds: 1,
        ..ServerSettings::default()
    });
    let answer = app.raw_until_closed(b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[actix_web::test]
async fn a_refused_body_does_not_keep_its_connection() {
    let app = TestApp::start();
    let answer = app.raw_until_closed(
        b"POST /bodies HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n\
          content-length: 1000000\r\n\r\n0123456789",
    );
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
}

fn bind(settings: ServerSettings) -> io::Result<Server> {
    let claim = Claim::of(settings.address())?;
    Server::listen_routes(claim, Arc::new(state(settings)), routes::register)
}
