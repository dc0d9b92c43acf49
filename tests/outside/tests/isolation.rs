//! Against a PostgreSQL that is started for it, and ends with it.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use embedded_postgres::{Cluster, Options, Programs};
use http_body_util::BodyExt as _;
use outside::{add, admit, catalog, count, examine, find, member, notes, seal, set_up, web};
use tempfile::TempDir;
use tenant_db::verify::verify;
use tenant_db::{Error, PoolSettings, SealKey, ServiceDb, TenantConn, TenantDb};
use tower::ServiceExt as _;
use uuid::Uuid;

/// What the service had before it knew of tenants.
const BEFORE: &str = "
CREATE TABLE companies (id bigint PRIMARY KEY, tenant_id uuid NOT NULL);
CREATE TABLE letters (id bigint PRIMARY KEY, company_id bigint NOT NULL);
INSERT INTO companies VALUES
    (1, '00000000-0000-0000-0000-000000000001'), (2, '00000000-0000-0000-0000-000000000002');
INSERT INTO letters VALUES (1, 1), (2, 2)";

struct Service {
    db: TenantDb,
    service: ServiceDb,
    superuser: PgConnection,
    cluster: Option<Cluster>,
    _home: TempDir,
}

impl Service {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = Options::new(home.path(), Programs::find().unwrap());
        let cluster = Cluster::start(options).unwrap();
        let mut superuser = PgConnection::establish(&cluster.url("postgres")).unwrap();
        superuser.batch_execute(BEFORE).unwrap();
        let key = SealKey::new("k1", b"at least thirty-two secret bytes").expect("a key");
        set_up(&mut superuser, &key).unwrap();
        let url = |role| cluster.url_for(role, None, "postgres");
        let settings = PoolSettings::default();
        let db = TenantDb::connect(url("rowhouse_app"), key, &settings).unwrap();
        let service = ServiceDb::connect(url("notes_service"), &settings).unwrap();
        Self {
            db,
            service,
            superuser,
            cluster: Some(cluster),
            _home: home,
        }
    }

    /// Somebody of this company.
    async fn admit(&self, tenant: Uuid) -> Uuid {
        let user = Uuid::now_v7();
        admit(&self.service, tenant, user).await.unwrap();
        user
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let stopped = self.cluster.take().unwrap().stop();
        assert!(stopped.is_ok() || std::thread::panicking(), "{stopped:?}");
    }
}

#[tokio::test]
async fn two_companies_keep_apart_and_verify_finds_nothing() {
    let mut service = Service::start();
    let (acme, globex) = (Uuid::now_v7(), Uuid::now_v7());
    let (alice, bob) = (service.admit(acme).await, service.admit(globex).await);
    let db = service.db.clone();
    let of = |tenant, user| member(tenant, user, Uuid::nil());

    let note = db
        .run(of(acme, alice), |conn| add(conn, "Secret"))
        .await
        .unwrap();
    db.run(of(globex, bob), |conn| add(conn, "Of globex"))
        .await
        .unwrap();
    let own = db.read(of(acme, alice), move |conn| find(conn, note)).await;
    assert_eq!(own.unwrap().as_deref(), Some("Secret"));

    // Its id is of no use to a neighbour, neither to read nor to write; nor is a neighbour's tenant.
    let foreign = db.read(of(globex, bob), move |conn| find(conn, note)).await;
    assert_eq!(foreign.unwrap(), None);
    let changed = db
        .run(of(globex, bob), move |conn| {
            let note = notes::table.filter(notes::id.eq(note));
            let changed = diesel::update(note).set(notes::title.eq("Mine"));
            Ok::<_, Error>(changed.execute(conn)?)
        })
        .await;
    assert_eq!(changed.unwrap(), 0);
    let planted = db
        .run(of(globex, bob), move |conn| {
            let values = (
                notes::tenant_id.eq(acme),
                notes::id.eq(Uuid::now_v7()),
                notes::title.eq("Planted"),
            );
            diesel::insert_into(notes::table)
                .values(values)
                .execute(conn)?;
            Ok::<_, Error>(())
        })
        .await;
    assert!(matches!(planted, Err(Error::Violation(_))), "{planted:?}");
    let stranger = db
        .read(of(acme, bob), |conn: &mut TenantConn<'_>| {
            Ok::<Vec<String>, Error>(notes::table.select(notes::title).load(conn)?)
        })
        .await;
    assert!(matches!(stranger, Err(Error::NotAMember)), "{stranger:?}");

    // Over HTTP, and by night.
    let ask = |tenant: Uuid, user: Uuid| {
        let request = Request::get("/notes")
            .header("x-tenant", tenant.to_string())
            .header("x-user", user.to_string());
        web::router(db.clone()).oneshot(request.body(Body::empty()).unwrap())
    };
    let answer = ask(globex, bob).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"["Of globex"]"#);
    let answer = ask(acme, bob).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let job = Uuid::now_v7();
    let counted = tokio::task::spawn_blocking(move || count(&db, globex, job)).await;
    assert_eq!(counted.unwrap().unwrap(), 1);

    // Who did it is chained, and seen to be what it was.
    let chains = |service: &mut Service| {
        let examined = examine(&mut service.superuser).unwrap().into_iter();
        let mut chains: Vec<_> = examined
            .map(|chain| (chain.tenant, chain.sealed, chain.flaw.is_some()))
            .collect();
        chains.sort();
        chains
    };
    assert_eq!(chains(&mut service), []);
    seal(&service.service).await.unwrap();
    assert_eq!(chains(&mut service), [(acme, 1, false), (globex, 1, false)]);
    let forged =
        format!("UPDATE tenancy.audit_events SET actor_id = '{bob}' WHERE actor_id = '{alice}'");
    service.superuser.batch_execute(&forged).unwrap();
    assert_eq!(chains(&mut service), [(acme, 1, true), (globex, 1, false)]);

    let report = verify(&mut service.superuser, &catalog()).unwrap();
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn a_table_that_was_there_before_is_taken_in() {
    let mut service = Service::start();
    let acme = Uuid::from_u128(1);
    let user = service.admit(acme).await;
    let ids = service.db.read(member(acme, user, Uuid::nil()), |conn| {
        let ids = diesel::dsl::sql::<BigInt>("SELECT id FROM letters");
        Ok::<Vec<i64>, Error>(ids.load(conn)?)
    });
    assert_eq!(ids.await.unwrap(), [1]);
    let report = verify(&mut service.superuser, &catalog()).unwrap();
    assert!(report.is_clean(), "{report}");
}
