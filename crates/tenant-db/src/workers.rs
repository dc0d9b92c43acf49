//! The threads on which database work runs: a fixed number of them, behind a queue that is bounded in
//! length and in time. Knows nothing of databases; who waits where says `queue.rs`.

mod queue;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use self::queue::{Job, Queue, Queued};
pub(crate) use self::queue::{Place, Refused, Share, Turn};
use crate::error::Error;

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
}

struct State {
    queue: Queue,
    /// Threads that wait for a job.
    idle: usize,
    open: bool,
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
                queue: Queue::new(queue, share),
                idle: 0,
                open: true,
            }),
            work: Condvar::new(),
            end: Condvar::new(),
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
        let latest = Instant::now().checked_add(*max_wait);
        let idle = state.idle;
        let place = state.queue.put(owner, job, latest, idle)?;
        drop(state);
        if place == Place::Queue {
            shared.work.notify_one();
        }
        Ok(place)
    }

    /// How many jobs wait.
    pub(crate) fn waiting(&self) -> usize {
        self.handle.shared.lock().queue.waiting()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().open = false;
        self.shared.work.notify_all();
        self.shared.end.notify_all();
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
            && self.lock().queue.end(owner)
        {
            self.work.notify_one();
        }
    }

    fn next(&self) -> Option<Queued> {
        let mut state = self.lock();
        loop {
            if let Some(queued) = state.queue.take() {
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
            let (let_in, held) = state.queue.take_late(Instant::now());
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
