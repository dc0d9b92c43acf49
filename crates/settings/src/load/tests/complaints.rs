//! What is wrong, in one line, by key and origin, without a value.

use super::*;

/// The complaint, made sure to be one line.
fn complaint(files: &[(&str, &str)], variables: &[(&str, &str)]) -> String {
    let error = load_with(files, variables).unwrap_err();
    let message = error.to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

#[test]
fn a_wrong_value_is_named_by_key_and_origin_and_not_shown() {
    assert_eq!(
        complaint(&[], &[("PORT", "hunter2")]),
        "the setting `server.port` from PORT is invalid: expected an integer"
    );
    assert_eq!(
        complaint(&[], &[("ROWHOUSE__SERVER__PORT", "70000")]),
        "the setting `server.port` from ROWHOUSE__SERVER__PORT is invalid: \
         expected an unsigned 16 bit integer"
    );
    assert_eq!(
        complaint(&[], &[("DEBUG", "express:*")]),
        "the setting `debug` from DEBUG is invalid: expected a boolean"
    );
    let in_file = complaint(&[("default.toml", "[server]\nport = \"hunter2\"")], &[]);
    assert!(
        in_file.starts_with("the setting `server.port` from /"),
        "{in_file}"
    );
    assert!(
        in_file.ends_with("default.toml is invalid: expected an integer"),
        "{in_file}"
    );
}

#[test]
fn an_unknown_word_is_named_by_its_kind() {
    assert_eq!(
        complaint(&[], &[("ROWHOUSE__SERVER__LOG", "xml")]),
        "the setting `server.log` from ROWHOUSE__SERVER__LOG is invalid: no such LogFormat"
    );
}

/// Refuses everything, and says why with or without the text.
#[derive(Debug)]
struct Fussy;

impl<'de> Deserialize<'de> for Fussy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let complaint = match text.as_str() {
            "3" => "must be 3, and is no 3".to_owned(),
            _ => format!("{text:?} is bad"),
        };
        Err(serde::de::Error::custom(complaint))
    }
}

#[test]
fn a_types_own_complaint_is_shown_unless_it_repeats_the_value() {
    #[derive(Debug, Deserialize)]
    struct Picky {
        #[expect(dead_code, reason = "never gets that far")]
        items: Vec<Fussy>,
    }
    let complaint = |items: &str| {
        load::<Picky>(Sources {
            environment: None,
            config_dir: None,
            embedded_defaults: &[("default", "items = []")],
            variables: vec![("ROWHOUSE__ITEMS".to_owned(), items.to_owned())],
            file_keys: &[],
        })
        .unwrap_err()
        .to_string()
    };
    let head = "the setting `items[0]` from ROWHOUSE__ITEMS is invalid:";
    assert_eq!(complaint("3"), format!("{head} must be 3, and is no 3"));
    let hidden = format!("{head} not of the kind that is expected");
    assert_eq!(complaint("hunter2"), hidden);
    assert_eq!(complaint("hunter\"2\""), hidden);
}

#[test]
fn no_error_shows_a_value() {
    let secret = "hunter2, expected \"nothing\"";
    let toml = "secret_key = [\"hunter2\"]";
    for (files, variables) in [
        (vec![], vec![("ROWHOUSE__AUTH", secret)]),
        (vec![], vec![("ROWHOUSE__DATABASE", secret)]),
        (vec![], vec![("ROWHOUSE__SERVER__LOG", "hunter2")]),
        (vec![], vec![("ROWHOUSE__AUTH__BCRYPT_COST", secret)]),
        (
            vec![("default.toml", "[auth]\nsecret_key = [\"hunter2\"]")],
            vec![],
        ),
        (
            vec![("default.toml", "[auth]\nsecret_key = \"hunter2")],
            vec![],
        ),
        (
            vec![("default.toml", "[auth]\nsecret_key = hunter2")],
            vec![],
        ),
        (vec![("default.toml", "auth = \"hunter2\"")], vec![]),
        (
            vec![("default.toml", toml), ("development.toml", "hunter2")],
            vec![],
        ),
    ] {
        let error = load_with(&files, &variables).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
}

#[test]
fn a_missing_setting_says_how_to_set_it() {
    #[derive(Debug, Deserialize)]
    struct Needy {
        #[expect(dead_code, reason = "only its absence matters")]
        seal: Seal,
    }
    #[derive(Debug, Deserialize)]
    struct Seal {
        #[expect(dead_code, reason = "only its absence matters")]
        key_file: String,
    }
    let error = load::<Needy>(Sources {
        environment: None,
        config_dir: None,
        embedded_defaults: &[("default", "[seal]")],
        variables: vec![],
        file_keys: &[],
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the setting `seal.key_file` is missing; \
         set it in a configuration file or as ROWHOUSE__SEAL__KEY_FILE"
    );
}

#[test]
fn a_broken_file_is_named_with_its_line() {
    let message = complaint(&[("default.toml", "[server]\nport =")], &[]);
    assert!(
        message.contains("default.toml is not valid TOML: at line 2, column 7"),
        "{message}"
    );
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let error = load::<Settings>(Sources {
        environment: None,
        config_dir: Some("/does/not/exist".into()),
        embedded_defaults: &[("default", DEFAULTS)],
        variables: vec![],
        file_keys: &[],
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configuration directory /does/not/exist does not exist"
    );
}

#[test]
fn debug_of_the_sources_shows_no_variable() {
    let sources = Sources {
        environment: None,
        config_dir: None,
        embedded_defaults: &[],
        variables: vec![("SECRET_KEY".to_owned(), "hunter2".to_owned())],
        file_keys: &[],
    };
    assert!(!format!("{sources:?}").contains("hunter2"));
}
