//! `rowhouse-server`: reads the settings, opens the databases, serves the API and works on what it
//! leaves for later; with `--worker-only` the latter alone.
//!
//! Exit codes: 0 after a clean stop, 2 when it could not run, with one line that says why.

#![forbid(unsafe_code)]

mod database;
mod log_format;
mod metrics;
mod production;
mod serve;
mod services;
mod settings;
mod stop;
mod welcome;

use std::error::Error;
use std::process::ExitCode;

use auth::PasswordThreads;

use crate::settings::Arguments;
use crate::stop::Stop;

#[actix_rt::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            welcome::print_failure(error.as_ref());
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read();
    let stop = Stop::listen()?;
    let loaded = settings::load()?;
    log_format::start(loaded.value.log.format);
    for key in &loaded.unknown_keys {
        log::warn!(key:% = key; "a setting is unknown and was ignored");
    }
    let (settings, environment) = (loaded.value, loaded.environment);
    production::check(&settings, environment)?;

    metrics::start(&settings.metrics)?;
    let (serves, works) = (
        !arguments.worker_only,
        arguments.worker_only || settings.jobs.enabled,
    );
    let claim = serves.then(|| serve::claim(&settings.server)).transpose()?;
    let passwords = PasswordThreads::new(settings.auth.passwords())?;
    let database = database::open(&settings, &passwords).await?;
    let (state, captcha) = services::prepare(&settings, environment, &database)?;
    let tools = works.then(|| services::tools(&settings, &database));
    let tools = tools.transpose()?;

    let services = services::connect(&settings, &database, passwords, captcha)?;
    database::check(&services, environment).await?;
    services::reseal(&services).await?;
    let worker = tools.map(|tools| services::work(&settings, &database, &services, tools));
    let worker = worker.transpose()?;
    match claim {
        Some(claim) => {
            serve::requests(&settings, &database, claim, state, services, worker, stop).await?;
        }
        None => serve::jobs(&settings, worker, stop).await,
    }
    log::info!("the server has stopped");
    database.close()
}
