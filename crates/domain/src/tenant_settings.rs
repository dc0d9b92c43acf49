//! A tenant's own settings: a few that have a meaning here, and whatever a front end wants to keep
//! beside them.

use serde_json::{Map, Value};

use crate::words::words;

words! {
    /// The first day of a tenant's week.
    WeekStart {
        /// Monday.
        Monday = "monday",
        /// Tuesday.
        Tuesday = "tuesday",
        /// Wednesday.
        Wednesday = "wednesday",
        /// Thursday.
        Thursday = "thursday",
        /// Friday.
        Friday = "friday",
        /// Saturday.
        Saturday = "saturday",
        /// Sunday.
        Sunday = "sunday",
    }
}

/// Why a setting was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The key of a setting is no name.
    #[error("a setting's name is a-z, then up to 63 of a-z, 0-9 and _")]
    Name,
    /// A known setting is no text.
    #[error("expected a string")]
    NoText,
    /// No language that a tag names.
    #[error("must be a language tag like en, en-GB or zh-Hant-TW")]
    Locale,
    /// No time zone of the IANA database.
    #[error("must be a time zone of the IANA database like Europe/Berlin")]
    Timezone,
    /// No day of the week.
    #[error("must be a day of the week like monday")]
    WeekStart,
    /// Nested deeper than [`SettingsPatch::MAX_DEPTH`].
    #[error("must not nest deeper than {} levels", SettingsPatch::MAX_DEPTH)]
    TooDeep,
    /// A key inside of a setting that is too long.
    #[error("a key must have at most {} characters", SettingsPatch::MAX_KEY)]
    KeyTooLong,
    /// A control character in a key or a text; NUL among them, which PostgreSQL cannot store.
    #[error("must not contain control characters")]
    ControlCharacter,
    /// All settings together have more bytes than [`SettingsPatch::MAX_BYTES`].
    #[error("must have at most {} bytes as compact JSON", SettingsPatch::MAX_BYTES)]
    TooLarge,
}

/// A refused setting, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsFault {
    /// RFC 6901, into the settings.
    pub pointer: String,
    /// What is wrong.
    pub error: SettingsError,
}

/// A merge patch of a tenant's settings (RFC 7396), checked. `locale`, `timezone` and `week_starts_on`
/// are what they say; any other name holds any JSON, within bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsPatch(Map<String, Value>);

impl SettingsPatch {
    /// The most bytes that all settings have, as JSON without white space.
    pub const MAX_BYTES: usize = 16_384;
    /// The most levels of objects and arrays, the settings themselves counted.
    pub const MAX_DEPTH: usize = 8;
    /// The most characters of a key inside of a setting.
    pub const MAX_KEY: usize = 200;

    /// Checks all of it but the size, which only the result has.
    ///
    /// # Errors
    /// The first fault of each setting.
    pub fn parse(patch: Map<String, Value>) -> Result<Self, Vec<SettingsFault>> {
        let mut faults = Vec::new();
        let mut checked = Map::new();
        for (name, value) in patch {
            match check_setting(&name, value) {
                Ok(value) => drop(checked.insert(name, value)),
                Err((inside, error)) => faults.push(SettingsFault {
                    pointer: format!("/{}{inside}", escape(&name)),
                    error,
                }),
            }
        }
        if faults.is_empty() {
            Ok(Self(checked))
        } else {
            Err(faults)
        }
    }

    /// The settings with this patch applied: what is `null` in it is removed, objects are merged, all
    /// else is replaced.
    ///
    /// # Errors
    /// [`SettingsError::TooLarge`].
    pub fn onto(&self, settings: &Value) -> Result<Value, SettingsError> {
        let mut settings = settings.clone();
        json_patch::merge(&mut settings, &Value::Object(self.0.clone()));
        if settings.to_string().len() > Self::MAX_BYTES {
            return Err(SettingsError::TooLarge);
        }
        Ok(settings)
    }
}

/// A pointer into the setting, and what is wrong there.
type Refusal = (String, SettingsError);

fn check_setting(name: &str, value: Value) -> Result<Value, Refusal> {
    let here = |error| (String::new(), error);
    if !is_name(name) {
        return Err(here(SettingsError::Name));
    }
    let known: fn(&str) -> Result<String, SettingsError> = match name {
        "locale" => parse_locale,
        "timezone" => parse_timezone,
        "week_starts_on" => parse_week_start,
        // The settings themselves are the first level.
        _ => {
            check_value(&value, SettingsPatch::MAX_DEPTH - 1)?;
            return Ok(value);
        }
    };
    match value {
        Value::Null => Ok(Value::Null),
        Value::String(text) => known(&text).map(Value::String).map_err(here),
        _ => Err(here(SettingsError::NoText)),
    }
}

fn is_name(name: &str) -> bool {
    let is_rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(is_rest)
}

/// Language, script and region of RFC 5646, each in the case that is usual for it.
fn parse_locale(text: &str) -> Result<String, SettingsError> {
    let is_letters = |part: &str, least: usize, most: usize| {
        (least..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic())
    };
    let mut parts = text.split('-').peekable();
    let language = parts.next().filter(|part| is_letters(part, 2, 3));
    let mut tag = language.ok_or(SettingsError::Locale)?.to_ascii_lowercase();
    if let Some(script) = parts.next_if(|part| is_letters(part, 4, 4)) {
        let (first, rest) = script.split_at(1);
        tag = format!(
            "{tag}-{}{}",
            first.to_ascii_uppercase(),
            rest.to_ascii_lowercase()
        );
    }
    let is_region = |part: &&str| {
        is_letters(part, 2, 2) || (part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit()))
    };
    if let Some(region) = parts.next_if(is_region) {
        tag = format!("{tag}-{}", region.to_ascii_uppercase());
    }
    match parts.next() {
        None => Ok(tag),
        Some(_) => Err(SettingsError::Locale),
    }
}

fn parse_timezone(text: &str) -> Result<String, SettingsError> {
    let zone: Result<chrono_tz::Tz, _> = text.parse();
    zone.map(|zone| zone.name().to_owned())
        .map_err(|_| SettingsError::Timezone)
}

fn parse_week_start(text: &str) -> Result<String, SettingsError> {
    let day: Result<WeekStart, _> = text.parse();
    day.map(|day| day.as_str().to_owned())
        .map_err(|_| SettingsError::WeekStart)
}

/// `levels` are those that may still be opened.
fn check_value(value: &Value, levels: usize) -> Result<(), Refusal> {
    let inner = || {
        levels
            .checked_sub(1)
            .ok_or((String::new(), SettingsError::TooDeep))
    };
    let at = |key: &str, (inside, error): Refusal| (format!("/{}{inside}", escape(key)), error);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) => check_text(text).map_err(|error| (String::new(), error)),
        Value::Array(items) => {
            let inner = inner()?;
            items.iter().enumerate().try_for_each(|(index, item)| {
                check_value(item, inner).map_err(|refusal| at(&index.to_string(), refusal))
            })
        }
        Value::Object(members) => {
            let inner = inner()?;
            members.iter().try_for_each(|(key, item)| {
                check_key(key)
                    .map_err(|error| (String::new(), error))
                    .and_then(|()| check_value(item, inner))
                    .map_err(|refusal| at(key, refusal))
            })
        }
    }
}

fn check_key(key: &str) -> Result<(), SettingsError> {
    if key.chars().count() > SettingsPatch::MAX_KEY {
        return Err(SettingsError::KeyTooLong);
    }
    check_text(key)
}

fn check_text(text: &str) -> Result<(), SettingsError> {
    if text.chars().any(char::is_control) {
        return Err(SettingsError::ControlCharacter);
    }
    Ok(())
}

/// A reference token of a JSON Pointer.
fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(patch: &Value) -> Result<SettingsPatch, Vec<SettingsFault>> {
        SettingsPatch::parse(patch.as_object().unwrap().clone())
    }

    /// This many objects, one in the other.
    fn nested(levels: usize) -> Value {
        (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
    }

    #[test]
    fn known_settings_are_what_they_say() {
        for (name, given, kept) in [
            ("locale", "en", "en"),
            ("locale", "EN-gb", "en-GB"),
            ("locale", "zh-hant-tw", "zh-Hant-TW"),
            ("locale", "es-419", "es-419"),
            ("timezone", "Europe/Berlin", "Europe/Berlin"),
            ("timezone", "UTC", "UTC"),
            ("week_starts_on", "sunday", "sunday"),
        ] {
            let patch = parse(&json!({ name: given })).unwrap();
            assert_eq!(patch.onto(&json!({})), Ok(json!({ name: kept })));
        }
        for (name, value, error) in [
            ("locale", json!(""), SettingsError::Locale),
            ("locale", json!("e"), SettingsError::Locale),
            ("locale", json!("en_GB"), SettingsError::Locale),
            ("locale", json!("en-GB-x"), SettingsError::Locale),
            ("locale", json!("en-GB-"), SettingsError::Locale),
            ("locale", json!("\u{e9}\u{e9}"), SettingsError::Locale),
            ("locale", json!(7), SettingsError::NoText),
            ("timezone", json!("Mars/Olympus"), SettingsError::Timezone),
            ("timezone", json!("europe/berlin"), SettingsError::Timezone),
            ("timezone", json!(["UTC"]), SettingsError::NoText),
            ("week_starts_on", json!("Monday"), SettingsError::WeekStart),
            ("week_starts_on", json!(1), SettingsError::NoText),
        ] {
            let pointer = format!("/{name}");
            let fault = SettingsFault { pointer, error };
            assert_eq!(parse(&json!({ name: value })), Err(vec![fault]));
        }
    }

    #[test]
    fn each_fault_is_found_where_it_stands() {
        let patch = json!({
            "Bad": 1, "a/b": 1, "deep": nested(8), "text": { "a~": ["x", "y\u{7}"] },
            "key": { "\n": 1 }, "fine": { "a": [1, null, true] },
        });
        let faults = parse(&patch).unwrap_err();
        let mut found: Vec<_> = faults
            .into_iter()
            .map(|fault| (fault.pointer, fault.error))
            .collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let expected = [
            ("/Bad", SettingsError::Name),
            ("/a~1b", SettingsError::Name),
            ("/deep/a/a/a/a/a/a/a", SettingsError::TooDeep),
            ("/key/\n", SettingsError::ControlCharacter),
            ("/text/a~0/1", SettingsError::ControlCharacter),
        ]
        .map(|(pointer, error)| (pointer.to_owned(), error));
        assert_eq!(found, expected);
        assert!(parse(&json!({ "deep": nested(7) })).is_ok());
        let long = "k".repeat(SettingsPatch::MAX_KEY + 1);
        let refused = parse(&json!({ "a": { &long: 1 } })).unwrap_err();
        assert_eq!(refused[0].error, SettingsError::KeyTooLong);
        for (name, is_fine) in [("a".repeat(64), true), ("a".repeat(65), false)] {
            assert_eq!(parse(&json!({ name: 1 })).is_ok(), is_fine);
        }
    }

    #[test]
    fn a_patch_is_merged_deep_inside_and_bounded_as_a_whole() {
        let before = json!({ "locale": "en", "grid": { "rows": 10, "columns": ["a"] } });
        let patch =
            parse(&json!({ "locale": null, "grid": { "rows": null, "columns": [] } })).unwrap();
        let after = patch.onto(&before);
        assert_eq!(after, Ok(json!({ "grid": { "columns": [] } })));
        // {"a":""} has eight bytes.
        let sized = |bytes: usize| parse(&json!({ "a": "x".repeat(bytes - 8) })).unwrap();
        let full = sized(SettingsPatch::MAX_BYTES).onto(&json!({})).unwrap();
        let more = sized(SettingsPatch::MAX_BYTES + 1).onto(&json!({}));
        assert_eq!(more, Err(SettingsError::TooLarge));
        let one_more = parse(&json!({ "b": 1 })).unwrap();
        assert_eq!(one_more.onto(&full), Err(SettingsError::TooLarge));
        let one_less = parse(&json!({ "a": null, "b": 1 })).unwrap();
        assert_eq!(one_less.onto(&full), Ok(json!({ "b": 1 })));
    }
}
