//! Token buckets for requests: how many of whom may come.
//!
//! The problem: many servers must hold one limit together, a request may draw from several buckets at
//! once (a company's and a person's) and must not empty one when the other refuses it, and a Redis
//! that is gone or slow must take no request down with it.
//!
//! ```
//! use rate_limit::{Draw, Limit, Limiter, RedisSettings};
//! use std::num::NonZeroU32;
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let limiter = Limiter::start(&RedisSettings {
//!     url: Some("redis://127.0.0.1:6379".into()),
//!     ..RedisSettings::default()
//! })?;
//! let number = |n| NonZeroU32::new(n).ok_or("zero");
//! let limit = Limit::per_minute(number(300)?, number(100)?);
//! let company = Draw { name: "all", limit, cost: 1 };
//! let person = Draw { name: "vera", limit, cost: 1 };
//! let decision = limiter.draw("acme", &[company, person]).await?;
//! if let Some((which, wait)) = decision.refused() {
//!     println!("bucket {which} is empty: come back in {wait:?}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **Shapes.** A [`Limit`] is a burst and a number of tokens a minute. A [`Draw`] is a cost from one
//! bucket; [`Limiter::draw`] draws from all of a *family*, or from none, and answers a [`Decision`]: a
//! [`Level`] for each bucket (what is left, when it is full), and which one refused, and until when. A
//! bucket is one number, when it will be full ([`Bucket`], a pure function of state and time): the
//! generic cell rate algorithm of ITU-T Recommendation I.371.
//!
//! **Redis** (6 or newer). One call is one `EVALSHA` of one script, by Redis' own clock, whatever the
//! clocks of the servers say; a script that Redis does not know, after a restart, is loaded on the
//! way. Keys are `rate:{family}:name`, of one hash tag a call, and expire when the bucket is full. One
//! connection a process, shared by all calls; a thread of its own keeps it. `rediss://` needs the feature
//! `tls`.
//!
//! **Redis gone.** Three failures in a row (no connection, no answer within
//! `redis.timeout_milliseconds`, a refusal such as that of a full one) open the breaker: from then on
//! no call waits, and [`OnFailure`] holds. Probes in the background, 100 ms to 10 s apart, draw from a
//! bucket of their own, and close it. [`Limiter::health`] tells; each change is one line in the log.
//!
//! With [`OnFailure::Local`] each process has buckets of its own, of full size. They go on filling
//! whether they are in use or not. So however often Redis comes and goes, `n` processes let through at
//! most `n + 1` times what one bucket would; and once more its burst each time that Redis forgot, by
//! a flush or a restart without its data.
//!
//! **Counted** (`metrics`): `rate_limit_calls_total{by, outcome}`, `rate_limit_redis_up`,
//! `rate_limit_redis_failures_total{kind}`, `rate_limit_breaker_transitions_total{to}`.
//!
//! What deliberately does not live here: HTTP, tenants, and which limit is whose. Names are opaque.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod bucket;
mod decision;
mod draw;
mod error;
mod limit;
mod limiter;
mod local;
mod meters;
mod redis;

pub use bucket::Bucket;
pub use decision::{Decision, Level};
pub use draw::Draw;
pub use error::{StartError, Unavailable};
pub use limit::Limit;
pub use limiter::{Health, Limiter};
pub use local::Local;
pub use redis::{OnFailure, RedisSettings};
