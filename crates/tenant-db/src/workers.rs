//! The threads on which database work runs: bounded, with a queue that is bounded in length and
//! in time. Knows nothing of databases.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;

/// Whether a job's turn came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    InTime,
    TooLate,
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
}

struct State {
    /// In the order of their deadlines, as all wait equally long at most.
    queue: VecDeque<Queued>,
    /// Threads that wait for a job.
    idle: usize,
    open: bool,
}

struct Queued {
    /// `None`: there was a free thread when it came, so it is not late whatever the scheduler
    /// does; or the longest wait is too long to be told from an endless one.
    deadline: Option<Instant>,
    job: Job,
}

impl Workers {
    /// `threads` threads named `name-0`, `name-1` …; at most `queue` jobs wait for one, each at
    /// most `max_wait`, and a second more until it is told.
    pub(crate) fn start(
        name: &str,
        threads: usize,
        queue: usize,
        max_wait: Duration,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                idle: 0,
                open: true,
            }),
            work: Condvar::new(),
            end: Condvar::new(),
            capacity: queue,
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

    /// Queues a job.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Error> {
        let Handle { shared, max_wait } = &*self.handle;
        let mut state = shared.lock();
        if state.queue.len() >= shared.capacity.saturating_add(state.idle) {
            return Err(Error::Busy);
        }
        let must_wait = state.queue.len() >= state.idle;
        let deadline = must_wait
            .then(|| Instant::now().checked_add(*max_wait))
            .flatten();
        state.queue.push_back(Queued { deadline, job });
        drop(state);
        shared.work.notify_one();
        Ok(())
    }

    /// How many jobs wait.
    pub(crate) fn waiting(&self) -> usize {
        self.handle.shared.lock().queue.len()
    }
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
            queued.run(turn);
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
            let now = Instant::now();
            while let Some(late) = state
                .queue
                .pop_front_if(|queued| queued.turn(now) == Turn::TooLate)
            {
                drop(state);
                late.run(Turn::TooLate);
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
        let workers = Workers::start("test", 2, 10, Duration::from_secs(60)).unwrap();
        let shared = Arc::downgrade(&workers.handle.shared);
        let (done, results) = mpsc::channel();
        for number in 0..10 {
            let done = done.clone();
            let job = Box::new(move |turn| done.send((number, turn)).unwrap());
            workers.submit(job).unwrap();
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
}
