//! Notes of companies, on `tenant-db`: what its documentation says, and nothing else.

pub mod web;

use diesel::PgConnection;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use tenant_db::audit::{self, Chain, Examination};
use tenant_db::verify::{Catalog, Function, Table, TenantTable};
use tenant_db::{Actor, Context, Error, Role, SealKey, ServiceDb, TenantConn, TenantDb};
use uuid::Uuid;

diesel::table! {
    notes (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        title -> Text,
    }
}

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Once, as a superuser. There are companies and their letters already.
pub fn set_up(conn: &mut PgConnection, key: &SealKey) -> Result<(), Error> {
    tenant_db::install(conn)?;
    let plan = tenant_db::harden(conn)?;
    println!("{plan}");
    plan.apply(conn)?;
    tenant_db::register_seal_key(conn, key)?;
    conn.run_pending_migrations(MIGRATIONS).expect("migrations");
    Ok(())
}

/// What `verify` is to find, and nothing beside it.
pub fn catalog() -> Catalog {
    let service = "notes_service";
    Catalog::new()
        .table(Table::of_migrations("public.__diesel_schema_migrations"))
        .tenant_table(TenantTable::new("public.notes").write_role(Role::Member))
        .tenant_table(TenantTable::new("public.letters").write_role(Role::Member))
        .table(Table::new("public.companies", "postgres"))
        .table(
            Table::new("tenancy.member", "rowhouse_tenancy")
                .grant("SELECT, INSERT, DELETE", service),
        )
        .function(Function::invoker(
            "tenancy.authorize(text,uuid,text,uuid,text,integer)",
            "rowhouse_tenancy",
            "a6c8ee26243bdde26d21c6cdb0001ad9be7497851ed33de8f3e6e9f28f1758ac",
        ))
        .login_role(service)
        .grant("USAGE", "SCHEMA tenancy", service)
        .grant(
            "EXECUTE",
            "FUNCTION tenancy.tenants_to_seal(integer)",
            service,
        )
        .grant(
            "EXECUTE",
            "FUNCTION tenancy.seal_events(uuid,integer)",
            service,
        )
}

diesel::table! {
    tenancy.member (tenant, actor) { tenant -> Uuid, actor -> Uuid }
}

pub async fn admit(service: &ServiceDb, tenant: Uuid, user: Uuid) -> Result<(), Error> {
    let work = move |conn: &mut PgConnection| {
        diesel::insert_into(member::table)
            .values((member::tenant.eq(tenant), member::actor.eq(user)))
            .on_conflict_do_nothing()
            .execute(conn)?;
        Ok(())
    };
    service.run(work).await
}

/// Each server, about once a second.
pub async fn seal(service: &ServiceDb) -> Result<(), Error> {
    let waiting = service
        .ask(|conn| audit::tenants_to_seal(conn, 100))
        .await?;
    for waiting in waiting {
        let seal = move |conn: &mut PgConnection| audit::seal_events(conn, waiting.tenant, 1000);
        service.ask(seal).await?;
    }
    Ok(())
}

/// By night, as whoever migrates.
pub fn examine(conn: &mut PgConnection) -> Result<Vec<Examination>, Error> {
    conn.build_transaction().repeatable_read().run(|conn| {
        let chains = audit::chains(conn)?;
        let examine = |chain: &Chain| audit::examine(conn, chain.tenant, Some(chain), &[]);
        chains.iter().map(examine).collect()
    })
}

/// A person who writes in this company.
pub fn member(tenant: Uuid, user: Uuid, session: Uuid) -> Context {
    Context::new(tenant, Actor::User { id: user, session }).with_role(Role::Member, 0)
}

pub fn add(conn: &mut TenantConn<'_>, title: &str) -> Result<Uuid, Error> {
    let id = Uuid::now_v7();
    diesel::insert_into(notes::table)
        .values((
            notes::tenant_id.eq(conn.tenant()),
            notes::id.eq(id),
            notes::title.eq(title),
        ))
        .execute(conn)?;
    Ok(id)
}

pub fn find(conn: &mut TenantConn<'_>, id: Uuid) -> Result<Option<String>, Error> {
    Ok(notes::table
        .filter(notes::id.eq(id))
        .select(notes::title)
        .first(conn)
        .optional()?)
}

/// How many, as a job counts them by night.
pub fn count(db: &TenantDb, tenant: Uuid, job: Uuid) -> Result<i64, Error> {
    let context = Context::new(tenant, Actor::Job { id: job }).with_role(Role::Owner, 0);
    db.run_blocking(context, |conn| Ok(notes::table.count().get_result(conn)?))
}
