//! The keys that the database knows: how one gets there, how it ends, and what a server is told
//! whose key is none of them.

use std::sync::Barrier;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use rowhouse_tests::seal_key;
use tenant_db::diesel;
use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::diesel::prelude::*;
use tenant_db::diesel::sql_types::{Nullable, Text};
use tenant_db::{
    Error, PoolSettings, SealKey, TenantDb, register_seal_key, retire_seal_key, seal_keys,
};

use crate::fixtures::{Scene, add, number};

fn key(kid: &str) -> SealKey {
    SealKey::new(kid, b"another secret of thirty-two byte").unwrap()
}

/// What the health of a server with this key comes to.
async fn health(scene: &Scene, key: SealKey) -> Result<(), String> {
    let url = scene.database.url("rowhouse_app");
    let settings = PoolSettings {
        connections: 1,
        ..PoolSettings::default()
    };
    let db = TenantDb::connect(url, key, &settings).unwrap();
    match db.health().await {
        Err(error @ Error::SealKeyRefused { .. }) => Err(error.to_string()),
        other => {
            other.unwrap();
            Ok(())
        }
    }
}

#[test]
fn another_secret_under_a_known_name_is_refused_and_changes_nothing() {
    for scene in [Scene::new(), Scene::managed()] {
        let mut owner = scene.database.connect_as(scene.database.owner());
        let refused = register_seal_key(&mut owner, &key("test")).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "seal key test is known with another secret: choose a new kid for this one"
        );
        let unbound = register_seal_key(&mut owner, &key("test").unbound());
        assert!(matches!(unbound, Err(Error::SealKeyTaken { .. })));
        let db = scene.connect(1);
        add(&db, &scene.acme, "Under the first secret").unwrap();
        let bound = seal_keys(&mut owner).unwrap();
        assert!(bound.iter().all(|key| key.bound && key.accepted));
        // The same secret again is none of that.
        register_seal_key(&mut owner, &seal_key()).unwrap();
        register_seal_key(&mut owner, &key("second")).unwrap();
        assert_eq!(seal_keys(&mut owner).unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_server_is_told_why_no_seal_of_it_would_be_accepted() {
    for scene in [Scene::new(), Scene::managed()] {
        let execute = |sql: &str| scene.database.superuser().batch_execute(sql).unwrap();
        assert_eq!(health(&scene, seal_key()).await, Ok(()));
        let says = |kid: &str, reason: &str| {
            Err(format!(
                "the database accepts no seal under key {kid}: {reason}"
            ))
        };
        let unknown = "it does not know the key, which is to be registered";
        assert_eq!(health(&scene, key("new")).await, says("new", unknown));
        let secret = "it knows the key with another secret";
        assert_eq!(health(&scene, key("test")).await, says("test", secret));
        for (change, reason) in [
            ("not_after = now()", "the key has been retired"),
            (
                "not_after = NULL, kinds = '{job}'",
                "the key may not speak for users",
            ),
        ] {
            execute(&format!("UPDATE tenancy.seal_key SET {change}"));
            assert_eq!(health(&scene, seal_key()).await, says("test", reason));
        }
    }
}

#[test]
fn what_is_said_of_a_seal_is_what_becomes_of_it() {
    #[derive(QueryableByName)]
    struct Flaw {
        #[diesel(sql_type = Nullable<Text>)]
        flaw: Option<String>,
    }
    let scene = Scene::new();
    let mut superuser = scene.database.superuser();
    for other in ["retired", "jobs", "anywhere"] {
        register_seal_key(&mut superuser, &key(other)).unwrap();
    }
    superuser
        .batch_execute(
            "UPDATE tenancy.seal_key SET not_after = now() WHERE kid = 'retired';
             UPDATE tenancy.seal_key SET kinds = '{job}' WHERE kid = 'jobs';
             UPDATE tenancy.seal_key SET bind_pid = false WHERE kid = 'anywhere'",
        )
        .unwrap();
    let mut app = scene.database.connect_as("rowhouse_app");
    let pid = i32::try_from(number(&mut app, "pg_backend_pid()::bigint")).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    let context = scene.acme.context();
    let good = seal_key().seal(&context, pid, now);
    for (seal, expected) in [
        (good.clone(), None),
        (key("anywhere").seal(&context, 0, now), None),
        (key("new").seal(&context, pid, now), Some("unknown")),
        (key("test").seal(&context, pid, now), Some("secret")),
        (key("retired").seal(&context, pid, now), Some("retired")),
        (key("jobs").seal(&context, pid, now), Some("kind")),
        (seal_key().seal(&context, pid + 1, now), Some("backend")),
        (seal_key().seal(&context, pid, now - 60), Some("clock")),
        (seal_key().seal(&context, pid, now + 60), Some("clock")),
        (good.replace("owner", "admin"), Some("secret")),
        (good.replace("v1", "v2"), Some("form")),
        (format!("{good}|"), Some("form")),
        (String::new(), Some("form")),
    ] {
        let row: Flaw = diesel::sql_query("SELECT tenancy.seal_flaw($1) AS flaw")
            .bind::<Text, _>(&seal)
            .get_result(&mut app)
            .unwrap();
        assert_eq!(row.flaw.as_deref(), expected, "{seal}");
        let entered = app.batch_execute(&format!("BEGIN; SELECT tenancy.enter('{seal}')"));
        app.batch_execute("ROLLBACK").unwrap();
        let refused = entered.map_err(Error::from).err();
        let is_refused = matches!(refused, Some(Error::SealRefused(_)));
        assert_eq!(is_refused, expected.is_some(), "{seal}: {refused:?}");
        assert!(is_refused || refused.is_none(), "{seal}: {refused:?}");
    }
}

#[test]
fn a_key_is_retired_unless_it_is_the_last_one_and_its_end_can_be_moved() {
    for scene in [Scene::new(), Scene::managed()] {
        let mut owner = scene.database.connect_as(scene.database.owner());
        let last = retire_seal_key(&mut owner, "test", 0);
        assert!(matches!(last, Err(Error::LastSealKey { .. })), "{last:?}");
        assert_eq!(retire_seal_key(&mut owner, "none", 0).unwrap(), None);
        register_seal_key(&mut owner, &key("second")).unwrap();
        let db = scene.connect(1);
        let retired = retire_seal_key(&mut owner, "test", 0).unwrap().unwrap();
        assert_eq!((retired.accepted, &*retired.kid), (false, "test"));
        assert_eq!(retired.retired_by.as_deref(), Some(scene.database.owner()));
        let refused = add(&db, &scene.acme, "Under the old key");
        assert!(matches!(refused, Err(Error::SealRefused(_))), "{refused:?}");
        // Registered again it stays what it is.
        register_seal_key(&mut owner, &seal_key()).unwrap();
        let last = retire_seal_key(&mut owner, "second", 0);
        assert!(matches!(last, Err(Error::LastSealKey { .. })), "{last:?}");
        let again = retire_seal_key(&mut owner, "test", 3600).unwrap().unwrap();
        assert!(again.accepted);
        assert!(again.until.is_some_and(|until| until > again.since));
        add(&db, &scene.acme, "For one more hour").unwrap();
    }
}

#[test]
fn of_two_keys_that_are_retired_at_once_one_stays() {
    let scene = Scene::new();
    register_seal_key(&mut scene.database.superuser(), &key("second")).unwrap();
    let start = Barrier::new(2);
    let done: Vec<bool> = thread::scope(|scope| {
        let threads: Vec<_> = ["test", "second"]
            .into_iter()
            .map(|kid| {
                let mut superuser = scene.database.superuser();
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    retire_seal_key(&mut superuser, kid, 0).is_ok()
                })
            })
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
    let keys = seal_keys(&mut scene.database.superuser()).unwrap();
    assert_eq!(keys.iter().filter(|key| key.accepted).count(), 1);
}
