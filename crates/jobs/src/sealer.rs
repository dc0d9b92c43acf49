//! The sealer: what happened in each tenant is appended to the tenant's chain, once an hour the ends
//! of all chains are signed, and once a day each chain is examined from its beginning on. Any number
//! of servers may do it at once.

use std::time::Duration;

use chrono::Utc;
use domain::TenantId;
use store::{Error, Next, Pace, Signing};

use crate::attempt::Bench;

/// How many tenants and how many events of each a round takes.
const TENANTS: i32 = 100;
const EVENTS: i32 = 500;

/// How often the ends of the chains are signed.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// How many links of chains are examined a second, and as how many the shortest chain counts: to look
/// at one costs something too.
const LINKS: i32 = 500;
const SHORTEST: i32 = 10;

/// How long to wait where another server is at it, something failed, or no chain is due.
const MINUTE: Duration = Duration::from_secs(60);

/// A sealer that lags further behind than this says so.
const LAG_SECONDS: f64 = 60.0;

/// Seals for ever.
pub(crate) async fn run(bench: &Bench) {
    let period = bench.audit.seal_period();
    let mut fails = false;
    // From zero: a counter that is not there before it rises does not rise, to Prometheus.
    metrics::counter!("rowhouse_audit_seal_failures_total").increment(0);
    metrics::counter!("rowhouse_audit_sign_failures_total").increment(0);
    metrics::counter!("rowhouse_audit_chain_failures_total").increment(0);
    metrics::counter!("rowhouse_audit_links_checked_total").increment(0);
    loop {
        let is_done = match seal(bench).await {
            Ok(is_done) => {
                fails = false;
                is_done
            }
            Err(error) => {
                metrics::counter!("rowhouse_audit_seal_failures_total").increment(1);
                // Once for each time that the database is gone.
                if !fails {
                    log::warn!(error:% = error; "the audit trail cannot be sealed");
                }
                fails = true;
                true
            }
        };
        if is_done {
            tokio::time::sleep(period).await;
        }
    }
}

/// One round; answers whether nothing was left.
async fn seal(bench: &Bench) -> Result<bool, Error> {
    let waiting = bench.identity.tenants_to_seal(TENANTS).await?;
    let lag = waiting.first().map_or(0.0, |longest| longest.seconds);
    metrics::gauge!("rowhouse_audit_seal_lag_seconds").set(lag);
    if let Some(longest) = waiting.first()
        && longest.seconds > LAG_SECONDS
    {
        log::warn!(seconds = longest.seconds; "the audit trail is sealed late");
    }
    let mut is_done = i32::try_from(waiting.len()).is_ok_and(|tenants| tenants < TENANTS);
    for tenant in waiting {
        let tenant = TenantId::from(tenant.tenant);
        is_done &= bench.identity.seal_events(tenant, EVENTS).await? < EVENTS;
    }
    Ok(is_done)
}

/// Signs for ever.
pub(crate) async fn sign(bench: &Bench) {
    loop {
        let key = bench.checkpoint_key.clone();
        let signing = bench
            .identity
            .sign_chains(key, HOUR, Pace::default(), Utc::now())
            .await;
        let wait = match signing {
            Ok(signing) => told(signing),
            Err(error) => {
                metrics::counter!("rowhouse_audit_sign_failures_total").increment(1);
                log::warn!(error:% = error; "the ends of the audit trail were not signed");
                MINUTE
            }
        };
        tokio::time::sleep(wait.min(HOUR)).await;
    }
}

/// Examines whole chains for ever, a piece a second.
pub(crate) async fn check(bench: &Bench) {
    if bench.audit.full_check_hours == 0 {
        return;
    }
    loop {
        let wait = match check_some(bench).await {
            Ok(true) => Duration::from_secs(1),
            Ok(false) => MINUTE,
            Err(error) => {
                log::warn!(error:% = error; "the chains of the audit trail were not examined");
                MINUTE
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Answers whether there is more to examine.
async fn check_some(bench: &Bench) -> Result<bool, Error> {
    let mut left = LINKS;
    while left > 0 {
        let hours = bench.audit.full_check_hours;
        let Some(check) = bench.identity.check_chain(hours, left).await? else {
            return Ok(false);
        };
        let links = i32::try_from(check.links).unwrap_or(LINKS);
        left = left.saturating_sub(links.max(SHORTEST));
        metrics::counter!("rowhouse_audit_links_checked_total")
            .increment(u64::try_from(links).unwrap_or_default());
        if let Some(seq) = check.flaw {
            metrics::counter!("rowhouse_audit_chain_failures_total").increment(1);
            log::error!(
                tenant_id:% = check.tenant, seq;
                "the audit trail of a tenant does not hold: see rowhouse-admin audit verify"
            );
        }
    }
    Ok(true)
}

/// Tells of chains that were not signed; answers when to go on.
fn told(signing: Signing) -> Duration {
    for chain in signing.broken {
        metrics::counter!("rowhouse_audit_chain_failures_total").increment(1);
        log::error!(
            tenant_id:% = chain.tenant, seq = chain.seq;
            "the audit trail of a tenant does not hold, and nothing more of it was signed: see rowhouse-admin audit verify"
        );
    }
    for (tenant, error) in signing.unread {
        metrics::counter!("rowhouse_audit_sign_failures_total").increment(1);
        log::warn!(tenant_id:% = tenant, error:% = error; "the audit trail of a tenant could not be looked at");
    }
    match signing.next {
        Next::In(wait) => wait,
        Next::Ran { is_finished: false } => Duration::ZERO,
        Next::Ran { is_finished: true } => HOUR,
        Next::Elsewhere => MINUTE,
    }
}
