//! The settings of this binary, composed of those of the crates that it starts.

use ::settings::{Loaded, SettingsError, Sources};
use clap::Parser;
use serde::Deserialize;
use std::net::SocketAddr;

/// All sections.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    #[serde(default)]
    pub(crate) debug: bool,
    pub(crate) server: api::ServerSettings,
    pub(crate) cors: api::CorsSettings,
    pub(crate) database: store::DatabaseSettings,
    pub(crate) seal: store::SealSettings,
    pub(crate) auth: auth::AuthSettings,
    pub(crate) tenants: api::TenantsSettings,
    pub(crate) rate_limit: api::RateLimitSettings,
    pub(crate) tiers: api::TiersSettings,
    pub(crate) redis: rate_limit::RedisSettings,
    pub(crate) plans: store::PlansSettings,
    pub(crate) projects: jobs::ProjectsSettings,
    pub(crate) jobs: jobs::JobsSettings,
    pub(crate) audit: store::AuditSettings,
    pub(crate) mail: jobs::MailSettings,
    pub(crate) metrics: MetricsSettings,
    pub(crate) log: LogSettings,
}

/// Section `metrics`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MetricsSettings {
    /// `metrics.bind`: address and port of `/metrics`, for a Prometheus inside of the same network.
    /// Default none: there are none.
    pub(crate) bind: Option<SocketAddr>,
}

/// Section `log`.
#[derive(Debug, Deserialize)]
pub(crate) struct LogSettings {
    /// `log.format`: `text` for people (default), `json` for machines (default in production).
    pub(crate) format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// The port is somebody else's, or the address not ours.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; another port is set by PORT")]
pub(crate) struct NotListening {
    pub(crate) address: SocketAddr,
    pub(crate) source: std::io::Error,
}

/// Serves the API, and works on what it leaves for later. Settings come from config/*.toml and the environment, see .env.example.
#[derive(Debug, Parser)]
#[command(name = "rowhouse-server", version)]
pub(crate) struct Arguments {
    /// Works on jobs and mails, and serves nothing.
    #[arg(long)]
    pub(crate) worker_only: bool,
}

impl Arguments {
    /// Those of the command line. `--help`, `--version` and what is none end the program here, the
    /// last with code 2.
    pub(crate) fn read() -> Self {
        Self::parse()
    }
}

/// Reads the settings.
pub(crate) fn load() -> Result<Loaded<Settings>, SettingsError> {
    ::settings::load(Sources::of_process(&[
        "seal.key_file",
        "audit.signing_key_file",
        "mail.ca_file",
    ]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
    use serde::forward_to_deserialize_any;

    use super::*;

    /// Takes down the names of a struct's fields, and gives nothing.
    struct Fields<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = serde::de::value::Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(Self::Error::custom("not a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(Self::Error::custom("only the names were wanted"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    fn fields<T: DeserializeOwned>() -> &'static [&'static str] {
        let mut fields: &[&str] = &[];
        drop(T::deserialize(Fields(&mut fields)));
        fields
    }

    #[test]
    fn the_example_environment_lists_every_key() {
        let mut keys = BTreeSet::from(["ROWHOUSE__DEBUG".to_owned()]);
        let sections = [
            ("server", fields::<api::ServerSettings>()),
            ("cors", fields::<api::CorsSettings>()),
            ("database", fields::<store::DatabaseSettings>()),
            ("seal", fields::<store::SealSettings>()),
            ("auth", fields::<auth::AuthSettings>()),
            ("tenants", fields::<api::TenantsSettings>()),
            ("rate_limit", fields::<api::RateLimitSettings>()),
            ("tiers", fields::<api::TiersSettings>()),
            ("redis", fields::<rate_limit::RedisSettings>()),
            ("plans", fields::<store::PlansSettings>()),
            ("projects", fields::<jobs::ProjectsSettings>()),
            ("jobs", fields::<jobs::JobsSettings>()),
            ("audit", fields::<store::AuditSettings>()),
            ("mail", fields::<jobs::MailSettings>()),
            ("metrics", fields::<MetricsSettings>()),
            ("log", fields::<LogSettings>()),
        ];
        let named: BTreeSet<_> = sections
            .iter()
            .map(|(section, _)| *section)
            .chain(["debug"])
            .collect();
        assert_eq!(named, fields::<Settings>().iter().copied().collect());
        keys.extend(
            fields::<auth::CaptchaSettings>()
                .iter()
                .map(|field| format!("ROWHOUSE__AUTH__CAPTCHA__{field}").to_uppercase()),
        );
        for tier in fields::<api::TiersSettings>() {
            let fields = fields::<api::TierSettings>().iter();
            keys.extend(
                fields.map(|field| format!("ROWHOUSE__TIERS__{tier}__{field}").to_uppercase()),
            );
        }
        for tier in fields::<store::PlansSettings>() {
            keys.extend(
                fields::<store::PlanSettings>()
                    .iter()
                    .map(|field| format!("ROWHOUSE__PLANS__{tier}__{field}").to_uppercase()),
            );
        }
        for (section, fields) in sections {
            assert!(!fields.is_empty());
            keys.extend(
                fields
                    .iter()
                    .filter(|field| {
                        !["tiers", "plans"].contains(&section)
                            && (section, **field) != ("auth", "captcha")
                    })
                    .map(|field| format!("ROWHOUSE__{section}__{field}").to_uppercase()),
            );
        }
        let example = include_str!("../../../.env.example");
        let listed: BTreeSet<String> = example
            .lines()
            .filter_map(|line| line.split_once('=').map(|(name, _)| name))
            .filter(|name| name.starts_with("ROWHOUSE__"))
            .map(ToOwned::to_owned)
            .collect();
        assert_eq!(listed, keys, "mend .env.example");
    }
}
