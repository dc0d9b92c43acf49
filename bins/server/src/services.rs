//! From settings to what the API works with.

use std::error::Error;

use api::{AppState, CursorKey, Services};
use auth::{AccessTokens, PasswordThreads, RefreshKey};
use secrecy::ExposeSecret as _;
use store::IdentityDb;
use tenant_db::TenantDb;

use crate::database::Database;
use crate::settings::Settings;

/// What needs no connection.
pub(crate) fn state(settings: &Settings, database: &Database) -> Result<AppState, Box<dyn Error>> {
    let secret = &database.secret_key;
    Ok(AppState {
        access_tokens: AccessTokens::new(settings.auth.access_tokens(secret.clone()))?,
        cursor_key: CursorKey::derive(secret.expose_secret().as_bytes()),
        settings: settings.server.clone(),
    })
}

/// Both pools; each opens its first connection here.
pub(crate) fn connect(
    settings: &Settings,
    database: &Database,
    passwords: PasswordThreads,
) -> Result<Services, Box<dyn Error>> {
    let (urls, key) = (&database.urls, database.seal_key.clone());
    Ok(Services {
        tenants: TenantDb::connect(&urls.app, key, &settings.database.tenant_pool())?,
        identity: IdentityDb::connect(&urls.auth, &settings.database.auth_pool())?,
        passwords,
        refresh_key: RefreshKey::derive(database.secret_key.expose_secret().as_bytes()),
        refresh_lifetime_days: settings.auth.refresh_token_lifetime_days,
    })
}
