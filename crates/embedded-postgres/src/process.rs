//! Which process a lock file of PostgreSQL names. Process ids are used again, in containers soon, so the number alone
//! proves nothing; the command line, which everybody may read, says more.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What runs under a process id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Process {
    /// The server of the data folder that was asked about.
    Server,
    /// A server, perhaps of another data folder.
    OtherServer,
    /// Something else, or a process that has ended but whose parent has not taken notice.
    Stranger,
    /// Nothing, or nothing that can be seen.
    None,
}

impl Process {
    pub(crate) fn of(pid: i32, data_dir: &Path) -> Self {
        let Some(mut command) = command_line(pid) else {
            return Self::None;
        };
        command.push(' ');
        // So `Server::start` names the data folder.
        if command.contains(&format!(" -D {} ", data_dir.display())) {
            return Self::Server;
        }
        // The server's children call themselves "postgres: …".
        match command.split_once(' ') {
            Some((program, _))
                if Path::new(program)
                    .file_name()
                    .is_some_and(|name| name == "postgres" || name == "postmaster") =>
            {
                Self::OtherServer
            }
            _ => Self::Stranger,
        }
    }
}

/// The process id in the first line of a lock file.
pub(crate) fn pid_in(lock_file: &Path) -> Option<i32> {
    fs::read_to_string(lock_file)
        .ok()?
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()
        .filter(|pid| *pid > 0)
}

fn command_line(pid: i32) -> Option<String> {
    let bytes = if Path::new("/proc/self").exists() {
        fs::read(format!("/proc/{pid}/cmdline")).ok()?
    } else {
        let ps = Command::new("ps")
            .args(["-ww", "-o", "command=", "-p", &pid.to_string()])
            .output()
            .ok()?;
        ps.status.success().then_some(ps.stdout)?
    };
    Some(
        String::from_utf8_lossy(&bytes)
            .replace('\0', " ")
            .trim()
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::Process;
    use std::path::Path;

    #[test]
    fn another_program_under_the_same_id_is_a_stranger() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(Process::of(pid, Path::new("/data")), Process::Stranger);
        assert_eq!(Process::of(i32::MAX, Path::new("/data")), Process::None);
    }
}
