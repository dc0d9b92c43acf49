//! A server and the key under which it seals its requests: without one that the database accepts it
//! does not start.

use std::fs;

use rowhouse_tests::Database;
use tenant_db::diesel::connection::SimpleConnection as _;

use crate::refusals::{assert_one_line, production_on, refused};
use crate::servers::{Home, Server};

#[test]
fn a_seal_key_that_the_database_does_not_accept_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::fresh();
    let command = || production_on(&folder, &database, "rowhouse_app");
    let other = "0123456789abcdef0123456789abcdef";
    for (key, reason) in [
        (format!("other:{other}"), "it does not know the key"),
        (
            format!("test:{other}"),
            "it knows the key with another secret",
        ),
    ] {
        for arguments in [&[][..], &["--worker-only"]] {
            let mut command = command();
            let printed = refused(command.env("ROWHOUSE__SEAL__KEYS", &key).args(arguments));
            assert_one_line(
                &printed,
                "no request could be served; `rowhouse-admin key list`",
            );
            assert!(printed.contains(reason), "{printed}");
            assert!(!printed.contains(other), "{printed}");
        }
    }
    // Without any in the settings it makes one of its own, which nobody has registered.
    let mut generated = command();
    let printed = refused(generated.env_remove("ROWHOUSE__SEAL__KEYS"));
    assert_one_line(&printed, "it does not know the key");

    let server = Server::start(&mut command());
    assert_eq!(server.terminate().code(), Some(0));
    let retire = "UPDATE tenancy.seal_key SET not_after = now()";
    database.superuser().batch_execute(retire).unwrap();
    assert_one_line(&refused(&mut command()), "the key has been retired");
}

#[tokio::test]
async fn a_home_that_has_lost_its_credentials_serves_what_it_has_kept() {
    let home = Home::new();
    let owner = "owner@dunder-mifflin.example";
    let first = home.serve();
    let before = first.client().demo(owner).await.projects().await;
    assert_eq!(first.terminate().code(), Some(0));
    let file = home.path().join("credentials.toml");
    let lost = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let second = home.serve();
    assert_eq!(second.client().demo(owner).await.projects().await, before);
    assert_ne!(fs::read_to_string(&file).unwrap(), lost);
}
