//! `rowhouse-server`: reads the settings, opens the databases, serves the API.
//!
//! Exit codes: 0 after a clean stop, 2 when it could not run, with one line that says why.

#![forbid(unsafe_code)]

mod database;
mod log_format;
mod production;
mod settings;
mod welcome;

use std::error::Error;
use std::process::ExitCode;

use api::{AppState, CursorKey, Server, Services};
use auth::{AccessTokens, PasswordThreads};
use secrecy::ExposeSecret as _;
use store::IdentityDb;
use tenant_db::TenantDb;

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
    let loaded = settings::load()?;
    log_format::start(loaded.value.log.format);
    for key in &loaded.unknown_keys {
        log::warn!(key:% = key; "a setting is unknown and was ignored");
    }
    let (settings, environment) = (loaded.value, loaded.environment);
    production::check(&settings, environment)?;

    let passwords = PasswordThreads::new(settings.auth.passwords())?;
    let database = database::open(&settings, &passwords).await?;
    let tenants = TenantDb::connect(
        &database.urls.app,
        database.seal_key.clone(),
        &settings.database.tenant_pool(),
    )?;
    let identity = IdentityDb::connect(&database.urls.auth, &settings.database.auth_pool())?;
    let state = AppState {
        access_tokens: AccessTokens::new(settings.auth.access_tokens(database.secret_key.clone()))?,
        cursor_key: CursorKey::derive(database.secret_key.expose_secret().as_bytes()),
        settings: settings.server.clone(),
    };
    let refresh_lifetime_days = settings.auth.refresh_token_lifetime_days;
    let services = Services {
        tenants,
        identity,
        passwords,
        refresh_lifetime_days,
    };
    let address = settings.server.address();
    let server =
        Server::bind(state, services).map_err(|e| settings::NotListening { address, source: e })?;
    welcome::print(&server, &database, settings.log.format);
    server.run().await?;
    log::info!("the server has stopped");
    Ok(())
}
