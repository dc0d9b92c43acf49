//! Projects of two tenants, made over HTTP: `cargo run -p tenant-db --example projects`, with
//! `PORT` and `RUST_LOG=tenant_db::sql=debug` if you like.
//!
//! A header names the tenant because the program that this reproduces does so; production takes
//! the tenant from a token that it has verified, since anybody can write a header.

use std::env;

use actix_web::{App, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer, Result};
use actix_web::{error::InternalError, web};
use embedded_postgres::{Cluster, Options, Programs};
use serde::{Deserialize, Serialize};
use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::diesel::result::{DatabaseErrorKind::*, Error::*};
use tenant_db::diesel::{self, PgConnection, prelude::*};
use tenant_db::{Actor, Context, Error, Role, SealKey, TenantConn, TenantDb};
use uuid::Uuid;

/// What a migration would hold. The last statements make the tables those of tenants.
const TABLES: &str = "
SET LOCAL ROLE rowhouse_owner;
CREATE TABLE tenants (id uuid PRIMARY KEY DEFAULT tenancy.current_tenant(), name text NOT NULL);
CREATE TABLE projects (
    tenant_id uuid NOT NULL DEFAULT tenancy.current_tenant() REFERENCES tenants (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(), name text NOT NULL, PRIMARY KEY (tenant_id, id));
SELECT tenancy.protect('tenants', tenant_column => 'id', commands => '{select,insert}');
SELECT tenancy.protect('projects')";

diesel::table! { tenants (id) { id -> Uuid, name -> Text } }
diesel::table! { projects (tenant_id, id) { tenant_id -> Uuid, id -> Uuid, name -> Text } }

type Answer = Result<HttpResponse>;
type Db = web::Data<TenantDb>;

#[derive(Serialize, Queryable)]
struct Tenant {
    id: Uuid,
    name: String,
}

#[derive(Serialize, Queryable)]
struct Project {
    tenant_id: Uuid,
    id: Uuid,
    name: String,
}

/// The body of both POSTs. A text of PostgreSQL has no zero character.
#[derive(Deserialize)]
struct New {
    name: String,
}

impl New {
    fn name(self) -> Result<String> {
        let sound = (1..=255).contains(&self.name.chars().count()) && !self.name.contains('\0');
        sound
            .then_some(self.name)
            .ok_or_else(|| refuse(400, "name has 1 to 255 characters"))
    }
}

fn refuse(status: u16, message: &str) -> actix_web::Error {
    let status = status.try_into().unwrap_or_default();
    let body = serde_json::json!({"error": message});
    InternalError::from_response("", HttpResponse::build(status).json(body)).into()
}

fn answer<T: Serialize>(mut good: HttpResponseBuilder, result: Result<T, Error>) -> Answer {
    match result {
        Ok(value) => Ok(good.json(value)),
        Err(Error::Query(DatabaseError(ForeignKeyViolation, _))) => {
            Err(refuse(404, "no such tenant"))
        }
        Err(_) => Err(refuse(500, "internal server error")),
    }
}

/// `tenancy.authorize` as it is shipped believes what the server seals.
fn member(tenant: Uuid) -> Context {
    Context::new(tenant, Actor::Key { id: Uuid::nil() }).with_role(Role::Member, 0)
}

fn caller(request: &HttpRequest) -> Result<Context> {
    let header = request.headers().get("X-Tenant-ID");
    let tenant = header.and_then(|value| value.to_str().ok()?.parse().ok());
    tenant
        .map(member)
        .ok_or_else(|| refuse(400, "X-Tenant-ID is missing, or no UUID"))
}

/// A tenant is born inside its own context: there is no other way to a row.
async fn add_tenant(db: Db, new: web::Json<New>) -> Answer {
    let name = new.into_inner().name()?;
    let insert = move |conn: &mut TenantConn<'_>| {
        let new = diesel::insert_into(tenants::table).values(tenants::name.eq(name));
        Ok(new.get_result::<Tenant>(conn)?)
    };
    let made = db.run(member(Uuid::now_v7()), insert).await;
    answer(HttpResponse::Created(), made)
}

async fn list_tenants(db: Db, request: HttpRequest) -> Answer {
    let all = |conn: &mut TenantConn<'_>| Ok(tenants::table.load::<Tenant>(conn)?);
    answer(HttpResponse::Ok(), db.read(caller(&request)?, all).await)
}

async fn add_project(db: Db, request: HttpRequest, new: web::Json<New>) -> Answer {
    let name = new.into_inner().name()?;
    let insert = move |conn: &mut TenantConn<'_>| {
        let new = diesel::insert_into(projects::table).values(projects::name.eq(name));
        Ok(new.get_result::<Project>(conn)?)
    };
    let made = db.run(caller(&request)?, insert).await;
    answer(HttpResponse::Created(), made)
}

/// No word of a tenant: the database adds it.
async fn list_projects(db: Db, request: HttpRequest) -> Answer {
    let all = projects::table.order(projects::name);
    let work = move |conn: &mut TenantConn<'_>| Ok(all.load::<Project>(conn)?);
    answer(HttpResponse::Ok(), db.read(caller(&request)?, work).await)
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
    let url = cluster.url_for("rowhouse_app", None, "postgres");
    let db = web::Data::new(TenantDb::builder(url, key).connect()?);
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(db.clone())
            .app_data(web::JsonConfig::default().error_handler(|e, _| refuse(400, &e.to_string())))
            .route("/api/tenants/", web::post().to(add_tenant))
            .route("/api/tenants/", web::get().to(list_tenants))
            .route("/api/projects/", web::post().to(add_project))
            .route("/api/projects/", web::get().to(list_projects))
    });
    server.bind(("127.0.0.1", port))?.run().await?;
    Ok(cluster.stop().map(drop)?)
}
