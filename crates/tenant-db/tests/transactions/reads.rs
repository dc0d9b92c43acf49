//! READ ONLY transactions.

use tenant_db::diesel::prelude::*;
use tenant_db::diesel::result::{DatabaseErrorKind, Error as DieselError};
use tenant_db::{Error, TenantConn};

use crate::fixtures::{Scene, add, projects};

fn names(conn: &mut TenantConn<'_>) -> Result<Vec<String>, Error> {
    Ok(projects::table.select(projects::name).load(conn)?)
}

#[tokio::test]
async fn a_read_sees_what_was_committed_of_its_own_tenant() {
    let scene = Scene::new();
    let db = scene.connect(2);
    let (acme, globex) = (scene.acme, scene.globex);
    for tenant in [acme, globex] {
        let name = format!("Of {}", tenant.id);
        db.run(tenant.context(), move |conn| {
            tenant.add(conn, &name)?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    }
    for tenant in [acme, globex] {
        let seen = db.read(tenant.context(), names).await.unwrap();
        assert_eq!(seen, [format!("Of {}", tenant.id)]);
    }
}

#[tokio::test]
async fn a_read_writes_nothing() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let acme = scene.acme;
    let result = db
        .read(acme.context(), move |conn| {
            acme.add(conn, "Written")?;
            Ok::<_, Error>(())
        })
        .await;
    let refused = matches!(
        &result,
        Err(Error::Query(DieselError::DatabaseError(
            DatabaseErrorKind::ReadOnlyTransaction,
            _
        )))
    );
    assert!(refused, "{result:?}");
    // Nor by asking for it.
    let result = db
        .read(acme.context(), move |conn| {
            tenant_db::diesel::sql_query("SET TRANSACTION READ WRITE").execute(conn)?;
            acme.add(conn, "Written")?;
            Ok::<_, Error>(())
        })
        .await;
    assert!(matches!(result, Err(Error::Query(_))), "{result:?}");
    assert_eq!(scene.names(), [""; 0]);
    // The next transaction on this connection writes again.
    tokio::task::spawn_blocking(move || {
        add(&db, &acme, "Written").unwrap();
        assert_eq!(scene.names(), ["Written"]);
    })
    .await
    .unwrap();
}
