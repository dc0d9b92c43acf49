//! `/metrics` on an address of its own, so that it is not for whoever reaches the API: it tells of all
//! tenants together, and of none by name.

use actix_web::{App, HttpResponse, HttpServer, http::header, web};
use std::{future::Future, io, net::SocketAddr, sync::Arc};

use crate::denial;

/// What Prometheus asks for (text exposition format 0.0.4).
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Listens from [`MetricsServer::bind`] on; answers `GET /metrics`, and 404 else.
pub struct MetricsServer {
    server: actix_web::dev::Server,
    addresses: Vec<SocketAddr>,
}

impl MetricsServer {
    /// Listens on `address`; `render` writes the metrics of the moment. Inside an actix runtime.
    ///
    /// # Errors
    /// The system's: [`io::ErrorKind::AddrInUse`] for a busy port.
    pub fn bind(
        address: SocketAddr,
        render: impl Fn() -> String + Send + Sync + 'static,
    ) -> io::Result<Self> {
        denial::begin_to_count();
        let render: Arc<dyn Fn() -> String + Send + Sync> = Arc::new(render);
        let server = HttpServer::new(move || {
            let render = Arc::clone(&render);
            let answer = move || {
                let text = render();
                async move {
                    let mut response = HttpResponse::Ok();
                    response.insert_header((header::CONTENT_TYPE, MEDIA_TYPE));
                    response.body(text)
                }
            };
            App::new().route("/metrics", web::get().to(answer))
        })
        .workers(1)
        .disable_signals()
        .bind(address)?;
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

    /// Serves until the runtime ends.
    pub fn run(self) -> impl Future<Output = io::Result<()>> {
        self.server
    }
}

impl std::fmt::Debug for MetricsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetricsServer")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}
