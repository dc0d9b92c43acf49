//! The worker: takes what is due, as much at once as it may, until it is told to stop. It has a
//! thread of its own.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use auth::CheckpointKey;
use domain::TenantId;
use store::{AuditSettings, IdentityDb, Lease, LinkRules};
use tenant_db::TenantDb;
use tokio::sync::{oneshot, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use crate::attempt::{Bench, Failure, Taken};
use crate::mail::Mailer;
use crate::outbox::{Outbox, TenantJob};
use crate::settings::{JobsSettings, ProjectsSettings};
use crate::{schedule, sealer};

/// How long a worker that stops waits for the database to be told so.
const GIVE_BACK_TIME: Duration = Duration::from_secs(3);

/// What a worker is made of.
#[derive(Debug)]
pub struct Parts {
    /// Both queues, and what runs by the clock.
    pub identity: IdentityDb,
    /// Rows of tenants.
    pub tenants: TenantDb,
    /// How mails leave.
    pub mailer: Mailer,
    /// How the links in them are made.
    pub links: LinkRules,
    /// What wakes it.
    pub outbox: Outbox,
    /// Section `jobs`.
    pub settings: JobsSettings,
    /// Section `projects`.
    pub projects: ProjectsSettings,
    /// Section `audit`.
    pub audit: AuditSettings,
    /// What signs the ends of the audit trail.
    pub checkpoint_key: CheckpointKey,
}

/// A running worker. Dropped, it stops at once and gives back what it was at.
#[derive(Debug)]
pub struct Worker {
    /// Until when what is under way may finish.
    stop: watch::Sender<Option<Instant>>,
    ended: oneshot::Receiver<()>,
}

impl Worker {
    /// Begins to work.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn start(parts: Parts) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(None);
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name("jobs".to_owned())
            .spawn(move || {
                runtime.block_on(work(parts, stopped));
                // Nobody waits any more where the server was dropped.
                let _ = end.send(());
            })?;
        Ok(Self { stop, ended })
    }

    /// Takes nothing more. What is under way gets this long to finish, the rest is given back.
    pub fn stop_within(&self, time: Duration) {
        let deadline = Instant::now() + time;
        self.stop.send_if_modified(|stop| {
            let is_sooner = stop.is_none_or(|known| deadline < known);
            if is_sooner {
                *stop = Some(deadline);
            }
            is_sooner
        });
    }

    /// Waits until it has stopped.
    pub async fn ended(self) {
        if self.ended.await.is_err() {
            log::error!("the worker has panicked");
        }
    }
}

type Stop = watch::Receiver<Option<Instant>>;

async fn work(parts: Parts, stop: Stop) {
    let outbox = parts.outbox;
    let bench = Arc::new(Bench {
        identity: parts.identity,
        tenants: parts.tenants,
        mailer: parts.mailer,
        links: parts.links,
        settings: parts.settings,
        projects: parts.projects,
        audit: parts.audit,
        checkpoint_key: parts.checkpoint_key,
    });
    let scheduled = Arc::clone(&bench);
    let clock = tokio::spawn(async move { schedule::run(&scheduled).await });
    let trail = Arc::clone(&bench);
    let trail = tokio::spawn(async move {
        tokio::join!(
            sealer::run(&trail),
            sealer::sign(&trail),
            sealer::check(&trail)
        )
    });
    let mut shift = Shift {
        lease: Lease {
            worker: Uuid::now_v7(),
            seconds: bench.settings.lease_seconds(),
            max_attempts: bench.settings.max_attempts.into(),
        },
        bench,
        running: JoinSet::new(),
        taken: HashMap::new(),
        mails_first: false,
        last_served: None,
        is_cut_off: false,
    };
    shift.work(&outbox, stop.clone()).await;
    clock.abort();
    trail.abort();
    shift.finish(stop).await;
}

/// When a database that answers nothing is waited for no longer. What it was asked for then comes
/// again when its lease ends.
async fn given_up(mut stop: Stop) {
    // Also when the worker was dropped.
    let _ = stop.wait_for(Option::is_some).await;
    tokio::time::sleep(GIVE_BACK_TIME).await;
}

/// What a worker is at.
struct Shift {
    bench: Arc<Bench>,
    lease: Lease,
    running: JoinSet<()>,
    taken: HashMap<Id, Taken>,
    /// The two queues take turns in being asked first.
    mails_first: bool,
    /// Whose job was taken last: its neighbour comes next.
    last_served: Option<TenantId>,
    is_cut_off: bool,
}

impl Shift {
    async fn work(&mut self, outbox: &Outbox, mut stop: Stop) {
        loop {
            // A full house: whatever ends makes room, nothing else is of interest.
            if let Some(room) = self.room() {
                let taken = tokio::select! {
                    taken = self.take(room) => taken,
                    () = given_up(stop.clone()) => return,
                };
                match taken {
                    Ok(taken) => {
                        self.is_cut_off = false;
                        self.begin(taken);
                    }
                    Err(error) => self.note_cut_off(&error),
                }
            }
            let has_room = self.room().is_some();
            let poll = self.bench.settings.poll();
            tokio::select! {
                // Also when the worker was dropped.
                _ = stop.wait_for(Option::is_some) => return,
                Some(ended) = self.running.join_next_with_id() => self.note_end(ended).await,
                () = outbox.waker.notified(), if has_room => {}
                () = tokio::time::sleep(poll), if has_room => {}
            }
        }
    }

    /// How much more it may take; `None` for nothing.
    fn room(&self) -> Option<i32> {
        let most = usize::from(self.bench.settings.concurrency.max(1));
        let room = most.saturating_sub(self.running.len());
        i32::try_from(room).ok().filter(|room| *room > 0)
    }

    async fn take(&mut self, room: i32) -> Result<Vec<Taken>, store::Error> {
        self.mails_first = !self.mails_first;
        let mut taken = Vec::new();
        for mails in [self.mails_first, !self.mails_first] {
            let left = room.saturating_sub(i32::try_from(taken.len()).unwrap_or(i32::MAX));
            if left <= 0 {
                break;
            }
            let identity = &self.bench.identity;
            // What was taken and not begun, for an error, comes again when its lease ends.
            if mails {
                let mails = identity.claim_mails(left, self.lease).await?;
                taken.extend(mails.into_iter().map(Taken::Mail));
            } else {
                let kinds = TenantJob::KINDS;
                let jobs = identity
                    .claim_jobs(kinds, left, self.lease, self.last_served)
                    .await?;
                self.last_served = jobs.last().map(|job| job.tenant).or(self.last_served);
                taken.extend(jobs.into_iter().map(Taken::Job));
            }
        }
        Ok(taken)
    }

    fn begin(&mut self, taken: Vec<Taken>) {
        for taken in taken {
            let (bench, mine) = (Arc::clone(&self.bench), taken.clone());
            let task = self
                .running
                .spawn(async move { mine.attempt_in_time(&bench).await });
            self.taken.insert(task.id(), taken);
        }
    }

    async fn note_end(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let (id, failure) = match ended {
            Ok((id, ())) => (id, None),
            Err(error) if error.is_panic() => (error.id(), Some(Failure::Panicked)),
            Err(error) => (error.id(), Some(Failure::Stopped)),
        };
        let taken = self.taken.remove(&id);
        if let (Some(taken), Some(failure)) = (taken, failure) {
            taken.fail(&self.bench, &failure).await;
        }
    }

    /// Once for each time that the database is gone.
    fn note_cut_off(&mut self, error: &store::Error) {
        if !self.is_cut_off {
            log::warn!(error:% = error; "the worker cannot look for jobs");
        }
        self.is_cut_off = true;
    }

    /// Waits for what is under way until the deadline, and gives the rest back.
    async fn finish(&mut self, mut stop: Stop) {
        while !self.running.is_empty() {
            let deadline = *stop.borrow_and_update();
            tokio::select! {
                Some(ended) = self.running.join_next_with_id() => self.note_end(ended).await,
                // Sooner, all of a sudden.
                Ok(()) = stop.changed() => {}
                () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)) => break,
            }
        }
        self.running.abort_all();
        let give_back = async {
            while let Some(ended) = self.running.join_next_with_id().await {
                self.note_end(ended).await;
            }
        };
        // What cannot be given back now, another worker takes when its lease ends.
        if tokio::time::timeout(GIVE_BACK_TIME, give_back)
            .await
            .is_err()
        {
            log::warn!("the database was too slow to be given back all jobs");
        }
        log::info!("the worker has stopped");
    }
}
