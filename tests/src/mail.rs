//! Mails, as files hold them.

use std::fs;
use std::path::Path;

/// A mail that was written.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The one recipient.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The whole file.
    pub source: String,
}

impl Mail {
    /// All mails in a folder, oldest first. One without a folder has none.
    ///
    /// # Panics
    /// When one is not as mails are.
    #[must_use]
    pub fn all_in(folder: &Path) -> Vec<Self> {
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut paths: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|it| it == "eml"))
            .collect();
        paths.sort();
        paths
            .iter()
            .map(|path| Self::read(&fs::read_to_string(path).unwrap()))
            .collect()
    }

    /// A mail of its text.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn read(source: &str) -> Self {
        let (head, _) = source.split_once("\n\n").unwrap();
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.strip_prefix(name));
            let value = lines.next().unwrap().to_owned();
            assert_eq!(lines.next(), None, "two of {name}");
            value
        };
        Self {
            to: header("To: "),
            subject: header("Subject: "),
            source: source.to_owned(),
        }
    }

    /// The token of the one link, which stands alone on its line.
    ///
    /// # Panics
    /// When there is none, or another one.
    #[must_use]
    pub fn token(&self) -> String {
        let mut tokens = self.source.lines().filter_map(|line| {
            let (page, token) = line.split_once("?token=")?;
            assert!(page.starts_with("https://app.rowhouse.test/"), "{line}");
            Some(token.to_owned())
        });
        let token = tokens.next().unwrap();
        assert_eq!(tokens.next(), None);
        assert_eq!(self.source.matches("token=").count(), 1);
        token
    }
}
