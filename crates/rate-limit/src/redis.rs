//! Buckets in Redis, and the breaker in front: whoever finds the third failure in a row takes the
//! connection away, and from then on no call waits for Redis until a probe in the background has
//! drawn from it. What holds meanwhile is `limiter.rs`.

mod link;
mod settings;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::thread;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use redis::Client;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};

use self::link::{Failure, Link};
pub use self::settings::{OnFailure, RedisSettings};
use crate::{Decision, Draw, StartError, meters};

/// So many failures in a row open the breaker.
const FAILURES: u32 = 3;
/// Between two probes, at first and at last. Each waits up to twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(5);
/// A connection that lasted so long was a good one: the next probe after it comes soon.
const LASTING: Duration = Duration::from_secs(30);
/// How much longer than a first probe may take its starter waits.
const START_MARGIN: Duration = Duration::from_millis(500);

/// Stops talking to Redis when it is dropped.
pub(crate) struct Redis {
    breaker: Arc<Breaker>,
    _running: oneshot::Sender<()>,
}

/// Closed while there is a link.
struct Breaker {
    link: RwLock<Option<Arc<Link>>>,
    opened: Notify,
    on_failure: OnFailure,
}

impl Redis {
    /// Starts the thread that connects and probes, and waits for its first attempt.
    pub(crate) fn start(url: &str, settings: &RedisSettings) -> Result<Self, StartError> {
        let client = Client::open(url).map_err(StartError::Url)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let breaker = Arc::new(Breaker {
            link: RwLock::new(None),
            opened: Notify::new(),
            on_failure: settings.on_failure,
        });
        let (running, stopped) = oneshot::channel();
        let (tried, first) = mpsc::channel();
        let keeper = Keeper {
            breaker: Arc::clone(&breaker),
            client,
            timeout: settings.timeout(),
        };
        thread::Builder::new()
            .name("rate-limit-redis".to_owned())
            .spawn(move || {
                runtime.spawn(keeper.keep(tried));
                // An error as well: it was dropped. The runtime takes its tasks along.
                drop(runtime.block_on(stopped));
            })
            .map_err(StartError::Thread)?;
        // Later is fine too: until then it is as if Redis were gone.
        let _ = first.recv_timeout(2 * settings.timeout() + START_MARGIN);
        Ok(Self {
            breaker,
            _running: running,
        })
    }

    /// Draws from every bucket or from none. `None`: the breaker is open, or just failed.
    pub(crate) async fn draw(&self, family: &str, draws: &[Draw<'_>]) -> Option<Decision> {
        let link = self.breaker.link()?;
        match link.draw(family, draws).await {
            Ok(decision) => Some(decision),
            Err(failure) => {
                self.breaker.failed(&link, &failure);
                None
            }
        }
    }

    pub(crate) fn is_reachable(&self) -> bool {
        self.breaker.link().is_some()
    }
}

impl Breaker {
    fn link(&self) -> Option<Arc<Link>> {
        self.link
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn failed(&self, link: &Arc<Link>, failure: &Failure) {
        meters::failed(failure.kind());
        let failures = link
            .failures
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        if failures >= FAILURES && self.take_away(link) {
            self.say_open(failure);
            self.opened.notify_one();
        }
    }

    /// Whether this call did it: of many that fail at once one opens the breaker, and none of them
    /// takes away a link that was made since.
    fn take_away(&self, link: &Arc<Link>) -> bool {
        let mut current = self.link.write().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|held| Arc::ptr_eq(held, link)).is_some()
    }

    fn say_open(&self, failure: &Failure) {
        meters::is_reachable(false);
        let cause = failure.to_string();
        match self.on_failure {
            OnFailure::Local => {
                log::warn!(cause; "Redis does not answer: each server keeps rate limits of its own");
            }
            OnFailure::Open => log::warn!(cause; "Redis does not answer: nobody's rate is limited"),
            OnFailure::Closed => {
                log::warn!(cause; "Redis does not answer: requests are refused, as their rate is unknown");
            }
        }
    }

    fn close(&self, link: Link) {
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(link));
        meters::is_reachable(true);
        log::info!("Redis answers: all servers share their rate limits");
    }
}

/// What the thread knows.
struct Keeper {
    breaker: Arc<Breaker>,
    client: Client,
    timeout: Duration,
}

impl Keeper {
    /// Connects, waits until the breaker opens, and so on. Says in `tried` that the first attempt is
    /// over.
    async fn keep(self, tried: mpsc::Sender<()>) {
        let mut waits = waits();
        let mut tried = Some(tried);
        loop {
            match Link::open(&self.client, self.timeout).await {
                Ok(link) => {
                    self.breaker.close(link);
                    drop(tried.take());
                    let since = Instant::now();
                    self.breaker.opened.notified().await;
                    if since.elapsed() >= LASTING {
                        waits = self::waits();
                    }
                }
                Err(failure) if tried.is_some() => {
                    self.breaker.say_open(&failure);
                    drop(tried.take());
                }
                Err(failure) => log::debug!(cause:% = failure; "Redis still does not answer"),
            }
            sleep(waits.next().unwrap_or(LAST_WAIT)).await;
        }
    }
}

fn waits() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(FIRST_WAIT)
        .with_max_delay(LAST_WAIT)
        .with_jitter()
        .without_max_times()
        .build()
}
