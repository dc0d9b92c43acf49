//! The threads of a pool: what panics on them, what waits for them, and who has gone meanwhile.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context as Task, Poll, Waker};
use std::thread;

use tenant_db::diesel::prelude::*;
use tenant_db::{Error, PoolSettings, TenantDb};

use crate::fixtures::{Scene, Tenant, add, eventually, pid_of};

/// A transaction that holds the only connection until it is let go, or this value is dropped.
pub(crate) struct Holder {
    release: mpsc::Sender<()>,
    thread: Option<thread::JoinHandle<Result<(), Error>>>,
}

impl Holder {
    pub(crate) fn of(db: &TenantDb, tenant: &Tenant) -> Self {
        let (release, released) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel();
        let (db, context) = (db.clone(), tenant.context());
        let thread = thread::spawn(move || {
            db.run_blocking(context, move |_| {
                started.send(()).unwrap();
                drop(released.recv());
                Ok(())
            })
        });
        starts.recv().unwrap();
        Self {
            release,
            thread: Some(thread),
        }
    }

    pub(crate) fn let_go(mut self) {
        self.release.send(()).unwrap();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

/// Polls once: the transaction is queued then.
fn queue(future: std::pin::Pin<&mut impl Future<Output = Result<(), Error>>>) {
    let mut task = Task::from_waker(Waker::noop());
    assert!(matches!(future.poll(&mut task), Poll::Pending));
}

#[test]
fn a_transaction_inside_another_one_is_an_error() {
    let scene = Scene::new();
    let db = scene.connect(2);
    let acme = scene.acme;
    let inner = db.clone();
    let result = db.run_blocking(acme.context(), move |conn| {
        acme.add(conn, "Of the outer one")?;
        let blocking = add(&inner, &acme, "Of the inner one");
        assert!(matches!(blocking, Err(Error::Nested)), "{blocking:?}");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let awaited = runtime.block_on(inner.read(acme.context(), |_| Ok::<_, Error>(())));
        assert!(matches!(awaited, Err(Error::Nested)), "{awaited:?}");
        Ok::<_, Error>(())
    });
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(scene.names(), ["Of the outer one"]);
    add(&db, &acme, "Of another one").unwrap();
}

#[test]
fn a_panic_rolls_back_and_harms_neither_thread_nor_connection() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let acme = scene.acme;
    let before = pid_of(&db, &acme);
    let result = db.run_blocking(acme.context(), move |conn| {
        acme.add(conn, "Written before")?;
        if acme.id.is_max() {
            return Ok(());
        }
        panic!("on purpose")
    });
    assert!(matches!(result, Err(Error::Panicked)), "{result:?}");
    assert_eq!(scene.names(), [""; 0]);
    add(&db, &scene.globex, "Written after").unwrap();
    assert_eq!(pid_of(&db, &acme), before);
}

#[test]
fn a_panic_inside_a_savepoint_rolls_all_of_it_back() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let acme = scene.acme;
    let result = db.run_blocking(acme.context(), move |conn| {
        acme.add(conn, "Written before")?;
        conn.transaction(|conn| {
            acme.add(conn, "Written deeper")?;
            if acme.id.is_max() {
                return Ok::<(), Error>(());
            }
            panic!("on purpose")
        })
    });
    assert!(matches!(result, Err(Error::Panicked)), "{result:?}");
    assert_eq!(scene.names(), [""; 0]);
    add(&db, &scene.globex, "Written after").unwrap();
    assert_eq!(scene.names(), ["Written after"]);
}

/// Its value is dropped where it was made when nobody waits for it, or not at all.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("on purpose")
        }
    }
}

#[test]
fn a_panic_of_what_the_closure_leaves_behind_costs_no_thread() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let acme = scene.acme;
    // The payload of a panic that panics itself.
    let payload = db.run_blocking(acme.context(), |_| -> Result<(), Error> {
        std::panic::panic_any(PanicsWhenDropped)
    });
    assert!(matches!(payload, Err(Error::Panicked)), "{payload:?}");
    // A value that nobody gets, because its transaction was rolled back.
    let value = db.run_blocking(acme.context(), move |conn| {
        drop(tenant_db::diesel::sql_query("SELECT 1 / 0").execute(conn));
        Ok::<_, Error>(PanicsWhenDropped)
    });
    assert!(matches!(value, Err(Error::Panicked | Error::Swallowed)));
    // What a closure holds that never gets its turn.
    let holder = Holder::of(&db, &acme);
    {
        let held = PanicsWhenDropped;
        let gone = db.run(acme.context(), move |_| {
            std::mem::forget(held);
            Ok(())
        });
        queue(pin!(gone));
    }
    holder.let_go();
    add(&db, &acme, "Written after").unwrap();
}

#[test]
fn a_transaction_too_many_is_turned_away_at_once() {
    let scene = Scene::new();
    let db = scene.connect_with(&PoolSettings {
        connections: 1,
        queue: 1,
        ..PoolSettings::default()
    });
    let holder = Holder::of(&db, &scene.acme);
    let acme = scene.acme;
    let mut waits = pin!(db.run(acme.context(), move |conn| {
        acme.add(conn, "Waited")?;
        Ok::<_, Error>(())
    }));
    queue(waits.as_mut());
    assert_eq!(db.waiting(), 1);
    let result = add(&db, &scene.globex, "One too many");
    assert!(matches!(result, Err(Error::Busy)), "{result:?}");
    holder.let_go();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(waits).unwrap();
    assert_eq!(scene.names(), ["Waited"]);
}

#[test]
fn whoever_waited_too_long_is_turned_away() {
    let scene = Scene::new();
    let db = scene.connect_with(&PoolSettings {
        connections: 1,
        queue_timeout_seconds: 0,
        ..PoolSettings::default()
    });
    let holder = loop_until_held(&db, &scene.acme);
    let acme = scene.acme;
    let mut waits = pin!(db.run(acme.context(), move |conn| {
        acme.add(conn, "Too late")?;
        Ok::<_, Error>(())
    }));
    queue(waits.as_mut());
    holder.let_go();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let result = runtime.block_on(waits);
    assert!(matches!(result, Err(Error::Busy)), "{result:?}");
    assert_eq!(scene.names(), [""; 0]);
}
