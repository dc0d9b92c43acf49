//! How a [`TenantDb`] is put together: what it needs, and what has a default.

use secrecy::SecretString;

use crate::error::Error;
use crate::pool::{Pool, PoolSettings};
use crate::seal::SealKey;
use crate::session::Purpose;
use crate::tenant_db::TenantDb;

/// What [`TenantDb::builder`] begins. Only URL and key are needed.
#[must_use = "nothing is connected until `connect`"]
#[derive(Debug, Clone)]
pub struct TenantDbBuilder {
    url: SecretString,
    key: SealKey,
    replica: Option<SecretString>,
    settings: PoolSettings,
}

impl TenantDb {
    /// A database as the role of `url`, with contexts sealed under `key`.
    ///
    /// ```no_run
    /// # fn example(key: tenant_db::SealKey) -> Result<tenant_db::TenantDb, tenant_db::Error> {
    /// tenant_db::TenantDb::builder("postgresql://rowhouse_app@localhost/app", key)
    ///     .replica("postgresql://rowhouse_app@replica.internal/app")
    ///     .connections(16)
    ///     .connect()
    /// # }
    /// ```
    pub fn builder(url: impl Into<SecretString>, key: SealKey) -> TenantDbBuilder {
        TenantDbBuilder {
            url: url.into(),
            key,
            replica: None,
            settings: PoolSettings::default(),
        }
    }
}

impl TenantDbBuilder {
    /// A streaming replica, on which [`TenantDb::read`] runs from then on; default none. It
    /// checks seals, sessions and policies as the primary does, as of what has reached it: a read
    /// may miss the write before it, and a member who was removed may read until the replica knows.
    /// While it cannot be reached reads are answered [`Error::Unavailable`], and do not burden the
    /// primary.
    pub fn replica(mut self, url: impl Into<SecretString>) -> Self {
        self.replica = Some(url.into());
        self
    }

    /// The layout of each pool; default [`PoolSettings::default`].
    pub fn pool(mut self, settings: PoolSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Connections of each pool, and threads that use them; default 8.
    pub fn connections(mut self, connections: u32) -> Self {
        self.settings.connections = connections;
        self
    }

    /// Between server and database stands PgBouncer, in transaction pooling: as
    /// [`PoolSettings::pgbouncer`]. The key must have been registered as
    /// [`unbound`](SealKey::unbound); else each context is refused.
    ///
    /// ```no_run
    /// # fn example(admin: &mut tenant_db::diesel::PgConnection, key: tenant_db::SealKey) -> Result<(), tenant_db::Error> {
    /// let key = key.unbound();
    /// tenant_db::register_seal_key(admin, &key)?; // once, not through PgBouncer
    /// let db = tenant_db::TenantDb::builder("postgresql://rowhouse_app@pgbouncer:6432/app", key)
    ///     .pgbouncer()
    ///     .connect()?;
    /// # drop(db); Ok(()) }
    /// ```
    pub fn pgbouncer(mut self) -> Self {
        self.settings.pgbouncer = true;
        self
    }

    /// The percentage of each pool that one tenant may have at once, at least one connection;
    /// default 100. See [`PoolSettings::tenant_share_percent`].
    pub fn tenant_share_percent(mut self, percent: u8) -> Self {
        self.settings.tenant_share_percent = percent;
        self
    }

    /// Opens the pools, each with one connection to see that it works.
    ///
    /// # Errors
    /// [`Error::RoleCanBypass`] when a role could see past the policies, [`Error::Unavailable`]
    /// when a first connection fails.
    pub fn connect(self) -> Result<TenantDb, Error> {
        let open = |url| Pool::open(url, Purpose::Tenant, &self.settings);
        let primary = open(&self.url)?;
        let replica = self.replica.as_ref().map(open).transpose()?;
        let replica = replica.map(|pool| pool.named("replica"));
        Ok(TenantDb::new(primary, replica, self.key))
    }
}
