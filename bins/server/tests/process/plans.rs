//! Plans over several servers: what one of them is told the others hear, and what one has leased is
//! not lost when it stops.

use std::process::Command;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use reqwest::Method;
use rowhouse_tests::Database;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tempfile::TempDir;

use crate::http::Client;
use crate::servers::{Server, command, eventually};

const OWNER: &str = "alice@acme.example";
const PROJECTS: &str = "/api/v1/projects";

/// A database that servers share, each with a home of its own.
struct Site {
    database: Database,
    homes: Vec<TempDir>,
}

impl Site {
    fn new() -> Self {
        Self {
            database: Database::fresh(),
            homes: Vec::new(),
        }
    }

    /// A server on which a free tenant may make so many calls a month.
    fn serve(&mut self, calls: &str) -> Server {
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
            .env("ROWHOUSE__PLANS__FREE__MAX_API_CALLS", calls);
        self.homes.push(home);
        Server::start(&mut server)
    }

    fn change(&self, sql: &str) {
        self.database.superuser().batch_execute(sql).unwrap();
    }

    /// All calls of all tenants.
    fn calls(&self) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            calls: i64,
        }
        diesel::sql_query("SELECT coalesce(sum(calls), 0)::bigint AS calls FROM api_usage")
            .get_result::<Row>(&mut self.database.superuser())
            .unwrap()
            .calls
    }
}

/// The owner of a new tenant.
async fn owner(server: &Server) -> Client {
    let body = json!({ "email": OWNER, "password": "demo-rowhouse-2026", "full_name": "Alice",
        "tenant_slug": "acme-corp" });
    let client = server.client();
    let made = client
        .try_send(Method::POST, "/api/v1/auth/register", Some(&body))
        .await;
    assert_eq!(made.unwrap().status, 201);
    client.demo(OWNER).await
}

async fn status(client: &Client) -> u16 {
    let answer = client.try_send(Method::GET, PROJECTS, None).await;
    answer.unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_plan_reaches_every_server_also_those_that_heard_nothing() {
    let mut site = Site::new();
    let (first, second) = (site.serve("10"), site.serve("10"));
    let here = owner(&first).await;
    let there = here.at(second.address());
    for _ in 0..10 {
        assert_eq!(status(&here).await, 200);
    }
    assert_eq!((status(&here).await, status(&there).await), (402, 402));
    // Both ears are cut off, and what is told meanwhile is told to nobody.
    site.change(
        "DO $$ BEGIN \
             PERFORM pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
                 WHERE application_name = 'rowhouse-server listener' AND datname = current_database(); \
             PERFORM directory.set_tenant_tier('acme-corp', 'basic'); \
         END $$",
    );
    for client in [&here, &there] {
        let handle = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            eventually("the larger plan counts", || {
                (handle.block_on(status(client)) == 200).then_some(())
            });
        });
    }
    let told = first.log();
    assert!(told.contains("changes of plans are not heard of"), "{told}");
}

#[tokio::test]
async fn a_server_that_stops_gives_back_what_it_has_not_served_and_one_that_dies_takes_it_along() {
    let mut site = Site::new();
    let server = site.serve("1000");
    let alice = owner(&server).await;
    for _ in 0..7 {
        assert_eq!(status(&alice).await, 200);
    }
    assert_eq!(site.calls(), 100);
    assert_eq!(server.terminate().code(), Some(0));
    assert_eq!(site.calls(), 7);

    let server = site.serve("1000");
    let alice = alice.at(server.address());
    assert_eq!(status(&alice).await, 200);
    server.kill();
    assert_eq!(site.calls(), 107);
}
