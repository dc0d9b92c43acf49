//! Two tenants on a database of the test's own, and what tests ask of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rowhouse_tests::{Database, seal_key};
use secrecy::{ExposeSecret as _, SecretString};
use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::diesel::prelude::*;
use tenant_db::diesel::sql_types::{BigInt, Bool, Text};
use tenant_db::diesel::{self, PgConnection, QueryResult};
use tenant_db::{Actor, Context, Error, PoolSettings, Role, TenantConn, TenantDb};
use uuid::Uuid;

diesel::table! {
    projects (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
        owner_id -> Uuid,
    }
}

diesel::define_sql_function! {
    /// Typed, so that asking for it leaves no suspicion on the connection.
    fn pg_backend_pid() -> diesel::sql_types::Integer;
}

/// A tenant with an owner who is signed in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tenant {
    pub(crate) id: Uuid,
    account: Uuid,
    member: Uuid,
    pub(crate) session: Uuid,
}

impl Tenant {
    fn insert(superuser: &mut PgConnection, slug: &str) -> Self {
        let tenant = Self {
            id: Uuid::now_v7(),
            account: Uuid::now_v7(),
            member: Uuid::now_v7(),
            session: Uuid::now_v7(),
        };
        tenant.write(superuser, slug);
        tenant
    }

    fn write(&self, superuser: &mut PgConnection, slug: &str) {
        let Self {
            id,
            account,
            member,
            session,
        } = self;
        superuser
            .batch_execute(&format!(
                "INSERT INTO tenants (id, slug, subdomain, name) VALUES ('{id}', '{slug}', '{slug}', '{slug}');
                 INSERT INTO accounts (id, email, full_name) VALUES ('{account}', 'owner@{slug}.example', 'Owner');
                 INSERT INTO memberships (tenant_id, id, account_id, email, full_name, role)
                     VALUES ('{id}', '{member}', '{account}', 'owner@{slug}.example', 'Owner', 'owner');
                 INSERT INTO sessions (id, account_id, tenant_id) VALUES ('{session}', '{account}', '{id}');"
            ))
            .unwrap();
    }

    /// The context of the tenant's owner.
    pub(crate) fn context(&self) -> Context {
        self.context_in(self)
    }

    /// The same person in another tenant.
    pub(crate) fn context_in(&self, tenant: &Self) -> Context {
        let actor = Actor::User {
            id: self.account,
            session: self.session,
        };
        Context::new(tenant.id, actor).with_role(Role::Owner, 0)
    }

    /// Adds a project of this name, in one typed statement.
    pub(crate) fn add(&self, conn: &mut TenantConn<'_>, name: &str) -> QueryResult<usize> {
        diesel::insert_into(projects::table)
            .values((
                projects::tenant_id.eq(self.id),
                projects::id.eq(Uuid::now_v7()),
                projects::name.eq(name),
                projects::owner_id.eq(self.member),
            ))
            .execute(conn)
    }
}

/// A database with the tenants `acme-corp` and `globex-inc`.
pub(crate) struct Scene {
    pub(crate) database: Database,
    pub(crate) acme: Tenant,
    pub(crate) globex: Tenant,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::on(Database::fresh())
    }

    /// The same at level managed.
    pub(crate) fn managed() -> Self {
        Self::on(Database::managed())
    }

    fn on(database: Database) -> Self {
        let mut superuser = database.superuser();
        let acme = Tenant::insert(&mut superuser, "acme-corp");
        let globex = Tenant::insert(&mut superuser, "globex-inc");
        Self {
            database,
            acme,
            globex,
        }
    }

    /// Adds a tenant of another scene, as `visitor`.
    pub(crate) fn admit(&self, tenant: &Tenant) {
        tenant.write(&mut self.database.superuser(), "visitor");
    }

    /// A pool of so many connections.
    pub(crate) fn connect(&self, connections: u32) -> TenantDb {
        self.connect_with(&PoolSettings {
            connections,
            ..PoolSettings::default()
        })
    }

    pub(crate) fn connect_with(&self, settings: &PoolSettings) -> TenantDb {
        TenantDb::connect(self.database.url("rowhouse_app"), seal_key(), settings).unwrap()
    }

    /// The URL of the application's role, but with the socket in this folder.
    pub(crate) fn url_through(&self, folder: &Path) -> SecretString {
        let url = self.database.url("rowhouse_app");
        let url = url.expose_secret();
        let (before, host) = url.split_once("host=").unwrap();
        let rest = host.split_once('&').map_or("", |(_, rest)| rest);
        let folder = folder.to_str().unwrap().replace('/', "%2F");
        format!("{before}host={folder}&{rest}").into()
    }

    /// Where PostgreSQL's own socket is.
    pub(crate) fn socket_dir(&self) -> PathBuf {
        let url = self.database.url("rowhouse_app");
        let (_, host) = url.expose_secret().split_once("host=").unwrap();
        let host = host.split('&').next().unwrap();
        host.replace("%2F", "/").into()
    }

    /// The names of all tenants' projects, as a superuser sees them.
    pub(crate) fn names(&self) -> Vec<String> {
        projects::table
            .select(projects::name)
            .order(projects::name)
            .load(&mut self.database.superuser())
            .unwrap()
    }

    /// The name of this test's database.
    pub(crate) fn database_name(&self) -> String {
        diesel::select(diesel::dsl::sql::<Text>("current_database()::text"))
            .get_result(&mut self.database.superuser())
            .unwrap()
    }

    /// Ends a backend of this database, and waits until it is gone.
    pub(crate) fn terminate(&self, pid: i32) {
        let mut superuser = self.database.superuser();
        let ended = format!("pg_terminate_backend({pid}, 10000)");
        assert!(holds(&mut superuser, &ended), "{pid} lives on");
    }
}

/// Whether this SQL expression holds, as this connection sees it.
pub(crate) fn holds(conn: &mut PgConnection, expression: &str) -> bool {
    diesel::select(diesel::dsl::sql::<Bool>(expression))
        .get_result(conn)
        .unwrap()
}

/// The number that this SQL expression gives, as this connection sees it.
pub(crate) fn number(conn: &mut PgConnection, expression: &str) -> i64 {
    diesel::select(diesel::dsl::sql::<BigInt>(expression))
        .get_result(conn)
        .unwrap()
}

/// How many, in SQL that Diesel did not build.
pub(crate) fn count(conn: &mut TenantConn<'_>, expression: &str) -> QueryResult<i64> {
    diesel::select(diesel::dsl::sql::<BigInt>(expression)).get_result(conn)
}

/// The backend that serves this transaction, asked in SQL that Diesel built.
pub(crate) fn pid(conn: &mut TenantConn<'_>) -> QueryResult<i32> {
    diesel::select(pg_backend_pid()).get_result(conn)
}

/// The backend that serves the next transaction.
pub(crate) fn pid_of(db: &TenantDb, tenant: &Tenant) -> i32 {
    db.run_blocking(tenant.context(), |conn| Ok::<_, Error>(pid(conn)?))
        .unwrap()
}

/// Adds a project in a transaction of its own.
pub(crate) fn add(db: &TenantDb, tenant: &Tenant, name: &str) -> Result<(), Error> {
    let (this, name) = (*tenant, name.to_owned());
    db.run_blocking(tenant.context(), move |conn| {
        this.add(conn, &name)?;
        Ok(())
    })
}

/// Asks again until there is an answer; a test fails after a minute without one.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
