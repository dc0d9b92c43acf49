//! How a mail leaves: over SMTP, or as a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::Utc;
use domain::Email;
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, Mailbox, SinglePart};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, AsyncSmtpTransportBuilder};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::ExposeSecret as _;
use url::Url;

use super::file;
use super::letter::{Letter, Links};
use crate::settings::MailSettings;

/// The longest line that SMTP carries (RFC 5322, 2.1.1).
const LONGEST_LINE: usize = 998;

/// Sends mails. The addresses in it are typed: no header comes from a text that somebody sent.
#[derive(Debug)]
pub struct Mailer {
    from: Mailbox,
    pub(crate) links: Links,
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Files(PathBuf),
}

/// The section `mail` of the settings does not do. What it says of the URL holds no password.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// `mail.from` is no mailbox.
    #[error("mail.from is neither an address nor `Name <address>`")]
    From(#[source] lettre::address::AddressError),
    /// `mail.base_url` cannot begin a link.
    #[error("mail.base_url must be an http or https URL without query and fragment")]
    BaseUrl,
    /// `mail.smtp_url` names no mail server.
    #[error("mail.smtp_url must look like smtps://user:password@host:465 or smtp://host:25")]
    SmtpUrl,
    /// `mail.ca_file` cannot be read.
    #[error("mail.ca_file cannot be read")]
    CaFile(#[source] std::io::Error),
    /// `mail.ca_file` holds no certificate.
    #[error("mail.ca_file must hold certificates in PEM")]
    CaCertificate,
    /// `mail.ca_file` would be of no use.
    #[error("mail.ca_file needs mail.smtp_url with TLS: smtps://…, or smtp://…?tls=required")]
    CaWithoutTls,
}

/// A mail did not leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("no mail can be sent to this address")]
    Address(#[source] lettre::address::AddressError),
    #[error("the mail could not be written")]
    Write(#[source] lettre::error::Error),
    #[error("the mail has characters beyond ASCII, or too long a line")]
    NotPlain,
    #[error("the mail server did not take the mail")]
    Smtp(#[source] smtp::Error),
    #[error("the mail could not be written to its file")]
    File(#[source] std::io::Error),
}

impl SendError {
    /// Whether it is no use to try again.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Address(_) | Self::Write(_) | Self::NotPlain => true,
            // No such mailbox, or none that takes our mail (RFC 5321, 4.2.2). Other refusals are
            // about us, say a wrong password, and somebody mends them.
            Self::Smtp(error) => error
                .status()
                .is_some_and(|code| [550, 551, 553].contains(&u16::from(code))),
            Self::File(_) => false,
        }
    }
}

impl Mailer {
    /// Over SMTP if there is a mail server, else to files in `outbox`. Connects to nothing yet.
    ///
    /// # Errors
    /// [`MailerError`].
    pub fn new(settings: &MailSettings, outbox: PathBuf) -> Result<Self, MailerError> {
        let transport = match &settings.smtp_url {
            Some(url) => {
                let url = url.expose_secret();
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
                    .map_err(|_| MailerError::SmtpUrl)?;
                let builder = match &settings.ca_file {
                    Some(file) => trust(builder, url, file)?,
                    None => builder,
                };
                let timeout = Duration::from_secs(settings.timeout_seconds.max(1));
                Transport::Smtp(builder.timeout(Some(timeout)).build())
            }
            None if settings.ca_file.is_some() => return Err(MailerError::CaWithoutTls),
            None => Transport::Files(outbox),
        };
        Ok(Self {
            from: settings.from.parse().map_err(MailerError::From)?,
            links: Links::parse(&settings.base_url).ok_or(MailerError::BaseUrl)?,
            transport,
        })
    }

    /// Whether mails leave this machine.
    #[must_use]
    pub fn is_smtp(&self) -> bool {
        matches!(self.transport, Transport::Smtp(_))
    }

    pub(crate) async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let message = self.message(letter)?;
        match &self.transport {
            Transport::Smtp(transport) => {
                transport.send(message).await.map_err(SendError::Smtp)?;
                Ok(())
            }
            Transport::Files(folder) => {
                // As files have it where they lie: with bare line feeds.
                let text = message.formatted();
                let text = String::from_utf8_lossy(&text).replace("\r\n", "\n");
                file::write(folder, &letter.to, text.as_bytes(), Utc::now())
                    .map_err(SendError::File)
            }
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message, SendError> {
        // 7bit, which is to be true of it: no line is folded, no character encoded, so that a link
        // is what it is. Left to itself, lettre folds what is longer than 76 characters.
        let is_plain = letter.text.is_ascii() && !letter.text.contains('\0');
        if !is_plain || letter.text.lines().any(|line| line.len() > LONGEST_LINE) {
            return Err(SendError::NotPlain);
        }
        let text = letter.text.replace('\n', "\r\n").into_bytes();
        let body = Body::dangerous_pre_encoded(text, ContentTransferEncoding::SevenBit);
        let part = SinglePart::builder()
            .header(ContentType::TEXT_PLAIN)
            .body(body);
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address(&letter.to)?))
            .subject(letter.subject)
            .date(SystemTime::now())
            .message_id(Some(format!(
                "<{}@{}>",
                letter.id,
                self.from.email.domain()
            )))
            .singlepart(part)
            .map_err(SendError::Write)
    }
}

/// The same transport, to a server whose certificate may come from an authority in this file too.
fn trust(
    builder: AsyncSmtpTransportBuilder,
    url: &str,
    file: &Path,
) -> Result<AsyncSmtpTransportBuilder, MailerError> {
    let url = Url::parse(url).map_err(|_| MailerError::SmtpUrl)?;
    let tls = url.query_pairs().find(|(key, _)| key == "tls");
    let how: fn(TlsParameters) -> Tls =
        match (url.scheme(), tls.as_ref().map(|(_, value)| value.as_ref())) {
            ("smtps", _) => Tls::Wrapper,
            (_, Some("required")) => Tls::Required,
            (_, Some("opportunistic")) => Tls::Opportunistic,
            _ => return Err(MailerError::CaWithoutTls),
        };
    let pem = fs::read(file).map_err(MailerError::CaFile)?;
    // lettre takes a file without any for one with none.
    if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
        return Err(MailerError::CaCertificate);
    }
    let found = Certificate::from_pem(&pem).map_err(|_| MailerError::CaCertificate)?;
    let host = url.host_str().ok_or(MailerError::SmtpUrl)?;
    let parameters = TlsParameters::builder(host.to_owned())
        .add_root_certificate(found)
        .build()
        .map_err(|_| MailerError::CaCertificate)?;
    Ok(builder.tls(how(parameters)))
}

fn address(email: &Email) -> Result<Address, SendError> {
    email.as_str().parse().map_err(SendError::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_is_none_or_of_no_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let empty = write("empty.pem", "");
        let key = write(
            "key.pem",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        );
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
        let broken = write("broken.pem", broken);
        let missing = folder.path().join("missing.pem");
        let (none, plain, tls) = (None, Some("smtp://h"), Some("smtps://h"));
        for (url, file, expected) in [
            (none, &broken, "mail.ca_file needs mail.smtp_url with TLS"),
            (plain, &broken, "mail.ca_file needs mail.smtp_url with TLS"),
            (tls, &missing, "mail.ca_file cannot be read"),
            (tls, &empty, "mail.ca_file must hold certificates in PEM"),
            (tls, &key, "mail.ca_file must hold certificates in PEM"),
            (tls, &broken, "mail.ca_file must hold certificates in PEM"),
        ] {
            let settings = MailSettings {
                smtp_url: url.map(|url| url.to_owned().into()),
                ca_file: Some(file.clone()),
                ..MailSettings::default()
            };
            let refused = Mailer::new(&settings, PathBuf::new())
                .unwrap_err()
                .to_string();
            assert!(refused.starts_with(expected), "{url:?} {file:?}: {refused}");
        }
    }
}
