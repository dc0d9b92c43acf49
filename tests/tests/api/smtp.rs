//! Mail over SMTP, to a mail server of the test's own.

use std::sync::{Arc, Mutex};

use rowhouse_tests::{Setup, TestApp, Work};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::state;
use crate::verification::post;

const ALICE: &str = "alice@acme.example";

/// A mail server: what it says to each recipient in turn, and what it was told.
#[derive(Debug, Default)]
struct Server {
    /// Its answers to `RCPT TO`; when they have run out it takes the mail.
    refusals: Mutex<Vec<&'static str>>,
    conversations: Mutex<Vec<String>>,
}

async fn serve(refusals: &[&'static str]) -> (String, Arc<Server>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let server = Arc::new(Server {
        refusals: Mutex::new(refusals.iter().rev().copied().collect()),
        ..Server::default()
    });
    let listening = Arc::clone(&server);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let server = Arc::clone(&listening);
            tokio::spawn(async move { converse(stream, &server).await });
        }
    });
    (url, server)
}

/// RFC 5321, as much of it as one mail needs.
async fn converse(stream: TcpStream, server: &Server) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut said = String::new();
    let mut is_data = false;
    write.write_all(b"220 test\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        said.push_str(&line);
        said.push('\n');
        let answer = if is_data {
            if line != "." {
                continue;
            }
            is_data = false;
            "250 taken"
        } else if line.starts_with("EHLO") {
            "250 test"
        } else if line.starts_with("RCPT") {
            let refusal = server.refusals.lock().unwrap().pop();
            refusal.unwrap_or("250 ok")
        } else if line == "DATA" {
            is_data = true;
            "354 go on"
        } else if line == "QUIT" {
            break;
        } else {
            "250 ok"
        };
        write
            .write_all(format!("{answer}\r\n").as_bytes())
            .await
            .unwrap();
    }
    server.conversations.lock().unwrap().push(said);
}

async fn start(url: &str, max_attempts: u16) -> TestApp {
    TestApp::start_as(Setup {
        worker: Some(Work {
            smtp_url: Some(url.to_owned()),
            max_attempts,
        }),
        ..Setup::default()
    })
    .await
}

#[tokio::test]
async fn a_mail_reaches_the_mail_server_as_it_was_written() {
    let (url, server) = serve(&[]).await;
    let app = start(&url, 0).await;
    let _ = app.register(ALICE, "acme-corp").await;
    state::until(
        &app,
        "account_mails WHERE status = 'done' AND attempts = 1",
        1,
    )
    .await;
    let said = server.conversations.lock().unwrap().join("\n");
    let mail = said.split_once("DATA\n").unwrap().1;
    for line in [
        "From: \"Rowhouse\" <rowhouse@localhost.localdomain>",
        "To: alice@acme.example",
        "Subject: Please confirm your address",
        "Content-Transfer-Encoding: 7bit",
    ] {
        assert!(
            mail.lines()
                .any(|said| said.replace('"', "") == line.replace('"', "")),
            "{line} in {mail}"
        );
    }
    let link = mail.lines().find(|line| line.contains("token=")).unwrap();
    let token = link
        .strip_prefix("https://app.rowhouse.test/verify-email?token=")
        .unwrap();
    let _ = post(&app, "/api/v1/auth/verify-email", json!({ "token": token }))
        .await
        .expect(204);
}

#[tokio::test]
async fn a_mail_server_that_is_busy_gets_the_same_mail_again() {
    let (url, server) = serve(&["451 busy", "421 closing", "450 later"]).await;
    let app = start(&url, 0).await;
    let _ = app.register(ALICE, "acme-corp").await;
    state::until(
        &app,
        "account_mails WHERE status = 'done' AND attempts = 4",
        1,
    )
    .await;
    let conversations = server.conversations.lock().unwrap();
    let sent = conversations.iter().filter(|said| said.contains("DATA\n"));
    assert_eq!(sent.count(), 1);
    // One link, however often it was tried.
    assert_eq!(state::count(&app, "account_tokens WHERE issue = 1"), 1);
}

#[tokio::test]
async fn a_mail_that_is_refused_every_time_is_dead_with_its_error() {
    let (url, _server) = serve(&["451 busy"; 3]).await;
    let app = start(&url, 3).await;
    let _ = app.register(ALICE, "acme-corp").await;
    let dead = "account_mails WHERE status = 'dead' AND attempts = 3 AND last_error LIKE '%busy%'";
    state::until(&app, dead, 1).await;
    // And stays so.
    let _ = app.register("bob@globex.example", "globex-inc").await;
    state::until(&app, "account_mails WHERE status = 'done'", 1).await;
    assert_eq!(state::count(&app, dead), 1);
}

#[tokio::test]
async fn a_mailbox_that_does_not_exist_is_not_tried_again() {
    let (url, _server) = serve(&["550 no such user"]).await;
    let app = start(&url, 0).await;
    let _ = app.register(ALICE, "acme-corp").await;
    let dead =
        "account_mails WHERE status = 'dead' AND attempts = 1 AND last_error LIKE '%no such user%'";
    state::until(&app, dead, 1).await;
}

#[tokio::test]
async fn a_mail_server_that_is_down_makes_mails_wait_and_then_dead() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    drop(listener);
    let app = start(&url, 4).await;
    let alice = app.register(ALICE, "acme-corp").await;
    let _ = alice.colleague("member").await;
    let dead = "WHERE status = 'dead' AND attempts = 4 AND last_error LIKE 'the mail server did not take the mail: %'";
    state::until(&app, &format!("account_mails {dead}"), 1).await;
    state::until(&app, &format!("jobs {dead}"), 1).await;
}
