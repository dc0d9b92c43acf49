//! Plans over several servers: what one of them is told the others hear, and what one has leased is
//! not lost when it stops.

use reqwest::Method;

use crate::http::Client;
use crate::servers::{Server, eventually};
use crate::site::{Site, owner_of};

const PROJECTS: &str = "/api/v1/projects";

/// A server on which a free tenant may make so many calls a month.
fn serve(site: &mut Site, calls: &str) -> Server {
    site.serve(&[("ROWHOUSE__PLANS__FREE__MAX_API_CALLS", calls)])
}

/// All calls of all tenants.
fn calls(site: &Site) -> i64 {
    site.number("SELECT coalesce(sum(calls), 0) FROM api_usage")
}

async fn owner(server: &Server) -> Client {
    owner_of(server, "acme-corp").await
}

async fn status(client: &Client) -> u16 {
    let answer = client.try_send(Method::GET, PROJECTS, None).await;
    answer.unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_plan_reaches_every_server_also_those_that_heard_nothing() {
    let mut site = Site::new();
    let (first, second) = (serve(&mut site, "10"), serve(&mut site, "10"));
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
    let server = serve(&mut site, "1000");
    let alice = owner(&server).await;
    for _ in 0..7 {
        assert_eq!(status(&alice).await, 200);
    }
    assert_eq!(calls(&site), 100);
    assert_eq!(server.terminate().code(), Some(0));
    assert_eq!(calls(&site), 7);

    let server = serve(&mut site, "1000");
    let alice = alice.at(server.address());
    assert_eq!(status(&alice).await, 200);
    server.kill();
    assert_eq!(calls(&site), 107);
}
