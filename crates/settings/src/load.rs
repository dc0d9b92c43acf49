//! Loading: merge the layers, read them as the caller's type, and name what is wrong or unknown.

use config::{Config, ConfigError, Value, ValueKind};
use serde::de::DeserializeOwned;
use std::fmt;
use std::path::PathBuf;

use crate::variables::{assignments, name_of};
use crate::{Environment, SettingsError, layers};

/// Where settings come from. Nothing else is looked at, so a test can give everything.
pub struct Sources<'a> {
    /// Which environment; `None`: what `ROWHOUSE_ENV` among the variables says.
    pub environment: Option<Environment>,
    /// The directory of `default.toml` and `{environment}.toml`, either of which may be missing;
    /// `None`: only the texts compiled in. A file lies over the compiled-in text of its name, it
    /// does not replace it.
    pub config_dir: Option<PathBuf>,
    /// Name (`default`, `production`, …) and TOML text, by `include_str!`: a binary that was copied
    /// away still has its defaults. Every key in them counts as known.
    pub embedded_defaults: &'a [(&'a str, &'a str)],
    /// The process's variables. An empty one counts as unset.
    pub variables: Vec<(String, String)>,
    /// Keys that end in `_file` and are paths themselves (`seal.key_file`). Of every other
    /// variable `…_FILE` the file's content is the value.
    pub file_keys: &'a [&'a str],
}

/// Names only: the variables hold secrets.
impl fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("environment", &self.environment)
            .field("config_dir", &self.config_dir)
            .finish_non_exhaustive()
    }
}

/// What was loaded.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The settings.
    pub value: T,
    /// What is set and means nothing, as `key (origin)`, sorted: most likely misspelled. For the
    /// caller to warn of, once there is a log. A key that stands in the compiled-in texts, or that
    /// a short variable sets, is another binary's and not listed.
    pub unknown_keys: Vec<String>,
    /// The environment they were loaded for.
    pub environment: Environment,
}

/// Loads the settings, see the crate's head for the order of the sources.
///
/// Numbers and switches may be given as text (`on`, `yes`, `1`); where the files have a list, a
/// variable gives one separated by commas.
///
/// # Errors
/// [`SettingsError`], one line that names key and origin and never a value. A `Deserialize` of the
/// caller's own should not repeat its input either; the whole input is cut out if it does.
pub fn load<T: DeserializeOwned>(sources: Sources<'_>) -> Result<Loaded<T>, SettingsError> {
    let Sources {
        environment,
        config_dir,
        embedded_defaults,
        variables,
        file_keys,
    } = sources;
    let environment = environment.map_or_else(|| Environment::of(&variables), Ok)?;
    let files = layers::of_files(environment, config_dir.as_deref(), embedded_defaults)?;
    let assignments = assignments(&variables, file_keys)?;
    let merged = layers::with_variables(files, &assignments)?;

    let mut ignored = Vec::new();
    let value = serde_ignored::deserialize(merged.clone(), |path| ignored.push(dotted(&path)))
        .map_err(|error| explain(error, &merged))?;

    let embedded = layers::of_embedded(embedded_defaults)?;
    let mut unknown_keys: Vec<String> = ignored
        .into_iter()
        .filter(|key| layers::find(&embedded, key).is_none())
        .filter(|key| {
            !assignments
                .iter()
                .any(|(set, by)| by.short && is_within(set, key))
        })
        .map(|key| format!("{key} ({})", origin_of(&merged, &key)))
        .collect();
    unknown_keys.sort();
    Ok(Loaded {
        value,
        unknown_keys,
        environment,
    })
}

/// Whether `key` is `section` or lies in it.
fn is_within(key: &str, section: &str) -> bool {
    key.strip_prefix(section)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The path without serde's inner steps (`Some`, newtypes).
fn dotted(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    let join = |parent: &Path<'_>, last: &str| match dotted(parent) {
        parent if parent.is_empty() => last.to_owned(),
        parent => format!("{parent}.{last}"),
    };
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => join(parent, &index.to_string()),
        Path::Map { parent, key } => join(parent, key),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => dotted(parent),
    }
}

/// An element of a list came from where its list came from.
fn without_index(key: &str) -> &str {
    key.split_once('[').map_or(key, |(list, _)| list)
}

/// The file or variable that a key's value came from; of a table, that of its first value.
fn origin_of(config: &Config, key: &str) -> String {
    let origin = layers::find(config, without_index(key)).and_then(first_origin);
    origin.unwrap_or("an unknown source").to_owned()
}

fn first_origin(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::Table(table) => table
            .iter()
            .min_by_key(|(key, _)| *key)
            .and_then(|(_, value)| first_origin(value)),
        _ => value.origin(),
    }
}

/// `config`'s error in our words, without the value that it may repeat.
fn explain(error: ConfigError, config: &Config) -> SettingsError {
    let (key, reason) = match error {
        ConfigError::NotFound(key) => {
            let variable = name_of(&key);
            return SettingsError::Missing { key, variable };
        }
        ConfigError::Type { key, expected, .. } => (key, format!("expected {expected}")),
        ConfigError::At { key, error, .. } => (key, error.to_string()),
        other => (None, other.to_string()),
    };
    let key = key.unwrap_or_default();
    let origin = origin_of(config, &key);
    let reason = without_value(&reason, layers::find(config, without_index(&key)));
    SettingsError::Invalid {
        key,
        origin,
        reason,
    }
}

/// serde says `invalid type: string "hunter2", expected …`: only the end is kept. Whatever else a
/// `Deserialize` says is kept unless it repeats a value.
fn without_value(reason: &str, value: Option<&Value>) -> String {
    if let Some((_, expected)) = reason.rsplit_once(", expected ") {
        return format!("expected {expected}");
    }
    let unknown_word = reason
        .strip_prefix("enum ")
        .and_then(|rest| rest.split_once(" does not have variant constructor "));
    if let Some((name, _)) = unknown_word {
        return format!("no such {name}");
    }
    if reason.contains('\n') || value.is_some_and(|value| repeats(reason, value)) {
        return "not of the kind that is expected".to_owned();
    }
    reason.to_owned()
}

/// Whether a text repeats a value, as it is or escaped. What is shorter than four bytes is no
/// secret, and may well stand in `must be 4 to 31`.
fn repeats(text: &str, value: &Value) -> bool {
    match &value.kind {
        ValueKind::Table(table) => table.values().any(|value| repeats(text, value)),
        ValueKind::Array(items) => items.iter().any(|item| repeats(text, item)),
        plain => {
            let plain = plain.to_string();
            plain.len() >= 4
                && (text.contains(&plain) || text.contains(&plain.escape_debug().to_string()))
        }
    }
}

#[cfg(test)]
mod tests;
