//! The folder that holds a cluster: where it is, who may enter it, and the files through which processes agree on who
//! starts and who stops. What PostgreSQL does in it is in `server`.

use crate::Error;
use crate::account::Account;
use crate::socket::SocketFolder;
use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

const DEFAULT: &str = ".rowhouse";
const DEFAULT_FOR_ROOT: &str = "/var/lib/rowhouse";
const START_LOCK: &str = "start.lock";

/// Decides where the home is, absolute; makes nothing. An explicit path is taken as it is; the default is `.rowhouse`
/// in the current folder, or `/var/lib/rowhouse` when the process is root and `postgres` cannot reach the current folder.
///
/// # Errors
/// [`Error::Unreachable`] for an explicit path that `postgres` cannot reach, when the process is root.
pub fn home_for(explicit: Option<&Path>) -> Result<PathBuf, Error> {
    let here = env::current_dir().map_err(Error::io("find", Path::new(".")))?;
    choose(explicit, &here)
}

fn choose(explicit: Option<&Path>, here: &Path) -> Result<PathBuf, Error> {
    let home = here.join(explicit.unwrap_or(Path::new(DEFAULT)));
    let account = match Account::find() {
        Ok(account) if account.drops() => account,
        // With no user to drop to nobody needs to reach it: only `Cluster::start` needs that user.
        Ok(_) | Err(Error::NoAccount) => return Ok(home),
        Err(error) => return Err(error),
    };
    // The home itself may not exist yet, and is opened by `Cluster::start` if it is ours.
    let Some(above) = home.ancestors().skip(1).find(|folder| folder.exists()) else {
        return Ok(home);
    };
    match (account.can_enter(above)?, explicit) {
        (true, _) => Ok(home),
        (false, Some(_)) => Err(Error::Unreachable {
            path: above.to_owned(),
        }),
        (false, None) => Ok(PathBuf::from(DEFAULT_FOR_ROOT)),
    }
}

/// An existing home, its path canonical.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    account: Account,
    socket: SocketFolder,
}

impl Home {
    /// Makes the folder where it is missing. It stays the caller's; when programs run as another user that user may
    /// pass through it (0711) but not list it.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let account = Account::find()?;
        let mode = if account.drops() { 0o711 } else { 0o700 };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .map_err(Error::io("create", path))?;
        let path = path.canonicalize().map_err(Error::io("find", path))?;
        if account.drops() {
            let_through(account, &path)?;
        }
        let socket = SocketFolder::of(&path.join("postgres"), account);
        Ok(Self {
            path,
            account,
            socket,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn account(&self) -> Account {
        self.account
    }

    pub(crate) fn socket(&self) -> &SocketFolder {
        &self.socket
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path.join("postgres")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("postgres.log")
    }

    /// Waits for the lock that whoever starts or stops PostgreSQL holds. It ends with the file's value, or the process.
    pub(crate) fn lock_start(&self) -> Result<File, Error> {
        let (path, file) = self.lock_file(START_LOCK)?;
        file.lock().map_err(Error::io("lock", &path))?;
        Ok(file)
    }

    /// The same lock, unless another holds it now.
    pub(crate) fn try_lock_start(&self) -> Result<Option<File>, Error> {
        let (path, file) = self.lock_file(START_LOCK)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
        }
    }

    /// The lock that all users of the cluster share. Under the start lock nobody holds it alone, so this never waits.
    pub(crate) fn lock_in_use(&self) -> Result<InUse, Error> {
        let (path, file) = self.lock_file("in-use.lock")?;
        file.lock_shared().map_err(Error::io("lock", &path))?;
        Ok(InUse { path, file })
    }

    fn lock_file(&self, name: &str) -> Result<(PathBuf, File), Error> {
        let path = self.path.join(name);
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = opened.map_err(Error::io("open", &path))?;
        Ok((path, file))
    }

    fn stopped_mark(&self) -> PathBuf {
        self.path.join("stopped")
    }

    /// Tells the watches of other processes that PostgreSQL's end is meant.
    pub(crate) fn mark_stopped(&self) -> Result<(), Error> {
        let mark = self.stopped_mark();
        File::create(&mark)
            .map(drop)
            .map_err(Error::io("create", &mark))
    }

    pub(crate) fn is_marked_stopped(&self) -> bool {
        self.stopped_mark().exists()
    }

    pub(crate) fn unmark_stopped(&self) -> Result<(), Error> {
        let mark = self.stopped_mark();
        match fs::remove_file(&mark) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::io("remove", &mark)(error))
            }
            _ => Ok(()),
        }
    }
}

/// One user's share of the in-use lock.
#[derive(Debug)]
pub(crate) struct InUse {
    path: PathBuf,
    file: File,
}

impl InUse {
    /// Gives up the share; whether it was the last one. Only meaningful under the start lock.
    pub(crate) fn was_last(self) -> Result<bool, Error> {
        self.file
            .unlock()
            .map_err(Error::io("unlock", &self.path))?;
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &self.path)(error)),
        }
    }
}

/// Lets the account pass through the home. Only a folder that is empty or already a home is opened: any other holds
/// things whose owner closed it.
fn let_through(account: Account, home: &Path) -> Result<(), Error> {
    let unreachable = || Error::Unreachable {
        path: home.to_owned(),
    };
    if account.can_enter(home)? {
        return Ok(());
    }
    let is_empty = fs::read_dir(home)
        .map_err(Error::io("read", home))?
        .next()
        .is_none();
    if !is_empty && !home.join(START_LOCK).exists() {
        return Err(unreachable());
    }
    let mode = fs::metadata(home)
        .map_err(Error::io("read", home))?
        .permissions()
        .mode();
    fs::set_permissions(home, Permissions::from_mode(mode | 0o111))
        .map_err(Error::io("open", home))?;
    if account.can_enter(home)? {
        Ok(())
    } else {
        Err(unreachable())
    }
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_FOR_ROOT, choose};
    use nix::unistd::Uid;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    #[test]
    fn the_default_is_in_the_current_folder_unless_postgres_cannot_reach_it() {
        assert_eq!(
            choose(None, Path::new("/tmp")).unwrap(),
            Path::new("/tmp/.rowhouse")
        );
        let closed = tempfile::tempdir().unwrap();
        fs::set_permissions(closed.path(), Permissions::from_mode(0o700)).unwrap();
        let expected = if Uid::effective().is_root() {
            DEFAULT_FOR_ROOT.into()
        } else {
            closed.path().join(".rowhouse")
        };
        assert_eq!(choose(None, closed.path()).unwrap(), expected);
    }

    #[test]
    fn an_explicit_home_is_taken_relative_to_the_current_folder() {
        assert_eq!(
            choose(Some(Path::new("a/b")), Path::new("/tmp")).unwrap(),
            Path::new("/tmp/a/b")
        );
    }
}
