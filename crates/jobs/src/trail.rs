//! What was refused, and what was read: kept in memory for a moment, and written down behind the
//! requests, so that neither waits for the other and a request that is rolled back leaves its denial.
//!
//! Memory and disk are bounded: whatever is beyond a bound is counted, by
//! `rowhouse_denials_dropped_total` and `rowhouse_reads_dropped_total`, each with a `cause`:
//! `queue_full`, `too_many` (one source has left so many within the minute), `refused` (by the
//! database, which took others), or `not_written` (when the server stopped). What a server that is killed has not written down, nobody knows: that of the
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

/// After how many single entries that the database has refused it is asked for no more at the moment,
/// while it has taken none.
const REFUSALS: usize = 8;

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
        let deny = |batch: Vec<NewDenial>| async move { db.deny(&batch).await };
        write_all(&self.0.denials, deny).await?;
        let note = |batch: Vec<NewRead>| async move { db.note_reads(&batch).await };
        write_all(&self.0.reads, note).await
    }
}

/// Writes down what waits. Where the database refuses some of it, the rest is written, and what was
/// refused alone, and twice, is counted and lost; where it takes nothing at all, the fault is not the
/// entries', and all are kept.
async fn write_all<T: Clone, S: Eq + Hash, F: Future<Output = Result<(), Error>>>(
    queue: &Mutex<Queue<T, S>>,
    write: impl Fn(Vec<T>) -> F,
) -> Result<(), Error> {
    let mut most = BATCH;
    let mut takes_some = false;
    // How many at the front were refused.
    let mut refused: usize = 0;
    let mut refusal = None;
    loop {
        let batch = lock(queue).behind(refused, most);
        if batch.is_empty() {
            break;
        }
        let entries = batch.len();
        let mut result = write(batch).await;
        // What else happened at the moment may have been the cause.
        if entries == 1 && result.as_ref().is_err_and(Error::is_refusal) {
            let again = lock(queue).behind(refused, 1);
            result = write(again).await;
        }
        match result {
            Ok(()) => {
                lock(queue).forget(refused, entries);
                takes_some = true;
                most = most.saturating_mul(2).min(BATCH);
            }
            Err(error) if !error.is_refusal() => return Err(error),
            Err(_) if entries > 1 => most = entries.div_ceil(2),
            Err(error) => {
                refused = refused.saturating_add(1);
                if !takes_some && refused >= REFUSALS {
                    return Err(error);
                }
                refusal = Some(error);
            }
        }
    }
    let Some(error) = refusal else {
        return Ok(());
    };
    if !takes_some {
        return Err(error);
    }
    lock(queue).lose_first(refused, "refused");
    log::error!(entries = refused, error:% = error; "the database refuses denials or reads, and they are lost");
    Ok(())
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
        for cause in ["queue_full", "too_many", "refused", "not_written"] {
            metrics::counter!(self.dropped, "cause" => cause).increment(0);
        }
    }

    fn drop_one(&self, cause: &'static str) {
        metrics::counter!(self.dropped, "cause" => cause).increment(1);
    }

    /// At most so many, behind the first ones.
    fn behind(&self, first: usize, most: usize) -> Vec<T> {
        let behind = self.waiting.iter().skip(first);
        behind.take(most).cloned().collect()
    }

    /// What was written, behind the first ones. Nobody else takes anything away.
    fn forget(&mut self, first: usize, written: usize) {
        let end = first.saturating_add(written).min(self.waiting.len());
        self.waiting.drain(first.min(end)..end);
    }

    fn lose_first(&mut self, entries: usize, cause: &'static str) {
        self.forget(0, entries);
        for _ in 0..entries {
            self.drop_one(cause);
        }
    }

    fn lose_all(&mut self) -> usize {
        let lost = self.waiting.len();
        self.lose_first(lost, "not_written");
        lost
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::atomic::{AtomicUsize, Ordering};

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
            assert_eq!(queue.behind(0, 9), [0, 1, 2, 3]);
            queue.forget(0, 3);
            assert!(queue.add(7, "a", 9, 1));
            assert_eq!(queue.behind(0, 9), [3, 7]);
            assert_eq!((queue.behind(1, 9), queue.behind(0, 1)), (vec![7], vec![3]));
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
            assert_eq!(queue.behind(0, 9), [0, 1, 10, 11]);
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

    /// A queue of so many numbers.
    fn queue(entries: i32) -> Mutex<Queue<i32, ()>> {
        let mut queue = Queue::new("dropped", 10_000);
        for entry in 0..entries {
            queue.add(entry, (), usize::MAX, 1);
        }
        Mutex::new(queue)
    }

    fn refusal() -> Error {
        let cause = tenant_db::diesel::result::Error::NotFound;
        Error::Database(tenant_db::Error::Query(cause))
    }

    #[tokio::test]
    async fn what_the_database_refuses_keeps_nothing_else_waiting_and_is_counted() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let queue = queue(2000);
        let (written, asked) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
        let refused = [0, 7, 8, 1999];
        let write = |batch: Vec<i32>| {
            asked.fetch_add(1, Ordering::Relaxed);
            let is_refused = batch.iter().any(|entry| refused.contains(entry));
            if !is_refused {
                written.lock().unwrap().extend(batch);
            }
            ready(if is_refused { Err(refusal()) } else { Ok(()) })
        };
        write_all(&queue, write).await.unwrap();
        let wanted: Vec<i32> = (0..2000).filter(|entry| !refused.contains(entry)).collect();
        assert_eq!(*written.lock().unwrap(), wanted);
        assert!(lock(&queue).waiting.is_empty());
        let asked = asked.into_inner();
        assert!(asked < 100, "{asked} statements");
        assert_eq!(count(&snapshotter), [("refused".to_owned(), 4)]);
    }

    #[tokio::test]
    async fn while_the_database_takes_nothing_everything_is_kept() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let queue = queue(600);
        let asked = AtomicUsize::new(0);
        let refuse = |_| {
            asked.fetch_add(1, Ordering::Relaxed);
            ready(Err(refusal()))
        };
        write_all(&queue, refuse).await.unwrap_err();
        let refused = asked.swap(0, Ordering::Relaxed);
        assert!(refused < 50, "{refused} statements");
        let fail = |_| {
            asked.fetch_add(1, Ordering::Relaxed);
            ready(Err(Error::Database(tenant_db::Error::Busy)))
        };
        write_all(&queue, fail).await.unwrap_err();
        assert_eq!(asked.into_inner(), 1);
        assert_eq!(lock(&queue).waiting.len(), 600);
        // Nor is one lost that is refused once, and not again.
        let alone = AtomicUsize::new(0);
        let write = |batch: Vec<i32>| {
            let is_refused = match batch.as_slice() {
                [0] => alone.fetch_add(1, Ordering::Relaxed) == 0,
                _ => batch.contains(&0),
            };
            ready(if is_refused { Err(refusal()) } else { Ok(()) })
        };
        write_all(&queue, write).await.unwrap();
        assert_eq!(alone.into_inner(), 2);
        assert!(lock(&queue).waiting.is_empty());
        assert!(count(&snapshotter).is_empty());
    }
}
