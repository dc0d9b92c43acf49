//! `rowhouse-server`: reads the settings, opens the databases, serves the API.
//!
//! Exit codes: 0 after a clean stop, 2 when it could not run, with one line that says why.

#![forbid(unsafe_code)]

mod database;
mod log_format;
mod production;
mod services;
mod settings;
mod stop;
mod welcome;

use std::error::Error;
use std::process::ExitCode;

use api::Server;
use auth::PasswordThreads;

use crate::stop::{Asked, Stop};

#[actix_rt::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            welcome::print_failure(error.as_ref());
            ExitCode::from(2)
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let stop = Stop::listen()?;
    let loaded = settings::load()?;
    log_format::start(loaded.value.log.format);
    for key in &loaded.unknown_keys {
        log::warn!(key:% = key; "a setting is unknown and was ignored");
    }
    let (settings, environment) = (loaded.value, loaded.environment);
    production::check(&settings, environment)?;

    let passwords = PasswordThreads::new(settings.auth.passwords())?;
    let database = database::open(&settings, &passwords).await?;
    let state = services::state(&settings, &database)?;
    let services = services::connect(&settings, &database, passwords)?;
    database::check(&services.identity, environment).await?;

    let address = settings.server.address();
    let server = Server::bind(state, services)
        .map_err(|source| settings::NotListening { address, source })?;
    let handle = server.handle();
    actix_rt::spawn(async move { handle.stop(stop.asked().await == Asked::InTime).await });
    welcome::print(&server, &database, settings.log.format);
    server.run().await?;
    log::info!("the server has stopped");
    database.close()
}
