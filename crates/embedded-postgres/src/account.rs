//! The OS user who runs PostgreSQL's programs, and running them. PostgreSQL refuses root, so root drops to `postgres`;
//! anyone else stays who they are.

use crate::Error;
use nix::unistd::{Uid, User};
use std::fs::File;
use std::os::unix::fs::fchown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, io};

const NAME: &str = "postgres";
const SHOWN_LINES: usize = 20;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    uid: u32,
    /// For root: the group to drop to.
    dropped_gid: Option<u32>,
}

impl Account {
    pub(crate) fn find() -> Result<Self, Error> {
        let me = Uid::effective();
        if !me.is_root() {
            return Ok(Self {
                uid: me.as_raw(),
                dropped_gid: None,
            });
        }
        match User::from_name(NAME) {
            Ok(Some(user)) => Ok(Self {
                uid: user.uid.as_raw(),
                dropped_gid: Some(user.gid.as_raw()),
            }),
            Ok(None) => Err(Error::NoAccount),
            Err(errno) => Err(Error::Io {
                action: "look up the OS user",
                path: NAME.into(),
                source: errno.into(),
            }),
        }
    }

    pub(crate) fn uid(self) -> u32 {
        self.uid
    }

    /// Whether programs run as somebody else than this process.
    pub(crate) fn drops(self) -> bool {
        self.dropped_gid.is_some()
    }

    /// A command that runs as this user, in a process group of its own (Ctrl-C on the terminal is not meant for it),
    /// from `/`, with messages in English and without the `PG*` variables, which would change what it does.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir("/")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .process_group(0);
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG"))
        {
            command.env_remove(name);
        }
        if let Some(gid) = self.dropped_gid {
            command.gid(gid).uid(self.uid);
        }
        command
    }

    /// Gives what this process has made, and opened from this path, to this user.
    pub(crate) fn own(self, opened: &File, path: &Path) -> Result<(), Error> {
        match self.dropped_gid {
            Some(gid) => fchown(opened, Some(self.uid), Some(gid))
                .map_err(Error::io("give to `postgres`", path)),
            None => Ok(()),
        }
    }

    /// Whether this user can enter the folder: it is tried, because access lists and mounts decide too.
    pub(crate) fn can_enter(self, folder: &Path) -> Result<bool, Error> {
        let shell = Path::new("/bin/sh");
        let status: io::Result<_> = self
            .command(shell)
            .args(["-c", "cd -- \"$1\"", "sh"])
            .arg(folder)
            .stderr(Stdio::null())
            .status();
        Ok(status.map_err(Error::io("run", shell))?.success())
    }
}

/// Runs it to its end. What it printed is shown only if it fails.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let program = Path::new(command.get_program()).to_owned();
    let output = command.output().map_err(Error::io("run", &program))?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    let output_tail = last_lines(&String::from_utf8_lossy(&printed));
    Err(Error::Program {
        program,
        status: output.status,
        output: output_tail,
    })
}

/// As much of a text as an error shows.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines
        .get(lines.len().saturating_sub(SHOWN_LINES)..)
        .unwrap_or_default()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn only_the_last_twenty_lines_are_shown() {
        let text: String = (1..=30).map(|number| format!("{number}\n")).collect();
        let shown = last_lines(&text);
        assert_eq!(
            (shown.lines().next(), shown.lines().last()),
            (Some("11"), Some("30"))
        );
        assert_eq!(last_lines(""), "");
    }
}
