//! What can go wrong, for whoever starts a limiter and for whoever asks it.

/// A limiter could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `redis.url` is none that this crate understands.
    #[error("redis.url is not the address of a Redis")]
    Url(#[source] redis::RedisError),
    /// The system gave no thread, or no timer.
    #[error("the thread that talks to Redis could not be started")]
    Thread(#[source] std::io::Error),
}

/// Redis does not answer, and [`OnFailure::Closed`](crate::OnFailure::Closed) lets nothing through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rate limits cannot be checked")]
pub struct Unavailable;
