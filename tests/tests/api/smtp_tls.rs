//! Mail over TLS: from the first byte, or by STARTTLS; and that nothing leaves where nobody known vouches
//! for the mail server.

use rowhouse_tests::{Setup, TestApp, Work};
use tempfile::TempDir;

use crate::smtp_server::{Authority, Security, Server, serve};
use crate::state;

const ALICE: &str = "alice@acme.example";
const HOST: &str = "127.0.0.1";
const DONE: &str = "account_mails WHERE status = 'done' AND attempts = 1";

/// An app that sends its mails there, and trusts this authority besides those of the system.
async fn start(url: &str, trusted: &Authority) -> (TestApp, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, &trusted.pem).unwrap();
    let app = TestApp::start_as(Setup {
        worker: Some(Work {
            smtp_url: Some(url.to_owned()),
            ca_file: Some(ca_file),
            ..Work::default()
        }),
        ..Setup::default()
    })
    .await;
    let _ = app.register(ALICE, "acme-corp").await;
    (app, folder)
}

/// The ways to TLS, and what each URL looks like.
fn both(authority: &Authority) -> [(Security, &'static str, &'static str); 2] {
    [
        (authority.wrapped(), "smtps", ""),
        (authority.start_tls(), "smtp", "?tls=required"),
    ]
}

/// The mail waits for another attempt, with this error; nothing of it left.
async fn assert_waits(app: &TestApp, server: &Server, error: &str) {
    let waits = format!(
        "account_mails WHERE status IN ('queued', 'running') AND attempts > 1
             AND last_error LIKE 'the mail server did not take the mail: %{error}%'"
    );
    state::until(app, &waits, 1).await;
    let conversations = server.conversations.lock().unwrap();
    for said in conversations.iter() {
        for word in ["MAIL FROM", "RCPT TO", "DATA", "AUTH", ALICE] {
            assert!(!said.contains(word), "{word} in {said}");
        }
    }
}

#[tokio::test]
async fn a_mail_server_for_which_a_known_authority_vouches_gets_the_mail_encrypted() {
    let authority = Authority::vouching_for(HOST);
    for (security, scheme, query) in both(&authority) {
        let (port, server) = serve(&[], security).await;
        let url = format!("{scheme}://robot:secret@{HOST}:{port}{query}");
        let (app, _folder) = start(&url, &authority).await;
        state::until(&app, DONE, 1).await;
        let conversations = server.conversations.lock().unwrap().clone();
        let said = conversations.concat();
        let (clear, encrypted) = said.split_once("(TLS)\n").unwrap();
        for word in ["AUTH PLAIN ", "DATA\n", ALICE] {
            assert!(encrypted.contains(word), "{word} in {said}");
        }
        assert!(
            clear
                .lines()
                .all(|line| line.starts_with("EHLO") || line == "STARTTLS"),
            "{clear}"
        );
    }
}

#[tokio::test]
async fn a_mail_server_for_which_nobody_known_vouches_gets_nothing() {
    let (authority, other) = (Authority::vouching_for(HOST), Authority::vouching_for(HOST));
    for (security, scheme, query) in both(&authority) {
        let (port, server) = serve(&[], security).await;
        let url = format!("{scheme}://{HOST}:{port}{query}");
        let (app, _folder) = start(&url, &other).await;
        assert_waits(&app, &server, "UnknownIssuer").await;
    }
}

#[tokio::test]
async fn a_certificate_of_another_name_is_of_no_use() {
    let authority = Authority::vouching_for("mail.elsewhere.example");
    for (security, scheme, query) in both(&authority) {
        let (port, server) = serve(&[], security).await;
        let url = format!("{scheme}://{HOST}:{port}{query}");
        let (app, _folder) = start(&url, &authority).await;
        assert_waits(&app, &server, "not valid for name").await;
    }
}

#[tokio::test]
async fn where_tls_is_required_a_server_without_it_gets_nothing() {
    let authority = Authority::vouching_for(HOST);
    let (port, server) = serve(&[], Security::Plain).await;
    let url = format!("smtp://{HOST}:{port}?tls=required");
    let (app, _folder) = start(&url, &authority).await;
    assert_waits(&app, &server, "STARTTLS").await;
}
