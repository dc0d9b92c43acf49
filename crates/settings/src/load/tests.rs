//! The whole way, from files and variables to a typed value.

mod complaints;

use super::*;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::fs;

#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(default)]
    debug: bool,
    server: Server,
    auth: Auth,
    #[serde(default)]
    cors: Cors,
    database: Option<Database>,
}

#[derive(Debug, Deserialize)]
struct Server {
    port: u16,
    #[serde(default)]
    ratio: f64,
    #[serde(default)]
    log: LogFormat,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Deserialize)]
struct Auth {
    secret_key: SecretString,
    bcrypt_cost: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
struct Cors {
    allowed_origins: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Database {
    url: Option<String>,
    app_password: Option<SecretString>,
}

const DEFAULTS: &str = r#"
[server]
port = 8000
[auth]
secret_key = "from the defaults"
[cors]
allowed_origins = []
[redis]
on_failure = "local"
"#;

/// Loads with the defaults above, these files and these variables.
fn load_with(
    files: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> Result<Loaded<Settings>, SettingsError> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    load(Sources {
        environment: None,
        config_dir: Some(dir.path().to_owned()),
        embedded_defaults: &[("default", DEFAULTS), ("test", "[server]\nport = 8001")],
        variables: variables
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect(),
        file_keys: &["seal.key_file"],
    })
}

#[test]
fn the_defaults_need_no_directory() {
    let loaded = load::<Settings>(Sources {
        environment: None,
        config_dir: None,
        embedded_defaults: &[("default", DEFAULTS)],
        variables: vec![],
        file_keys: &[],
    })
    .unwrap();
    assert_eq!(loaded.value.server.port, 8000);
    assert_eq!(loaded.environment, Environment::Development);
    assert_eq!(loaded.unknown_keys, [""; 0]);
    assert!(loaded.value.database.is_none());
}

#[test]
fn each_source_beats_the_one_before() {
    let port = |files: &[(&str, &str)], variables: &[(&str, &str)]| {
        load_with(files, variables).unwrap().value.server.port
    };
    let default = ("default.toml", "[server]\nport = 1");
    let test = ("test.toml", "[server]\nport = 2");
    let env = ("ROWHOUSE_ENV", "test");
    assert_eq!(port(&[], &[]), 8000);
    assert_eq!(port(&[default], &[]), 1);
    assert_eq!(port(&[default], &[env]), 8001, "the built-in test.toml");
    assert_eq!(port(&[default, test], &[]), 1);
    assert_eq!(port(&[default, test], &[env]), 2);
    assert_eq!(port(&[default, test], &[env, ("PORT", "3")]), 3);
    let all = [env, ("PORT", "3"), ("ROWHOUSE__SERVER__PORT", "4")];
    assert_eq!(port(&[default, test], &all), 4);
}

#[test]
fn layers_are_merged_key_by_key() {
    let loaded = load_with(&[("default.toml", "[server]\nratio = 0.5")], &[])
        .unwrap()
        .value;
    assert_eq!(loaded.server.port, 8000);
    assert!((loaded.server.ratio - 0.5).abs() < f64::EPSILON);
}

#[test]
fn text_from_the_environment_becomes_what_the_type_wants() {
    let loaded = load_with(
        &[],
        &[
            ("DEBUG", "true"),
            ("PORT", "80"),
            ("ROWHOUSE__SERVER__RATIO", "0.25"),
            ("ROWHOUSE__SERVER__LOG", "json"),
            ("ROWHOUSE__AUTH__BCRYPT_COST", "4"),
            (
                "ROWHOUSE__CORS__ALLOWED_ORIGINS",
                "https://a.example, https://b.example,",
            ),
        ],
    )
    .unwrap()
    .value;
    assert!(loaded.debug);
    assert_eq!(loaded.server.port, 80);
    assert!((loaded.server.ratio - 0.25).abs() < f64::EPSILON);
    assert_eq!(loaded.server.log, LogFormat::Json);
    assert_eq!(loaded.auth.bcrypt_cost, Some(4));
    assert_eq!(
        loaded.cors.allowed_origins,
        ["https://a.example", "https://b.example"]
    );
}

#[test]
fn a_secret_that_looks_like_something_else_arrives_letter_by_letter() {
    for secret in [
        "0012345678",
        "1e10",
        "true",
        "0x10",
        " padded ",
        "a,b",
        "[1]",
        "${HOME}",
        "null",
    ] {
        let variables = [
            ("SECRET_KEY", secret),
            ("ROWHOUSE__DATABASE__APP_PASSWORD", secret),
        ];
        let loaded = load_with(&[], &variables).unwrap().value;
        assert_eq!(loaded.auth.secret_key.expose_secret(), secret);
        let password = loaded.database.unwrap().app_password.unwrap();
        assert_eq!(password.expose_secret(), secret);
    }
}

#[test]
fn a_secret_may_lie_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    fs::write(&path, "0815\n").unwrap();
    let loaded = load_with(&[], &[("DATABASE_URL_FILE", path.to_str().unwrap())]).unwrap();
    assert_eq!(loaded.value.database.unwrap().url.as_deref(), Some("0815"));
}

#[test]
fn an_unknown_key_is_named_and_does_no_harm() {
    let loaded = load_with(
        &[(
            "default.toml",
            "[auth]\nsecretkey = \"x\"\n[sever]\nport = 1",
        )],
        &[("ROWHOUSE__DATABASE__ULR", "x"), ("ROWHOUSE__CORS", "")],
    )
    .unwrap();
    let [auth, database, sever] = &loaded.unknown_keys[..] else {
        panic!("{loaded:?}")
    };
    assert!(
        auth.starts_with("auth.secretkey (/") && auth.ends_with("default.toml)"),
        "{auth}"
    );
    assert_eq!(database, "database.ulr (ROWHOUSE__DATABASE__ULR)");
    assert!(sever.starts_with("sever (/"), "{sever}");
}

#[test]
fn what_another_binary_knows_is_not_unknown() {
    let variables = [
        ("REDIS_URL", "redis://x"),
        ("ROWHOUSE__REDIS__ON_FAILURE", "open"),
    ];
    assert_eq!(load_with(&[], &variables).unwrap().unknown_keys, [""; 0]);

    #[derive(Debug, Deserialize)]
    struct Nothing {}
    let loaded = load::<Nothing>(Sources {
        environment: Some(Environment::Production),
        config_dir: None,
        embedded_defaults: &[],
        variables: vec![
            ("DATABASE_URL".to_owned(), "postgres:///x".to_owned()),
            ("ROWHOUSE__LOG__FORMAT".to_owned(), "json".to_owned()),
        ],
        file_keys: &[],
    })
    .unwrap();
    assert_eq!(loaded.unknown_keys, ["log (ROWHOUSE__LOG__FORMAT)"]);
    assert_eq!(loaded.environment, Environment::Production);
}
