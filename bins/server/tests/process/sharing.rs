//! Several servers on one home: one PostgreSQL, which the one that started it stops.

use crate::servers::{Home, Server};

const OWNER: &str = "owner@aliki-farms.example";

#[tokio::test]
async fn a_second_server_adopts_postgresql_and_never_stops_it() {
    let home = Home::new();
    let first = home.serve();
    let postgres = home.postgres().unwrap();
    let second = home.serve();
    assert_eq!(home.postgres(), Some(postgres));

    let owner = first.client().demo(OWNER).await;
    owner.create_project("By the first").await.unwrap();
    // One home, one key: a token of the one is good for the other.
    let elsewhere = owner.at(second.address());
    assert_eq!(elsewhere.projects().await, owner.projects().await);

    assert_eq!(second.terminate().code(), Some(0));
    assert_eq!(home.postgres(), Some(postgres));
    assert_eq!(owner.projects().await.len(), 4);
    assert_eq!(first.terminate().code(), Some(0));
    assert_eq!(home.postgres(), None);
}

#[tokio::test]
async fn a_second_server_outlives_the_first_one() {
    let home = Home::new();
    let first = home.serve();
    let second = home.serve();
    let owner = second.client().demo(OWNER).await;
    assert_eq!(first.terminate().code(), Some(0));
    assert_eq!(owner.projects().await.len(), 3);
    assert_eq!(second.terminate().code(), Some(0));
    // It had not started it.
    assert!(home.postgres().is_some());
}

#[tokio::test]
async fn two_first_runs_at_once_both_serve_one_demo() {
    let home = Home::new();
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..2).map(|_| scope.spawn(|| home.serve())).collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    let [first, second] = &servers[..] else {
        panic!("two were started");
    };
    let owner = first.client().demo(OWNER).await;
    assert_eq!(owner.projects().await.len(), 3);
    assert_eq!(owner.at(second.address()).projects().await.len(), 3);
}
