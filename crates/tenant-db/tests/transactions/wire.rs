//! What stands between a client and PostgreSQL: passes on what they say (frontend/backend
//! protocol 3.0), counts it, and loses or alters what a test wants lost or altered.

use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;
use tenant_db::PoolSettings;
use tenant_db::{ServiceDb, TenantDb};

use crate::fixtures::Scene;
use rowhouse_tests::seal_key;

/// What becomes of a message in the simple query protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives, and so does its answer.
    Arrives,
    /// The connection is lost before it arrives.
    Lost,
    /// It arrives, but the connection is lost before its answer does.
    AnswerLost,
    /// This arrives in its place.
    Becomes(&'static str),
}

type Plan = Box<dyn FnMut(&str) -> Fate + Send>;

/// A socket that leads to the database of a scene. It stops taking connections with its folder.
pub(crate) struct Wire {
    folder: TempDir,
    heard: Arc<Heard>,
}

struct Heard {
    server: PathBuf,
    plan: Mutex<Plan>,
    queries: Mutex<Vec<String>>,
    round_trips: Mutex<usize>,
}

impl Wire {
    pub(crate) fn to(scene: &Scene) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let heard = Arc::new(Heard {
            server: scene.socket_dir().join(".s.PGSQL.5432"),
            plan: Mutex::new(Box::new(|_| Fate::Arrives)),
            queries: Mutex::default(),
            round_trips: Mutex::default(),
        });
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let for_clients = Arc::clone(&heard);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let heard = Arc::clone(&for_clients);
                thread::spawn(move || drop(pass_on(&client, &heard)));
            }
        });
        Self { folder, heard }
    }

    /// A pool whose connections go through here.
    pub(crate) fn connect(&self, scene: &Scene, connections: u32) -> TenantDb {
        let url = scene.url_through(self.folder.path());
        let settings = PoolSettings {
            connections,
            ..PoolSettings::default()
        };
        TenantDb::connect(url, seal_key(), &settings).unwrap()
    }

    /// From now on this decides.
    /// One connection of a service through this wire.
    pub(crate) fn connect_service(&self, scene: &Scene) -> ServiceDb {
        let url = scene.url_through(self.folder.path());
        let settings = PoolSettings {
            connections: 1,
            ..PoolSettings::default()
        };
        ServiceDb::connect(url, &settings).unwrap()
    }

    pub(crate) fn plan(&self, plan: impl FnMut(&str) -> Fate + Send + 'static) {
        *self.heard.plan.lock().unwrap() = Box::new(plan);
    }

    /// How often the server said that it was ready for more: what it answered, counted in round
    /// trips.
    pub(crate) fn round_trips(&self) -> usize {
        *self.heard.round_trips.lock().unwrap()
    }

    /// How many prologues were sent.
    pub(crate) fn prologues(&self) -> usize {
        let queries = self.heard.queries.lock().unwrap();
        queries.iter().filter(|sql| is_prologue(sql)).count()
    }
}

pub(crate) fn is_prologue(sql: &str) -> bool {
    sql.contains("tenancy.enter")
}

/// What the two directions of one connection know of each other.
#[derive(Default)]
struct Exchange {
    /// The client gets no more answers.
    mute: AtomicBool,
    /// The client has asked something.
    awaits_answer: AtomicBool,
}

/// Serves one client to its end.
fn pass_on(client: &UnixStream, heard: &Arc<Heard>) -> io::Result<()> {
    let server = UnixStream::connect(&heard.server)?;
    let state = Arc::new(Exchange::default());
    let answers = {
        let (heard, state) = (Arc::clone(heard), Arc::clone(&state));
        let (server, client) = (server.try_clone()?, client.try_clone()?);
        thread::spawn(move || drop(pass_answers(&server, &client, &state, &heard)))
    };
    drop(pass_questions(client, &server, &state, heard));
    drop(server.shutdown(Shutdown::Both));
    drop(client.shutdown(Shutdown::Both));
    drop(answers.join());
    Ok(())
}

fn pass_questions(
    mut client: &UnixStream,
    mut server: &UnixStream,
    state: &Exchange,
    heard: &Heard,
) -> io::Result<()> {
    // The first message has no type.
    let startup = read_body(&mut client)?;
    state.awaits_answer.store(true, Ordering::SeqCst);
    server.write_all(&framed(&startup))?;
    loop {
        let (kind, mut body) = read_message(&mut client)?;
        if kind == b'Q' {
            let sql = String::from_utf8_lossy(&body)
                .trim_end_matches('\0')
                .to_owned();
            let fate = (heard.plan.lock().unwrap())(&sql);
            heard.queries.lock().unwrap().push(sql);
            match fate {
                Fate::Arrives => {}
                Fate::Lost => return Ok(()),
                Fate::AnswerLost => state.mute.store(true, Ordering::SeqCst),
                Fate::Becomes(sql) => body = [sql.as_bytes(), b"\0"].concat(),
            }
        }
        state.awaits_answer.store(true, Ordering::SeqCst);
        server.write_all(&[&[kind], framed(&body).as_slice()].concat())?;
    }
}

fn pass_answers(
    mut server: &UnixStream,
    mut client: &UnixStream,
    state: &Exchange,
    heard: &Heard,
) -> io::Result<()> {
    let result = loop {
        let (kind, body) = match read_message(&mut server) {
            Ok(message) => message,
            Err(error) => break Err(error),
        };
        if kind == b'Z' {
            state.awaits_answer.store(false, Ordering::SeqCst);
            *heard.round_trips.lock().unwrap() += 1;
        }
        if state.mute.load(Ordering::SeqCst) {
            if kind == b'Z' {
                break Ok(());
            }
            continue;
        }
        if let Err(error) = client.write_all(&[&[kind], framed(&body).as_slice()].concat()) {
            break Err(error);
        }
    };
    // Whoever awaits nothing learns of the loss from its next question, which is then counted.
    if state.mute.load(Ordering::SeqCst) || state.awaits_answer.load(Ordering::SeqCst) {
        drop(client.shutdown(Shutdown::Both));
    }
    result
}

fn read_message(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    Ok((kind[0], read_body(stream)?))
}

/// A length that counts itself, then as many bytes.
fn read_body(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap();
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&length.to_be_bytes(), body].concat()
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Nobody gets in any more; who is in stays until the pool is dropped.
        drop(fs::remove_file(self.folder.path().join(".s.PGSQL.5432")));
    }
}
