//! What was refused, and what was read: kept in memory for a moment, and written down behind the
//! requests, so that neither waits for the other and a request that is rolled back leaves its denial.
//!
//! Memory and disk are bounded: whatever is beyond a bound is counted, by
//! `rowhouse_denials_dropped_total` and `rowhouse_reads_dropped_total`, each with a `cause`:
//! `queue_full`, `too_many` (one source has left so many within the minute), or `not_written` (when
//! the server stopped). What a server that is killed has not written down, nobody knows: that of the
//! last second.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{TenantId, TenantSlug};
use store::denials::NewDenial;
use store::reads::NewRead;
use store::{AuditSettings, Error, TrailDb, Who};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// How many entries one statement writes.
const BATCH: usize = 500;

/// How many denials a minute are written down of strangers at one tenant's door, or at nobody's; of
/// all callers of one tenant; and how many reads of one tenant. Strangers are counted apart: they
/// shall not keep what a tenant's own caller does from being seen.
const STRANGERS_PER_MINUTE: usize = 300;
const CALLERS_PER_MINUTE: usize = 3000;
const READS_PER_MINUTE: usize = 6000;

/// How long a server that stops waits for the last entries to be written.
const STOP_TIME: Duration = Duration::from_secs(3);

/// What this process has not written down yet. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Trail(Arc<Shared>);

/// Writes entries down, until it is stopped.
#[derive(Debug)]
pub struct TrailWriter {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl TrailWriter {
    /// Writes down what there is, within three seconds, and no more.
    pub async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            log::error!("what writes denials down has panicked");
        }
    }
}

#[derive(Debug)]
struct Shared {
    denials: Mutex<Queue<NewDenial, Source>>,
    reads: Mutex<Queue<NewRead, TenantId>>,
    /// That there is much to write down.
    full: Notify,
}

/// Who leaves denials.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Source {
    Caller(Option<TenantId>),
    StrangerAt(Option<TenantSlug>),
}

impl Default for Trail {
    /// As large as `audit.queue_size` says by default.
    fn default() -> Self {
        Self::of_size(AuditSettings::default().queue_size)
    }
}

impl Trail {
    /// Keeps so many denials, and so many reads, at most.
    #[must_use]
    pub fn of_size(most: usize) -> Self {
        Self(Arc::new(Shared {
            denials: Mutex::new(Queue::new("rowhouse_denials_dropped_total", most)),
            reads: Mutex::new(Queue::new("rowhouse_reads_dropped_total", most)),
            full: Notify::new(),
        }))
    }

    /// Somebody was refused.
    pub fn deny(&self, denial: NewDenial) {
        let (source, share) = match denial.asked.who {
            Who::Stranger => {
                let source = Source::StrangerAt(denial.slug.clone());
                (source, STRANGERS_PER_MINUTE)
            }
            Who::User(_) | Who::Key(_) => (Source::Caller(denial.tenant_id), CALLERS_PER_MINUTE),
        };
        let minute = denial.moment.at().timestamp() / 60;
        if lock(&self.0.denials).add(denial, source, share, minute) {
            self.0.full.notify_one();
        }
    }

    /// Somebody has read what is sensitive.
    pub fn note_read(&self, read: NewRead) {
        let (tenant, minute) = (read.tenant_id, read.moment.at().timestamp() / 60);
        if lock(&self.0.reads).add(read, tenant, READS_PER_MINUTE, minute) {
            self.0.full.notify_one();
        }
    }

    /// Begins to write entries down, at this pace, or sooner when there are many. Inside a runtime.
    #[must_use]
    pub fn write_every(&self, period: Duration, db: TrailDb) -> TrailWriter {
        let (stop, stopped) = oneshot::channel();
        let trail = self.clone();
        let task = tokio::spawn(async move { trail.write_until(stopped, period, &db).await });
        TrailWriter { stop, task }
    }

    async fn write_until(self, mut stopped: oneshot::Receiver<()>, period: Duration, db: &TrailDb) {
        let mut fails = false;
        lock(&self.0.denials).begin_to_count();
        lock(&self.0.reads).begin_to_count();
        loop {
            tokio::select! {
                // Also when the writer was dropped.
                _ = &mut stopped => break,
                // While nothing can be written, haste is of no use.
                () = self.0.full.notified(), if !fails => {}
                () = tokio::time::sleep(period) => {}
            }
            let result = self.write(db).await;
            // Once for each time that the database is gone.
            if let Err(error) = &result
                && !fails
            {
                log::warn!(error:% = error; "denials and reads cannot be written down, and are kept");
            }
            fails = result.is_err();
        }
        let written = tokio::time::timeout(STOP_TIME, self.write(db)).await;
        let lost = (
            lock(&self.0.denials).lose_all(),
            lock(&self.0.reads).lose_all(),
        );
        if !matches!(written, Ok(Ok(()))) {
            log::error!(denials = lost.0, reads = lost.1; "what was refused and read last was not written down");
        }
    }

    async fn write(&self, db: &TrailDb) -> Result<(), Error> {
        loop {
            let batch = lock(&self.0.denials).first();
            if batch.is_empty() {
                break;
            }
            db.deny(&batch).await?;
            lock(&self.0.denials).forget(batch.len());
        }
        loop {
            let batch = lock(&self.0.reads).first();
            if batch.is_empty() {
                return Ok(());
            }
            db.note_reads(&batch).await?;
            lock(&self.0.reads).forget(batch.len());
        }
    }
}

/// Whoever panicked with it has left it whole.
fn lock<T>(queue: &Mutex<T>) -> MutexGuard<'_, T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Entries in the order in which they came.
#[derive(Debug)]
struct Queue<T, S> {
    waiting: Vec<T>,
    most: usize,
    minute: i64,
    /// How many each has left within this minute.
    shares: HashMap<S, usize>,
    dropped: &'static str,
}

impl<T: Clone, S: Eq + Hash> Queue<T, S> {
    fn new(dropped: &'static str, most: usize) -> Self {
        Self {
            waiting: Vec::new(),
            most,
            minute: 0,
            shares: HashMap::new(),
            dropped,
        }
    }

    /// Answers whether it is half full.
    fn add(&mut self, entry: T, source: S, share: usize, minute: i64) -> bool {
        if self.minute != minute {
            self.minute = minute;
            self.shares.clear();
        }
        if self.waiting.len() >= self.most {
            self.drop_one("queue_full");
            return true;
        }
        let left = self.shares.entry(source).or_default();
        if *left >= share {
            self.drop_one("too_many");
        } else {
            *left = left.saturating_add(1);
            self.waiting.push(entry);
        }
        self.waiting.len() >= self.most / 2
    }

    /// From zero: a counter that is not there before it rises does not rise, to Prometheus.
    fn begin_to_count(&self) {
        for cause in ["queue_full", "too_many", "not_written"] {
            metrics::counter!(self.dropped, "cause" => cause).increment(0);
        }
    }

    fn drop_one(&self, cause: &'static str) {
        metrics::counter!(self.dropped, "cause" => cause).increment(1);
    }

    fn first(&self) -> Vec<T> {
        self.waiting.iter().take(BATCH).cloned().collect()
    }

    /// What was written. Nobody else takes from the front.
    fn forget(&mut self, written: usize) {
        self.waiting.drain(..written.min(self.waiting.len()));
    }

    fn lose_all(&mut self) -> usize {
        let lost = std::mem::take(&mut self.waiting).len();
        for _ in 0..lost {
            self.drop_one("not_written");
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

    fn count(snapshotter: &Snapshotter) -> Vec<(String, u64)> {
        let of = |(key, _, _, value): (metrics_util::CompositeKey, _, _, DebugValue)| {
            let cause = key.key().labels().next().unwrap().value().to_owned();
            match value {
                DebugValue::Counter(count) => (cause, count),
                other => panic!("{other:?}"),
            }
        };
        snapshotter
            .snapshot()
            .into_vec()
            .into_iter()
            .map(of)
            .collect()
    }

    #[test]
    fn what_does_not_fit_is_counted_and_what_was_written_makes_room() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        metrics::with_local_recorder(&recorder, || {
            let mut queue = Queue::new("dropped", 4);
            assert!(!queue.add(0, "a", 9, 1));
            for entry in 1..7 {
                assert!(queue.add(entry, "a", 9, 1));
            }
            assert_eq!(queue.first(), [0, 1, 2, 3]);
            queue.forget(3);
            assert!(queue.add(7, "a", 9, 1));
            assert_eq!(queue.first(), [3, 7]);
        });
        assert_eq!(count(&snapshotter), [("queue_full".to_owned(), 3)]);
    }

    #[test]
    fn one_source_has_its_share_of_a_minute_and_takes_nothing_from_others() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        metrics::with_local_recorder(&recorder, || {
            let mut queue = Queue::new("dropped", 100);
            for entry in 0..5 {
                queue.add(entry, "loud", 2, 1);
            }
            queue.add(10, "quiet", 2, 1);
            queue.add(11, "loud", 2, 2);
            assert_eq!(queue.first(), [0, 1, 10, 11]);
        });
        assert_eq!(count(&snapshotter), [("too_many".to_owned(), 3)]);
    }

    #[test]
    fn what_is_lost_in_the_end_is_counted() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        metrics::with_local_recorder(&recorder, || {
            let mut queue = Queue::new("dropped", 100);
            queue.add(1, "a", 9, 1);
            assert_eq!((queue.lose_all(), queue.lose_all()), (1, 0));
        });
        assert_eq!(count(&snapshotter), [("not_written".to_owned(), 1)]);
    }
}
