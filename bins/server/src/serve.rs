//! What the process is there for, until it is asked to stop: requests and jobs, or jobs alone.

use std::error::Error;
use std::time::Duration;

use api::{AppState, Claim, Server, ServerSettings, Services};
use jobs::Worker;
use store::TrailDb;

use crate::database::Database;
use crate::settings::{NotListening, Settings};
use crate::stop::{Asked, Stop};
use crate::welcome;

/// How often denials and reads are written down.
const TRAIL_PERIOD: Duration = Duration::from_secs(1);

/// How long a server that stops waits for the database to be told what was counted last.
const LAST_WORDS_TIME: Duration = Duration::from_secs(10);

/// Claims the address of the API, long before it is served.
pub(crate) fn claim(settings: &ServerSettings) -> Result<Claim, NotListening> {
    let address = settings.address();
    Claim::of(address).map_err(|source| NotListening { address, source })
}

/// Serves the API until it is asked to stop; the worker gets its time then too.
pub(crate) async fn requests(
    settings: &Settings,
    database: &Database,
    claim: Claim,
    state: AppState,
    services: Services,
    worker: Option<Worker>,
    stop: Stop,
) -> Result<(), Box<dyn Error>> {
    let (views, trail) = (services.views.clone(), services.trail.clone());
    let api_calls = services.api_calls.clone();
    let trail_db = TrailDb::connect(&database.urls.auth, &settings.database.auth_pool())?;
    let (identity, tenants) = (services.identity.clone(), services.tenants.clone());
    let address = settings.server.address();
    let server = Server::listen(claim, state, services)
        .map_err(|source| NotListening { address, source })?;
    let views = views.flush_every(settings.projects.view_flush_period(), identity, tenants);
    let trail = trail.write_every(TRAIL_PERIOD, trail_db);
    let handle = server.handle();
    let worker_time = settings.jobs.stop_timeout();
    let stopped = actix_rt::spawn(async move {
        let asked = stop.asked().await;
        // Both get their time at once. What a last request leaves waits for another server.
        if let Some(worker) = &worker {
            stop_worker(worker, asked, worker_time);
        }
        handle.stop(asked == Asked::InTime).await;
        if let Some(worker) = worker {
            worker.ended().await;
        }
    });
    welcome::print(&server, database, settings.log.format);
    let served = server.run().await;
    // Nobody looks at anything any more: what was counted is all there is.
    let last_words = async {
        views.stop().await;
        api_calls.give_back().await;
        trail.stop().await;
    };
    if actix_rt::time::timeout(LAST_WORDS_TIME, last_words)
        .await
        .is_err()
    {
        log::warn!("the database was too slow to be told all that was counted last");
    }
    served?;
    Ok(stopped.await?)
}

/// Works on jobs, and listens nowhere.
pub(crate) async fn jobs(settings: &Settings, worker: Option<Worker>, stop: Stop) {
    log::info!("working on jobs");
    let asked = stop.asked().await;
    if let Some(worker) = worker {
        stop_worker(&worker, asked, settings.jobs.stop_timeout());
        worker.ended().await;
    }
}

fn stop_worker(worker: &Worker, asked: Asked, time: Duration) {
    worker.stop_within(match asked {
        Asked::InTime => time,
        Asked::AtOnce => Duration::ZERO,
    });
}
