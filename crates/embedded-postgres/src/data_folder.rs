//! The data folder: `initdb` makes it, once, as a draft that gets its name when it is complete. Called under the home's
//! start lock.

use crate::Error;
use crate::account::run;
use crate::home::Home;
use crate::programs::Programs;
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// The superuser, and the database that is always there.
pub(crate) const POSTGRES: &str = "postgres";

/// How a draft's name begins. An interrupted `initdb` leaves nothing but a draft.
const DRAFT: &str = "postgres.new-";

/// Makes the cluster where it is missing. One of another major version, or something else at its place, is an error.
pub(crate) fn ensure(
    home: &Home,
    programs: &Programs,
    settings: &[(String, String)],
) -> Result<(), Error> {
    let path = home.data_dir();
    let version = path.join("PG_VERSION");
    let data: u32 = match fs::read_to_string(&version) {
        Ok(text) => text
            .trim()
            .parse()
            .map_err(|_| Error::NotACluster { path: path.clone() })?,
        Err(error) if error.kind() == ErrorKind::NotFound => return make(home, programs, settings),
        Err(error) => return Err(Error::io("read", &version)(error)),
    };
    if data == programs.major() {
        return Ok(());
    }
    let bindir = programs.bindir().to_owned();
    Err(Error::OtherMajor {
        path,
        data,
        bindir,
        programs: programs.major(),
    })
}

fn make(home: &Home, programs: &Programs, settings: &[(String, String)]) -> Result<(), Error> {
    let path = home.data_dir();
    if fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::NotACluster { path });
    }
    remove_drafts(home);
    // Its own name, because the `initdb` of a killed process may still be at work on the other draft.
    let draft = home.path().join(format!("{DRAFT}{}", std::process::id()));
    let syncs = !settings
        .iter()
        .any(|(name, value)| name == "fsync" && value == "off");
    let initdb = |locale: &str| {
        make_empty(home, &draft)?;
        let mut initdb = home.account().command(&programs.initdb());
        initdb.args(
            "--data-checksums --encoding=UTF8 --auth-local=trust --auth-host=reject".split(' '),
        );
        initdb.args([
            format!("--locale={locale}"),
            format!("--username={POSTGRES}"),
        ]);
        initdb.args((!syncs).then_some("--no-sync"));
        run(initdb.arg("--pgdata").arg(&draft))
    };
    // Not every system has C.UTF-8; when it was not that, the second attempt fails for the same reason.
    initdb("C.UTF-8").or_else(|_| initdb("C"))?;
    fs::rename(&draft, &path).map_err(Error::io("create", &path))?;
    let synced = File::open(home.path()).and_then(|folder| folder.sync_all());
    synced.map_err(Error::io("sync", home.path()))
}

/// An empty folder that belongs to the account.
fn make_empty(home: &Home, draft: &Path) -> Result<(), Error> {
    if draft.exists() {
        fs::remove_dir_all(draft).map_err(Error::io("remove", draft))?;
    }
    DirBuilder::new()
        .mode(0o700)
        .create(draft)
        .map_err(Error::io("create", draft))?;
    let folder = File::open(draft).map_err(Error::io("open", draft))?;
    home.account().own(&folder, draft)
}

fn remove_drafts(home: &Home) {
    for entry in fs::read_dir(home.path()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(DRAFT)
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            log::warn!(path:? = entry.path(), error:%; "A half-made cluster stays");
        }
    }
}
