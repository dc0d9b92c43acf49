//! Mail over SMTP, to a mail server of the test's own.

use std::sync::Arc;

use rowhouse_tests::{Setup, TestApp, Work};
use serde_json::json;

use crate::smtp_server::{self, Security, Server};
use crate::state;
use crate::verification::post;

const ALICE: &str = "alice@acme.example";

async fn serve(refusals: &[&'static str]) -> (String, Arc<Server>) {
    let (port, server) = smtp_server::serve(refusals, Security::Plain).await;
    (format!("smtp://127.0.0.1:{port}"), server)
}

async fn start(url: &str, max_attempts: u16) -> TestApp {
    TestApp::start_as(Setup {
        worker: Some(Work {
            smtp_url: Some(url.to_owned()),
            max_attempts,
            ..Work::default()
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
