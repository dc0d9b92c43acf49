//! Mails as files, for whoever develops: `<time>-<recipient>.eml`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use chrono::{DateTime, Utc};
use domain::Email;
use uuid::Uuid;

/// The longest part of an address that a file name repeats.
const LONGEST: usize = 100;

/// Writes a mail whole, or not at all; only the server's user may read it, as it may carry a link.
pub(super) fn write(
    folder: &Path,
    to: &Email,
    message: &[u8],
    now: DateTime<Utc>,
) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // The name says when and to whom, but not which mail; whoever looks for `.eml` sees whole ones.
    let unfinished = folder.join(format!(".{}", Uuid::now_v7().simple()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| file.write_all(message).and_then(|()| file.sync_all()))
        .and_then(|()| name(folder, &unfinished, to, now));
    // The mail has its own name by now, or there is none.
    let removed = fs::remove_file(&unfinished);
    written.and(removed)
}

/// Gives the file the first name that is free.
fn name(folder: &Path, unfinished: &Path, to: &Email, mut now: DateTime<Utc>) -> io::Result<()> {
    loop {
        let path = folder.join(file_name(to, now));
        match fs::hard_link(unfinished, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                now += chrono::TimeDelta::microseconds(1);
            }
            result => return result,
        }
    }
}

/// Sorts by time. An address can hold a slash; a file name holds nothing but letters, digits and
/// `@ . _ + -`.
fn file_name(to: &Email, now: DateTime<Utc>) -> String {
    let recipient: String = to
        .as_str()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "@._+-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(LONGEST)
        .collect();
    format!("{}-{recipient}.eml", now.format("%Y%m%dT%H%M%S%.6fZ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_micros(1_800_000_000_000_001).unwrap()
    }

    #[test]
    fn a_file_name_is_safe_for_any_recipient() {
        for (address, expected) in [
            ("leslie@pawnee.example", "leslie@pawnee.example"),
            ("a/b@c.example", "a_b@c.example"),
            ("j\u{fc}rgen@c.example", "j_rgen@c.example"),
            ("a`{|}~*?b@c.example", "a_______b@c.example"),
        ] {
            let to = Email::parse(address).unwrap();
            let expected = format!("20270115T080000.000001Z-{expected}.eml");
            assert_eq!(file_name(&to, now()), expected);
        }
        let long = format!("{}@{}.example", "a".repeat(64), "b".repeat(63));
        let name = file_name(&Email::parse(&long).unwrap(), now());
        assert!(name.len() < 150, "{name}");
    }

    #[test]
    fn two_mails_of_one_moment_are_two_files() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = folder.path().join("home/outbox");
        let to = Email::parse("a@b.example").unwrap();
        for text in ["one", "two"] {
            write(&outbox, &to, text.as_bytes(), now()).unwrap();
        }
        let mut texts: Vec<_> = fs::read_dir(&outbox)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                assert_eq!(path.extension().unwrap(), "eml");
                fs::read_to_string(path).unwrap()
            })
            .collect();
        texts.sort();
        assert_eq!(texts, ["one", "two"]);
    }
}
