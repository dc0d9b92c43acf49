//! What is different for root, who drops to `postgres`. Run as anybody else these tests have nothing to say and pass.

use crate::Home;
use embedded_postgres::{Cluster, Error, home_for};
use nix::unistd::{Uid, User};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

fn postgres() -> Option<u32> {
    Uid::effective()
        .is_root()
        .then(|| User::from_name("postgres").unwrap().unwrap().uid.as_raw())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_server_and_its_data_are_those_of_postgres_and_the_home_stays_roots() {
    let Some(postgres) = postgres() else { return };
    let home = Home::new();
    set_mode(home.path(), 0o700);
    let cluster = home.start();
    let owner_and_mode = |path: &Path| {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.mode() & 0o7777)
    };
    let process = format!("/proc/{}", cluster.postmaster_pid().unwrap());
    assert_eq!(fs::metadata(process).unwrap().uid(), postgres);
    assert_eq!(owner_and_mode(&cluster.data_dir()), (postgres, 0o700));
    assert_eq!(owner_and_mode(cluster.socket_dir()), (postgres, 0o700));
    assert_eq!(owner_and_mode(&cluster.log()), (postgres, 0o600));
    assert_eq!(
        owner_and_mode(home.path()),
        (0, 0o711),
        "a closed but empty home is opened"
    );
}

#[test]
fn an_explicit_home_below_a_closed_folder_is_refused_in_one_line() {
    if postgres().is_none() {
        return;
    }
    let closed = tempfile::tempdir().unwrap();
    set_mode(closed.path(), 0o700);
    let home = closed.path().join("not/yet/there");
    let error = home_for(Some(&home)).unwrap_err();
    let (message, closed_path) = (error.to_string(), closed.path().display());
    assert_eq!(
        message,
        format!(
            "the OS user `postgres` cannot enter {closed_path}: open it (`chmod o+x`) or name another home, such as /var/lib/rowhouse"
        )
    );
    let mut options = Home::new().options();
    options.home = home;
    assert_eq!(
        Cluster::start(options)
            .unwrap_err()
            .to_string()
            .lines()
            .count(),
        1
    );
}

#[test]
fn a_closed_folder_that_holds_something_else_is_not_opened() {
    if postgres().is_none() {
        return;
    }
    let home = Home::new();
    set_mode(home.path(), 0o700);
    fs::write(home.path().join("diary.txt"), "private").unwrap();
    let error = Cluster::start(home.options()).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert_eq!(
        fs::metadata(home.path()).unwrap().permissions().mode() & 0o7777,
        0o700
    );
    set_mode(home.path(), 0o711);
}
