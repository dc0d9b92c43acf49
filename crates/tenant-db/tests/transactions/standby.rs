//! A hot standby, made from a primary of the test's own: reads go there, under the same guards.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use embedded_postgres::Programs;
use embedded_postgres::testing::{command, give};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rowhouse_tests::seal_key;
use secrecy::SecretString;
use tempfile::TempDir;
use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::diesel::prelude::*;
use tenant_db::diesel::sql_types::Bool;
use tenant_db::diesel::{self, dsl, sql_query};
use tenant_db::{Error, SealKey, TenantConn, TenantDb};
use uuid::Uuid;

use crate::fixtures::eventually;
use crate::own_cluster::{OwnCluster, context, notes};

/// The members are those of `tests/outside`, kept by `authorize` in a table of its own.
const MEMBERS: &str =
    include_str!("../../../../tests/outside/migrations/20260101000200_members/up.sql");

/// It ends with this value.
struct Standby {
    folder: TempDir,
    process: Child,
}

impl Standby {
    fn of(primary: &OwnCluster) -> Self {
        let folder = tempfile::tempdir().unwrap();
        give(folder.path()).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        let programs = Programs::find().unwrap();
        let data = folder.path().join("data");
        // Beside the server itself, to which the one that was found may be a link.
        let postgres = programs.postgres().canonicalize().unwrap();
        let copied = command(&postgres.with_file_name("pg_basebackup"))
            .unwrap()
            .args(
                "--checkpoint=fast --no-sync --write-recovery-conf --username=postgres".split(' '),
            )
            .arg("--host")
            .arg(primary.socket_dir())
            .arg("--pgdata")
            .arg(&data)
            .output()
            .unwrap();
        assert!(copied.status.success(), "{copied:?}");
        let process = command(&programs.postgres())
            .unwrap()
            .arg("-D")
            .arg(&data)
            .args("-c listen_addresses= -c port=5433 -c fsync=off -c".split(' '))
            .arg(format!(
                "unix_socket_directories={}",
                folder.path().display()
            ))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self { folder, process };
        eventually("the standby answers", || {
            let url = format!("{}&connect_timeout=5", this.url("postgres"));
            diesel::PgConnection::establish(&url).ok()
        });
        this
    }

    fn url(&self, role: &str) -> String {
        let host = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgresql://{role}@/postgres?host={host}&port=5433")
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.process.id().try_into().unwrap());
        let told = kill(pid, Signal::SIGINT);
        let ended = self.process.wait();
        assert!(told.is_ok() || ended.is_ok() || std::thread::panicking());
    }
}

fn connect(primary: &OwnCluster, standby: &Standby, key: SealKey) -> TenantDb {
    TenantDb::builder(primary.url("rowhouse_app"), key)
        .replica(SecretString::from(standby.url("rowhouse_app")))
        .connections(2)
        .connect()
        .unwrap()
}

/// Whether it runs on a standby, and which titles there are.
fn look(conn: &mut TenantConn<'_>) -> Result<(bool, Vec<String>), Error> {
    let recovers = diesel::select(dsl::sql::<Bool>("pg_is_in_recovery()")).get_result(conn)?;
    let titles = notes::table.select(notes::title).order(notes::title);
    Ok((recovers, titles.load(conn)?))
}

#[test]
fn a_hot_standby_serves_reads_of_ones_own_tenant_to_whoever_is_still_a_member() {
    let primary = OwnCluster::start();
    let mut superuser = primary.superuser();
    let (acme, globex) = (Uuid::from_u128(11), Uuid::from_u128(12));
    superuser
        .batch_execute(&format!("BEGIN; {MEMBERS} COMMIT"))
        .unwrap();
    let members = format!(
        "INSERT INTO tenancy.member VALUES ('{acme}', '{user}'), ('{globex}', '{user}')",
        user = Uuid::from_u128(1)
    );
    superuser.batch_execute(&members).unwrap();
    let standby = Standby::of(&primary);
    let db = connect(&primary, &standby, seal_key());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let read = |tenant| runtime.block_on(db.read(context(tenant), look));

    for (tenant, title) in [(acme, "Of acme"), (globex, "Of globex")] {
        crate::own_cluster::write(&db, tenant, title).unwrap();
        let ran = db.run_blocking(context(tenant), look).unwrap();
        assert_eq!(ran, (false, vec![title.to_owned()]));
        eventually("it has reached the standby", || {
            let (recovers, titles) = read(tenant).unwrap();
            assert!(recovers, "a read went to the primary");
            (titles == [title]).then_some(())
        });
    }

    let written = runtime.block_on(db.read(context(acme), move |conn| {
        let values = (
            notes::tenant_id.eq(acme),
            notes::id.eq(Uuid::now_v7()),
            notes::title.eq("Written"),
        );
        diesel::insert_into(notes::table)
            .values(values)
            .execute(conn)?;
        Ok::<_, Error>(())
    }));
    assert!(matches!(written, Err(Error::Query(_))), "{written:?}");

    // What SQL leaves behind is found there too, and a forged seal refused.
    let untyped = runtime.block_on(db.read(context(acme), |conn| {
        sql_query("SET search_path = pg_temp").execute(conn)?;
        sql_query("SELECT pg_advisory_lock(7)").execute(conn)?;
        Ok::<_, Error>(())
    }));
    untyped.unwrap();
    assert_eq!(read(globex).unwrap().1, ["Of globex"]);
    let forger = SealKey::new("test", &[9; 32]).unwrap();
    let forged = connect(&primary, &standby, forger);
    let forged = runtime.block_on(forged.read(context(acme), look));
    assert!(matches!(forged, Err(Error::SealRefused(_))), "{forged:?}");

    // Who is removed reads until the standby knows, and no longer.
    let removed = format!("DELETE FROM tenancy.member WHERE tenant = '{acme}'");
    superuser.batch_execute(&removed).unwrap();
    eventually("the standby knows", || match read(acme) {
        Ok(_) => None,
        Err(Error::NotAMember) => Some(()),
        Err(e) => panic!("{e:?}"),
    });
    assert_eq!(read(globex).unwrap().1, ["Of globex"]);
}
