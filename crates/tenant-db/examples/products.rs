//! Products of tenants that anybody may add: `cargo run -p tenant-db --example products`, with
//! `PORT` and `RUST_LOG=tenant_db::sql=debug` if you like.
//!
//! A header names the tenant because the program that this reproduces does so; production takes
//! the tenant from a token that it has verified, since anybody can write a header.

use std::{collections::BTreeMap, env, fmt::Display};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Result, error::InternalError, web};
use chrono::{DateTime, Utc};
use embedded_postgres::{Cluster, Options, Programs};
use serde::{Deserialize, Serialize};
use tenant_db::diesel::result::{DatabaseErrorKind::*, Error::*};
use tenant_db::diesel::{self, PgConnection, connection::SimpleConnection as _, prelude::*};
use tenant_db::{Actor, Context, Error, Role, SealKey, TenantConn, TenantDb};
use uuid::Uuid;

/// What a migration would hold. The last statements make the tables those of tenants.
const TABLES: &str = "SET LOCAL ROLE rowhouse_owner;
CREATE TABLE tenants (id uuid PRIMARY KEY DEFAULT tenancy.current_tenant(),
    name varchar(255) NOT NULL UNIQUE, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE products (tenant_id uuid NOT NULL DEFAULT tenancy.current_tenant() REFERENCES tenants (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(), name varchar(255) NOT NULL, price float8 NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, id));
SELECT tenancy.protect('tenants', tenant_column => 'id', commands => '{select,insert}');
SELECT tenancy.protect('products', commands => '{select,insert}')";

diesel::table! { tenants (id) { id -> Uuid, name -> Text, created_at -> Timestamptz } }
diesel::table! {
    products (tenant_id, id) {
        tenant_id -> Uuid, id -> Uuid, name -> Text, price -> Double, created_at -> Timestamptz,
    }
}

const WELCOME: (&str, &str) = ("message", "Welcome to the Multi-Tenant SaaS API!");
type Answer = Result<HttpResponse>;
type Db = web::Data<TenantDb>;

#[derive(Serialize, HasQuery)]
struct Product {
    name: String,
    price: f64,
    id: Uuid,
    tenant_id: Uuid,
    created_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct NewProduct {
    name: String,
    price: f64,
}

fn refuse(status: u16, detail: impl Display) -> actix_web::Error {
    let body = serde_json::json!({"detail": detail.to_string()});
    let status = status.try_into().unwrap_or_default();
    InternalError::from_response("", HttpResponse::build(status).json(body)).into()
}

fn answer<T: Serialize>(result: Result<T, Error>) -> Answer {
    match result {
        Ok(value) => Ok(HttpResponse::Ok().json(value)),
        Err(Error::Query(NotFound)) => Err(refuse(404, "Product not found")),
        Err(Error::Query(DatabaseError(UniqueViolation, _))) => Err(refuse(409, "name taken")),
        Err(Error::Query(DatabaseError(ForeignKeyViolation, _))) => Err(refuse(404, "no tenant")),
        Err(_) => Err(refuse(500, "Internal Server Error")),
    }
}

/// `tenancy.authorize` as it is shipped believes what the server seals.
fn member(tenant: Uuid) -> Context {
    Context::new(tenant, Actor::Key { id: Uuid::nil() }).with_role(Role::Member, 0)
}

fn caller(request: &HttpRequest) -> Result<Context> {
    let header = request.headers().get("X-Tenant-ID");
    let header = header.ok_or_else(|| refuse(401, "X-Tenant-ID header missing"))?;
    let tenant = header.to_str().unwrap_or_default().parse();
    Ok(member(tenant.map_err(|error| refuse(422, error))?))
}

fn is_sound(name: &str) -> bool {
    (1..=255).contains(&name.chars().count()) && !name.contains('\0')
}

/// A tenant is born inside its own context: there is no other way to a row.
async fn create_tenant(db: Db, mut query: web::Query<BTreeMap<String, String>>) -> Answer {
    let name = query.remove("tenant_name").filter(|name| is_sound(name));
    let name = name.ok_or_else(|| refuse(422, "tenant_name: 1 to 255 characters"))?;
    let work = move |conn: &mut TenantConn<'_>| {
        let new = diesel::insert_into(tenants::table).values(tenants::name.eq(name));
        let (id, name, created_at): (Uuid, String, DateTime<Utc>) = new.get_result(conn)?;
        Ok(serde_json::json!({"id": id, "name": name, "created_at": created_at}))
    };
    answer(db.run(member(Uuid::now_v7()), work).await)
}

async fn create_product(db: Db, request: HttpRequest, new: web::Json<NewProduct>) -> Answer {
    let price = (new.price * 100.0).round() / 100.0;
    if !is_sound(&new.name) || price.abs() >= 1e8 {
        return Err(refuse(422, "name: 1 to 255 characters; price: 8 digits"));
    }
    let work = move |conn: &mut TenantConn<'_>| {
        let values = (products::name.eq(&new.name), products::price.eq(price));
        let insert = diesel::insert_into(products::table).values(values);
        Ok(insert.returning(Product::as_returning()).get_result(conn)?)
    };
    answer(db.run(caller(&request)?, work).await)
}

async fn read_products(db: Db, request: HttpRequest) -> Answer {
    let all = |conn: &mut TenantConn<'_>| Ok(Product::query().order(products::name).load(conn)?);
    answer(db.read(caller(&request)?, all).await)
}

async fn read_product(db: Db, request: HttpRequest, id: web::Path<Uuid>) -> Answer {
    let one = Product::query().filter(products::id.eq(*id));
    let work = move |conn: &mut TenantConn<'_>| Ok(one.first(conn)?);
    answer(db.read(caller(&request)?, work).await)
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
    let db = TenantDb::builder(cluster.url_for("rowhouse_app", None, "postgres"), key).connect()?;
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(db.clone()))
            .app_data(web::JsonConfig::default().error_handler(|e, _| refuse(422, e)))
            .app_data(web::PathConfig::default().error_handler(|e, _| refuse(422, e)))
            .route(
                "/",
                web::get().to(|| async { web::Json(BTreeMap::from([WELCOME])) }),
            )
            .route("/tenants/", web::post().to(create_tenant))
            .route("/products/", web::post().to(create_product))
            .route("/products/", web::get().to(read_products))
            .route("/products/{id}", web::get().to(read_product))
    });
    Ok(server.bind(("127.0.0.1", port))?.run().await?)
}
