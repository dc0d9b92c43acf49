//! From settings to what the API works with.

use std::error::Error;

use api::{AppState, CursorKey, Services};
use auth::{AccessTokens, MailKey, PasswordThreads, RefreshKey};
use chrono::TimeDelta;
use jobs::{Mailer, Outbox, Parts, Worker};
use secrecy::ExposeSecret as _;
use store::{IdentityDb, LinkRules};
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
        outbox: Outbox::default(),
        refresh_key: RefreshKey::derive(database.secret_key.expose_secret().as_bytes()),
        refresh_lifetime_days: settings.auth.refresh_token_lifetime_days,
    })
}

/// Begins to work on what the services leave for later.
pub(crate) fn work(
    settings: &Settings,
    database: &Database,
    services: &Services,
) -> Result<Worker, Box<dyn Error>> {
    let outbox = database.home.join("outbox");
    let mailer = Mailer::new(&settings.mail, outbox.clone())?;
    if !mailer.is_smtp() {
        log::warn!(
            folder:% = outbox.display();
            "mail.smtp_url is not set: mails are written to files, and nobody gets them"
        );
    }
    Ok(Worker::start(Parts {
        identity: services.identity.clone(),
        tenants: services.tenants.clone(),
        mailer,
        links: LinkRules {
            key: MailKey::derive(database.secret_key.expose_secret().as_bytes()),
            verify_email: TimeDelta::hours(settings.auth.verify_email_lifetime_hours.into()),
            reset_password: TimeDelta::minutes(
                settings.auth.reset_password_lifetime_minutes.into(),
            ),
        },
        outbox: services.outbox.clone(),
        settings: settings.jobs.clone(),
    })?)
}
