//! SIGTERM and SIGINT, from the first moment on: a server that is asked to stop while it starts
//! stops what it has started so far, as one does that serves already.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use actix_rt::signal::unix::{Signal, SignalKind, signal};

/// While this lives, and ever after, neither signal ends the process by itself.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

/// How the process was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// SIGTERM: requests under way may finish.
    InTime,
    /// SIGINT.
    AtOnce,
}

impl Stop {
    /// Inside a runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for either; one that came since [`Stop::listen`] counts.
    pub(crate) async fn asked(mut self) -> Asked {
        poll_fn(|task| {
            if self.interrupt.poll_recv(task).is_ready() {
                Poll::Ready(Asked::AtOnce)
            } else if self.terminate.poll_recv(task).is_ready() {
                Poll::Ready(Asked::InTime)
            } else {
                Poll::Pending
            }
        })
        .await
    }
}
