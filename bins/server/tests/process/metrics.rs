//! `/metrics`, on an address of its own; and that a server that stops has written down whom it
//! refused.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use reqwest::Method;

use crate::servers::{Home, Server};

/// An address that nobody listens on.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn denials_and_seals_are_counted_where_the_settings_say_and_nowhere_else() {
    let home = Home::new();
    let address = free_address();
    let mut command = home.command();
    command.env("ROWHOUSE__METRICS__BIND", &address);
    let server = Server::start(&mut command);
    let metrics = async || {
        let answer = reqwest::get(format!("http://{address}/metrics"))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let kind = answer.headers()["content-type"].to_str().unwrap();
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        answer.text().await.unwrap()
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    // What alerts are on is there before it happens, as soon as the worker has begun.
    for line in [
        "rowhouse_denials_total{reason=\"isolation_violation\"} 0",
        "rowhouse_denials_total{reason=\"forbidden\"} 0",
        "rowhouse_denials_dropped_total{cause=\"queue_full\"} 0",
        "rowhouse_reads_dropped_total{cause=\"queue_full\"} 0",
        "rowhouse_audit_seal_failures_total 0",
        "rowhouse_audit_chain_failures_total 0",
        "rowhouse_audit_links_checked_total ",
    ] {
        while !metrics().await.contains(line) {
            assert!(Instant::now() < deadline, "{line} is not counted");
        }
    }
    let viewer = server.client().demo("viewer@dunder-mifflin.example").await;
    let refused = viewer.try_send(Method::GET, "/api/v1/roles", None).await;
    assert_eq!(refused.unwrap().status, 403);
    let after = metrics().await;
    let counted = "rowhouse_denials_total{reason=\"forbidden\"} 1";
    assert!(after.contains(counted), "{after}");
    while !metrics().await.contains("rowhouse_audit_seal_lag_seconds ") {
        assert!(Instant::now() < deadline, "nothing is sealed");
    }
    let elsewhere = reqwest::get(format!("http://{address}/health"))
        .await
        .unwrap();
    assert_eq!(elsewhere.status(), 404);
    assert!(server.terminate().success());

    // What was refused last was written down when the server stopped.
    let server = home.serve();
    let owner = server.client().demo("owner@dunder-mifflin.example").await;
    let denials = owner.get("/api/v1/audit/denials").await;
    assert_eq!(denials["data"][0]["route"], "GET /api/v1/roles");
    assert!(server.terminate().success());
}
