//! Several users of one cluster: who starts it, who stops it. A `Cluster` value each stands for a process each, since
//! the locks belong to the open file and not to the process.

use crate::{Home, execute};
use embedded_postgres::{Cluster, End, Programs};
use std::thread;
use std::time::Duration;

#[test]
fn an_adopter_never_stops_the_cluster() {
    let home = Home::new();
    let starter = home.start();
    let adopter = home.start();
    assert!(starter.was_started_here() && !adopter.was_started_here());
    assert_eq!(adopter.stop().unwrap(), End::LeftRunning);
    assert!(starter.is_running());
    drop(home.start());
    assert!(starter.is_running());
    assert_eq!(starter.stop().unwrap(), End::Stopped);
}

#[test]
fn the_starter_leaves_it_running_for_an_adopter() {
    let home = Home::new();
    let starter = home.start();
    let adopter = home.start();
    assert_eq!(starter.stop().unwrap(), End::LeftRunning);
    execute(&adopter, "CREATE TABLE usable (x int)");
    assert_eq!(adopter.stop().unwrap(), End::LeftRunning);
}

#[test]
fn of_several_that_start_at_once_exactly_one_starts_it() {
    let home = Home::new();
    let clusters: Vec<Cluster> = thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| home.start())).collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    assert_eq!(
        clusters
            .iter()
            .filter(|cluster| cluster.was_started_here())
            .count(),
        1
    );
    assert!(
        clusters
            .iter()
            .all(|cluster| cluster.postmaster_pid() == clusters[0].postmaster_pid())
    );
}

#[test]
fn stop_running_stops_even_a_used_cluster_and_its_watch_lets_it_rest_until_the_next_start() {
    let home = Home::new();
    let mut user = home.start();
    user.watch(Duration::from_millis(10)).unwrap();
    let programs = Programs::find().unwrap();
    Cluster::stop_running(home.path(), &programs).unwrap();
    let came_back = crate::holds_within(Duration::from_secs(1), || user.is_running());
    assert!(!came_back && user.postmaster_pid().is_none());
    Cluster::stop_running(home.path(), &programs).unwrap();

    let next = home.start();
    assert!(next.was_started_here() && user.is_running());
    let killed = crate::kill_dead(&next);
    crate::eventually("the first user's watch is at work again", || {
        user.is_running() && user.postmaster_pid() != Some(killed)
    });
}

#[test]
fn stop_running_on_a_home_that_does_not_exist_makes_nothing() {
    let home = Home::new();
    let missing = home.path().join("missing");
    Cluster::stop_running(&missing, &Programs::find().unwrap()).unwrap();
    assert!(!missing.exists());
}
