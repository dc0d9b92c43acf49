//! Which URL each role connects with. People have one URL, `DATABASE_URL`; the server takes host
//! and database from it but logs in as roles that cannot do what its user can.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tenant_db::{PoolSettings, SealKey};

use crate::bootstrap::{Passwords, RolePassword};
use crate::credentials::Credentials;

/// The database that a PostgreSQL of our own serves from.
pub const EMBEDDED_DATABASE: &str = "rowhouse";

/// The section `database` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct DatabaseSettings {
    /// `DATABASE_URL`: how an administrator reaches the database. Without it (and without
    /// `app_url` and `auth_url`) the binaries run a PostgreSQL of their own.
    pub url: Option<SecretString>,
    /// The whole URL for `rowhouse_app`, in place of the one made from `url`.
    pub app_url: Option<SecretString>,
    /// The whole URL for `rowhouse_auth`, in place of the one made from `url`.
    pub auth_url: Option<SecretString>,
    /// The whole URL for `rowhouse_auth` on which the server hears of changes of plans; default:
    /// `auth_url`. Behind PgBouncer it leads past it; without it plans are then up to five seconds
    /// old.
    pub listen_url: Option<SecretString>,
    /// The whole URL for `rowhouse_ops`, in place of the one made from `url`.
    pub ops_url: Option<SecretString>,
    /// Password of `rowhouse_app`; default: from `credentials.toml`.
    pub app_password: Option<SecretString>,
    /// Password of `rowhouse_auth`; default: from `credentials.toml`.
    pub auth_password: Option<SecretString>,
    /// Password of `rowhouse_ops`; default: from `credentials.toml`.
    pub ops_password: Option<SecretString>,
    /// Connections for tenants' transactions, and threads that use them; default 8.
    pub connections: u32,
    /// Connections for sign-in; default 4.
    pub auth_connections: u32,
    /// Transactions that may wait for a connection; default 1024. One more gets 503.
    pub queue: usize,
    /// Longest wait for a connection in seconds; default 5. Then 503.
    pub queue_timeout_seconds: u64,
    /// The percentage of the connections for tenants' transactions, and of their queue, that one
    /// tenant may have at once, and at least one connection; default 50. What it asks for beyond
    /// that waits, and then gets 503.
    pub tenant_share_percent: u8,
    /// Longest time of one statement in seconds; default 15. Then 503.
    pub statement_timeout_seconds: u64,
    /// Whether `app_url` and `auth_url` lead to PgBouncer in transaction pooling; default no.
    pub pgbouncer: bool,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        let pool = PoolSettings::default();
        Self {
            url: None,
            app_url: None,
            auth_url: None,
            listen_url: None,
            ops_url: None,
            app_password: None,
            auth_password: None,
            ops_password: None,
            connections: pool.connections,
            auth_connections: 4,
            queue: pool.queue,
            queue_timeout_seconds: pool.queue_timeout_seconds,
            tenant_share_percent: 50,
            statement_timeout_seconds: pool.statement_timeout_seconds,
            pgbouncer: pool.pgbouncer,
        }
    }
}

/// One URL for each role that the server logs in as.
#[derive(Debug, Clone)]
pub struct RoleUrls {
    /// For tenants' transactions.
    pub app: SecretString,
    /// For sign-in.
    pub auth: SecretString,
}

impl DatabaseSettings {
    /// Whether the settings name a database at all.
    #[must_use]
    pub fn is_external(&self) -> bool {
        self.url.is_some() || self.app_url.is_some()
    }

    /// The passwords of the run-time roles: those of the settings, else of the credentials.
    #[must_use]
    pub fn passwords(&self, credentials: &Credentials) -> Passwords {
        let choose = |own: &Option<SecretString>, kept: &SecretString| {
            own.clone().map_or_else(
                || RolePassword::Generated(kept.clone()),
                RolePassword::Configured,
            )
        };
        Passwords {
            app: choose(&self.app_password, credentials.app_password()),
            auth: choose(&self.auth_password, credentials.auth_password()),
            ops: choose(&self.ops_password, credentials.ops_password()),
        }
    }

    /// The URLs of the run-time roles; `None` when the settings name no database.
    #[must_use]
    pub fn role_urls(&self, passwords: &Passwords) -> Option<RoleUrls> {
        let choose = |own: &Option<SecretString>, role: &str, password: &RolePassword| {
            let url = self.url.as_ref();
            own.clone()
                .or_else(|| url.map(|url| with_role(url, role, password.secret())))
        };
        Some(RoleUrls {
            app: choose(&self.app_url, "rowhouse_app", &passwords.app)?,
            auth: choose(&self.auth_url, "rowhouse_auth", &passwords.auth)?,
        })
    }

    /// The URL of `rowhouse_ops`; `None` when the settings name no database for it.
    #[must_use]
    pub fn url_for_ops(&self, credentials: &Credentials) -> Option<SecretString> {
        let password = self.passwords(credentials).ops;
        self.ops_url.clone().or_else(|| {
            self.url
                .as_ref()
                .map(|url| with_role(url, "rowhouse_ops", password.secret()))
        })
    }

    /// Where the server hears of changes; `None`: nowhere, as nothing is heard through PgBouncer.
    #[must_use]
    pub fn listen_url<'a>(&'a self, urls: &'a RoleUrls) -> Option<&'a SecretString> {
        let through = (!self.pgbouncer).then_some(&urls.auth);
        self.listen_url.as_ref().or(through)
    }

    /// The seal keys, as they are to be registered for these connections.
    #[must_use]
    pub fn seal_keys(&self, keys: Vec<SealKey>) -> Vec<SealKey> {
        let registered = |key: SealKey| if self.pgbouncer { key.unbound() } else { key };
        keys.into_iter().map(registered).collect()
    }

    /// The pool for tenants' transactions.
    #[must_use]
    pub fn tenant_pool(&self) -> PoolSettings {
        PoolSettings {
            connections: self.connections,
            queue: self.queue,
            queue_timeout_seconds: self.queue_timeout_seconds,
            tenant_share_percent: self.tenant_share_percent,
            statement_timeout_seconds: self.statement_timeout_seconds,
            application_name: "rowhouse-server".to_owned(),
            pgbouncer: self.pgbouncer,
            ..PoolSettings::default()
        }
    }

    /// The pool for sign-in, where nobody waits long for what a tenant has locked: all of them
    /// share it.
    #[must_use]
    pub fn auth_pool(&self) -> PoolSettings {
        PoolSettings {
            connections: self.auth_connections,
            lock_timeout_seconds: LONGEST_LOCK_SECONDS,
            ..self.tenant_pool()
        }
    }

    /// The pool for what no request asks for: however many sign in, jobs and the audit trail go on.
    #[must_use]
    pub fn worker_pool(&self) -> PoolSettings {
        PoolSettings {
            connections: WORKER_CONNECTIONS,
            ..self.auth_pool()
        }
    }
}

/// Between two who do nothing but work, a lock is held for milliseconds.
const LONGEST_LOCK_SECONDS: u64 = 2;

/// One for the jobs, one for the trail and what runs by the clock.
const WORKER_CONNECTIONS: u32 = 2;

/// The URL with another user: `scheme://user:password@hosts/database?parameters`, where a user
/// may also stand among the parameters.
pub(crate) fn with_role(url: &SecretString, role: &str, password: &SecretString) -> SecretString {
    let url = url.expose_secret();
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgresql", url));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let hosts = authority
        .rsplit_once('@')
        .map_or(authority, |(_, hosts)| hosts);
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    let password = utf8_percent_encode(password.expose_secret(), NON_ALPHANUMERIC);
    let mut text = format!("{scheme}://{role}:{password}@{hosts}{path}");
    let kept: Vec<&str> = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|pair| !pair.starts_with("user=") && !pair.starts_with("password="))
        .collect();
    if !kept.is_empty() {
        text.push('?');
        text.push_str(&kept.join("&"));
    }
    text.into()
}

/// The URL of another database of the same cluster.
pub(crate) fn with_database(url: &SecretString, database: &str) -> SecretString {
    let url = url.expose_secret();
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgresql", url));
    let (place, query) = rest
        .split_once('?')
        .map_or((rest, None), |(place, query)| (place, Some(query)));
    let authority = place
        .split_once('/')
        .map_or(place, |(authority, _)| authority);
    let kept: Vec<&str> = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|pair| !pair.starts_with("dbname="))
        .collect();
    let mut text = format!("{scheme}://{authority}/{database}");
    if !kept.is_empty() {
        text.push('?');
        text.push_str(&kept.join("&"));
    }
    text.into()
}

/// The URL as a command line may show it, and its password for the environment (`PGPASSWORD`).
#[must_use]
pub fn without_password(url: &SecretString) -> (String, Option<SecretString>) {
    let url = url.expose_secret();
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgresql", url));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, hosts) = authority
        .rsplit_once('@')
        .map_or(("", authority), |(user, hosts)| (user, hosts));
    let (name, mut password) = user
        .split_once(':')
        .map_or((user, None), |(name, password)| (name, Some(password)));
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    let mut kept = Vec::new();
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        match pair.strip_prefix("password=") {
            Some(said) => password = Some(said),
            None => kept.push(pair),
        }
    }
    let at = if name.is_empty() { "" } else { "@" };
    let mut text = format!("{scheme}://{name}{at}{hosts}{path}");
    if !kept.is_empty() {
        text.push('?');
        text.push_str(&kept.join("&"));
    }
    let password = password.map(|password| {
        let password = percent_decode_str(password).decode_utf8_lossy();
        SecretString::from(password.into_owned())
    });
    (text, password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_takes_the_place_of_the_url_s_user() {
        for (url, expected) in [
            (
                "postgresql://postgres:pw@db:5432/app",
                "postgresql://r:p%20w@db:5432/app",
            ),
            (
                "postgres://db/app?sslmode=require",
                "postgres://r:p%20w@db/app?sslmode=require",
            ),
            (
                "postgresql:///app?host=%2Ftmp%2Fx&user=me&password=x",
                "postgresql://r:p%20w@/app?host=%2Ftmp%2Fx",
            ),
            ("postgresql://me@a:1,b:2", "postgresql://r:p%20w@a:1,b:2"),
            ("postgresql://a@b:c@[::1]/d", "postgresql://r:p%20w@[::1]/d"),
        ] {
            let made = with_role(&url.to_owned().into(), "r", &"p w".to_owned().into());
            assert_eq!(made.expose_secret(), expected);
        }
    }

    #[test]
    fn another_database_takes_the_place_of_the_url_s() {
        for (url, expected) in [
            ("postgresql://u:p@db:5432/app", "postgresql://u:p@db:5432/x"),
            ("postgres://db?dbname=app&a=b", "postgres://db/x?a=b"),
            (
                "postgresql://u@/app?host=%2Ftmp%2Fx",
                "postgresql://u@/x?host=%2Ftmp%2Fx",
            ),
        ] {
            let made = with_database(&url.to_owned().into(), "x");
            assert_eq!(made.expose_secret(), expected);
        }
    }

    #[test]
    fn a_password_is_taken_out_of_a_url() {
        for (url, expected, password) in [
            (
                "postgresql://u:p%20w@db/a",
                "postgresql://u@db/a",
                Some("p w"),
            ),
            (
                "postgresql://db/a?x=y&password=pw",
                "postgresql://db/a?x=y",
                Some("pw"),
            ),
            (
                "postgresql://u@/a?host=%2Ft",
                "postgresql://u@/a?host=%2Ft",
                None,
            ),
        ] {
            let (shown, found) = without_password(&url.to_owned().into());
            let found = found.map(|found| found.expose_secret().to_owned());
            assert_eq!((shown.as_str(), found.as_deref()), (expected, password));
        }
    }

    #[test]
    fn a_whole_url_for_a_role_needs_no_database_url() {
        let settings = DatabaseSettings {
            app_url: Some("postgresql://app@x/y".to_owned().into()),
            auth_url: Some("postgresql://auth@x/y".to_owned().into()),
            ..DatabaseSettings::default()
        };
        let secret = || RolePassword::Generated("p".to_owned().into());
        let urls = settings
            .role_urls(&Passwords {
                app: secret(),
                auth: secret(),
                ops: secret(),
            })
            .unwrap();
        assert_eq!(urls.app.expose_secret(), "postgresql://app@x/y");
        assert_eq!(urls.auth.expose_secret(), "postgresql://auth@x/y");
        assert!(
            DatabaseSettings::default()
                .role_urls(&Passwords {
                    app: secret(),
                    auth: secret(),
                    ops: secret()
                })
                .is_none()
        );
    }
}
