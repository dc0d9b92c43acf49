//! The settings of the API: sections `server` and `tenants`.

use serde::Deserialize;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use crate::{client_address::Network, host::HostPattern};

/// Section `server`. Every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct ServerSettings {
    /// `server.bind`: the address to listen on. Default `127.0.0.1`, this machine only.
    pub bind: IpAddr,
    /// `server.port`: the port to listen on; 0 takes any free one. Default 8000.
    pub port: u16,
    /// `server.base_domain`: `rowhouse.example` makes `acme.rowhouse.example` select the tenant
    /// `acme`. Default none: the host name selects nothing.
    pub base_domain: Option<String>,
    /// `server.trusted_proxies`: addresses and networks (`10.0.0.0/8`) whose `X-Forwarded-For` and
    /// `X-Forwarded-Proto` are believed. Default none.
    pub trusted_proxies: Vec<Network>,
    /// `server.trusted_hosts`: the host names that requests may be for, exact or `*.suffix`; any
    /// other is 400. Health is exempt. Default none: any.
    pub trusted_hosts: Vec<HostPattern>,
    /// `server.require_https`: whether a request must have come by HTTPS, as a trusted proxy says;
    /// else 403. Health is exempt. Default false.
    pub require_https: bool,
    /// `server.hsts_max_age_seconds`: how long a browser that came by HTTPS shall use nothing else;
    /// 0 says nothing of it. Default 31,536,000 (a year).
    pub hsts_max_age_seconds: u32,
    /// `server.max_body_bytes`: the most bytes that a request's body may have, where its route
    /// says nothing else. Default 1,048,576 (1 MiB).
    pub max_body_bytes: usize,
    /// `server.workers`: threads that serve HTTP. Default one per core.
    pub workers: Option<NonZeroUsize>,
    /// `server.head_timeout_seconds`: within how many seconds a request's head must have arrived.
    /// Default 10.
    pub head_timeout_seconds: u64,
    /// `server.body_timeout_seconds`: within how many seconds more its body must have arrived, else
    /// 408. Default 30.
    pub body_timeout_seconds: u64,
    /// `server.request_timeout_seconds`: within how many seconds of its head a request is answered,
    /// if need be with 503. More than `server.body_timeout_seconds`, and than the database takes to
    /// give up (`database.queue_timeout_seconds` and `database.statement_timeout_seconds`), which
    /// say more. Default 45.
    pub request_timeout_seconds: NonZeroU64,
    /// `server.send_timeout_seconds`: a client that for so many seconds takes nothing of what it is
    /// sent is cut off; on Linux. Default 60.
    pub send_timeout_seconds: NonZeroU32,
    /// `server.keep_alive_seconds`: after how many idle seconds a connection is closed; more than
    /// the proxy in front keeps it. Default 75.
    pub keep_alive_seconds: u64,
    /// `server.shutdown_timeout_seconds`: how many seconds requests under way get to finish once
    /// the server was told to stop. Default 20.
    pub shutdown_timeout_seconds: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8000,
            base_domain: None,
            trusted_proxies: Vec::new(),
            trusted_hosts: Vec::new(),
            require_https: false,
            hsts_max_age_seconds: 31_536_000,
            max_body_bytes: 1024 * 1024,
            workers: None,
            head_timeout_seconds: 10,
            body_timeout_seconds: 30,
            request_timeout_seconds: const { NonZeroU64::new(45).unwrap() },
            send_timeout_seconds: const { NonZeroU32::new(60).unwrap() },
            keep_alive_seconds: 75,
            shutdown_timeout_seconds: 20,
        }
    }
}

/// Section `tenants`. Every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct TenantsSettings {
    /// `tenants.deletion_grace_days`: days that its owners can bring back a deleted tenant. After
    /// them it is erased. At least 1; default 30.
    pub deletion_grace_days: u16,
    /// `tenants.max_per_account`: tenants that one account may own, deleted ones too until they are
    /// erased. 0: as many as it likes; default 50.
    pub max_per_account: u32,
}

impl Default for TenantsSettings {
    fn default() -> Self {
        Self {
            deletion_grace_days: 30,
            max_per_account: 50,
        }
    }
}

impl ServerSettings {
    /// `bind` and `port`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds.get())
    }

    pub(crate) fn send_timeout(&self) -> Duration {
        Duration::from_secs(self.send_timeout_seconds.get().into())
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds)
    }
}
