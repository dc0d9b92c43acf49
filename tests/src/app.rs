//! A server on a database of its own, listening on a port of its own, in this process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use api::{
    AppState, Captcha, Claim, CorsSettings, CursorKey, RateLimits, Server, ServerSettings, Services,
};
use auth::{
    AccessTokenSettings, AccessTokens, FingerprintKey, MailKey, PasswordSettings, PasswordThreads,
    RefreshKey, SecretKeys, SigningKey, TotpKeys,
};
use chrono::TimeDelta;
use jobs::{
    JobsSettings, MailSettings, Mailer, Outbox, Parts, ProjectsSettings, Trail, Views, Worker,
};
use serde_json::{Value, json};
use store::{
    ApiCalls, AuditSettings, IdentityDb, LinkRules, LoginLimit, PlanLimits, PlansSettings,
    TenantPlans, TrailDb,
};
use tempfile::TempDir;
use tenant_db::{PoolSettings, TenantDb, register_seal_key};
use tokio::sync::oneshot;

use crate::database::{Database, seal_key};
use crate::{Answer, Caller, Mail, PgBouncer};

/// The secret under which test servers sign access tokens.
const SECRET: &str = "a secret key of at least thirty-two bytes";

/// How a test server differs from the usual one, which sends no mails.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// As `auth.require_verified_email`.
    pub require_verified_email: bool,
    /// As `auth.captcha`.
    pub captcha: auth::CaptchaSettings,
    /// As `plans`; by default no tier has limits.
    pub plans: Option<PlansSettings>,
    /// As `tenants.max_per_account`; by default an account owns as many as it likes.
    pub max_tenants_per_account: u32,
    /// As `database`, in part; by default four connections.
    pub pool: Option<PoolSettings>,
    /// Whether a worker runs beside the server, quick to try again; and how mails leave.
    pub worker: Option<Work>,
    /// Whether both pools reach the database through PgBouncer, with two backends for each role.
    pub pgbouncer: bool,
}

/// A worker's settings; mails are files in a folder of the test's own unless it says else.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// As `mail.smtp_url`.
    pub smtp_url: Option<String>,
    /// As `mail.ca_file`.
    pub ca_file: Option<PathBuf>,
    /// As `jobs.max_attempts`; 0: as usual.
    pub max_attempts: u16,
}

/// A running server. It stops with this value.
#[derive(Debug)]
pub struct TestApp {
    worker: Option<Worker>,
    home: TempDir,
    database: Arc<Database>,
    tenants: TenantDb,
    identity: IdentityDb,
    plans: TenantPlans,
    views: Views,
    address: SocketAddr,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
    _pgbouncer: Option<PgBouncer>,
}

impl TestApp {
    /// A server without any account. It lets a hundred sign-ins fail: most tests are not about
    /// how many.
    pub async fn start() -> Self {
        Self::start_as(Setup::default()).await
    }

    /// As [`start`](Self::start), and a worker that writes mails to files.
    pub async fn start_with_mails() -> Self {
        Self::start_as(Setup {
            worker: Some(Work::default()),
            ..Setup::default()
        })
        .await
    }

    /// A server without any account, with these differences.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_as(setup: Setup) -> Self {
        Self::serve(Arc::new(Database::fresh()), &setup, |_, _| ())
    }

    /// As [`start`](Self::start), with whatever `change` does to its parts.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_with(change: impl FnOnce(&mut AppState, &mut Services)) -> Self {
        Self::serve(Arc::new(Database::fresh()), &Setup::default(), change)
    }

    /// As [`start`](Self::start), on a database that no superuser made.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_managed() -> Self {
        Self::start_managed_as(Setup::default()).await
    }

    /// The same, with these differences.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_managed_as(setup: Setup) -> Self {
        Self::serve(Arc::new(Database::managed()), &setup, |_, _| ())
    }

    /// Another server on the same database, with these differences.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_beside_as(&self, setup: Setup) -> Self {
        Self::serve(Arc::clone(&self.database), &setup, |_, _| ())
    }

    /// Another server on the same database.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_beside(&self, change: impl FnOnce(&mut AppState, &mut Services)) -> Self {
        Self::serve(Arc::clone(&self.database), &Setup::default(), change)
    }

    fn serve(
        database: Arc<Database>,
        setup: &Setup,
        change: impl FnOnce(&mut AppState, &mut Services),
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let outbox = Outbox::default();
        let pool = PoolSettings {
            connections: 4,
            pgbouncer: setup.pgbouncer,
            ..PoolSettings::default()
        };
        let pgbouncer = setup.pgbouncer.then(|| {
            register_seal_key(&mut database.superuser(), &seal_key().unbound()).unwrap();
            PgBouncer::start(&database, 2)
        });
        let url = |role: &str| match &pgbouncer {
            Some(pgbouncer) => pgbouncer.url(role),
            None => database.url(role),
        };
        let tenant_pool = setup.pool.as_ref().unwrap_or(&pool);
        let tenants = TenantDb::connect(url("rowhouse_app"), seal_key(), tenant_pool).unwrap();
        let identity = IdentityDb::connect(&url("rowhouse_auth"), &pool).unwrap();
        let auth_url = database.url("rowhouse_auth");
        let plans = TenantPlans::start(identity.clone(), Some(&auth_url), &pool).unwrap();
        let limits = setup.plans.map(PlanLimits::from).unwrap_or_default();
        let limits = limits.with_tenants_of_account(setup.max_tenants_per_account);
        let trail = TrailDb::connect(&url("rowhouse_auth"), &pool).unwrap();
        let views = Views::default();
        let worker = setup.worker.as_ref().map(|work| {
            let parts = Parts {
                identity: identity.clone(),
                tenants: tenants.clone(),
                ..parts(&database, home.path(), &outbox, work)
            };
            Worker::start(parts).unwrap()
        });
        let mut services = Services {
            tenants: tenants.clone(),
            identity: identity.clone(),
            plans: plans.clone(),
            limits,
            api_calls: ApiCalls::new(identity.clone(), plans.clone(), limits),
            passwords: PasswordThreads::new(PasswordSettings {
                cost: 4,
                ..PasswordSettings::default()
            })
            .unwrap(),
            outbox,
            captcha: Captcha::try_from(&setup.captcha).unwrap(),
            require_verified_email: setup.require_verified_email,
            views: views.clone(),
            trail: Trail::default(),
            refresh_key: RefreshKey::derive(SECRET.as_bytes()),
            refresh_lifetime_days: 30,
            totp_keys: Arc::new(TotpKeys::derive(&secret_keys()).unwrap()),
            fingerprint_key: FingerprintKey::derive(&secret_keys()),
            login_limit: LoginLimit {
                failures: 100,
                window_minutes: 15,
            },
            step_up_max_age_seconds: 900,
            invitation_lifetime_days: 7,
            exports: api::Exports::default(),
            deletion_grace_days: 30,
        };
        let mut state = AppState {
            access_tokens: access_tokens(),
            cursor_key: CursorKey::derive(SECRET.as_bytes()),
            cors: CorsSettings::default(),
            settings: ServerSettings {
                port: 0,
                base_domain: Some("rowhouse.test".to_owned()),
                workers: std::num::NonZeroUsize::new(2),
                ..ServerSettings::default()
            },
            // Most tests are not about how many.
            rate_limits: RateLimits::off(),
        };
        change(&mut state, &mut services);
        let (stop, stopped) = oneshot::channel();
        let (started, address) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let claim = Claim::of(state.settings.address()).unwrap();
                let pace = Duration::from_millis(50);
                let trail = services.trail.write_every(pace, trail);
                let server = Server::listen(claim, state, services).unwrap();
                started.send(server.addresses()[0]).unwrap();
                let handle = server.handle();
                actix_rt::spawn(async move {
                    drop(stopped.await);
                    handle.stop(false).await;
                });
                server.run().await.unwrap();
                trail.stop().await;
            });
        });
        Self {
            worker,
            home,
            database,
            tenants,
            identity,
            plans,
            views,
            address: address.recv().unwrap(),
            client: reqwest::Client::new(),
            stop: Some(stop),
            thread: Some(thread),
            _pgbouncer: pgbouncer,
        }
    }

    /// A server with two tenants, `acme-corp` and `globex-inc`, and the owner of each.
    pub async fn two_tenants() -> (Self, Caller, Caller) {
        Self::start().await.with_two_tenants().await
    }

    /// The same, on a database that no superuser made.
    pub async fn two_tenants_managed() -> (Self, Caller, Caller) {
        Self::start_managed().await.with_two_tenants().await
    }

    async fn with_two_tenants(self) -> (Self, Caller, Caller) {
        let app = self;
        let alice = app.register("alice@acme.example", "acme-corp").await;
        let bob = app.register("bob@globex.example", "globex-inc").await;
        (app, alice, bob)
    }

    /// Another worker beside the server's own, on the same database.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_worker(&self, work: &Work) -> Worker {
        let outbox = Outbox::default();
        Worker::start(parts(&self.database, self.home.path(), &outbox, work)).unwrap()
    }

    /// The mails that were written so far, oldest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        Mail::all_in(&self.home.path().join("outbox"))
    }

    /// Waits until so many mails to this address were written: the last of them.
    ///
    /// # Panics
    /// When there are more, or they do not come.
    pub async fn mail_to(&self, address: &str, number: usize) -> Mail {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut mails = self.mails();
            mails.retain(|mail| mail.to == address);
            assert!(mails.len() <= number, "{mails:?}");
            if mails.len() == number {
                return mails.pop().unwrap();
            }
            assert!(Instant::now() < deadline, "no mail to {address}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The owner of a new tenant.
    pub async fn register(&self, email: &str, slug: &str) -> Caller {
        let answer = self
            .stranger()
            .post(
                "/api/v1/auth/register",
                json!({ "email": email, "password": "securepass123", "full_name": email, "tenant_slug": slug }),
            )
            .await
            .expect(201);
        self.stranger().with_token(token_of(&answer))
    }

    /// Somebody without a token.
    #[must_use]
    pub fn stranger(&self) -> Caller {
        Caller::stranger(self.client.clone(), format!("http://{}", self.address))
    }

    /// The database behind the server.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The server's own way to the rows of tenants.
    #[must_use]
    pub fn tenants(&self) -> &TenantDb {
        &self.tenants
    }

    /// The server's own way to accounts, and to what is done without a context.
    #[must_use]
    pub fn identity(&self) -> &IdentityDb {
        &self.identity
    }

    /// What the server remembers of the tenants' plans.
    #[must_use]
    pub fn plans(&self) -> &TenantPlans {
        &self.plans
    }

    /// Writes down the views that the server has seen so far.
    pub async fn flush_views(&self) {
        let (identity, tenants) = (self.identity.clone(), self.tenants.clone());
        let period = std::time::Duration::from_secs(3600);
        self.views
            .flush_every(period, identity, tenants)
            .stop()
            .await;
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What the test server seals the secrets of second factors with.
#[must_use]
pub fn secret_keys() -> SecretKeys {
    SecretKeys::new(SECRET.into(), Vec::new())
}

/// What the test server signs and verifies tokens with.
///
/// # Panics
/// Never: the settings are valid.
#[must_use]
pub fn access_tokens() -> AccessTokens {
    AccessTokens::new(AccessTokenSettings {
        keys: vec![SigningKey {
            kid: "1".to_owned(),
            secret: SECRET.to_owned().into(),
        }],
        ..AccessTokenSettings::default()
    })
    .unwrap()
}

/// A worker that does not wait long.
fn parts(database: &Database, home: &Path, outbox: &Outbox, work: &Work) -> Parts {
    let pool = PoolSettings {
        connections: 2,
        ..PoolSettings::default()
    };
    let mail = MailSettings {
        smtp_url: work.smtp_url.clone().map(Into::into),
        ca_file: work.ca_file.clone(),
        base_url: "https://app.rowhouse.test".to_owned(),
        ..MailSettings::default()
    };
    let mut settings = JobsSettings {
        poll_milliseconds: 20,
        retry_milliseconds: 10,
        ..JobsSettings::default()
    };
    if work.max_attempts > 0 {
        settings.max_attempts = work.max_attempts;
    }
    Parts {
        identity: IdentityDb::connect(&database.url("rowhouse_auth"), &pool).unwrap(),
        tenants: TenantDb::connect(database.url("rowhouse_app"), seal_key(), &pool).unwrap(),
        mailer: Mailer::new(&mail, home.join("outbox")).unwrap(),
        links: LinkRules {
            key: MailKey::derive(SECRET.as_bytes()),
            verify_email: TimeDelta::hours(48),
            reset_password: TimeDelta::hours(1),
        },
        outbox: outbox.clone(),
        settings,
        projects: ProjectsSettings::default(),
        audit: AuditSettings {
            seal_milliseconds: 100,
            ..AuditSettings::default()
        },
        checkpoint_key: AuditSettings::default().signing_key(home).unwrap(),
    }
}

fn token_of(answer: &Answer) -> String {
    let body: Value = answer.json();
    body["access_token"].as_str().unwrap().to_owned()
}

impl Drop for TestApp {
    fn drop(&mut self) {
        drop(self.worker.take());
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
