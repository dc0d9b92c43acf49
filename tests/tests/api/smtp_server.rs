//! A mail server of the test's own, with or without TLS.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use uuid::Uuid;

/// A mail server: what it says to each recipient in turn, and what it was told.
#[derive(Debug, Default)]
pub(crate) struct Server {
    /// Its answers to `RCPT TO`; when they have run out it takes the mail.
    refusals: Mutex<Vec<&'static str>>,
    /// Each as far as it came before its end.
    pub(crate) conversations: Mutex<Vec<String>>,
}

/// How a server protects what it is told.
pub(crate) enum Security {
    /// Not at all.
    Plain,
    /// From the first byte.
    Wrapped(TlsAcceptor),
    /// When it is asked to.
    StartTls(TlsAcceptor),
}

/// An authority that nobody knows, and a server for which it vouches.
pub(crate) struct Authority {
    /// Its certificate, in PEM.
    pub(crate) pem: String,
    acceptor: TlsAcceptor,
}

impl Authority {
    /// Vouches for whoever has this name, or address.
    pub(crate) fn vouching_for(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new([]).unwrap();
        // None of the same name is taken for another one.
        let own = Uuid::now_v7().to_string();
        authority.distinguished_name.push(DnType::CommonName, own);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            STANDARD.encode(authority.self_signed(&key).unwrap().der())
        );
        let issuer = Issuer::new(authority, key);
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new([name.to_owned()]).unwrap();
        let server = server.signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![server.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        Self {
            pem,
            acceptor: Arc::new(config).into(),
        }
    }

    pub(crate) fn wrapped(&self) -> Security {
        Security::Wrapped(self.acceptor.clone())
    }

    pub(crate) fn start_tls(&self) -> Security {
        Security::StartTls(self.acceptor.clone())
    }
}

/// A server that listens: its port.
pub(crate) async fn serve(refusals: &[&'static str], security: Security) -> (u16, Arc<Server>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Arc::new(Server {
        refusals: Mutex::new(refusals.iter().rev().copied().collect()),
        ..Server::default()
    });
    let (listening, security) = (Arc::clone(&server), Arc::new(security));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (server, security) = (Arc::clone(&listening), Arc::clone(&security));
            tokio::spawn(async move {
                let mut said = String::new();
                greet(stream, &security, &server, &mut said).await;
                server.conversations.lock().unwrap().push(said);
            });
        }
    });
    (port, server)
}

/// A client that does not trust the server goes away in the midst of it.
async fn greet(mut stream: TcpStream, security: &Security, server: &Server, said: &mut String) {
    let (acceptor, stream) = match security {
        Security::Plain => {
            stream.write_all(GREETING).await.unwrap();
            converse(stream, "250 test", server, said).await;
            return;
        }
        Security::Wrapped(acceptor) => (acceptor, Some(stream)),
        Security::StartTls(acceptor) => {
            stream.write_all(GREETING).await.unwrap();
            let offer = "250-test\r\n250 STARTTLS";
            (acceptor, converse(stream, offer, server, said).await)
        }
    };
    let Some(stream) = stream else { return };
    let Ok(mut stream) = acceptor.accept(stream).await else {
        return;
    };
    said.push_str("(TLS)\n");
    if matches!(security, Security::Wrapped(_)) {
        stream.write_all(GREETING).await.unwrap();
    }
    // A password is taken here, and not in the clear.
    converse(stream, "250-test\r\n250 AUTH PLAIN", server, said).await;
}

const GREETING: &[u8] = b"220 test\r\n";

/// RFC 5321, as much of it as one mail needs, offering this. The stream, when it is to be encrypted from
/// here on.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    offer: &str,
    server: &Server,
    said: &mut String,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    let mut is_data = false;
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line).await {
            Ok(length) if length > 0 => {}
            // It went away, politely or not.
            _ => return None,
        }
        let line = line.trim_end_matches(['\r', '\n']);
        said.push_str(line);
        said.push('\n');
        let answer = if is_data {
            if line != "." {
                continue;
            }
            is_data = false;
            "250 taken"
        } else if line.starts_with("EHLO") {
            offer
        } else if line == "STARTTLS" {
            "220 go on"
        } else if line.starts_with("AUTH") {
            "235 welcome"
        } else if line.starts_with("RCPT") {
            let refusal = server.refusals.lock().unwrap().pop();
            refusal.unwrap_or("250 ok")
        } else if line == "DATA" {
            is_data = true;
            "354 go on"
        } else if line == "QUIT" {
            return None;
        } else {
            "250 ok"
        };
        let answer = format!("{answer}\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        if answer.starts_with("220") {
            return Some(stream.into_inner());
        }
    }
}
