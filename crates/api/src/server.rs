//! The listening server.

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::ServerHandle,
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use crate::{
    claim::Claim, cors, error::ApiError, frame::frame, gate::gate, rate_limits::limit_address,
    routes, services::Services, state::AppState,
};

/// Listens from [`Server::listen`] on, serves from [`Server::run`] on.
pub struct Server {
    server: actix_web::dev::Server,
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// Listens on what was claimed. Inside an actix runtime.
    ///
    /// # Errors
    /// The system's: [`io::ErrorKind::AddrInUse`] when somebody else listens there by now.
    pub fn listen(claim: Claim, state: AppState, services: Services) -> io::Result<Self> {
        let services = Data::new(services);
        Self::listen_routes(claim, Arc::new(state), move |config| {
            config.app_data(services.clone());
            routes::register(config);
        })
    }

    /// As [`Server::listen`], for another table of routes.
    ///
    /// # Errors
    /// As [`Server::listen`].
    pub fn listen_routes(
        claim: Claim,
        state: Arc<AppState>,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let (settings, cors) = (state.settings.clone(), state.cors.clone());
        let mut server = HttpServer::new(move || {
            App::new()
                .app_data(Data::from(Arc::clone(&state)))
                .configure(routes.clone())
                .default_service(web::to(not_found))
                .wrap(from_fn(limit_address))
                .wrap(cors::middleware(&cors))
                .wrap(from_fn(gate))
                .wrap(from_fn(frame))
        })
        .client_request_timeout(Duration::from_secs(settings.head_timeout_seconds))
        .keep_alive(Duration::from_secs(settings.keep_alive_seconds))
        .shutdown_timeout(settings.shutdown_timeout_seconds);
        if let Some(workers) = settings.workers {
            server = server.workers(workers.get());
        }
        let server = server.listen(claim.listen(settings.send_timeout())?)?;
        Ok(Self {
            addresses: server.addrs(),
            server: server.run(),
        })
    }

    /// Where it listens; with port 0, the port that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops the server from elsewhere: `handle.stop(true).await` lets requests under way finish.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Serves until SIGTERM (requests under way get `server.shutdown_timeout_seconds`), SIGINT or
    /// SIGQUIT (at once), or the handle says stop.
    ///
    /// # Errors
    /// The system's, when workers cannot be started.
    pub async fn run(self) -> io::Result<()> {
        self.server.await
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound)
}
