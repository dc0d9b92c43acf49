//! A few OS threads for long computations, and a queue that is bounded by time: what would wait too
//! long is refused at once, instead of being computed for nobody. Knows no passwords.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

use crate::{AuthError, HashingError};

/// The threads end, each after what it is at, when this is dropped; who still waits gets
/// [`HashingError::NoAnswer`].
pub(crate) struct BoundedThreads {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    threads: usize,
    max_wait: Duration,
}

struct State {
    queue: VecDeque<Job>,
    /// Threads that are computing.
    busy: usize,
    /// What one computation takes; a moving mean that follows the machine's load.
    mean: Duration,
    open: bool,
}

struct Job {
    /// Dead when the caller went away.
    caller: Weak<()>,
    /// `None`: there was a free thread when it came, so it is not late whatever the scheduler does.
    start_before: Option<Instant>,
    run: Box<dyn FnOnce(Turn) + Send>,
}

enum Turn {
    Now,
    TooLate { retry_after_seconds: u64 },
}

impl BoundedThreads {
    /// Starts `threads` threads. `mean` is the first guess at what one computation takes.
    pub(crate) fn start(
        threads: usize,
        max_wait: Duration,
        mean: Duration,
    ) -> Result<Self, AuthError> {
        let state = State {
            queue: VecDeque::new(),
            busy: 0,
            mean,
            open: true,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            wake: Condvar::new(),
            threads,
            max_wait,
        });
        let this = Self { shared };
        for number in 0..threads {
            let shared = Arc::clone(&this.shared);
            std::thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || shared.serve())
                .map_err(AuthError::Thread)?;
        }
        Ok(this)
    }

    /// Runs `work` on one of the threads. Dropping the future gives the place in the queue up.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashingError> {
        let (answer, answered) = oneshot::channel();
        let caller = Arc::new(());
        self.shared.enqueue(
            Arc::downgrade(&caller),
            Box::new(move |turn| {
                let outcome = match turn {
                    Turn::Now => catch_unwind(AssertUnwindSafe(work)).map_err(|_panic| {
                        log::error!("a password thread panicked");
                        HashingError::NoAnswer
                    }),
                    Turn::TooLate {
                        retry_after_seconds,
                    } => Err(HashingError::Busy {
                        retry_after_seconds,
                    }),
                };
                // Nobody waits any more: nothing to say.
                drop(answer.send(outcome));
            }),
        )?;
        let outcome = answered.await;
        drop(caller);
        outcome.unwrap_or(Err(HashingError::NoAnswer))
    }
}

impl Drop for BoundedThreads {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.open = false;
        state.queue.clear();
        drop(state);
        self.shared.wake.notify_all();
    }
}

impl Shared {
    /// No computation runs under this lock, so a poisoned one still guards a sound state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(
        &self,
        caller: Weak<()>,
        run: Box<dyn FnOnce(Turn) + Send>,
    ) -> Result<(), HashingError> {
        let mut state = self.lock();
        if self.expected_wait(&state) > self.max_wait {
            // Those who went away take no time; only now is it worth looking for them.
            state.queue.retain(|job| job.caller.strong_count() > 0);
        }
        let wait = self.expected_wait(&state);
        if wait > self.max_wait {
            return Err(HashingError::Busy {
                retry_after_seconds: self.retry_after_seconds(wait),
            });
        }
        let start_before = (!wait.is_zero()).then(|| Instant::now() + self.max_wait);
        state.queue.push_back(Job {
            caller,
            start_before,
            run,
        });
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// How long one more would wait: nothing while a thread is free, else the mean for itself and
    /// for each in front of it, shared among the threads.
    fn expected_wait(&self, state: &State) -> Duration {
        let ahead = state.queue.len();
        if state.busy + ahead < self.threads {
            return Duration::ZERO;
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        state.mean.saturating_mul(count(ahead + 1)) / count(self.threads)
    }

    /// When the queue will have shrunk to what is bearable: whole seconds, at least one.
    fn retry_after_seconds(&self, wait: Duration) -> u64 {
        wait.saturating_sub(self.max_wait).as_secs() + 1
    }

    /// What each thread does until the end.
    fn serve(&self) {
        while let Some(job) = self.next() {
            let late = job.start_before.is_some_and(|limit| Instant::now() > limit);
            let turn = if late {
                let wait = self.expected_wait(&self.lock());
                Turn::TooLate {
                    retry_after_seconds: self.retry_after_seconds(wait),
                }
            } else {
                Turn::Now
            };
            let begun = Instant::now();
            (job.run)(turn);
            let mut state = self.lock();
            state.busy -= 1;
            if !late {
                state.mean = (state.mean * 7 + begun.elapsed()) / 8;
            }
        }
    }

    /// The next job that somebody waits for, its thread counted as busy; `None` at the end.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        while state.open {
            match state.queue.pop_front() {
                Some(job) if job.caller.strong_count() == 0 => {}
                Some(job) => {
                    state.busy += 1;
                    return Some(job);
                }
                None => {
                    state = self
                        .wake
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner)
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
