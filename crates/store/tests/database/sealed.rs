//! Two tenants in one database, and contexts sealed by hand: what a forger would need.

use std::time::{SystemTime, UNIX_EPOCH};

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::{Error, QueryResult};
use diesel::sql_types::{BigInt, Integer, Text};
use rowhouse_tests::{Database, seal_key};
use tenant_db::{Actor, Context, Role, SealKey};
use uuid::Uuid;

/// A tenant with an owner, a session and two projects.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) member: Uuid,
    pub(crate) session: Uuid,
    pub(crate) project: Uuid,
}

pub(crate) fn two_tenants(database: &Database) -> (Tenant, Tenant) {
    let mut superuser = database.superuser();
    (
        insert_tenant(&mut superuser, "acme-corp"),
        insert_tenant(&mut superuser, "globex-inc"),
    )
}

fn insert_tenant(superuser: &mut PgConnection, slug: &str) -> Tenant {
    let tenant = Tenant {
        id: Uuid::now_v7(),
        account: Uuid::now_v7(),
        member: Uuid::now_v7(),
        session: Uuid::now_v7(),
        project: Uuid::now_v7(),
    };
    let Tenant {
        id,
        account,
        member,
        session,
        project,
    } = &tenant;
    superuser
        .batch_execute(&format!(
            "INSERT INTO tenants (id, slug, subdomain, name) VALUES ('{id}', '{slug}', '{slug}', '{slug}');
             INSERT INTO accounts (id, email, full_name) VALUES ('{account}', 'owner@{slug}.example', 'Owner');
             INSERT INTO memberships (tenant_id, id, account_id, email, full_name, role)
                 VALUES ('{id}', '{member}', '{account}', 'owner@{slug}.example', 'Owner', 'owner');
             INSERT INTO sessions (id, account_id, tenant_id) VALUES ('{session}', '{account}', '{id}');
             INSERT INTO projects (tenant_id, id, name, owner_id)
                 VALUES ('{id}', '{project}', 'Secret of {slug}', '{member}'),
                        ('{id}', gen_random_uuid(), 'Another of {slug}', '{member}');"
        ))
        .unwrap();
    tenant
}

impl Tenant {
    /// The context of the tenant's owner.
    pub(crate) fn context(&self) -> Context {
        self.context_as(Role::Owner)
    }

    pub(crate) fn context_as(&self, role: Role) -> Context {
        Context::new(
            self.id,
            Actor::User {
                id: self.account,
                session: self.session,
            },
        )
        .with_role(role, 0)
    }

    /// Makes the one member another role, without a change of version.
    pub(crate) fn become_role(&self, database: &Database, role: &str) {
        database
            .superuser()
            .batch_execute(&format!(
                "ALTER TABLE memberships DISABLE TRIGGER memberships_role_change;
                 ALTER TABLE memberships DISABLE TRIGGER memberships_keep_an_owner;
                 UPDATE memberships SET role = '{role}' WHERE id = '{}';
                 ALTER TABLE memberships ENABLE TRIGGER memberships_role_change;
                 ALTER TABLE memberships ENABLE TRIGGER memberships_keep_an_owner;",
                self.member
            ))
            .unwrap();
    }
}

pub(crate) fn now() -> i64 {
    i64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap()
}

/// Opens a transaction and enters with this seal, in one message.
pub(crate) fn enter_with(conn: &mut PgConnection, seal: &str) -> QueryResult<()> {
    conn.batch_execute(&format!("RESET ALL; BEGIN; SELECT tenancy.enter('{seal}')"))
}

/// The same with a seal that is right for this connection.
pub(crate) fn enter(conn: &mut PgConnection, context: &Context) -> QueryResult<()> {
    let seal = seal_key().seal(context, pid(conn), now());
    enter_with(conn, &seal)
}

pub(crate) fn seal_under(key: &SealKey, context: &Context, conn: &mut PgConnection) -> String {
    key.seal(context, pid(conn), now())
}

pub(crate) fn pid(conn: &mut PgConnection) -> i32 {
    diesel::select(diesel::dsl::sql::<Integer>("pg_backend_pid()"))
        .get_result(conn)
        .unwrap()
}

pub(crate) fn count(conn: &mut PgConnection, sql: &str) -> QueryResult<i64> {
    diesel::select(diesel::dsl::sql::<BigInt>(sql)).get_result(conn)
}

pub(crate) fn texts(conn: &mut PgConnection, sql: &str) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        text: String,
    }
    Ok(diesel::sql_query(sql)
        .load::<Row>(conn)?
        .into_iter()
        .map(|row| row.text)
        .collect())
}

/// The TN code of a refusal, or the message of another error.
#[track_caller]
pub(crate) fn code<T: std::fmt::Debug>(result: QueryResult<T>) -> String {
    match result.unwrap_err() {
        Error::DatabaseError(_, info) => info
            .constraint_name()
            .map_or_else(|| info.message().to_owned(), ToOwned::to_owned),
        error => error.to_string(),
    }
}
