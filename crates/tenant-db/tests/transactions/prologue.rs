//! The message that opens a transaction and its context: what it resets, and what is left when it
//! is refused.

use tenant_db::diesel;
use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::diesel::prelude::*;
use tenant_db::{Context, Error, Role};
use uuid::Uuid;

use crate::fixtures::{Scene, Tenant, add, pid_of};
use crate::wire::{Fate, Wire, is_prologue};

diesel::define_sql_function! {
    /// Typed, so that nothing but the prologue resets what it sets.
    fn set_config(name: diesel::sql_types::Text, value: diesel::sql_types::Text, local: diesel::sql_types::Bool) -> diesel::sql_types::Text;
}

diesel::define_sql_function! {
    fn current_setting(name: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

#[test]
fn what_a_typed_query_sets_is_reset_by_the_next_prologue() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let before = pid_of(&db, &scene.acme);
    db.run_blocking(scene.acme.context(), |conn| {
        diesel::select(set_config("search_path", "pg_temp", false)).execute(conn)?;
        Ok::<_, Error>(())
    })
    .unwrap();
    let setting: String = db
        .run_blocking(scene.globex.context(), |conn| {
            Ok::<_, Error>(diesel::select(current_setting("search_path")).get_result(conn)?)
        })
        .unwrap();
    assert_eq!(setting, "public");
    assert_eq!(pid_of(&db, &scene.acme), before);
}

#[test]
fn a_context_that_is_refused_runs_nothing_and_leaves_the_connection_as_it_was() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let before = pid_of(&db, &scene.acme);
    let refused = |context: Context, expected: fn(&Error) -> bool| {
        let error = db
            .run_blocking(context, |_| -> Result<(), Error> { panic!("not refused") })
            .unwrap_err();
        assert!(expected(&error), "{error:?}");
        // Both go on, on the same connection.
        assert_eq!(pid_of(&db, &scene.globex), before);
    };
    let execute = |sql: String| scene.database.superuser().batch_execute(&sql).unwrap();
    let Tenant { id, .. } = scene.acme;

    refused(scene.acme.context().with_role(Role::Viewer, 0), |error| {
        matches!(error, Error::Stale)
    });
    refused(scene.acme.context().with_role(Role::Owner, 1), |error| {
        matches!(error, Error::Stale)
    });
    // A session that stands where its account does not belong.
    let move_to = |tenant: Uuid| {
        let session = scene.acme.session;
        execute(format!(
            "UPDATE sessions SET tenant_id = '{tenant}' WHERE id = '{session}'"
        ));
    };
    move_to(scene.globex.id);
    refused(scene.acme.context_in(&scene.globex), |error| {
        matches!(error, Error::NotAMember)
    });
    refused(scene.acme.context(), |error| matches!(error, Error::Stale));
    move_to(id);
    execute(format!(
        "UPDATE tenants SET status = 'suspended' WHERE id = '{id}'"
    ));
    refused(scene.acme.context(), |error| {
        matches!(error, Error::TenantSuspended)
    });
    execute(format!(
        "UPDATE sessions SET revoked_at = now() WHERE tenant_id = '{id}'"
    ));
    refused(scene.acme.context(), |error| {
        matches!(error, Error::SessionRevoked)
    });
    execute("UPDATE tenancy.seal_key SET not_after = now() - interval '1 hour'".to_owned());
    let error = add(&db, &scene.globex, "Under an old key").unwrap_err();
    assert!(matches!(error, Error::SealRefused(_)), "{error:?}");
    assert!(error.is_violation());
    execute("UPDATE tenancy.seal_key SET not_after = NULL".to_owned());
    add(&db, &scene.globex, "Under the key").unwrap();
    assert_eq!(scene.names(), ["Under the key"]);
}

/// As when the connection is in the middle of somebody's transaction.
const TAINTED: &str =
    "SELECT tenancy.refuse('TN006', 'a context opens only with its own transaction')";

#[test]
fn a_connection_that_postgresql_calls_tainted_is_replaced_once() {
    let scene = Scene::new();
    let wire = Wire::to(&scene);
    let db = wire.connect(&scene, 1);
    let before = pid_of(&db, &scene.acme);
    let prologues = wire.prologues();
    let mut once = true;
    wire.plan(move |sql| {
        if is_prologue(sql) && std::mem::take(&mut once) {
            Fate::Becomes(TAINTED)
        } else {
            Fate::Arrives
        }
    });
    add(&db, &scene.acme, "Written").unwrap();
    assert_eq!(wire.prologues() - prologues, 2);
    assert_ne!(pid_of(&db, &scene.acme), before);
}

#[test]
fn twice_in_a_row_it_is_an_error() {
    let scene = Scene::new();
    let wire = Wire::to(&scene);
    let db = wire.connect(&scene, 3);
    wire.plan(|sql| {
        if is_prologue(sql) {
            Fate::Becomes(TAINTED)
        } else {
            Fate::Arrives
        }
    });
    let result = add(&db, &scene.acme, "Not written");
    assert!(matches!(result, Err(Error::Tainted)), "{result:?}");
    assert_eq!(wire.prologues(), 2);
    wire.plan(|_| Fate::Arrives);
    add(&db, &scene.acme, "Written").unwrap();
    assert_eq!(scene.names(), ["Written"]);
}
