//! What the process is there for, until it is asked to stop: requests and jobs, or jobs alone.

use std::error::Error;
use std::time::Duration;

use ::settings::Environment;
use api::{AppState, Server, Services};
use jobs::Worker;
use store::TrailDb;

use crate::database::Database;
use crate::settings::{NotListening, Settings};
use crate::stop::{Asked, Stop};
use crate::{services, welcome};

/// How often denials and reads are written down.
const TRAIL_PERIOD: Duration = Duration::from_secs(1);

/// Serves the API; works on jobs beside it unless `jobs.enabled` says that others do.
pub(crate) async fn requests(
    settings: &Settings,
    environment: Environment,
    database: &Database,
    state: AppState,
    services: Services,
    stop: Stop,
) -> Result<(), Box<dyn Error>> {
    let state = services::limited(state, settings, environment)?;
    let worker = if settings.jobs.enabled {
        Some(services::work(settings, database, &services)?)
    } else {
        None
    };
    let (views, trail) = (services.views.clone(), services.trail.clone());
    let api_calls = services.api_calls.clone();
    let trail_db = TrailDb::connect(&database.urls.auth, &settings.database.auth_pool())?;
    let (identity, tenants) = (services.identity.clone(), services.tenants.clone());
    let address = settings.server.address();
    let server =
        Server::bind(state, services).map_err(|source| NotListening { address, source })?;
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
    views.stop().await;
    api_calls.give_back().await;
    trail.stop().await;
    served?;
    Ok(stopped.await?)
}

/// Works on jobs, and listens nowhere.
pub(crate) async fn jobs(
    settings: &Settings,
    database: &Database,
    services: &Services,
    stop: Stop,
) -> Result<(), Box<dyn Error>> {
    let worker = services::work(settings, database, services)?;
    log::info!("working on jobs");
    stop_worker(&worker, stop.asked().await, settings.jobs.stop_timeout());
    worker.ended().await;
    Ok(())
}

fn stop_worker(worker: &Worker, asked: Asked, time: Duration) {
    worker.stop_within(match asked {
        Asked::InTime => time,
        Asked::AtOnce => Duration::ZERO,
    });
}
