//! The threads of a pool: what panics on them, what waits for them, and who has gone meanwhile.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::task::{Context as Task, Poll, Waker};
use std::thread;

use tenant_db::diesel::prelude::*;
use tenant_db::diesel::sql_query;
use tenant_db::{Error, PoolSettings, TenantDb};

use crate::fixtures::{Scene, Tenant, add, eventually, number, pid_of};

/// A transaction that holds the only connection until it is let go, or this value is dropped.
pub(crate) struct Holder {
    release: mpsc::Sender<()>,
    thread: Option<thread::JoinHandle<Result<(), Error>>>,
}

impl Holder {
    pub(crate) fn of(db: &TenantDb, tenant: &Tenant) -> Self {
        Self::try_of(db, tenant).unwrap()
    }

    /// `None` where it was turned away.
    fn try_of(db: &TenantDb, tenant: &Tenant) -> Option<Self> {
        let (release, released) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel();
        let (db, context) = (db.clone(), tenant.context());
        let thread = thread::spawn(move || {
            db.run_blocking(context, move |_| {
                started.send(()).unwrap();
                let _ = released.recv();
                Ok(())
            })
        });
        starts.recv().ok()?;
        Some(Self {
            release,
            thread: Some(thread),
        })
    }

    pub(crate) fn let_go(mut self) {
        self.release.send(()).unwrap();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

/// Polls once: the transaction is queued then.
pub(crate) fn queue(future: Pin<&mut impl Future<Output = Result<(), Error>>>) {
    let mut task = Task::from_waker(Waker::noop());
    assert!(matches!(future.poll(&mut task), Poll::Pending));
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
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
        let awaited = block_on(inner.read(acme.context(), |_| Ok::<_, Error>(())));
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
        drop(sql_query("SELECT 1 / 0").execute(conn));
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
    block_on(waits).unwrap();
    assert_eq!(scene.names(), ["Waited"]);
}

#[test]
fn whoever_waited_too_long_is_turned_away() {
    let scene = Scene::new();
    let db = scene.connect_with(&PoolSettings {
        connections: 1,
        queue_timeout_seconds: 1,
        ..PoolSettings::default()
    });
    let holder = Holder::of(&db, &scene.acme);
    let acme = scene.acme;
    let mut waits = pin!(db.run(acme.context(), move |conn| {
        acme.add(conn, "Too late")?;
        Ok::<_, Error>(())
    }));
    queue(waits.as_mut());
    // It is told so although no thread is free to tell it.
    let result = block_on(waits);
    assert!(matches!(result, Err(Error::Busy)), "{result:?}");
    assert_eq!(db.waiting(), 0);
    holder.let_go();
    assert_eq!(scene.names(), [""; 0]);
}

#[test]
fn where_nobody_may_wait_whoever_need_not_is_served() {
    let scene = Scene::new();
    let db = scene.connect_with(&PoolSettings {
        connections: 1,
        queue: 0,
        queue_timeout_seconds: 0,
        ..PoolSettings::default()
    });
    eventually("a thread is free", || add(&db, &scene.acme, "Written").ok());
    let holder = eventually("a thread is free", || Holder::try_of(&db, &scene.acme));
    let result = add(&db, &scene.acme, "Not written");
    assert!(matches!(result, Err(Error::Busy)), "{result:?}");
    holder.let_go();
    assert_eq!(scene.names(), ["Written"]);
}

#[test]
fn the_longest_wait_of_all_is_no_overflow() {
    let scene = Scene::new();
    let db = scene.connect_with(&PoolSettings {
        connections: 1,
        queue_timeout_seconds: u64::MAX,
        ..PoolSettings::default()
    });
    add(&db, &scene.acme, "Written").unwrap();
}

#[test]
fn a_caller_that_went_away_before_its_turn_is_skipped() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let holder = Holder::of(&db, &scene.acme);
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let ran = Arc::clone(&ran);
        let gone = db.run(scene.acme.context(), move |_| {
            ran.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        queue(pin!(gone));
    }
    assert_eq!(db.waiting(), 10);
    holder.let_go();
    // They stood before this one.
    add(&db, &scene.acme, "Of one that stayed").unwrap();
    assert_eq!((ran.load(Ordering::SeqCst), db.waiting()), (0, 0));
}

#[test]
fn a_caller_that_goes_away_during_its_turn_leaves_a_finished_transaction() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let (started, starts) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let acme = scene.acme;
    {
        let mut gone = pin!(db.run(acme.context(), move |conn| {
            started.send(()).unwrap();
            let _ = released.recv();
            acme.add(conn, "Of one that went away")?;
            Ok(())
        }));
        queue(gone.as_mut());
        starts.recv().unwrap();
    }
    drop(release);
    add(&db, &scene.globex, "Of one that stayed").unwrap();
    assert_eq!(
        scene.names(),
        ["Of one that stayed", "Of one that went away"]
    );
}

#[test]
fn of_two_that_wait_for_each_other_one_is_told_and_writes_nothing() {
    let scene = Scene::new();
    let db = scene.connect(2);
    let both_hold_one = Arc::new(Barrier::new(2));
    let [one, other] = [(1, 2), (2, 1)].map(|(first, then)| {
        let (db, acme, both) = (db.clone(), scene.acme, Arc::clone(&both_hold_one));
        thread::spawn(move || {
            db.run_blocking(acme.context(), move |conn| {
                acme.add(conn, "Written")?;
                let mut lock = |key: i32| {
                    sql_query(format!("SELECT pg_advisory_xact_lock({key})")).execute(conn)
                };
                lock(first)?;
                both.wait();
                lock(then)?;
                Ok::<_, Error>(())
            })
        })
    });
    let results = [one.join().unwrap(), other.join().unwrap()];
    let is_told = |result: &&Result<(), Error>| matches!(result, Err(Error::Deadlock(_)));
    assert_eq!(results.iter().filter(is_told).count(), 1, "{results:?}");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(scene.names(), ["Written"]);
}

#[test]
fn a_statement_that_takes_too_long_is_cut_and_nothing_is_written() {
    let scene = Scene::new();
    let db = scene.connect_with(&PoolSettings {
        connections: 1,
        statement_timeout_seconds: 1,
        ..PoolSettings::default()
    });
    let acme = scene.acme;
    let before = pid_of(&db, &acme);
    let result = db.run_blocking(acme.context(), move |conn| {
        acme.add(conn, "Written before")?;
        sql_query("SELECT pg_sleep(60)").execute(conn)?;
        Ok::<_, Error>(())
    });
    assert!(matches!(result, Err(Error::Timeout(_))), "{result:?}");
    assert_eq!(scene.names(), [""; 0]);
    assert_eq!(pid_of(&db, &acme), before);
}

#[test]
fn the_last_handle_of_a_pool_may_be_dropped_while_a_transaction_runs() {
    let scene = Scene::new();
    let db = scene.connect(1);
    let (started, starts) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let acme = scene.acme;
    let runs = {
        let db = db.clone();
        thread::spawn(move || {
            db.run_blocking(acme.context(), move |conn| {
                started.send(()).unwrap();
                let _ = released.recv();
                acme.add(conn, "Finished")?;
                Ok::<_, Error>(())
            })
        })
    };
    starts.recv().unwrap();
    drop(db);
    drop(release);
    runs.join().unwrap().unwrap();
    assert_eq!(scene.names(), ["Finished"]);
    let ours = "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'rowhouse_app')";
    eventually("the connections are closed", || {
        (number(&mut scene.database.superuser(), ours) == 0).then_some(())
    });
}

/// A tenant that holds all that it may, and its neighbour, whose transactions all begin.
#[test]
fn a_tenant_whose_transactions_block_holds_its_share_and_its_neighbour_does_not_notice() {
    let scene = Scene::new();
    let db = scene.connect_with(&PoolSettings {
        connections: 4,
        queue: 4,
        tenant_share_percent: 50,
        queue_timeout_seconds: 600,
        ..PoolSettings::default()
    });
    let holders = [(); 2].map(|()| Holder::of(&db, &scene.acme));
    let ran = Arc::new(AtomicUsize::new(0));
    let count = || {
        let ran = Arc::clone(&ran);
        db.run(scene.acme.context(), move |_| {
            ran.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Error>(())
        })
    };
    // Its share of the queue waits, and one more is turned away.
    let mut waiting = [(); 2].map(|()| Box::pin(count()));
    waiting.iter_mut().for_each(|call| queue(call.as_mut()));
    assert!(matches!(block_on(count()), Err(Error::Busy)));
    assert_eq!(db.waiting(), 2);
    for number in 0..40 {
        add(&db, &scene.globex, &format!("Of globex {number}")).unwrap();
        // As many as the rest of the connections at once.
        let both = [(); 2].map(|()| Holder::of(&db, &scene.globex));
        both.into_iter().for_each(Holder::let_go);
    }
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    holders.into_iter().for_each(Holder::let_go);
    for call in waiting {
        block_on(call).unwrap();
    }
    assert_eq!(ran.load(Ordering::SeqCst), 2);
}

#[test]
fn without_a_share_one_tenant_may_have_it_all() {
    let scene = Scene::new();
    let db = scene.connect(4);
    let holders = [(); 4].map(|()| Holder::of(&db, &scene.acme));
    holders.into_iter().for_each(Holder::let_go);
}
