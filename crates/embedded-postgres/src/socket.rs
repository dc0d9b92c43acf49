//! The private folder of the Unix socket, and whether anybody is bound to that socket.

use crate::Error;
use crate::account::Account;
use nix::fcntl::OFlag;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// The port is only part of the socket's name: there is no TCP.
pub(crate) const PORT: u16 = 5432;

#[derive(Debug)]
pub(crate) struct SocketFolder {
    path: PathBuf,
    account: Account,
}

impl SocketFolder {
    pub(crate) fn of(data_dir: &Path, account: Account) -> Self {
        let path = PathBuf::from(format!(
            "/tmp/rowhouse-{:016x}",
            fnv1a(data_dir.as_os_str().as_bytes())
        ));
        Self { path, account }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// PostgreSQL's lock file beside the socket; its first line is the server's process id.
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.path.join(format!(".s.PGSQL.{PORT}.lock"))
    }

    /// Whether a living process is bound to the socket. A datagram socket can never connect to PostgreSQL's stream
    /// socket, but the error tells a bound one (wrong type) from a stale file (refused) and from none (not found), and
    /// unlike a real connection it can neither block nor make PostgreSQL fork.
    pub(crate) fn is_bound(&self) -> bool {
        match UnixDatagram::unbound().and_then(|datagram| datagram.connect(self.file())) {
            Ok(()) => true,
            Err(error) => !matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::NotFound
            ),
        }
    }

    /// Makes the folder, or makes sure that it is ours alone. Everybody may write to `/tmp`, so nothing is believed
    /// by name: the folder is opened without following a link, and all is asked of and done to what was opened.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        let refused = |reason: &str| Error::SocketFolder {
            path: self.path.clone(),
            reason: reason.to_owned(),
        };
        match DirBuilder::new().mode(0o700).create(&self.path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::io("create", &self.path)(error));
            }
            _ => {}
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let folder = match OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits())
            .open(&self.path)
        {
            Ok(folder) => folder,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(refused("belongs to another user"));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::io("open", &self.path)(error));
            }
            Err(_) => return Err(refused("is a symbolic link or not a folder")),
        };
        let owner = folder
            .metadata()
            .map_err(Error::io("read", &self.path))?
            .uid();
        // Root's own one was made a moment ago, here or by a start that was interrupted before the next line.
        if self.account.drops() && owner == 0 {
            self.account.own(&folder, &self.path)?;
        } else if owner != self.account.uid() {
            return Err(refused(&format!("belongs to another user (uid {owner})")));
        }
        folder
            .set_permissions(Permissions::from_mode(0o700))
            .map_err(Error::io("close", &self.path))
    }

    /// Removes the folder after PostgreSQL's end, with what a killed one has left in it. Failing is no harm: the next
    /// start uses it again.
    pub(crate) fn remove(&self) {
        if self.is_bound() {
            return;
        }
        let _ = fs::remove_file(self.file());
        let _ = fs::remove_file(self.lock_file());
        if let Err(error) = fs::remove_dir(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            log::debug!(path:? = self.path, error:%; "The socket folder stays");
        }
    }

    fn file(&self) -> PathBuf {
        self.path.join(format!(".s.PGSQL.{PORT}"))
    }
}

/// FNV-1a, because the name must be the same in every build of every program, which the standard hasher does not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::fnv1a;

    #[test]
    fn the_hash_gives_the_published_values() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
