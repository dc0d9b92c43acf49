//! The threads on which database work runs: bounded, with a queue that is bounded in length and
//! in time, and of both no more than a share for one owner. Knows nothing of databases.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::error::Error;

/// Whether a job's turn came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    InTime,
    TooLate,
}

/// Why a job was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The queue is full.
    Queue,
    /// Its owner has as much of the queue as one may have.
    Share,
}

/// Where a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// For a thread.
    Queue,
    /// For another job of its owner to end, who has as many threads as one may have.
    HeldBack,
}

/// How much one owner may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// Threads that its jobs run on, or are about to.
    threads: usize,
    /// Jobs that wait for those.
    queue: usize,
}

impl Share {
    /// So many of a hundred, at least one thread; a hundred is as much as there is.
    pub(crate) fn of(threads: usize, queue: usize, percent: u8) -> Self {
        if percent >= 100 {
            return Self {
                threads: usize::MAX,
                queue: usize::MAX,
            };
        }
        let part = |whole: usize| whole.saturating_mul(percent.into()) / 100;
        Self {
            threads: part(threads).max(1),
            queue: part(queue),
        }
    }
}

type Job = Box<dyn FnOnce(Turn) + Send>;

/// A fixed number of threads behind one queue. Dropping the last handle ends them after the jobs
/// that are queued.
#[derive(Clone)]
pub(crate) struct Workers {
    handle: Arc<Handle>,
}

/// What all handles share, and the threads do not.
struct Handle {
    shared: Arc<Shared>,
    max_wait: Duration,
}

struct Shared {
    state: Mutex<State>,
    /// A job is queued, or this is the end.
    work: Condvar,
    /// This is the end.
    end: Condvar,
    capacity: usize,
    share: Share,
}

struct State {
    /// What runs as soon as a thread is free.
    queue: VecDeque<Queued>,
    /// Of owners who have jobs.
    lanes: HashMap<Uuid, Lane>,
    /// How many jobs are held back in all lanes.
    held: usize,
    /// Threads that wait for a job.
    idle: usize,
    open: bool,
}

/// The jobs of one owner. While some are held back, as many as may be are let in: so there is
/// always one whose end lets in the next.
#[derive(Default)]
struct Lane {
    /// How many run, or are in the queue.
    let_in: usize,
    held: VecDeque<Queued>,
}

struct Queued {
    owner: Option<Uuid>,
    /// `None`: there was a free thread when it came, so it is not late whatever the scheduler
    /// does; or the longest wait is too long to be told from an endless one.
    deadline: Option<Instant>,
    job: Job,
}

impl Workers {
    /// `threads` threads named `name-0`, `name-1` …; at most `queue` jobs wait for one, each at
    /// most `max_wait`, and a second more until it is told; and one owner has at most `share`.
    pub(crate) fn start(
        name: &str,
        threads: usize,
        queue: usize,
        max_wait: Duration,
        share: Share,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                lanes: HashMap::new(),
                held: 0,
                idle: 0,
                open: true,
            }),
            work: Condvar::new(),
            end: Condvar::new(),
            capacity: queue,
            share,
        });
        let workers = Self {
            handle: Arc::new(Handle {
                shared: Arc::clone(&shared),
                max_wait,
            }),
        };
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            spawn(format!("{name}-{number}"), move || shared.serve())?;
        }
        // While all threads are at work, somebody must turn away whoever waits too long for them.
        let every = (max_wait / 4).clamp(Duration::from_millis(50), Duration::from_secs(1));
        spawn(format!("{name}-queue"), move || shared.turn_away(every))?;
        Ok(workers)
    }

    /// Queues a job of this owner, or of nobody.
    pub(crate) fn submit(&self, owner: Option<Uuid>, job: Job) -> Result<Place, Refused> {
        let Handle { shared, max_wait } = &*self.handle;
        let mut state = shared.lock();
        if state.waiting() >= shared.capacity.saturating_add(state.idle) {
            return Err(Refused::Queue);
        }
        let latest = Instant::now().checked_add(*max_wait);
        if let Some(owner) = owner {
            let lane = state.lanes.entry(owner).or_default();
            if lane.let_in >= shared.share.threads {
                if lane.held.len() >= shared.share.queue {
                    return Err(Refused::Share);
                }
                lane.held.push_back(Queued {
                    owner: Some(owner),
                    deadline: latest,
                    job,
                });
                state.held = state.held.saturating_add(1);
                return Ok(Place::HeldBack);
            }
            lane.let_in = lane.let_in.saturating_add(1);
        }
        let must_wait = state.queue.len() >= state.idle;
        let deadline = must_wait.then_some(latest).flatten();
        state.queue.push_back(Queued {
            owner,
            deadline,
            job,
        });
        drop(state);
        shared.work.notify_one();
        Ok(Place::Queue)
    }

    /// How many jobs wait.
    pub(crate) fn waiting(&self) -> usize {
        self.handle.shared.lock().waiting()
    }
}

impl State {
    fn waiting(&self) -> usize {
        self.queue.len().saturating_add(self.held)
    }

    /// A job of this owner that was let in has ended: the next one is, behind all that wait.
    /// Answers whether there is one.
    fn end(&mut self, owner: Uuid) -> bool {
        let Some(lane) = self.lanes.get_mut(&owner) else {
            return false;
        };
        if let Some(next) = lane.held.pop_front() {
            self.held = self.held.saturating_sub(1);
            self.queue.push_back(next);
            return true;
        }
        lane.let_in = lane.let_in.saturating_sub(1);
        if lane.let_in == 0 {
            self.lanes.remove(&owner);
        }
        false
    }

    /// Takes out what has waited too long: what was let in, and what was held back.
    fn take_late(&mut self, now: Instant) -> (Vec<Queued>, Vec<Queued>) {
        let let_in = split_late(&mut self.queue, now);
        let mut held = Vec::new();
        if self.held > 0 {
            for lane in self.lanes.values_mut() {
                held.extend(split_late(&mut lane.held, now));
            }
            self.held = self.held.saturating_sub(held.len());
        }
        (let_in, held)
    }
}

/// A queue is not always in the order of its deadlines: what was held back comes to its end late.
fn split_late(queue: &mut VecDeque<Queued>, now: Instant) -> Vec<Queued> {
    let is_late = |queued: &Queued| queued.turn(now) == Turn::TooLate;
    if !queue.iter().any(is_late) {
        return Vec::new();
    }
    let (late, rest): (VecDeque<_>, _) = std::mem::take(queue).into_iter().partition(is_late);
    *queue = rest;
    late.into()
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().open = false;
        self.shared.work.notify_all();
        self.shared.end.notify_all();
    }
}

impl Queued {
    fn turn(&self, now: Instant) -> Turn {
        match self.deadline {
            Some(deadline) if now > deadline => Turn::TooLate,
            _ => Turn::InTime,
        }
    }

    /// A job catches its own panics; this keeps the thread if one does not.
    fn run(self, turn: Turn) {
        if catch_unwind(AssertUnwindSafe(|| (self.job)(turn))).is_err() {
            log::error!("a database job panicked outside of its work");
        }
    }
}

impl Shared {
    /// No job runs under this lock, so a poisoned one still guards a sound state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does until the end.
    fn serve(&self) {
        while let Some(queued) = self.next() {
            let turn = queued.turn(Instant::now());
            self.run(queued, turn);
        }
    }

    /// Runs what was let in, and lets in what that held back.
    fn run(&self, queued: Queued, turn: Turn) {
        let owner = queued.owner;
        queued.run(turn);
        if let Some(owner) = owner
            && self.lock().end(owner)
        {
            self.work.notify_one();
        }
    }

    fn next(&self) -> Option<Queued> {
        let mut state = self.lock();
        loop {
            if let Some(queued) = state.queue.pop_front() {
                return Some(queued);
            }
            if !state.open {
                return None;
            }
            state.idle = state.idle.saturating_add(1);
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle = state.idle.saturating_sub(1);
        }
    }

    /// Looks at the queue every so often until the end.
    fn turn_away(&self, every: Duration) {
        let mut state = self.lock();
        while state.open {
            (state, _) = self
                .end
                .wait_timeout(state, every)
                .unwrap_or_else(PoisonError::into_inner);
            let (let_in, held) = state.take_late(Instant::now());
            if !let_in.is_empty() || !held.is_empty() {
                drop(state);
                for late in held {
                    late.run(Turn::TooLate);
                }
                for late in let_in {
                    self.run(late, Turn::TooLate);
                }
                state = self.lock();
            }
        }
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    thread::Builder::new()
        .name(name)
        .spawn(work)
        .map(drop)
        .map_err(|e| Error::Unavailable(Box::new(e)))
}

#[cfg(test)]
mod tests {
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
    #[test]
    fn a_share_is_a_part_and_at_least_one_thread() {
        for (threads, queue, percent, expected) in [
            (8, 1024, 50, (4, 512)),
            (3, 10, 50, (1, 5)),
            (1, 10, 50, (1, 5)),
            (8, 0, 50, (4, 0)),
            (8, 10, 0, (1, 0)),
            (8, 10, 99, (7, 9)),
            (8, 10, 100, (usize::MAX, usize::MAX)),
        ] {
            let share = Share::of(threads, queue, percent);
            assert_eq!((share.threads, share.queue), expected, "{percent} %");
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
        assert_eq!((state.waiting(), state.lanes.len()), (0, 0));
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
        assert_eq!((state.waiting(), state.lanes.len()), (0, 0));
    }
}
