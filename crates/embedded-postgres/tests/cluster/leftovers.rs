//! What kills, crashes and tidying leave behind does not keep the next start from succeeding, and what is not ours is
//! left alone.

use crate::{Home, eventually, execute, kill_dead, select};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use embedded_postgres::{Cluster, Error};
use nix::unistd::{Uid, User};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn the_files_of_a_killed_server_do_not_prevent_the_next_start() {
    let home = Home::new();
    let first = home.start();
    execute(&first, "CREATE TABLE kept AS SELECT 'kept'::text AS word");
    kill_dead(&first);
    assert!(home.data_dir().join("postmaster.pid").exists());
    first.leave_running();
    let second = home.start();
    assert!(second.was_started_here());
    assert_eq!(select(&second, "(SELECT word FROM kept)").unwrap(), "kept");
}

#[test]
fn a_lock_file_whose_process_id_a_stranger_has_by_now_does_not_prevent_the_next_start() {
    let home = Home::new();
    let cluster = home.start();
    let lock_file = home.data_dir().join("postmaster.pid");
    let (_, rest) = fs::read_to_string(&lock_file)
        .unwrap()
        .split_once('\n')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    cluster.stop().unwrap();
    // PostgreSQL only minds processes of its own user.
    let mut stranger = Command::new("sleep");
    stranger.arg("600");
    if Uid::effective().is_root() {
        stranger.uid(User::from_name("postgres").unwrap().unwrap().uid.as_raw());
    }
    let mut stranger = stranger.spawn().unwrap();
    fs::write(&lock_file, format!("{}\n{rest}", stranger.id())).unwrap();
    let started = Cluster::start(home.options());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert!(started.unwrap().is_running());
}

#[test]
fn an_initdb_that_was_interrupted_is_started_over() {
    let home = Home::new();
    let draft = home.path().join("postgres.new-4711");
    fs::create_dir_all(draft.join("base")).unwrap();
    fs::write(draft.join("PG_VERSION"), "15\n").unwrap();
    // It is there before the home was ever opened, so the home must be open for `postgres` already.
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let cluster = home.start();
    assert!(cluster.is_running() && !draft.exists());
    assert!(!home.has_draft());
}

#[test]
fn a_server_whose_socket_was_tidied_away_is_started_again() {
    let home = Home::new();
    let first = home.start();
    let socket = first.socket_dir().join(".s.PGSQL.5432");
    first.leave_running();
    fs::remove_file(socket).unwrap();
    assert!(home.start().is_running());
}

#[test]
fn a_server_whose_data_was_deleted_or_moved_does_not_haunt_the_next_cluster_at_that_path() {
    let home = Home::new();
    for moves in [true, false] {
        let first = home.start();
        let ghost = first.postmaster_pid().unwrap();
        execute(&first, "CREATE TABLE gone (x int)");
        first.leave_running();
        if moves {
            fs::rename(home.data_dir(), home.path().join("moved")).unwrap();
        } else {
            fs::remove_dir_all(home.data_dir()).unwrap();
        }
        let begun = Instant::now();
        let second = home.start();
        assert_ne!(second.postmaster_pid(), Some(ghost));
        let is_gone = select(&second, "(to_regclass('gone') IS NULL)::text");
        assert_eq!(is_gone.unwrap(), "true");
        // PostgreSQL notices by itself after a minute.
        assert!(begun.elapsed() < Duration::from_secs(30));
        second.stop().unwrap();
        fs::remove_dir_all(home.data_dir()).unwrap();
    }
}

#[test]
fn a_start_waits_for_a_backend_that_has_outlived_its_killed_server() {
    let home = Home::new();
    let first = home.start();
    let url = first.url("postgres");
    let backend = thread::spawn(move || {
        let spin = "DO $$ DECLARE stop timestamptz := clock_timestamp() + interval '2 seconds';
            BEGIN WHILE clock_timestamp() < stop LOOP NULL; END LOOP; END $$";
        // Whether it still answers at its end does not matter.
        let _ = PgConnection::establish(&url).unwrap().batch_execute(spin);
    });
    let spinning = "(SELECT count(*)::text FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active')";
    eventually("it spins", || {
        select(&first, spinning).is_ok_and(|count| count == "1")
    });
    kill_dead(&first);
    first.leave_running();
    let second = home.start();
    backend.join().unwrap();
    assert!(second.was_started_here());
    assert!(
        fs::read_to_string(second.log())
            .unwrap()
            .contains("is still in use")
    );
}

#[test]
fn a_socket_folder_that_is_a_link_or_anothers_is_refused() {
    let home = Home::new();
    let cluster = home.start();
    let folder = cluster.socket_dir().to_owned();
    cluster.stop().unwrap();
    let refused = |reason: &str| {
        let error = Cluster::start(home.options()).unwrap_err();
        assert!(matches!(error, Error::SocketFolder { .. }), "{error:?}");
        let message = error.to_string();
        assert!(
            message.contains(reason) && message.contains(folder.to_str().unwrap()),
            "{message}"
        );
    };

    symlink(home.path(), &folder).unwrap();
    refused("is a symbolic link");
    fs::remove_file(&folder).unwrap();

    fs::write(&folder, "").unwrap();
    refused("or not a folder");
    fs::remove_file(&folder).unwrap();

    if Uid::effective().is_root() {
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::chown(&folder, Some(65534), None).unwrap();
        refused("belongs to another user (uid 65534)");
        fs::remove_dir(&folder).unwrap();
    }

    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let cluster = home.start();
    assert_eq!(
        fs::metadata(cluster.socket_dir())
            .unwrap()
            .permissions()
            .mode()
            & 0o7777,
        0o700
    );
}

#[test]
fn a_data_folder_of_another_major_version_is_left_alone() {
    let home = Home::new();
    home.start().stop().unwrap();
    fs::write(home.data_dir().join("PG_VERSION"), "14\n").unwrap();
    let error = Cluster::start(home.options()).unwrap_err();
    assert!(
        matches!(error, Error::OtherMajor { data: 14, .. }),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("set ROWHOUSE_PG_BINDIR to those of 14"),
        "{error}"
    );
}

#[test]
fn a_data_folder_that_holds_something_else_is_left_alone() {
    let home = Home::new();
    fs::create_dir(home.data_dir()).unwrap();
    fs::write(home.data_dir().join("letter.txt"), "dear").unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let error = Cluster::start(home.options()).unwrap_err();
    assert!(matches!(error, Error::NotACluster { .. }), "{error:?}");
    assert_eq!(
        fs::read_to_string(home.data_dir().join("letter.txt")).unwrap(),
        "dear"
    );
}
