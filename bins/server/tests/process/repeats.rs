//! What was asked for under an idempotency key, and never answered, is asked for again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use crate::http::Client;
use crate::servers::Home;

const OWNER: &str = "owner@dunder-mifflin.example";

/// Names that were asked for, and the id of each that was answered.
type Asked = Arc<Mutex<BTreeMap<String, Option<String>>>>;

/// Creates projects, each under its own name as its key, until the server is gone.
async fn write(client: Client, label: String, asked: Asked, stop: Arc<AtomicBool>) {
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let name = format!("{label}-{number}");
        asked.lock().unwrap().insert(name.clone(), None);
        let Ok(answer) = client.with_key(&name).create_project(&name).await else {
            return;
        };
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = answer.body["id"].as_str().unwrap().to_owned();
        asked.lock().unwrap().insert(name, Some(id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_has_done_what_is_repeated_wholly_or_not_at_all() {
    let home = Home::new();
    let mut server = home.serve();
    let mut owner = server.client().demo(OWNER).await;
    let asked = Asked::default();
    let mut repeated = 0;
    for round in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers: JoinSet<()> = (0..8)
            .map(|writer| {
                let label = format!("{round}-{writer}");
                write(owner.clone(), label, Arc::clone(&asked), Arc::clone(&stop))
            })
            .collect();
        let answered = || {
            let asked = asked.lock().unwrap();
            asked.values().filter(|id| id.is_some()).count()
        };
        let enough = answered() + 40;
        server.eventually("forty writes are answered", || answered() >= enough);
        server.kill();
        stop.store(true, Ordering::SeqCst);
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
        server = home.serve();
        owner = owner.at(server.address());
        let lost: Vec<String> = {
            let asked = asked.lock().unwrap();
            let lost = asked.iter().filter(|(_, id)| id.is_none());
            lost.map(|(name, _)| name.clone()).collect()
        };
        for name in lost {
            repeated += 1;
            // The database may not have noticed yet that the server is dead.
            let answer = loop {
                let answer = owner.with_key(&name).create_project(&name).await.unwrap();
                if answer.status != 409 {
                    break answer;
                }
                assert_eq!(answer.body["code"], "idempotency_key_in_use");
            };
            assert_eq!(answer.status, 201, "{answer:?}");
            let id = answer.body["id"].as_str().unwrap().to_owned();
            asked.lock().unwrap().insert(name, Some(id));
        }
    }
    assert!(repeated > 0, "no request was lost");
    // Each is there once, under the id that was answered; none but those.
    let found: Vec<(String, String)> = owner.projects().await;
    let asked = asked.lock().unwrap().clone();
    let ours = |name: &String| asked.contains_key(name);
    let found: Vec<_> = found.into_iter().filter(|(_, name)| ours(name)).collect();
    assert_eq!(found.len(), asked.len());
    for (id, name) in found {
        assert_eq!(asked[&name].as_deref(), Some(id.as_str()), "{name}");
    }
    assert_eq!(server.terminate().code(), Some(0));
}
