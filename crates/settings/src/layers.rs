//! The layers that `config` merges: TOML texts, and variables over them, each value with a note of
//! where it came from.

use config::{Config, ConfigError, FileFormat, Map, Source, Value, ValueKind};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::variables::Assignment;
use crate::{Environment, SettingsError};

/// The texts compiled in, and those on disk over them.
pub(crate) fn of_files(
    environment: Environment,
    config_dir: Option<&Path>,
    embedded: &[(&str, &str)],
) -> Result<Config, SettingsError> {
    if let Some(path) = config_dir.filter(|path| !path.is_dir()) {
        return Err(SettingsError::Directory {
            path: path.to_owned(),
        });
    }
    let mut layers = Vec::new();
    for name in ["default", environment.as_str()] {
        for (_, text) in embedded.iter().filter(|(embedded, _)| *embedded == name) {
            layers.push(parse(&format!("the built-in {name}.toml"), text)?);
        }
        let Some(path) = config_dir.map(|dir| dir.join(format!("{name}.toml"))) else {
            continue;
        };
        match fs::read_to_string(&path) {
            Ok(text) => layers.push(parse(&path.display().to_string(), &text)?),
            Err(reason) if reason.kind() == ErrorKind::NotFound => {}
            Err(reason) => return Err(SettingsError::Unreadable { path, reason }),
        }
    }
    merge(layers)
}

/// Everything that the compiled-in texts speak of, for whichever environment.
pub(crate) fn of_embedded(embedded: &[(&str, &str)]) -> Result<Config, SettingsError> {
    merge(
        embedded
            .iter()
            .map(|(name, text)| parse(&format!("the built-in {name}.toml"), text))
            .collect::<Result<_, _>>()?,
    )
}

/// Variables over files. They stay text: whoever reads a number or a switch parses it, so a secret
/// of digits is still a text. Where the files have a list, a text is split at its commas.
pub(crate) fn with_variables(
    files: Config,
    assignments: &BTreeMap<String, Assignment>,
) -> Result<Config, SettingsError> {
    let mut layers = Vec::new();
    // In the order of their keys: `a` before `a.b`, which then replaces it.
    for (key, Assignment { value, origin, .. }) in assignments {
        let text = |text: &str| Value::new(Some(origin), text.to_owned());
        let is_list = matches!(
            find(&files, key),
            Some(Value {
                kind: ValueKind::Array(_),
                ..
            })
        );
        let value = if is_list {
            let items = value
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Value::new(Some(origin), items.map(text).collect::<Vec<_>>())
        } else {
            text(value)
        };
        layers.push(Layer(Map::from_iter([(key.clone(), value)])));
    }
    let mut builder = Config::builder().add_source(files);
    for layer in layers {
        builder = builder.add_source(layer);
    }
    builder.build().map_err(unexpected)
}

/// The value under a dotted key.
pub(crate) fn find<'a>(config: &'a Config, key: &str) -> Option<&'a Value> {
    key.split('.')
        .try_fold(&config.cache, |value, part| match &value.kind {
            ValueKind::Table(table) => table.get(part),
            _ => None,
        })
}

/// One source whose values know their origin.
#[derive(Clone, Debug)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

fn merge(layers: Vec<Layer>) -> Result<Config, SettingsError> {
    Config::builder()
        .add_source(layers)
        .build()
        .map_err(unexpected)
}

fn parse(file: &str, text: &str) -> Result<Layer, SettingsError> {
    let origin = file.to_owned();
    match config::File::from_str(text, FileFormat::Toml).collect() {
        Ok(table) => Ok(Layer(
            table
                .into_iter()
                .map(|(key, value)| (key, with_origin(value, &origin)))
                .collect(),
        )),
        Err(error) => Err(SettingsError::Toml {
            file: origin,
            reason: without_source_text(&error.to_string()),
        }),
    }
}

fn with_origin(value: Value, origin: &String) -> Value {
    let kind = match value.kind {
        ValueKind::Table(table) => ValueKind::Table(
            table
                .into_iter()
                .map(|(key, value)| (key, with_origin(value, origin)))
                .collect(),
        ),
        ValueKind::Array(items) => ValueKind::Array(
            items
                .into_iter()
                .map(|item| with_origin(item, origin))
                .collect(),
        ),
        plain => plain,
    };
    Value::new(Some(origin), kind)
}

/// A TOML error reads: where; the offending line, which may hold a secret; what was expected. The
/// first and the last line, in one.
fn without_source_text(message: &str) -> String {
    let mut lines = message.lines().filter(|line| !line.trim().is_empty());
    let place = lines.next().unwrap_or_default();
    let place = place.strip_prefix("TOML parse error ").unwrap_or(place);
    lines
        .next_back()
        .map_or_else(|| place.to_owned(), |what| format!("{place}: {what}"))
}

/// Merging tables that are parsed already cannot fail; if `config` ever thinks otherwise, say so
/// without a value.
fn unexpected(_error: ConfigError) -> SettingsError {
    SettingsError::Toml {
        file: "the merged configuration".to_owned(),
        reason: "its layers do not fit together".to_owned(),
    }
}
