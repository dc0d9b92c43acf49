//! A database that servers share, each with a home of its own.

use std::process::Command;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use reqwest::Method;
use rowhouse_tests::{Database, Mail};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tempfile::TempDir;

use crate::http::Client;
use crate::servers::{Server, command};

pub(crate) struct Site {
    pub(crate) database: Database,
    homes: Vec<TempDir>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self {
            database: Database::fresh(),
            homes: Vec::new(),
        }
    }

    /// A server with these settings, by the names of their variables.
    pub(crate) fn serve(&mut self, settings: &[(&str, &str)]) -> Server {
        let home = tempfile::tempdir().unwrap();
        let url = |role| self.database.url(role).expose_secret().to_owned();
        let mut server: Command = command();
        server
            .current_dir(home.path())
            .env("ROWHOUSE_ENV", "test")
            .env("ROWHOUSE_HOME", home.path())
            .env("SECRET_KEY", "a secret key of at least thirty-two bytes")
            .env(
                "ROWHOUSE__SEAL__KEYS",
                "test:a seal key of thirty-two bytes!!",
            )
            .env("ROWHOUSE__DATABASE__APP_URL", url("rowhouse_app"))
            .env("ROWHOUSE__DATABASE__AUTH_URL", url("rowhouse_auth"))
            .envs(settings.iter().copied());
        self.homes.push(home);
        Server::start(&mut server)
    }

    /// The mails that the servers have written, as they stand in their files.
    pub(crate) fn mails(&self) -> Vec<String> {
        let outboxes = self.homes.iter().map(|home| home.path().join("outbox"));
        let mails = outboxes.flat_map(|outbox| Mail::all_in(&outbox));
        mails.map(|mail| mail.source).collect()
    }

    /// One number that the database knows.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        diesel::sql_query(format!("SELECT ({sql})::bigint AS number"))
            .get_result::<Row>(&mut self.database.superuser())
            .unwrap()
            .number
    }

    pub(crate) fn change(&self, sql: &str) {
        self.database.superuser().batch_execute(sql).unwrap();
    }
}

/// The owner of a new tenant with this slug.
pub(crate) async fn owner_of(server: &Server, slug: &str) -> Client {
    let email = format!("owner@{slug}.example");
    let body = json!({ "email": email, "password": "demo-rowhouse-2026", "full_name": "Alice",
        "tenant_slug": slug });
    let client = server.client();
    let made = client
        .try_send(Method::POST, "/api/v1/auth/register", Some(&body))
        .await;
    assert_eq!(made.unwrap().status, 201);
    client.demo(&email).await
}
