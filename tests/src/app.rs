//! A server on a database of its own, listening on a port of its own, in this process.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;

use api::{AppState, CursorKey, Server, ServerSettings, Services};
use auth::{
    AccessTokenSettings, AccessTokens, PasswordSettings, PasswordThreads, RefreshKey, SecretKeys,
    SigningKey, TotpKeys,
};
use serde_json::{Value, json};
use store::{IdentityDb, LoginLimit};
use tenant_db::{PoolSettings, TenantDb};
use tokio::sync::oneshot;

use crate::database::{Database, seal_key};
use crate::{Answer, Caller};

/// The secret under which test servers sign access tokens.
const SECRET: &str = "a secret key of at least thirty-two bytes";

/// A running server. It stops with this value.
#[derive(Debug)]
pub struct TestApp {
    database: Arc<Database>,
    tenants: TenantDb,
    address: SocketAddr,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl TestApp {
    /// A server without any account. It lets a hundred sign-ins fail: most tests are not about
    /// how many.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        Self::start_with(|_, _| ()).await
    }

    /// As [`start`](Self::start), with whatever `change` does to its parts.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_with(change: impl FnOnce(&mut AppState, &mut Services)) -> Self {
        Self::serve(Arc::new(Database::fresh()), change)
    }

    /// Another server on the same database.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_beside(&self, change: impl FnOnce(&mut AppState, &mut Services)) -> Self {
        Self::serve(Arc::clone(&self.database), change)
    }

    fn serve(database: Arc<Database>, change: impl FnOnce(&mut AppState, &mut Services)) -> Self {
        let pool = PoolSettings {
            connections: 4,
            ..PoolSettings::default()
        };
        let tenants = TenantDb::connect(&database.url("rowhouse_app"), seal_key(), &pool).unwrap();
        let identity = IdentityDb::connect(&database.url("rowhouse_auth"), &pool).unwrap();
        let mut services = Services {
            tenants: tenants.clone(),
            identity,
            passwords: PasswordThreads::new(PasswordSettings {
                cost: 4,
                ..PasswordSettings::default()
            })
            .unwrap(),
            outbox: jobs::Outbox::default(),
            refresh_key: RefreshKey::derive(SECRET.as_bytes()),
            refresh_lifetime_days: 30,
            totp_keys: Arc::new(TotpKeys::derive(&secret_keys()).unwrap()),
            login_limit: LoginLimit {
                failures: 100,
                window_minutes: 15,
            },
            step_up_max_age_seconds: 900,
        };
        let mut state = AppState {
            access_tokens: access_tokens(),
            cursor_key: CursorKey::derive(SECRET.as_bytes()),
            settings: ServerSettings {
                port: 0,
                base_domain: Some("rowhouse.test".to_owned()),
                workers: std::num::NonZeroUsize::new(2),
                ..ServerSettings::default()
            },
        };
        change(&mut state, &mut services);
        let (stop, stopped) = oneshot::channel();
        let (started, address) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let server = Server::bind(state, services).unwrap();
                started.send(server.addresses()[0]).unwrap();
                let handle = server.handle();
                actix_rt::spawn(async move {
                    drop(stopped.await);
                    handle.stop(false).await;
                });
                server.run().await.unwrap();
            });
        });
        Self {
            database,
            tenants,
            address: address.recv().unwrap(),
            client: reqwest::Client::new(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// A server with two tenants, `acme-corp` and `globex-inc`, and the owner of each.
    pub async fn two_tenants() -> (Self, Caller, Caller) {
        let app = Self::start().await;
        let alice = app.register("alice@acme.example", "acme-corp").await;
        let bob = app.register("bob@globex.example", "globex-inc").await;
        (app, alice, bob)
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

fn token_of(answer: &Answer) -> String {
    let body: Value = answer.json();
    body["access_token"].as_str().unwrap().to_owned()
}

impl Drop for TestApp {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
