//! Three tenants with five items each, in one table: `cargo run -p tenant-db --example items`,
//! with `PORT` and `RUST_LOG=tenant_db::sql=debug` if you like.
//!
//! A header names the tenant because the program that this reproduces does so; production takes
//! the tenant from a token that it has verified, since anybody can write a header.

use std::env;

use actix_web::error::{ErrorInternalServerError, ErrorUnauthorized};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Result, web};
use embedded_postgres::{Cluster, Options, Programs};
use serde::Serialize;
use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::diesel::{self, PgConnection, prelude::*};
use tenant_db::verify::{Catalog, Table, TenantTable, verify};
use tenant_db::{Actor, Context, Error, Role, SealKey, TenantConn, TenantDb};
use uuid::Uuid;

/// What a migration would hold. The last statements make the tables those of tenants.
const TABLES: &str = "
SET LOCAL ROLE rowhouse_owner;
CREATE TABLE tenants (id uuid PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE items (
    tenant_id uuid NOT NULL REFERENCES tenants (id), id uuid NOT NULL, title text NOT NULL,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, title));
SELECT tenancy.protect('tenants', tenant_column => 'id', commands => '{select}');
SELECT tenancy.protect('items');

INSERT INTO tenants VALUES
    ('7a245486-3fc8-47ec-b303-04fefe7a58ff', 'pawnee-parks-and-rec'),
    ('162be16f-f76d-431a-a213-171838ded9ae', 'dunder-mifflin'),
    ('ebdba44d-ad48-4e73-9bd5-339e3c3fc590', 'aliki-farms');
INSERT INTO items VALUES
    ('7a245486-3fc8-47ec-b303-04fefe7a58ff', '997d0bee-351f-4b09-9dd3-2289da1ce0ba', 'art-fair'),
    ('7a245486-3fc8-47ec-b303-04fefe7a58ff', 'bab62059-b702-442e-a053-7e4690d5510b', 'bench'),
    ('7a245486-3fc8-47ec-b303-04fefe7a58ff', '1bfa0393-0f74-4824-b234-052e49511a5c', 'concert'),
    ('7a245486-3fc8-47ec-b303-04fefe7a58ff', '1b94d748-6241-410c-95f5-015105316f27', 'drinking-fountain'),
    ('7a245486-3fc8-47ec-b303-04fefe7a58ff', 'de5de5ab-abdd-499a-95a6-00f8c7b7130a', 'emergency-kit')
   ;
INSERT INTO items SELECT tenants.id, md5(name || title)::uuid, title
    FROM tenants, unnest(CASE name WHEN 'dunder-mifflin' THEN '{copier,label,paper,scale,shredder}'
        WHEN 'aliki-farms' THEN '{barn,goat,hoe,olive,tractor}' END::text[]) AS title";

diesel::table! { tenants (id) { id -> Uuid, name -> Text } }
diesel::table! { items (tenant_id, id) { tenant_id -> Uuid, id -> Uuid, title -> Text } }

#[derive(Serialize, Queryable)]
struct Item {
    id: Uuid,
    title: String,
    tenant_id: Uuid,
}

#[derive(Serialize)]
struct Tenant {
    id: Uuid,
    name: String,
    items: Vec<Item>,
}

/// Who asks. `tenancy.authorize` as it is shipped believes what the server seals.
fn context(request: &HttpRequest) -> Result<Context> {
    let header = request.headers().get("X-tenant-id");
    let tenant = header.and_then(|value| value.to_str().ok()?.parse().ok());
    let tenant = tenant.ok_or_else(|| ErrorUnauthorized("X-tenant-id missing, or no UUID"))?;
    Ok(Context::new(tenant, Actor::Key { id: Uuid::nil() }).with_role(Role::Member, 0))
}

async fn list_items(db: web::Data<TenantDb>, request: HttpRequest) -> Result<HttpResponse> {
    let items = db.read(context(&request)?, select_items).await;
    Ok(HttpResponse::Ok().json(items.map_err(ErrorInternalServerError)?))
}

/// No word of a tenant: the database adds it.
fn select_items(conn: &mut TenantConn<'_>) -> Result<Vec<Item>, Error> {
    let columns = (items::id, items::title, items::tenant_id);
    Ok(items::table
        .select(columns)
        .order(items::title)
        .load(conn)?)
}

async fn list_tenants(db: web::Data<TenantDb>, request: HttpRequest) -> Result<HttpResponse> {
    let work = |conn: &mut TenantConn<'_>| {
        let mut items = select_items(conn)?;
        let rows: Vec<(Uuid, String)> = tenants::table.order(tenants::name).load(conn)?;
        let with_items = |(id, name)| {
            let items = items.extract_if(.., |item| item.tenant_id == id).collect();
            Tenant { id, name, items }
        };
        Ok::<Vec<Tenant>, Error>(rows.into_iter().map(with_items).collect())
    };
    let tenants = db.read(context(&request)?, work).await;
    Ok(HttpResponse::Ok().json(tenants.map_err(ErrorInternalServerError)?))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("info"));
    let home = tempfile::tempdir()?;
    let cluster = Cluster::start(Options::new(home.path(), Programs::find()?))?;
    let mut admin = PgConnection::establish(&cluster.url("postgres"))?;
    tenant_db::install(&mut admin)?;
    tenant_db::harden(&mut admin)?.apply(&mut admin)?;
    admin.transaction(|conn| conn.batch_execute(TABLES))?;
    let key = SealKey::new("example", b"elsewhere: 32 bytes of a secret store")?;
    tenant_db::register_seal_key(&mut admin, &key)?;
    let tenants = TenantTable::new("public.tenants")
        .tenant_column("id")
        .commands(&["select"]);
    let catalog = Catalog::new()
        .table(Table::of_migrations("public.__diesel_schema_migrations"))
        .tenant_table(tenants.spanning_indexes(&["tenants_name_key"]))
        .tenant_table(TenantTable::new("public.items"));
    let report = verify(&mut admin, &catalog)?;
    if !report.is_clean() {
        return Err(report.to_string().into());
    }
    let url = cluster.url_for("rowhouse_app", None, "postgres");
    let db = web::Data::new(TenantDb::builder(url, key).connect()?);
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(db.clone())
            .route("/items/", web::get().to(list_items))
            .route("/tenants/", web::get().to(list_tenants))
    });
    server.bind(("127.0.0.1", port))?.run().await?;
    Ok(cluster.stop().map(drop)?)
}
