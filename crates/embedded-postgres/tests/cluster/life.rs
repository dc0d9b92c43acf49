//! One process, one cluster: what it is like, and how it begins and ends.

use crate::{Home, execute, select, show};
use diesel::{Connection as _, PgConnection};
use embedded_postgres::{Cluster, End, Error, Options, Programs};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_fresh_home_becomes_a_durable_cluster_that_only_its_socket_reaches() {
    let home = Home::new();
    let cluster = Cluster::start(Options::new(home.path(), Programs::find().unwrap())).unwrap();
    assert!(cluster.was_started_here() && cluster.is_running());
    let data_dir = home.data_dir();
    let expected = [
        ("data_checksums", "on"),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", ""),
        (
            "unix_socket_directories",
            cluster.socket_dir().to_str().unwrap(),
        ),
        ("data_directory", data_dir.to_str().unwrap()),
        ("server_encoding", "UTF8"),
        ("lc_messages", "C"),
        ("TimeZone", "UTC"),
        ("max_connections", "100"),
    ];
    for (setting, value) in expected {
        assert_eq!(show(&cluster, setting), value, "{setting}");
    }
    assert_eq!(select(&cluster, "current_user::text").unwrap(), "postgres");
    let tcp = "(SELECT count(*)::text FROM pg_hba_file_rules WHERE type <> 'local' AND auth_method <> 'reject')";
    assert_eq!(select(&cluster, tcp).unwrap(), "0");
    let mode = fs::metadata(cluster.socket_dir())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o700);
}

#[test]
fn what_was_committed_is_there_after_a_stop_and_a_start() {
    let home = Home::new();
    let cluster = home.start();
    execute(
        &cluster,
        "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('still here')",
    );
    let socket_dir = cluster.socket_dir().to_owned();
    assert_eq!(cluster.stop().unwrap(), End::Stopped);
    assert!(!socket_dir.exists() && !home.data_dir().join("postmaster.pid").exists());

    let cluster = home.start();
    assert_eq!(
        select(&cluster, "(SELECT word FROM kept)").unwrap(),
        "still here"
    );
}

#[test]
fn a_dropped_cluster_is_stopped() {
    let home = Home::new();
    drop(home.start());
    assert!(!home.data_dir().join("postmaster.pid").exists());
}

#[test]
fn a_cluster_that_is_left_running_is_adopted_by_the_next() {
    let home = Home::new();
    let first = home.start();
    let pid = first.postmaster_pid();
    first.leave_running();
    let second = home.start();
    assert!(pid.is_some() && second.postmaster_pid() == pid && !second.was_started_here());
}

#[test]
fn a_role_with_an_odd_name_logs_in_by_its_url() {
    let home = Home::new();
    let cluster = home.start();
    execute(
        &cluster,
        r#"CREATE ROLE "a b/@:%" LOGIN; CREATE DATABASE "x?y""#,
    );
    PgConnection::establish(&cluster.url_for("a b/@:%", Some("p:@/%&"), "x?y")).unwrap();
}

#[test]
fn the_callers_settings_win_over_the_defaults_but_do_not_open_tcp() {
    let home = Home::new();
    let mut options = home.options();
    for (name, value) in [
        ("max_connections", "7"),
        ("cluster_name", "it's $HOME \"x\""),
        ("listen_addresses", "*"),
        ("port", "1"),
    ] {
        options.settings.push((name.to_owned(), value.to_owned()));
    }
    let cluster = Cluster::start(options).unwrap();
    assert_eq!(show(&cluster, "max_connections"), "7");
    assert_eq!(show(&cluster, "cluster_name"), "it's $HOME \"x\"");
    assert_eq!(show(&cluster, "fsync"), "off");
    assert_eq!(show(&cluster, "listen_addresses"), "");
    execute(&cluster, "ALTER SYSTEM SET listen_addresses = '*'");
    cluster.stop().unwrap();
    assert_eq!(show(&home.start(), "listen_addresses"), "");
}

#[test]
fn a_start_that_fails_shows_the_end_of_the_log_of_this_attempt_only() {
    let home = Home::new();
    home.start().stop().unwrap();
    let mut options = home.options();
    options
        .settings
        .push(("no_such_setting".to_owned(), "1".to_owned()));
    let error = Cluster::start(options).unwrap_err();
    let Error::NotStarted { tail, log, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(
        tail.contains("unrecognized configuration parameter \"no_such_setting\""),
        "{tail}"
    );
    assert!(!tail.contains("ready to accept connections"), "{tail}");
    assert!(
        error.to_string().contains(log.to_str().unwrap())
            && std::error::Error::source(&error).is_some()
    );
}

#[test]
fn postgresql_is_in_a_session_of_its_own_where_ctrl_c_does_not_reach_it() {
    let home = Home::new();
    let cluster = home.start();
    let pid = nix::unistd::Pid::from_raw(cluster.postmaster_pid().unwrap());
    assert_eq!(nix::unistd::getsid(Some(pid)), Ok(pid));
}
