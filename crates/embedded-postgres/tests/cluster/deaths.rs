//! PostgreSQL dies: it is back within 15 seconds, with what was committed.

use crate::{Home, eventually, execute, kill_dead, select};
use embedded_postgres::End;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(100);

#[test]
fn the_watch_restarts_a_killed_cluster_with_what_was_committed() {
    let home = Home::new();
    let mut cluster = home.start();
    cluster.watch(INTERVAL).unwrap();
    execute(&cluster, "CREATE TABLE kept (word text)");
    for word in ["one", "two"] {
        execute(&cluster, &format!("INSERT INTO kept VALUES ('{word}')"));
        let killed = kill_dead(&cluster);
        let words = || {
            select(
                &cluster,
                "(SELECT string_agg(word, ' ' ORDER BY word) FROM kept)",
            )
        };
        eventually("the committed row is back", || {
            words().is_ok_and(|words| words.ends_with(word))
        });
        assert_ne!(cluster.postmaster_pid(), Some(killed));
    }
    assert_eq!(cluster.stop().unwrap(), End::Stopped);
    assert!(!home.data_dir().join("postmaster.pid").exists());
}

#[test]
fn an_adopters_watch_restarts_it_too_and_then_the_adopter_stops_it() {
    let home = Home::new();
    home.start().leave_running();
    let mut adopter = home.start();
    adopter.watch(INTERVAL).unwrap();
    kill_dead(&adopter);
    eventually("it runs again", || {
        adopter.was_started_here() && adopter.is_running()
    });
    assert_eq!(adopter.stop().unwrap(), End::Stopped);
}

#[test]
fn of_two_watches_one_restarts_it() {
    let home = Home::new();
    let mut watched = [home.start(), home.start()];
    for cluster in &mut watched {
        cluster.watch(Duration::from_millis(5)).unwrap();
    }
    let killed = kill_dead(&watched[0]);
    eventually("both see the same new server", || {
        let pids = watched.each_ref().map(|cluster| cluster.postmaster_pid());
        watched.iter().all(|cluster| cluster.is_running())
            && pids[0] == pids[1]
            && pids[0] != Some(killed)
    });
}

#[test]
fn a_watch_with_a_long_interval_ends_at_once() {
    let home = Home::new();
    let mut cluster = home.start();
    cluster.watch(Duration::from_secs(3600)).unwrap();
    let begun = Instant::now();
    assert_eq!(cluster.stop().unwrap(), End::Stopped);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_watch_makes_no_empty_cluster_where_the_data_is_gone() {
    let home = Home::new();
    let mut cluster = home.start();
    kill_dead(&cluster);
    eventually("it is dead", || !cluster.is_running());
    std::fs::rename(home.data_dir(), home.path().join("moved")).unwrap();
    cluster.watch(Duration::from_millis(5)).unwrap();
    let is_made = || home.has_draft() || home.data_dir().exists();
    assert!(!crate::holds_within(Duration::from_millis(500), is_made));
}
