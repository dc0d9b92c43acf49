//! Mail: what is written, and how it leaves.

mod file;
mod letter;
mod mailer;

pub(crate) use self::letter::{Letter, Recipient};
pub(crate) use self::mailer::SendError;
pub use self::mailer::{Mailer, MailerError};
