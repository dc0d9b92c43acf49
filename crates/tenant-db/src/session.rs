//! One connection to PostgreSQL, as r2d2 keeps it: who it is, when it was born, what it carries.

use std::sync::Arc;
use std::time::Instant;

use diesel::connection::{AnsiTransactionManager, CacheSize, TransactionManager as _};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer, Text};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Error;
use crate::pgbouncer::LocalSettings;
use crate::sql_log;

/// A connection with what its owner must know of it.
pub(crate) struct Session {
    pub(crate) conn: PgConnection,
    /// The backend's process id, to which seals are bound; 0 behind PgBouncer.
    pub(crate) pid: i32,
    /// Behind PgBouncer: what each transaction sets for itself.
    pub(crate) pooled: Option<Arc<LocalSettings>>,
    pub(crate) born: Instant,
    /// Not fit for another use: r2d2 drops it when it comes back.
    pub(crate) broken: bool,
    /// So many blanks before a seal keep it out of what other sessions see of this one.
    pub(crate) blanks: usize,
    /// SQL ran on it that Diesel did not make: checked before its next use.
    pub(crate) tainted: bool,
}

/// Makes sessions. Settings travel in the URL, not as SQL: a role could change its own defaults,
/// and `RESET ALL` falls back to what the connection brought.
#[derive(Debug)]
pub(crate) struct SessionManager {
    url: SecretString,
    purpose: Purpose,
    pooled: Option<Arc<LocalSettings>>,
}

/// What a pool of sessions is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Rows of tenants: the role must not be able to see past the policies.
    Tenant,
    /// The tables of a service that belong to no tenant.
    Service,
}

#[derive(QueryableByName)]
struct Backend {
    #[diesel(sql_type = Integer)]
    pid: i32,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Bool)]
    superuser: bool,
    #[diesel(sql_type = Bool)]
    bypasses: bool,
    #[diesel(sql_type = Bool)]
    sets_slot: bool,
    #[diesel(sql_type = Bool)]
    owns_tables: bool,
    #[diesel(sql_type = Bool)]
    makes_roles: bool,
    #[diesel(sql_type = Bool)]
    leaves_sql: bool,
    #[diesel(sql_type = Integer)]
    seen: i32,
}

/// `seen` is how many bytes of a statement other sessions of this role can see in
/// `pg_stat_activity`: none after `harden` by a superuser.
///
/// Memberships count, inherited or not: a role could SET ROLE to whatever it belongs to.
const WHO_AM_I: &str = "SELECT pg_backend_pid() AS pid, session_user::text AS role, \
    coalesce(bool_or(r.rolsuper), false) AS superuser, \
    coalesce(bool_or(r.rolbypassrls), false) AS bypasses, \
    coalesce(bool_or(has_parameter_privilege(r.oid, 'backtrace_functions', 'SET')), false) AS sets_slot, \
    coalesce(bool_or(EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p'))), false) AS owns_tables, \
    coalesce(bool_or(r.rolcreaterole), false) AS makes_roles, \
    coalesce(bool_or(r.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')), false) AS leaves_sql, \
    CASE WHEN has_function_privilege(session_user, 'pg_catalog.pg_stat_get_activity(int)', 'EXECUTE') \
        OR has_function_privilege(session_user, 'pg_catalog.pg_stat_get_backend_activity(int)', 'EXECUTE') \
        THEN (SELECT setting::int FROM pg_settings WHERE name = 'track_activity_query_size') ELSE 0 END AS seen \
    FROM pg_roles r WHERE pg_has_role(session_user, r.oid, 'MEMBER')";

/// What injected SQL could keep from every later connection by an `ALTER ROLE … SET` of its own
/// role, which PostgreSQL refuses to none: answers, writes, or the connection itself.
const PINNED: [(&str, &str); 5] = [
    ("row_security", "on"),
    ("transform_null_equals", "off"),
    ("default_transaction_read_only", "off"),
    ("local_preload_libraries", ""),
    ("idle_session_timeout", "0"),
];

impl SessionManager {
    pub(crate) fn new(url: &SecretString, purpose: Purpose, settings: &SessionSettings) -> Self {
        Self {
            url: settings.apply(url),
            purpose,
            pooled: settings
                .pgbouncer
                .then(|| Arc::new(LocalSettings::new(settings.all()))),
        }
    }

    pub(crate) fn open(&self) -> Result<Session, Error> {
        let mut conn = PgConnection::establish(self.url.expose_secret())
            .map_err(|e| Error::Unavailable(Box::new(e)))?;
        if self.pooled.is_some() {
            conn.set_prepared_statement_cache_size(CacheSize::Disabled);
        }
        let backend: Backend = diesel::sql_query(WHO_AM_I).get_result(&mut conn)?;
        if self.purpose == Purpose::Tenant {
            sql_log::attach(&mut conn);
        }
        // A superuser counts as a member of every role: name the plainest reason first.
        let reason = if backend.superuser {
            Some("is a superuser")
        } else if backend.bypasses {
            Some("can bypass Row-Level Security")
        } else if backend.sets_slot {
            Some("can write the tenant context")
        } else if backend.owns_tables {
            Some("owns tables")
        } else if backend.makes_roles {
            Some("can create roles")
        } else if backend.leaves_sql {
            Some("can reach the server's files or programs")
        } else {
            None
        };
        match reason {
            Some(reason) if self.purpose == Purpose::Tenant => Err(Error::RoleCanBypass {
                role: backend.role,
                reason,
            }),
            _ => Ok(Session {
                conn,
                pid: if self.pooled.is_some() {
                    0
                } else {
                    backend.pid
                },
                pooled: self.pooled.clone(),
                born: Instant::now(),
                broken: false,
                blanks: usize::try_from(backend.seen).unwrap_or(0),
                tainted: false,
            }),
        }
    }
}

impl r2d2::ManageConnection for SessionManager {
    type Connection = Session;
    type Error = Error;

    fn connect(&self) -> Result<Session, Error> {
        self.open()
    }

    /// Never asked: a ping at each checkout would cost a round trip, and a session that died in
    /// the pool is found by the prologue, which may be tried again.
    fn is_valid(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    /// Whatever happened, a session with an open transaction never serves another one.
    fn has_broken(&self, session: &mut Session) -> bool {
        session.broken
            || AnsiTransactionManager::is_broken_transaction_manager(&mut session.conn)
            || std::thread::panicking()
    }
}

/// What every session of a pool brings along.
#[derive(Debug)]
pub(crate) struct SessionSettings {
    pub(crate) search_path: String,
    pub(crate) statement_timeout_seconds: u64,
    /// 0: as long as the statement may take.
    pub(crate) lock_timeout_seconds: u64,
    pub(crate) application_name: String,
    /// Diesel binds LIMIT, which makes PostgreSQL plan anew each time unless told not to.
    pub(crate) force_generic_plan: bool,
    /// Whether a startup packet reaches no backend.
    pub(crate) pgbouncer: bool,
}

impl SessionSettings {
    /// Each setting and its value.
    fn all(&self) -> Vec<(&'static str, String)> {
        let timeout = self.statement_timeout_seconds;
        let mut all = vec![
            ("statement_timeout", format!("{timeout}s")),
            ("search_path", self.search_path.clone()),
            (
                "idle_in_transaction_session_timeout",
                format!("{}s", timeout.saturating_mul(2)),
            ),
            ("lock_timeout", format!("{}s", self.lock_timeout_seconds)),
            ("TimeZone", "UTC".to_owned()),
        ];
        all.extend(PINNED.map(|(name, value)| (name, value.to_owned())));
        if self.force_generic_plan {
            all.push(("plan_cache_mode", "force_generic_plan".to_owned()));
        }
        if self.pgbouncer {
            all.push(("client_encoding", "UTF8".to_owned()));
            all.push(("application_name", self.application_name.clone()));
        }
        all
    }

    /// The URL with these settings appended; libpq takes the last of two like parameters. PgBouncer
    /// refuses `options`, or ignores it.
    fn apply(&self, url: &SecretString) -> SecretString {
        let options: Vec<String> = self
            .all()
            .iter()
            .map(|(name, value)| format!("-c {name}={}", escaped(value)))
            .collect();
        let options = options.join(" ");
        let options = (!self.pgbouncer).then_some(("options", options.as_str()));
        let url = url.expose_secret();
        let mut text = url.to_owned();
        let mut separator = if url.contains('?') { '&' } else { '?' };
        for (key, value) in options.into_iter().chain([
            ("client_encoding", "UTF8"),
            ("connect_timeout", "2"),
            // A server that vanished is noticed in half a minute, also while it owes an answer.
            ("tcp_user_timeout", "15000"),
            ("keepalives_idle", "15"),
            ("keepalives_interval", "5"),
            ("keepalives_count", "3"),
            ("application_name", self.application_name.as_str()),
        ]) {
            text.push(separator);
            text.push_str(key);
            text.push('=');
            text.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
            separator = '&';
        }
        text.into()
    }
}

/// As one word among PostgreSQL's `options`, which blanks part.
fn escaped(value: &str) -> String {
    let mut word = String::with_capacity(value.len());
    for c in value.chars() {
        if c.is_whitespace() || c == '\\' {
            word.push('\\');
        }
        word.push(c);
    }
    word
}
