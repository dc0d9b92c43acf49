//! Changes of rows: what Diesel's `save_changes` does with a tenant's, and a column that nobody granted.

use std::error::Error as _;

use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::diesel::prelude::*;
use tenant_db::diesel::result::Error as DieselError;
use tenant_db::diesel::{self, sql_query};
use tenant_db::{Error, TenantConn};
use uuid::Uuid;

use crate::fixtures::{Scene, add, projects};

#[derive(Identifiable, AsChangeset, Queryable)]
#[diesel(table_name = projects, primary_key(tenant_id, id))]
struct Project {
    tenant_id: Uuid,
    id: Uuid,
    name: String,
}

#[test]
fn save_changes_saves_a_row_of_the_tenant_and_finds_none_of_a_neighbour() {
    let scene = Scene::new();
    let db = scene.connect(1);
    add(&db, &scene.acme, "Before").unwrap();
    let rename = |conn: &mut TenantConn<'_>, tenant_id: Uuid, id: Uuid, name: &str| {
        let name = name.to_owned();
        let changed = Project {
            tenant_id,
            id,
            name,
        };
        changed.save_changes::<(Uuid, Uuid, String, Uuid)>(conn)
    };
    let tenant = scene.acme.id;
    let saved = db.run_blocking(scene.acme.context(), move |conn: &mut TenantConn<'_>| {
        let id: Uuid = projects::table.select(projects::id).get_result(conn)?;
        let (.., name, _) = rename(conn, tenant, id, "After")?;
        Ok::<_, Error>((id, name))
    });
    let (id, name) = saved.unwrap();
    assert_eq!(
        (name.as_str(), scene.names()),
        ("After", vec!["After".to_owned()])
    );
    let foreign = db.run_blocking(scene.globex.context(), move |conn: &mut TenantConn<'_>| {
        rename(conn, tenant, id, "Taken")?;
        Ok::<_, Error>(())
    });
    assert!(
        matches!(foreign, Err(Error::Query(DieselError::NotFound))),
        "{foreign:?}"
    );
    assert_eq!(scene.names(), ["After"]);
}

#[test]
fn a_column_that_was_added_is_refused_by_name_until_protect_grants_it() {
    let scene = Scene::new();
    let mut superuser = scene.database.superuser();
    superuser
        .batch_execute("ALTER TABLE projects ADD COLUMN colour text")
        .unwrap();
    let db = scene.connect(1);
    add(&db, &scene.acme, "Painted").unwrap();
    let paint = || {
        db.run_blocking(scene.acme.context(), |conn: &mut TenantConn<'_>| {
            Ok::<_, Error>(sql_query("UPDATE projects SET colour = 'red'").execute(conn)?)
        })
    };
    let refused = paint().unwrap_err();
    assert!(matches!(refused, Error::PermissionDenied(_)), "{refused:?}");
    assert!(refused.to_string().contains("tenancy.protect"), "{refused}");
    let cause = refused.source().unwrap().to_string();
    assert_eq!(cause, "permission denied for table projects");
    superuser
        .batch_execute("SET ROLE rowhouse_owner; SELECT tenancy.protect('projects')")
        .unwrap();
    assert_eq!(paint().unwrap(), 1);
}
