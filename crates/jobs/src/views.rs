//! How often projects are looked at: counted in memory, written down every few seconds and when the
//! server stops.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{JobId, ProjectId, TenantId};
use store::{IdentityDb, projects};
use tenant_db::{Actor, Context, Role, TenantDb};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Of how many projects views are kept in memory, some 50 bytes each. What is looked at beyond that
/// before the next flush is not counted.
const MOST_PROJECTS: usize = 100_000;

/// So many seconds a tenant's counts may take to be written; then its job is another's to clear away.
const LEASE_SECONDS: i32 = 60;

/// The views that this process has seen and not written down yet. Cheap to clone; all clones count
/// together.
#[derive(Clone, Debug, Default)]
pub struct Views(Arc<Shared>);

/// Writes views down, until it is stopped.
#[derive(Debug)]
pub struct ViewFlusher {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl ViewFlusher {
    /// Writes down what was seen so far, and no more.
    pub async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            log::error!("what writes views down has panicked");
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    /// That there is much to write down.
    full: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    counts: Counts,
    /// How many projects there are in `counts`.
    projects: usize,
    /// How many views were not counted.
    lost: i64,
}

type Counts = HashMap<TenantId, HashMap<ProjectId, i64>>;

impl Seen {
    fn add(&mut self, tenant: TenantId, project: ProjectId, views: i64) {
        let known = self.counts.get_mut(&tenant);
        if let Some(count) = known.and_then(|projects| projects.get_mut(&project)) {
            *count = count.saturating_add(views);
        } else if self.projects < MOST_PROJECTS {
            self.counts
                .entry(tenant)
                .or_default()
                .insert(project, views);
            self.projects = self.projects.saturating_add(1);
        } else {
            self.lost = self.lost.saturating_add(views);
        }
    }
}

impl Views {
    /// Somebody has looked at this project.
    pub fn count(&self, tenant: TenantId, project: ProjectId) {
        let mut seen = self.seen();
        seen.add(tenant, project, 1);
        if seen.projects >= MOST_PROJECTS / 2 {
            self.0.full.notify_one();
        }
    }

    /// Begins to write down what was seen, at this pace, or sooner when it is much. Inside a runtime.
    #[must_use]
    pub fn flush_every(
        &self,
        period: Duration,
        identity: IdentityDb,
        tenants: TenantDb,
    ) -> ViewFlusher {
        let (stop, stopped) = oneshot::channel();
        let views = self.clone();
        let task = tokio::spawn(async move {
            views
                .flush_until(stopped, period, &identity, &tenants)
                .await;
        });
        ViewFlusher { stop, task }
    }

    async fn flush_until(
        self,
        mut stopped: oneshot::Receiver<()>,
        period: Duration,
        identity: &IdentityDb,
        tenants: &TenantDb,
    ) {
        let server = Uuid::now_v7();
        loop {
            let is_last = tokio::select! {
                // Also when the flusher was dropped.
                _ = &mut stopped => true,
                () = self.0.full.notified() => false,
                () = tokio::time::sleep(period) => false,
            };
            self.flush(server, identity, tenants).await;
            if is_last {
                return;
            }
        }
    }

    /// Each tenant's counts in its own context. What cannot be written now is kept for the next time.
    async fn flush(&self, server: Uuid, identity: &IdentityDb, tenants: &TenantDb) {
        let Seen {
            mut counts, lost, ..
        } = std::mem::take(&mut *self.seen());
        if lost > 0 {
            log::warn!(views = lost; "more projects were looked at than can be counted");
        }
        if counts.is_empty() {
            return;
        }
        let whose = counts.keys().copied().collect();
        match identity
            .open_view_counts(server, whose, LEASE_SECONDS)
            .await
        {
            Ok(opened) => {
                for (tenant, job) in opened {
                    let views = counts.remove(&tenant).unwrap_or_default();
                    self.write(tenants, tenant, job, views).await;
                }
                // The rest is of tenants that were suspended, or erased, meanwhile.
            }
            Err(error) => {
                log::warn!(error:% = error; "views could not be written down, and are kept");
                for (tenant, views) in counts {
                    self.put_back(tenant, views);
                }
            }
        }
    }

    async fn write(
        &self,
        tenants: &TenantDb,
        tenant: TenantId,
        job: JobId,
        views: HashMap<ProjectId, i64>,
    ) {
        let actor = Actor::Job { id: job.uuid() };
        let context = Context::new(tenant.uuid(), actor).with_role(Role::Owner, 1);
        let written = views.clone();
        let result = tenants
            .run(context, move |conn| projects::count_views(conn, written))
            .await;
        match result {
            Ok(()) => {}
            // Better a view too few than one twice.
            Err(store::Error::Database(tenant_db::Error::OutcomeUnknown(error))) => {
                log::warn!(
                    tenant_id = tenant.to_string(), error:% = error;
                    "views may have been written down, and are forgotten"
                );
            }
            Err(error) => {
                log::warn!(
                    tenant_id = tenant.to_string(), error:% = error;
                    "views could not be written down, and are kept"
                );
                self.put_back(tenant, views);
            }
        }
    }

    fn put_back(&self, tenant: TenantId, views: HashMap<ProjectId, i64>) {
        let mut seen = self.seen();
        for (project, count) in views {
            seen.add(tenant, project, count);
        }
    }

    /// Whoever panicked with it has left it whole.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_what_is_known_is_counted_on() {
        let (views, tenant) = (Views::default(), TenantId::generate());
        let known = ProjectId::generate();
        views.count(tenant, known);
        for _ in 0..MOST_PROJECTS + 10 {
            views.count(tenant, ProjectId::generate());
        }
        views.count(tenant, known);
        let more = HashMap::from([(known, 5), (ProjectId::generate(), 5)]);
        views.put_back(tenant, more);
        let seen = views.seen();
        assert_eq!(seen.projects, MOST_PROJECTS);
        assert_eq!(seen.counts[&tenant].len(), MOST_PROJECTS);
        assert_eq!(seen.counts[&tenant][&known], 7);
        // Eleven that were new, and five put back.
        assert_eq!(seen.lost, 16);
    }
}
