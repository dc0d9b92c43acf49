//! The threads on which database work runs: bounded, with a queue that is bounded in length and
//! in time. Knows nothing of databases.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::error::Error;

/// Whether a job's turn came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    InTime,
    TooLate,
}

type Job = Box<dyn FnOnce(Turn) + Send>;

struct Queued {
    /// `None`: the wait is too long to be told from an endless one.
    deadline: Option<Instant>,
    job: Job,
}

/// A fixed number of threads behind one queue. Dropping the last handle ends them after the jobs
/// that are queued.
#[derive(Clone)]
pub(crate) struct Workers {
    queue: Arc<Sender<Queued>>,
    max_wait: Duration,
}

impl Workers {
    /// `threads` threads named `name-0`, `name-1` …; at most `queue` jobs wait, each at most
    /// `max_wait`.
    pub(crate) fn start(
        name: &str,
        threads: usize,
        queue: usize,
        max_wait: Duration,
    ) -> Result<Self, Error> {
        let (sender, receiver) = bounded(queue);
        for number in 0..threads {
            let receiver: Receiver<Queued> = receiver.clone();
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || {
                    while let Ok(Queued { deadline, job }) = receiver.recv() {
                        let turn = if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                            Turn::TooLate
                        } else {
                            Turn::InTime
                        };
                        // A job catches its own panics; this keeps the thread if one does not.
                        if catch_unwind(AssertUnwindSafe(|| job(turn))).is_err() {
                            log::error!("a database job panicked outside of its work");
                        }
                    }
                })
                .map_err(|e| Error::Unavailable(Box::new(e)))?;
        }
        Ok(Self {
            queue: Arc::new(sender),
            max_wait,
        })
    }

    /// Queues a job.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Error> {
        let queued = Queued {
            deadline: Instant::now().checked_add(self.max_wait),
            job,
        };
        self.queue.try_send(queued).map_err(|e| match e {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => Error::Busy,
        })
    }

    /// How many jobs wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }
}
