//! What the crates count and measure, collected for Prometheus where `metrics.bind` says so.

use std::error::Error;
use std::time::Duration;

use api::MetricsServer;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use crate::settings::{MetricsSettings, NotListening};

/// How long requests wait for a connection, in seconds.
const WAITS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// How often what was measured is put in order.
const UPKEEP: Duration = Duration::from_secs(5);

/// Begins to collect, and to answer `/metrics`. Inside an actix runtime.
pub(crate) fn start(settings: &MetricsSettings) -> Result<(), Box<dyn Error>> {
    let Some(address) = settings.bind else {
        return Ok(());
    };
    let waits = Matcher::Full("tenant_db_wait_seconds".to_owned());
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(waits, &WAITS)?
        .install_recorder()?;
    let kept = metrics.clone();
    let server = MetricsServer::bind(address, move || metrics.render())
        .map_err(|source| NotListening { address, source })?;
    log::info!(addresses:? = server.addresses(); "metrics are at /metrics");
    actix_rt::spawn(server.run());
    actix_rt::spawn(async move {
        loop {
            actix_rt::time::sleep(UPKEEP).await;
            kept.run_upkeep();
        }
    });
    Ok(())
}
