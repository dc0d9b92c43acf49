//! From settings to what the API works with.

use std::error::Error;
use std::sync::Arc;

use ::settings::Environment;
use api::{AppState, Captcha, CursorKey, RateLimits, Services};
use auth::{
    AccessTokens, CheckpointKey, FingerprintKey, MailKey, PasswordThreads, RefreshKey, TotpKeys,
};
use chrono::TimeDelta;
use jobs::{Mailer, Outbox, Parts, Trail, Views, Worker};
use rate_limit::Limiter;
use secrecy::ExposeSecret as _;
use store::{ApiCalls, IdentityDb, LinkRules, LoginLimit, PlanLimits, TenantPlans};
use tenant_db::TenantDb;

use crate::database::Database;
use crate::settings::Settings;

/// The folder of the home where mails lie that no server sends.
const OUTBOX: &str = "outbox";

/// What a worker has besides the databases.
pub(crate) struct Tools {
    mailer: Mailer,
    links: LinkRules,
    checkpoint_key: CheckpointKey,
}

/// Made before there is a connection: a signing key that is none has nothing to do with the
/// database, and whoever is told so need not hear of connections that were given up.
pub(crate) fn prepare(
    settings: &Settings,
    environment: Environment,
    database: &Database,
) -> Result<(AppState, Captcha), Box<dyn Error>> {
    let secrets = &database.secret_keys;
    let state = AppState {
        access_tokens: AccessTokens::new(settings.auth.access_tokens(secrets)?)?,
        cursor_key: CursorKey::derive(secrets.current().expose_secret().as_bytes()),
        cors: settings.cors.clone(),
        settings: settings.server.clone(),
        rate_limits: rate_limits(settings, environment)?,
    };
    Ok((state, Captcha::try_from(&settings.auth.captcha)?))
}

/// As [`prepare`], for a process that works on jobs.
pub(crate) fn tools(settings: &Settings, database: &Database) -> Result<Tools, Box<dyn Error>> {
    let secret = database.secret_keys.current();
    let auth = &settings.auth;
    Ok(Tools {
        mailer: Mailer::new(&settings.mail, database.home.join(OUTBOX))?,
        links: LinkRules {
            key: MailKey::derive(secret.expose_secret().as_bytes()),
            verify_email: TimeDelta::hours(auth.verify_email_lifetime_hours.into()),
            reset_password: TimeDelta::minutes(auth.reset_password_lifetime_minutes.into()),
        },
        checkpoint_key: settings.audit.signing_key(&database.home)?,
    })
}

/// Waits for the first answer of Redis, where there is one.
fn rate_limits(
    settings: &Settings,
    environment: Environment,
) -> Result<RateLimits, Box<dyn Error>> {
    if !settings.rate_limit.enabled {
        return Ok(RateLimits::off());
    }
    let callers = Limiter::start(&settings.redis)?;
    let limits = RateLimits::new(settings.rate_limit.clone(), settings.tiers.clone(), callers);
    Ok(match environment {
        Environment::Production => limits.with_loopback(),
        Environment::Development | Environment::Test => limits,
    })
}

/// Both pools, each of which opens its first connection here, and what listens beside them.
pub(crate) fn connect(
    settings: &Settings,
    database: &Database,
    passwords: PasswordThreads,
    captcha: Captcha,
) -> Result<Services, Box<dyn Error>> {
    let (urls, key) = (&database.urls, database.seal_key.clone());
    let (auth, secrets) = (&settings.auth, &database.secret_keys);
    let pool = settings.database.auth_pool();
    let identity = IdentityDb::connect(&urls.auth, &pool)?;
    let plans = TenantPlans::start(identity.clone(), settings.database.listen_url(urls), &pool)?;
    let limits =
        PlanLimits::from(settings.plans).with_tenants_of_account(settings.tenants.max_per_account);
    Ok(Services {
        tenants: TenantDb::connect(urls.app.clone(), key, &settings.database.tenant_pool())?,
        api_calls: ApiCalls::new(identity.clone(), plans.clone(), limits),
        limits,
        plans,
        identity,
        passwords,
        outbox: Outbox::default(),
        views: Views::default(),
        trail: Trail::of_size(settings.audit.queue_size),
        captcha,
        require_verified_email: auth.require_verified_email,
        refresh_key: RefreshKey::derive(secrets.current().expose_secret().as_bytes()),
        refresh_lifetime_days: auth.refresh_token_lifetime_days,
        totp_keys: Arc::new(TotpKeys::derive(secrets)?),
        fingerprint_key: FingerprintKey::derive(secrets),
        login_limit: LoginLimit {
            failures: auth.login_failure_limit.max(1),
            window_minutes: auth.login_failure_window_minutes,
        },
        step_up_max_age_seconds: i32::try_from(auth.step_up_max_age_seconds).unwrap_or(i32::MAX),
        invitation_lifetime_days: auth.invitation_lifetime_days,
        exports: api::Exports::default(),
        deletion_grace_days: settings.tenants.deletion_grace_days,
    })
}

/// Begins to work on what the services leave for later.
pub(crate) fn work(
    settings: &Settings,
    database: &Database,
    services: &Services,
    tools: Tools,
) -> Result<Worker, Box<dyn Error>> {
    if !tools.mailer.is_smtp() {
        log::warn!(
            "mail.smtp_url is not set: mails are written to files of {OUTBOX} in the home, and \
             nobody gets them"
        );
    }
    Ok(Worker::start(Parts {
        identity: IdentityDb::connect(&database.urls.auth, &settings.database.worker_pool())?,
        tenants: services.tenants.clone(),
        mailer: tools.mailer,
        links: tools.links,
        outbox: services.outbox.clone(),
        settings: settings.jobs.clone(),
        projects: settings.projects.clone(),
        audit: settings.audit.clone(),
        checkpoint_key: tools.checkpoint_key,
    })?)
}

/// Seals what an earlier secret key has sealed under the current one, so that the earlier one can
/// go with the next start.
pub(crate) async fn reseal(services: &Services) -> Result<(), store::Error> {
    let keys = Arc::clone(&services.totp_keys);
    let resealed = services.identity.reseal_totp(keys).await?;
    if resealed > 0 {
        log::info!(resealed; "TOTP secrets of a previous secret key were sealed under the current one");
    }
    Ok(())
}
