//! No view is lost when a server stops, and none costs a write of its own.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::http::Client;
use crate::servers::{Home, Server};

const OWNER: &str = "owner@dunder-mifflin.example";
const NEIGHBOUR: &str = "owner@aliki-farms.example";

/// As a list shows it: to be listed is not to be looked at.
async fn view_count(client: &Client, id: &str) -> i64 {
    let list = client.get("/api/v1/projects?limit=100").await;
    let projects = list["data"].as_array().unwrap();
    let project = projects.iter().find(|project| project["id"] == id).unwrap();
    project["view_count"].as_i64().unwrap()
}

async fn first_project(client: &Client) -> String {
    let list: Value = client.get("/api/v1/projects").await;
    list["data"][0]["id"].as_str().unwrap().to_owned()
}

fn serve(home: &Home, flush_seconds: &str) -> Server {
    let mut command = home.command();
    command.env("ROWHOUSE__PROJECTS__VIEW_FLUSH_SECONDS", flush_seconds);
    Server::start(&mut command)
}

#[tokio::test]
async fn a_server_that_stops_writes_down_what_it_has_counted() {
    let home = Home::new();
    for (round, signal) in [(1, Signal::SIGTERM), (2, Signal::SIGINT)] {
        // So seldom that only the stop can have written it.
        let server = serve(&home, "3600");
        let owner = server.client().demo(OWNER).await;
        let neighbour = server.client().demo(NEIGHBOUR).await;
        let (own, theirs) = (first_project(&owner).await, first_project(&neighbour).await);
        for _ in 0..7 {
            let _ = owner.get(&format!("/api/v1/projects/{own}")).await;
        }
        for _ in 0..3 {
            let _ = neighbour.get(&format!("/api/v1/projects/{theirs}")).await;
        }
        assert_eq!(view_count(&owner, &own).await, 7 * (round - 1));
        assert!(server.stop_with(signal).success());

        let server = serve(&home, "3600");
        let owner = server.client().demo(OWNER).await;
        let neighbour = server.client().demo(NEIGHBOUR).await;
        assert_eq!(view_count(&owner, &own).await, 7 * round);
        assert_eq!(view_count(&neighbour, &theirs).await, 3 * round);
        assert!(server.terminate().success());
    }
}

#[tokio::test]
async fn a_server_that_goes_on_writes_views_down_every_few_seconds() {
    let home = Home::new();
    let server = serve(&home, "1");
    let owner = server.client().demo(OWNER).await;
    let own = first_project(&owner).await;
    for _ in 0..4 {
        let _ = owner.get(&format!("/api/v1/projects/{own}")).await;
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while view_count(&owner, &own).await != 4 {
        assert!(Instant::now() < deadline, "the views are not written");
    }
    assert!(server.terminate().success());
}
