//! The thread that starts PostgreSQL again when it has died.

use crate::Error;
use crate::server::Server;
use std::mem::{self, Discriminant};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Ends, and waits for its thread, when it is dropped: at once, or after a start that is under way.
#[derive(Debug)]
pub(crate) struct Watch {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn begin(server: Arc<Server>, interval: Duration) -> Result<Self, Error> {
        let (end, ended) = mpsc::channel::<()>();
        let data_dir = server.home().data_dir();
        let thread = thread::Builder::new()
            .name("embedded-postgres".to_owned())
            .spawn(move || {
                let mut failure = None;
                while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                    failure = look_after(&server, failure);
                }
            })
            .map_err(Error::io("start the watch of", &data_dir))?;
        Ok(Self {
            end: Some(end),
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("The watch of the embedded PostgreSQL had panicked");
        }
    }
}

/// Answers how it failed, so that the same kind of failure is logged once and not at every look.
fn look_after(
    server: &Server,
    failure: Option<Discriminant<Error>>,
) -> Option<Discriminant<Error>> {
    let data_dir = server.home().data_dir();
    match server.revive() {
        Ok(false) => None,
        Ok(true) => {
            log::warn!(data_dir:? = data_dir; "The embedded PostgreSQL had died and was started again");
            None
        }
        Err(error) => {
            let kind = Some(mem::discriminant(&error));
            if kind != failure {
                log::error!(data_dir:? = data_dir, error = error.chain(); "The embedded PostgreSQL has died and does not start again");
            }
            kind
        }
    }
}
