//! Between a server and its Redis: hands on what each says, and remembers what the server said.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use rowhouse_tests::Redis;
use tempfile::TempDir;

/// The end of the first key of a request in a tenant; a probe has no such key.
const ASKED: &[u8] = b"}:tenant\r\n";

/// A socket that leads to a Redis, for one server.
pub(crate) struct Tap {
    folder: TempDir,
    heard: Heard,
}

/// What was said on each connection so far.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

impl Tap {
    pub(crate) fn into(redis: &Redis) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("redis.sock")).unwrap();
        let target: PathBuf = redis.url().strip_prefix("redis+unix://").unwrap().into();
        let heard = Heard::default();
        thread::spawn({
            let heard = Arc::clone(&heard);
            move || {
                for server in listener.incoming() {
                    // A dead Redis: the connection ends.
                    if let Ok(redis) = UnixStream::connect(&target) {
                        join(server.unwrap(), redis, &heard);
                    }
                }
            }
        });
        Self { folder, heard }
    }

    /// For `redis.url`.
    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}/redis.sock", self.folder.path().display())
    }

    /// How many requests have asked Redis so far.
    pub(crate) fn asked(&self) -> usize {
        let heard = self.heard.lock().unwrap();
        let times = |said: &Vec<u8>| {
            let places = said.windows(ASKED.len());
            places.filter(|place| *place == ASKED).count()
        };
        heard.iter().map(times).sum()
    }
}

fn join(server: UnixStream, redis: UnixStream, heard: &Heard) {
    let connection = {
        let mut heard = heard.lock().unwrap();
        heard.push(Vec::new());
        heard.len() - 1
    };
    let heard = Arc::clone(heard);
    let (to_redis, to_server) = (redis.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        hand_on(server, to_redis, |said| {
            heard.lock().unwrap()[connection].extend_from_slice(said);
        });
    });
    thread::spawn(move || hand_on(redis, to_server, |_| ()));
}

/// Until either side ends.
fn hand_on(mut from: UnixStream, mut to: UnixStream, hear: impl Fn(&[u8])) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let said = &buffer[..length];
        hear(said);
        if to.write_all(said).is_err() {
            break;
        }
    }
    for end in [from, to] {
        // It may have ended already.
        drop(end.shutdown(Shutdown::Both));
    }
}
