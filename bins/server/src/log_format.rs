//! How log lines look: text for people, one JSON object a line for machines.

use std::io::Write as _;

use log::kv::{Error, Key, Value, VisitSource};
use serde_json::{Map, Value as Json};

use crate::settings::LogFormat;

/// What a stranger's garbage makes the HTTP parser say is no error of ours.
const FILTER: &str = "info,actix_http=off";

/// Starts logging; `RUST_LOG` chooses what, `info` by default.
pub(crate) fn start(format: LogFormat) {
    let mut builder =
        env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(FILTER));
    if format == LogFormat::Json {
        builder.format(|out, record| {
            let mut fields = Map::new();
            fields.insert("time".into(), out.timestamp_millis().to_string().into());
            fields.insert(
                "level".into(),
                record.level().as_str().to_lowercase().into(),
            );
            fields.insert("target".into(), record.target().into());
            fields.insert("message".into(), record.args().to_string().into());
            // A value that cannot be written as JSON is written as text; nothing here fails.
            drop(record.key_values().visit(&mut Fields(&mut fields)));
            writeln!(out, "{}", Json::Object(fields))
        });
    }
    builder.init();
}

struct Fields<'a>(&'a mut Map<String, Json>);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let json = serde_json::to_value(&value).unwrap_or_else(|_| value.to_string().into());
        self.0.insert(key.as_str().to_owned(), json);
        Ok(())
    }
}
