//! The queue, its bound, and its end; with gates and computations of its own, without bcrypt.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

const LONG: Duration = Duration::from_secs(3600);

fn threads(max_wait: Duration, mean: Duration) -> Arc<BoundedThreads> {
    Arc::new(BoundedThreads::start(1, max_wait, mean).unwrap())
}

/// Occupies the one thread until the sender is used or dropped.
async fn occupy(threads: &Arc<BoundedThreads>) -> mpsc::Sender<()> {
    let (open, gate) = mpsc::channel::<()>();
    let (started, has_started) = oneshot::channel();
    let occupied = Arc::clone(threads);
    tokio::spawn(async move {
        occupied
            .run(move || {
                started.send(()).unwrap();
                gate.recv().ok();
            })
            .await
    });
    has_started.await.unwrap();
    open
}

fn assert_busy<T: std::fmt::Debug>(outcome: Result<T, HashingError>, seconds: u64) {
    match outcome.unwrap_err() {
        HashingError::Busy {
            retry_after_seconds,
        } => assert_eq!(retry_after_seconds, seconds),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_free_thread_serves_even_where_nobody_may_wait() {
    let threads = threads(Duration::ZERO, LONG);
    assert_eq!(threads.run(|| 7).await.unwrap(), 7);
}

#[tokio::test]
async fn who_would_wait_too_long_is_refused_at_once() {
    let threads = threads(Duration::from_secs(5), Duration::from_secs(4));
    let gate = occupy(&threads).await;
    let waiting = Arc::clone(&threads);
    let first = tokio::spawn(async move { waiting.run(|| "waited").await });
    while threads.shared.lock().queue.is_empty() {
        tokio::task::yield_now().await;
    }
    // One computing, one waiting: two times four seconds, three more than five.
    assert_busy(threads.run(|| ()).await, 4);
    drop(gate);
    assert_eq!(first.await.unwrap().unwrap(), "waited");
}

#[tokio::test]
async fn who_did_wait_too_long_is_refused_without_being_computed() {
    let threads = threads(Duration::from_millis(20), Duration::from_millis(1));
    let gate = occupy(&threads).await;
    let waiting = Arc::clone(&threads);
    let late = tokio::spawn(async move { waiting.run(|| panic!("computed")).await });
    while threads.shared.lock().queue.is_empty() {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(30)).await;
    drop(gate);
    assert_busy::<()>(late.await.unwrap(), 1);
}

/// Puts a call into the queue behind the gate and takes it back; says whether it was computed.
async fn go_away(threads: &Arc<BoundedThreads>) -> Arc<AtomicBool> {
    let computed = Arc::new(AtomicBool::new(false));
    let (threads_of_call, mark) = (Arc::clone(threads), Arc::clone(&computed));
    let call = tokio::spawn(async move {
        let work = move || mark.store(true, Ordering::SeqCst);
        threads_of_call.run(work).await
    });
    while threads.shared.lock().queue.is_empty() {
        tokio::task::yield_now().await;
    }
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    computed
}

#[tokio::test]
async fn who_went_away_is_not_computed() {
    let threads = threads(LONG, Duration::ZERO);
    let gate = occupy(&threads).await;
    let computed = go_away(&threads).await;
    drop(gate);
    threads.run(|| ()).await.unwrap();
    assert!(!computed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn who_went_away_takes_no_place_in_the_queue() {
    let threads = threads(Duration::from_secs(5), Duration::from_secs(4));
    let gate = occupy(&threads).await;
    go_away(&threads).await;
    let heir = Arc::clone(&threads);
    let heir = tokio::spawn(async move { heir.run(|| "served").await });
    tokio::task::yield_now().await;
    drop(gate);
    assert_eq!(heir.await.unwrap().unwrap(), "served");
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_thread_lives_on() {
    let threads = threads(LONG, Duration::ZERO);
    let outcome = threads.run(|| panic!("on purpose")).await;
    assert!(matches!(
        outcome,
        Result::<(), _>::Err(HashingError::NoAnswer)
    ));
    assert_eq!(threads.run(|| 7).await.unwrap(), 7);
}

#[tokio::test]
async fn the_mean_follows_what_was_measured() {
    let threads = threads(LONG, Duration::from_secs(80));
    threads.run(|| ()).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while threads.shared.lock().mean > Duration::from_secs(71) {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn dropping_the_value_ends_the_threads() {
    let threads = threads(LONG, Duration::ZERO);
    threads.run(|| ()).await.unwrap();
    let shared = Arc::downgrade(&threads.shared);
    drop(threads);
    let deadline = Instant::now() + Duration::from_secs(10);
    while shared.strong_count() > 0 {
        assert!(Instant::now() < deadline, "a thread holds on");
        tokio::task::yield_now().await;
    }
}
