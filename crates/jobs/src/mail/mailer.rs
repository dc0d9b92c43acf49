//! How a mail leaves: over SMTP, or as a file.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use chrono::Utc;
use domain::Email;
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, Mailbox, SinglePart};
use lettre::transport::smtp;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::ExposeSecret as _;

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
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())
                    .map_err(|_| MailerError::SmtpUrl)?;
                let timeout = Duration::from_secs(settings.timeout_seconds.max(1));
                Transport::Smtp(builder.timeout(Some(timeout)).build())
            }
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

fn address(email: &Email) -> Result<Address, SendError> {
    email.as_str().parse().map_err(SendError::Address)
}
