//! Few jobs, watched closely: who waits where, and who is told what.

use std::sync::mpsc;

use super::*;

#[test]
fn dropping_the_last_handle_ends_the_threads_after_what_is_queued() {
    let share = Share::of(2, 10, 50);
    let workers = Workers::start("test", 2, 10, Duration::from_secs(60), share).unwrap();
    let shared = Arc::downgrade(&workers.handle.shared);
    let (done, results) = mpsc::channel();
    for number in 0..10 {
        let done = done.clone();
        let job = Box::new(move |turn| done.send((number, turn)).unwrap());
        // Half of them are one owner's, most of which are held back.
        let owner = (number % 2 == 0).then_some(Uuid::nil());
        workers.submit(owner, job).unwrap();
    }
    drop((workers, done));
    let mut results: Vec<_> = results.iter().collect();
    results.sort_by_key(|(number, _)| *number);
    let expected: Vec<_> = (0..10).map(|number| (number, Turn::InTime)).collect();
    assert_eq!(results, expected);
    // Each thread holds its share until its end.
    let deadline = Instant::now() + Duration::from_secs(60);
    while shared.strong_count() > 0 {
        assert!(Instant::now() < deadline, "a thread lives on");
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// What waits for a signal, and says when it began.
fn block(
    workers: &Workers,
    owner: Option<Uuid>,
    name: u32,
    begun: &mpsc::Sender<(u32, Turn)>,
) -> (Result<Place, Refused>, mpsc::Sender<()>) {
    let (end, ended) = mpsc::channel::<()>();
    let begun = begun.clone();
    let job = Box::new(move |turn| {
        begun.send((name, turn)).unwrap();
        // Until the sender is gone.
        let _ = ended.recv();
    });
    (workers.submit(owner, job), end)
}

fn is_idle(workers: &Workers, threads: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while workers.handle.shared.lock().idle < threads {
        assert!(Instant::now() < deadline, "no thread is idle");
        thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn an_owner_has_its_share_of_threads_and_queue_and_the_others_the_rest() {
    let share = Share::of(4, 4, 50);
    let workers = Workers::start("test", 4, 4, Duration::from_secs(60), share).unwrap();
    is_idle(&workers, 4);
    let (begun, began) = mpsc::channel();
    let (greedy, modest) = (Some(Uuid::max()), Some(Uuid::nil()));
    let (placed, mut ends): (Vec<_>, Vec<_>) = (0..5)
        .map(|name| block(&workers, greedy, name, &begun))
        .unzip();
    assert_eq!(
        placed,
        [
            Ok(Place::Queue),
            Ok(Place::Queue),
            Ok(Place::HeldBack),
            Ok(Place::HeldBack),
            Err(Refused::Share)
        ]
    );
    let mut first = [began.recv().unwrap(), began.recv().unwrap()];
    first.sort_by_key(|(name, _)| *name);
    assert_eq!(first, [(0, Turn::InTime), (1, Turn::InTime)]);
    assert_eq!(workers.waiting(), 2);
    // A neighbour comes and goes as if nobody else were there.
    for name in 10..30 {
        let (placed, end) = block(&workers, modest, name, &begun);
        assert_eq!(placed, Ok(Place::Queue));
        assert_eq!(began.recv().unwrap(), (name, Turn::InTime));
        drop(end);
        is_idle(&workers, 2);
    }
    // One ends, and one that was held back begins.
    drop(ends.remove(0));
    assert_eq!(began.recv().unwrap(), (2, Turn::InTime));
    drop(ends);
    assert_eq!(began.recv().unwrap(), (3, Turn::InTime));
    is_idle(&workers, 4);
    let state = workers.handle.shared.lock();
    assert_eq!((state.queue.waiting(), state.queue.lanes.len()), (0, 0));
}

#[test]
fn what_is_held_back_too_long_is_told_so_and_gives_its_place_free() {
    let share = Share::of(2, 4, 50);
    let workers = Workers::start("test", 2, 4, Duration::ZERO, share).unwrap();
    is_idle(&workers, 2);
    let (begun, began) = mpsc::channel();
    let owner = Some(Uuid::nil());
    let (placed, end) = block(&workers, owner, 0, &begun);
    assert_eq!(placed, Ok(Place::Queue));
    assert_eq!(began.recv().unwrap(), (0, Turn::InTime));
    let (placed, late) = block(&workers, owner, 1, &begun);
    assert_eq!(placed, Ok(Place::HeldBack));
    assert_eq!(began.recv().unwrap(), (1, Turn::TooLate));
    drop((late, end));
    is_idle(&workers, 2);
    let state = workers.handle.shared.lock();
    assert_eq!((state.queue.waiting(), state.queue.lanes.len()), (0, 0));
}
