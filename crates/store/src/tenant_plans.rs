//! The plans of tenants, remembered for five minutes, and forgotten on every server when one
//! changes. They decide about limits and never about access, which the database is asked for every
//! time.
//!
//! A change is told by NOTIFY with one byte of the tenant's id, to which a *generation* belongs
//! here: a plan is remembered under the generation that was current before it was read, so one that
//! was read too early is never found again, however the two messages cross.

mod generations;

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use domain::{TenantId, TenantPlan};
use moka::future::Cache;
use secrecy::SecretString;
use tenant_db::{Channel, Listener, PoolSettings};

use self::generations::{Generation, Generations};
use crate::error::Error;
use crate::identity::IdentityDb;

/// How many plans are remembered, some 200 bytes each.
const MOST_PLANS: u64 = 100_000;

/// How long one is.
const REMEMBERED: Duration = Duration::from_secs(300);

/// How often is looked whether something was told: Diesel shows no socket to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often a connection that says nothing is asked whether it still is one.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// How long to wait for the next attempt to connect: at first, and at most, so long may a plan be
/// out of date while nobody can be heard.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The plans of tenants. Cheap to clone; all clones remember together.
#[derive(Debug, Clone)]
pub struct TenantPlans {
    identity: IdentityDb,
    remembered: Cache<(TenantId, Generation), Arc<TenantPlan>>,
    generations: Arc<Generations>,
    /// Ends the listener with the last clone.
    _listens: mpsc::Sender<()>,
}

/// Hears of changes, until nobody has use for it.
struct Ear {
    url: Option<SecretString>,
    channel: Channel,
    settings: PoolSettings,
    generations: Arc<Generations>,
    /// Closed when it is to end.
    end: mpsc::Receiver<()>,
}

impl TenantPlans {
    /// Reads plans by `identity`, and listens on a connection of its own, as the role of `url`,
    /// which must lead to PostgreSQL itself. While that connection is lost, and where there is no
    /// `url`, plans are remembered for some five seconds.
    ///
    /// # Errors
    /// [`tenant_db::Error::Unavailable`] when there is no thread to be had.
    pub fn start(
        identity: IdentityDb,
        url: Option<&SecretString>,
        settings: &PoolSettings,
    ) -> Result<Self, tenant_db::Error> {
        let unavailable =
            |cause: Box<dyn std::error::Error + Send + Sync>| tenant_db::Error::Unavailable(cause);
        let channel = Channel::new("tenant_plans")
            .ok_or_else(|| unavailable("the channel has no name".into()))?;
        let generations = Arc::new(Generations::default());
        let (listens, end) = mpsc::channel();
        let ear = Ear {
            url: url.cloned(),
            channel,
            settings: PoolSettings {
                application_name: format!("{} listener", settings.application_name),
                ..settings.clone()
            },
            generations: Arc::clone(&generations),
            end,
        };
        thread::Builder::new()
            .name("tenant-plans".to_owned())
            .spawn(move || ear.listen())
            .map_err(|e| unavailable(Box::new(e)))?;
        Ok(Self {
            identity,
            remembered: Cache::builder()
                .max_capacity(MOST_PLANS)
                .time_to_live(REMEMBERED)
                .build(),
            generations,
            _listens: listens,
        })
    }

    /// The plan of a tenant, at most five minutes old, and as good as new unless this server cannot
    /// hear of changes. Many who ask at once ask the database once.
    ///
    /// # Errors
    /// As [`IdentityDb::find_tenant_plan`]; an error is not remembered.
    pub async fn find(&self, tenant: TenantId) -> Result<Arc<TenantPlan>, Error> {
        let generation = self.generations.of(tenant);
        let read = async { self.identity.find_tenant_plan(tenant).await.map(Arc::new) };
        let found = self.remembered.try_get_with((tenant, generation), read);
        found.await.map_err(own)
    }

    /// Whether changes are heard of right now.
    #[must_use]
    pub fn hears(&self) -> bool {
        self.generations.is_heard()
    }
}

/// The error of a read that several waited for, for one of them.
fn own(shared: Arc<Error>) -> Error {
    Arc::try_unwrap(shared).unwrap_or_else(|shared| match &*shared {
        Error::NotFound => Error::NotFound,
        Error::Database(tenant_db::Error::Busy) => Error::Database(tenant_db::Error::Busy),
        error => Error::Database(tenant_db::Error::Unavailable(error.to_string().into())),
    })
}

impl Ear {
    fn listen(self) {
        let Some(url) = &self.url else {
            while !self.is_over(RETRY.1) {
                self.generations.end_all();
            }
            return;
        };
        let mut wait = RETRY.0;
        loop {
            let lost = match Listener::connect(url.clone(), self.channel, &self.settings) {
                Ok(listener) => {
                    // What was told while nobody listened is lost.
                    self.generations.end_all();
                    self.generations.set_heard(true);
                    wait = RETRY.0;
                    self.follow(listener)
                }
                Err(error) => Some(error),
            };
            self.generations.set_heard(false);
            self.generations.end_all();
            let Some(error) = lost else { return };
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            log::warn!(
                error:% = error, cause:% = cause.unwrap_or_default().trim_end();
                "changes of plans are not heard of: trying again"
            );
            if self.is_over(wait) {
                return;
            }
            wait = wait.saturating_mul(2).min(RETRY.1);
        }
    }

    /// Until the connection is lost; `None`: until nobody has use for it.
    fn follow(&self, mut listener: Listener) -> Option<tenant_db::Error> {
        let mut checked = Instant::now();
        while !self.is_over(LOOK_EVERY) {
            if checked.elapsed() >= CHECK_EVERY {
                if let Err(error) = listener.check() {
                    return Some(error);
                }
                checked = Instant::now();
            }
            match listener.told() {
                Ok(told) => told.iter().for_each(|byte| self.forget(byte)),
                Err(error) => return Some(error),
            }
        }
        None
    }

    /// Anybody with SQL on the database can tell what is no byte.
    fn forget(&self, byte: &str) {
        if let Ok(byte) = byte.parse() {
            self.generations.end(byte);
        }
    }

    fn is_over(&self, wait: Duration) -> bool {
        self.end.recv_timeout(wait) != Err(RecvTimeoutError::Timeout)
    }
}
