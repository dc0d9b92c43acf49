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
    let passwords = PasswordThreads::new(settings.auth.passwords())?;
    let database = database::open(&settings, &passwords).await?;
    let state = services::state(&settings, &database)?;
    let services = services::connect(&settings, &database, passwords)?;
    database::check(&services.identity, environment).await?;
    services::reseal(&services).await?;
    if arguments.worker_only {
        serve::jobs(&settings, &database, &services, stop).await?;
    } else {
        serve::requests(&settings, environment, &database, state, services, stop).await?;
    }
    log::info!("the server has stopped");
    database.close()
}
