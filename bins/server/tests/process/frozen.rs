//! A PostgreSQL that takes calls and answers none: nobody waits for it longer than a request may take,
//! and when it goes on, so does the server.
#![cfg(target_os = "linux")]

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;

use crate::http::{Answer, Client};
use crate::servers::{Home, Process, Server, eventually};

const OWNER: &str = "owner@dunder-mifflin.example";
const PROJECTS: &str = "/api/v1/projects";
const READY: &str = "/health/ready";

/// A PostgreSQL that stands still, with all of its processes; it goes on with this value's end.
struct Frozen(Vec<Pid>);

impl Frozen {
    fn of(home: &Home) -> Self {
        let first = home.postgres().unwrap();
        let mut frozen = Self(vec![first]);
        // From here on it makes no more of them.
        kill(first, Signal::SIGSTOP).unwrap();
        frozen.0.extend(children_of(first));
        for pid in &frozen.0 {
            kill(*pid, Signal::SIGSTOP).unwrap();
        }
        assert!(frozen.0.len() > 1, "it has processes for its connections");
        frozen
    }

    fn go_on(self) {
        drop(self);
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in &self.0 {
            // One that has ended meanwhile is missed by nobody.
            let _ = kill(*pid, Signal::SIGCONT);
        }
    }
}

fn children_of(parent: Pid) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").unwrap();
    let pids = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name, which may hold anything: state, parent.
        let parent_of = stat.rsplit(')').next().unwrap().split_whitespace().nth(1);
        parent_of.and_then(|text| text.parse().ok()) == Some(parent.as_raw())
    })
    .map(Pid::from_raw)
    .collect()
}

/// More often than there are connections, at once.
async fn ask(client: &Client, path: &'static str) -> Vec<Answer> {
    let asked = (0..24).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.try_send(Method::GET, path, None).await.unwrap() })
    });
    let mut answers = Vec::new();
    for asked in asked.collect::<Vec<_>>() {
        answers.push(asked.await.unwrap());
    }
    answers
}

/// What waited for the database is worked off first.
async fn serves_again(client: &Client, path: &str) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let answer = client.try_send(Method::GET, path, None).await.unwrap();
        if answer.status == 200 {
            return;
        }
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(Instant::now() < deadline, "not within two minutes: {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_postgresql_is_answered_with_503_and_the_server_goes_on_when_it_does() {
    let home = Home::new();
    let mut command = home.command();
    command
        .env("ROWHOUSE__SERVER__REQUEST_TIMEOUT_SECONDS", "3")
        .env("ROWHOUSE__DATABASE__QUEUE_TIMEOUT_SECONDS", "1");
    let server = Server::start(&mut command);
    let owner = server.client().demo(OWNER).await;
    let before = owner.projects().await;
    let stranger = server.client();
    for _ in 0..2 {
        let frozen = Frozen::of(&home);
        let (answers, readiness) = tokio::join!(ask(&owner, PROJECTS), ask(&stranger, READY));
        for answer in answers {
            let code = answer.body["code"].as_str().unwrap_or_default();
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(["deadline_exceeded", "busy"].contains(&code), "{answer:?}");
            assert!(answer.retry_after.is_some_and(|seconds| seconds >= 1));
        }
        for answer in readiness {
            assert_eq!(answer.status, 503, "{answer:?}");
            assert_eq!(answer.body["status"], "unavailable", "{answer:?}");
            assert_eq!(answer.body["checks"]["database"], "unavailable");
        }
        assert_eq!(stranger.get("/health/live").await["status"], "ok");
        frozen.go_on();
        for (client, path) in [(&owner, PROJECTS), (&stranger, READY)] {
            serves_again(client, path).await;
        }
        assert_eq!(owner.projects().await, before);
        assert_eq!(owner.create_project("On").await.unwrap().status, 201);
        let made = owner.projects().await;
        assert_eq!(made.len(), before.len() + 1);
        let id = &made.iter().find(|(_, name)| name == "On").unwrap().0;
        let path = format!("{PROJECTS}/{id}");
        let deleted = owner.try_send(Method::DELETE, &path, None).await.unwrap();
        assert_eq!(deleted.status, 204);
    }
    assert_eq!(server.terminate().code(), Some(0));
    assert_eq!(home.postgres(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_and_a_worker_stop_when_they_are_told_to_though_postgresql_stands_still() {
    let home = Home::new();
    let keeper = home.serve();
    // Both find the PostgreSQL of the first one, and look for jobs all the time.
    let start = |arguments: &[&str]| {
        let mut command = home.command();
        command
            .args(arguments)
            .env("ROWHOUSE__JOBS__POLL_MILLISECONDS", "1")
            .env("ROWHOUSE__JOBS__STOP_TIMEOUT_SECONDS", "1")
            .env("ROWHOUSE__SERVER__SHUTDOWN_TIMEOUT_SECONDS", "1");
        Process::start(&mut command)
    };
    let mut worker = start(&["--worker-only"]);
    eventually("it works", || {
        assert_eq!(worker.ended(), None, "it has ended");
        worker.log().contains("working on jobs").then_some(())
    });
    let mut server = start(&[]);
    eventually("it serves", || {
        assert_eq!(server.ended(), None, "it has ended");
        server.address()
    });
    let frozen = Frozen::of(&home);
    for process in [&mut worker, &mut server] {
        process.signal(Signal::SIGTERM);
        let status = eventually("it stops", || process.ended());
        assert_eq!(status.code(), Some(0), "{}", process.log());
    }
    frozen.go_on();
    assert_eq!(keeper.client().get(READY).await["status"], "ok");
    assert_eq!(keeper.terminate().code(), Some(0));
}
