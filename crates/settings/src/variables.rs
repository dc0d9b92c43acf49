//! What the environment's variables say about settings: names become keys, `_FILE` becomes the
//! file's content.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::SettingsError;

const PREFIX: &str = "ROWHOUSE__";
const FILE: &str = "_FILE";

/// The names that people expect from everywhere else.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("DATABASE_URL", "database.url"),
    ("DEBUG", "debug"),
    ("PORT", "server.port"),
    ("REDIS_URL", "redis.url"),
    ("SECRET_KEY", "auth.secret_key"),
];

/// One setting from the environment.
#[derive(Clone)]
pub(crate) struct Assignment {
    pub(crate) value: String,
    /// The variable, and the file if it names one.
    pub(crate) origin: String,
    /// Whether the variable is one of the short names, which set what not every binary knows.
    pub(crate) short: bool,
}

/// The variable that sets a key.
pub(crate) fn name_of(key: &str) -> String {
    SHORT_NAMES
        .iter()
        .find(|(_, known)| *known == key)
        .map_or_else(
            || format!("{PREFIX}{}", key.replace('.', "__").to_uppercase()),
            |(name, _)| (*name).to_owned(),
        )
}

/// Every setting among the variables, by key. An empty variable counts as unset. The prefixed name
/// beats the short one; of either, the value beats the file that holds it.
pub(crate) fn assignments(
    variables: &[(String, String)],
    file_keys: &[&str],
) -> Result<BTreeMap<String, Assignment>, SettingsError> {
    let set: BTreeMap<&str, &str> = variables
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut assignments = BTreeMap::new();
    // Short names first, so that prefixed ones overwrite them.
    for short in [true, false] {
        for (&name, &value) in &set {
            let Some(named) = Named::read(name, file_keys, short) else {
                continue;
            };
            let assignment = match named.holder {
                Holder::Variable => Assignment {
                    value: value.to_owned(),
                    origin: name.to_owned(),
                    short,
                },
                Holder::File { base } if set.contains_key(base) => continue,
                Holder::File { .. } => Assignment {
                    value: read_secret(name, value)?,
                    origin: format!("{name} ({value})"),
                    short,
                },
            };
            assignments.insert(named.key, assignment);
        }
    }
    Ok(assignments)
}

/// A variable's name, understood.
struct Named<'a> {
    key: String,
    holder: Holder<'a>,
}

enum Holder<'a> {
    /// The variable holds the value.
    Variable,
    /// It names a file that holds the value of the variable `base`.
    File { base: &'a str },
}

impl<'a> Named<'a> {
    fn read(name: &'a str, file_keys: &[&str], short: bool) -> Option<Self> {
        let key_of = if short { short_key } else { prefixed_key };
        let own = key_of(name);
        match name.strip_suffix(FILE) {
            Some(base) if !own.as_deref().is_some_and(|key| file_keys.contains(&key)) => {
                Some(Self {
                    key: key_of(base)?,
                    holder: Holder::File { base },
                })
            }
            _ => Some(Self {
                key: own?,
                holder: Holder::Variable,
            }),
        }
    }
}

fn short_key(name: &str) -> Option<String> {
    SHORT_NAMES
        .iter()
        .find(|(short, _)| *short == name)
        .map(|(_, key)| (*key).to_owned())
}

/// `ROWHOUSE__SERVER__PORT` is `server.port`; a name with an empty or odd part is none of ours.
fn prefixed_key(name: &str) -> Option<String> {
    let parts: Vec<String> = name
        .strip_prefix(PREFIX)?
        .split("__")
        .map(str::to_lowercase)
        .collect();
    let plain = |part: &String| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    parts.iter().all(plain).then(|| parts.join("."))
}

/// A secret's file ends in a line break more often than a secret does.
fn read_secret(variable: &str, path: &str) -> Result<String, SettingsError> {
    let (variable, path) = (variable.to_owned(), PathBuf::from(path));
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim_end_matches(['\n', '\r']) {
            "" => Err(SettingsError::EmptySecret { variable, path }),
            secret => Ok(secret.to_owned()),
        },
        Err(reason) => Err(SettingsError::UnreadableSecret {
            variable,
            path,
            reason,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(variables: &[(&str, &str)]) -> Result<BTreeMap<String, Assignment>, SettingsError> {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        assignments(&variables, &["seal.key_file"])
    }

    /// Key, value and origin of each assignment.
    fn table(variables: &[(&str, &str)]) -> Vec<(String, String, String)> {
        read(variables)
            .unwrap()
            .into_iter()
            .map(|(key, a)| (key, a.value, a.origin))
            .collect()
    }

    fn row(key: &str, value: &str, origin: &str) -> (String, String, String) {
        (key.to_owned(), value.to_owned(), origin.to_owned())
    }

    fn file(content: &str) -> (tempfile::NamedTempFile, String) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        (file, path)
    }

    #[test]
    fn names_become_keys() {
        let names = [
            ("ROWHOUSE__TIERS__FREE__RATE_LIMIT_PER_MINUTE", "300"),
            ("DATABASE_URL", "postgres:///x"),
            ("PORT", "9000"),
        ];
        assert_eq!(
            table(&names),
            [
                row("database.url", "postgres:///x", "DATABASE_URL"),
                row("server.port", "9000", "PORT"),
                row(
                    "tiers.free.rate_limit_per_minute",
                    "300",
                    "ROWHOUSE__TIERS__FREE__RATE_LIMIT_PER_MINUTE"
                ),
            ]
        );
    }

    #[test]
    fn other_names_and_empty_values_say_nothing() {
        let names = [
            ("PATH", "/bin"),
            ("ROWHOUSE_ENV", "test"),
            ("ROWHOUSE_HOME", "/x"),
            ("ROWHOUSE__", "x"),
            ("ROWHOUSE____X", "x"),
            ("ROWHOUSE__A[0]", "x"),
            ("port", "1"),
            ("LOG_FILE", "/x"),
            ("DATABASE_URL", ""),
        ];
        assert_eq!(table(&names), []);
    }

    #[test]
    fn the_prefixed_name_beats_the_short_one() {
        let names = [("PORT", "1"), ("ROWHOUSE__SERVER__PORT", "2")];
        assert_eq!(
            table(&names),
            [row("server.port", "2", "ROWHOUSE__SERVER__PORT")]
        );
    }

    #[test]
    fn a_file_holds_the_value() {
        let (_keep, path) = file("hunter2\n");
        for (variable, key) in [
            ("SECRET_KEY_FILE", "auth.secret_key"),
            ("DATABASE_URL_FILE", "database.url"),
            (
                "ROWHOUSE__DATABASE__APP_PASSWORD_FILE",
                "database.app_password",
            ),
        ] {
            let origin = format!("{variable} ({path})");
            assert_eq!(table(&[(variable, &path)]), [row(key, "hunter2", &origin)]);
        }
    }

    #[test]
    fn the_value_beats_the_file_and_a_prefixed_file_the_short_value() {
        let (_keep, path) = file("from file");
        let names = [
            ("SECRET_KEY", "direct"),
            ("SECRET_KEY_FILE", "/does/not/exist"),
        ];
        assert_eq!(
            table(&names),
            [row("auth.secret_key", "direct", "SECRET_KEY")]
        );
        let names = [
            ("SECRET_KEY", "direct"),
            ("ROWHOUSE__AUTH__SECRET_KEY_FILE", &path),
        ];
        assert_eq!(read(&names).unwrap()["auth.secret_key"].value, "from file");
    }

    #[test]
    fn a_setting_that_is_a_path_stays_a_path() {
        let names = [("ROWHOUSE__SEAL__KEY_FILE", "/does/not/exist")];
        let expected = row(
            "seal.key_file",
            "/does/not/exist",
            "ROWHOUSE__SEAL__KEY_FILE",
        );
        assert_eq!(table(&names), [expected]);
    }

    #[test]
    fn a_secret_that_is_not_there_is_named_with_its_variable() {
        let message = |names: &[(&str, &str)]| read(names).err().unwrap().to_string();
        assert_eq!(
            message(&[("SECRET_KEY_FILE", "/does/not/exist")]),
            "/does/not/exist (named by SECRET_KEY_FILE) cannot be read"
        );
        let (_keep, path) = file("\n");
        assert_eq!(
            message(&[("SECRET_KEY_FILE", &path)]),
            format!("{path} (named by SECRET_KEY_FILE) is empty")
        );
    }

    #[test]
    fn a_key_knows_its_variable() {
        assert_eq!(name_of("auth.secret_key"), "SECRET_KEY");
        assert_eq!(name_of("auth.bcrypt_cost"), "ROWHOUSE__AUTH__BCRYPT_COST");
    }
}
