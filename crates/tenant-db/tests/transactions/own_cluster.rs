//! A PostgreSQL of the test's own, durable, with a table of an embedder: for tests that stop it,
//! or that make roles, which belong to a whole cluster. Only what tenant-db offers is used here.

use std::path::Path;

use diesel_migrations::MigrationHarness as _;
use embedded_postgres::{Cluster, Options, Programs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rowhouse_tests::seal_key;
use secrecy::SecretString;
use tempfile::TempDir;
use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::diesel::prelude::*;
use tenant_db::diesel::{self, PgConnection};
use tenant_db::{Actor, Context, Error, PoolSettings, Role, TenantConn, TenantDb};
use uuid::Uuid;

use crate::fixtures::eventually;

diesel::table! {
    notes (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        title -> Text,
    }
}

/// As PostgreSQL comes, with nothing of ours in it.
pub(crate) struct EmptyCluster(OwnCluster);

impl EmptyCluster {
    pub(crate) fn start() -> Self {
        Self(OwnCluster::empty())
    }

    pub(crate) fn url(&self, role: &str) -> SecretString {
        self.0.url(role)
    }

    pub(crate) fn superuser(&self) -> PgConnection {
        self.0.superuser()
    }
}

/// It ends with this value, even when the test has failed.
pub(crate) struct OwnCluster {
    home: TempDir,
    cluster: Option<Cluster>,
}

impl OwnCluster {
    fn empty() -> Self {
        let home = tempfile::tempdir().unwrap();
        let cluster = start(&home);
        Self {
            home,
            cluster: Some(cluster),
        }
    }

    pub(crate) fn start() -> Self {
        let this = Self::empty();
        let mut superuser = this.superuser();
        tenant_db::bootstrap(&mut superuser).unwrap();
        superuser
            .run_pending_migrations(tenant_db::migrations())
            .unwrap();
        tenant_db::register_seal_key(&mut superuser, &seal_key()).unwrap();
        superuser
            .batch_execute(
                "SET ROLE rowhouse_owner;
                 CREATE TABLE notes (tenant_id uuid NOT NULL, id uuid NOT NULL, title text NOT NULL,
                                     PRIMARY KEY (tenant_id, id));
                 SELECT tenancy.protect('notes');",
            )
            .unwrap();
        this
    }

    fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().unwrap()
    }

    pub(crate) fn url(&self, role: &str) -> SecretString {
        self.cluster().url_for(role, None, "postgres").into()
    }

    pub(crate) fn socket_dir(&self) -> &Path {
        self.cluster().socket_dir()
    }

    pub(crate) fn superuser(&self) -> PgConnection {
        PgConnection::establish(&self.cluster().url("postgres")).unwrap()
    }

    pub(crate) fn connect(&self, connections: u32) -> TenantDb {
        let settings = PoolSettings {
            connections,
            ..PoolSettings::default()
        };
        TenantDb::connect(self.url("rowhouse_app"), seal_key(), &settings).unwrap()
    }

    /// As when the machine's memory ran out.
    pub(crate) fn kill(&self) {
        let pid = self.cluster().postmaster_pid().unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        eventually("PostgreSQL is dead", || {
            (!self.cluster().is_running()).then_some(())
        });
    }

    /// Starts it again where it was.
    pub(crate) fn start_again(&mut self) {
        let again = start(&self.home);
        if let Some(former) = self.cluster.replace(again) {
            former.leave_running();
        }
    }
}

fn start(home: &TempDir) -> Cluster {
    Cluster::start(Options::new(home.path(), Programs::find().unwrap())).unwrap()
}

impl Drop for OwnCluster {
    fn drop(&mut self) {
        if let Some(cluster) = self.cluster.take() {
            cluster.leave_running();
        }
        let stopped = Cluster::stop_running(self.home.path(), &Programs::find().unwrap());
        assert!(stopped.is_ok() || std::thread::panicking(), "{stopped:?}");
    }
}

/// A member of this tenant: `authorize` as tenant-db ships it believes the seal.
pub(crate) fn context(tenant: Uuid) -> Context {
    let actor = Actor::User {
        id: Uuid::from_u128(1),
        session: Uuid::from_u128(2),
    };
    Context::new(tenant, actor).with_role(Role::Member, 0)
}

pub(crate) fn write(db: &TenantDb, tenant: Uuid, title: &str) -> Result<(), Error> {
    let title = title.to_owned();
    db.run_blocking(context(tenant), move |conn| {
        diesel::insert_into(notes::table)
            .values((
                notes::tenant_id.eq(tenant),
                notes::id.eq(Uuid::now_v7()),
                notes::title.eq(title),
            ))
            .execute(conn)?;
        Ok(())
    })
}

pub(crate) fn titles(db: &TenantDb, tenant: Uuid) -> Result<Vec<String>, Error> {
    db.run_blocking(context(tenant), |conn: &mut TenantConn<'_>| {
        Ok(notes::table
            .select(notes::title)
            .order(notes::title)
            .load(conn)?)
    })
}
