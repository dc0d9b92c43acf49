//! What the mails say. Nothing that a stranger chose stands in them, no name and no title: else
//! whoever registers somebody's address could have us write to them.

use auth::{MailPurpose, MailToken};
use chrono::{DateTime, Utc};
use domain::{Email, MailKind, TenantSlug};
use store::AccountMail;
use uuid::Uuid;

/// A mail, before it is put into its envelope. The text is ASCII with short lines, except for a
/// link, which stands alone on its line.
pub(crate) struct Letter {
    /// What it was made of: two mails with one id are the same mail.
    pub(crate) id: Uuid,
    pub(crate) to: Email,
    pub(crate) subject: &'static str,
    pub(crate) text: String,
}

/// To whom somebody of a tenant writes.
pub(crate) struct Recipient {
    /// As the letter's.
    pub(crate) id: Uuid,
    pub(crate) to: Email,
    pub(crate) tenant: TenantSlug,
}

/// Where links lead.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    /// Without a slash at its end.
    base: String,
}

impl Links {
    /// `None` for what is no web address in ASCII without query and fragment.
    pub(crate) fn parse(base_url: &str) -> Option<Self> {
        let url = url::Url::parse(base_url).ok()?;
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        let is_bare = url.query().is_none() && url.fragment().is_none();
        (is_web && is_bare).then(|| Self {
            base: url.as_str().trim_end_matches('/').to_owned(),
        })
    }

    fn with(&self, token: &MailToken) -> String {
        let page = match token.purpose() {
            MailPurpose::VerifyEmail => "verify-email",
            MailPurpose::ResetPassword => "reset-password",
            MailPurpose::Invitation => "accept-invitation",
        };
        format!("{}/{page}?token={}", self.base, token.reveal())
    }
}

impl Letter {
    /// To an account. `None` when a mail of this kind lacks its link.
    pub(crate) fn to_account(id: Uuid, mail: AccountMail, links: &Links) -> Option<Self> {
        let link = mail.link.as_ref().map(|token| links.with(token));
        let (subject, text) = match mail.kind {
            MailKind::VerifyEmail => (
                "Please confirm your address",
                format!(
                    "Somebody, hopefully you, has registered with this address. To confirm that it\n\
                     is yours, open:\n\n{}\n\nIf it was not you, there is nothing to do.\n",
                    link?
                ),
            ),
            MailKind::ResetPassword => (
                "A new password",
                format!(
                    "Somebody, hopefully you, has asked for a new password. To choose one, open:\n\n\
                     {}\n\nAll sessions end with that. If it was not you, there is nothing to do: your\n\
                     password is what it was.\n",
                    link?
                ),
            ),
            MailKind::AddressKnown => (
                "You have an account already",
                format!(
                    "Somebody, hopefully you, has registered with this address, which has an account\n\
                     already. Nothing was changed. Sign in, or ask for a new password, at:\n\n{}\n\n\
                     If it was not you, there is nothing to do.\n",
                    links.base
                ),
            ),
        };
        Some(Self {
            id,
            to: mail.to,
            subject,
            text,
        })
    }

    /// To a person who may join a tenant.
    pub(crate) fn invitation(
        id: Uuid,
        to: Email,
        tenant: &TenantSlug,
        token: &MailToken,
        links: &Links,
    ) -> Self {
        Self {
            id,
            to,
            subject: "You are invited",
            text: format!(
                "An admin of {tenant} invites you to join them. To accept, open:\n\n{}\n\n\
                 The link is good once. If you do not know {tenant}, there is nothing to do.\n",
                links.with(token)
            ),
        }
    }

    /// To an owner whose tenant is to be erased.
    pub(crate) fn tenant_deleting(
        recipient: Recipient,
        erase_after: DateTime<Utc>,
        links: &Links,
    ) -> Self {
        let Recipient { id, to, tenant } = recipient;
        Self {
            id,
            to,
            subject: "Your company is to be deleted",
            text: format!(
                "An owner of {tenant} has asked for all of it to be deleted. Nobody can work in it any\n\
                 more, and after {} UTC everything in it is erased for good. Until\n\
                 then every owner can bring it back: sign in, naming {tenant}, at:\n\n{}\n",
                erase_after.format("%Y-%m-%d %H:%M"),
                links.base
            ),
        }
    }

    /// To an owner whose tenant was brought back.
    pub(crate) fn tenant_restored(recipient: Recipient, links: &Links) -> Self {
        let Recipient { id, to, tenant } = recipient;
        Self {
            id,
            to,
            subject: "Your company is back",
            text: format!(
                "An owner of {tenant} has brought it back. Nothing of it is deleted, and everybody can\n\
                 work in it as before, at:\n\n{}\n",
                links.base
            ),
        }
    }

    /// To a person whom an admin has made an account.
    pub(crate) fn welcome(id: Uuid, to: Email, tenant: &TenantSlug, links: &Links) -> Self {
        Self {
            id,
            to,
            subject: "An account was made for you",
            text: format!(
                "An admin of {tenant} has made an account for you with this address. You get the\n\
                 password from them. Sign in, naming {tenant}, at:\n\n{}\n",
                links.base
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use auth::MailKey;

    use super::*;

    #[test]
    fn a_link_stands_alone_on_its_line() {
        let links = Links::parse("https://app.example/en/").unwrap();
        for (kind, purpose, page) in [
            (
                MailKind::VerifyEmail,
                MailPurpose::VerifyEmail,
                "verify-email",
            ),
            (
                MailKind::ResetPassword,
                MailPurpose::ResetPassword,
                "reset-password",
            ),
        ] {
            let key = MailKey::derive(b"secret");
            let token = MailToken::derive(&key, purpose, None, Uuid::now_v7(), 1);
            let line = format!("https://app.example/en/{page}?token={}", token.reveal());
            let mail = AccountMail {
                kind,
                to: Email::parse("a@b.example").unwrap(),
                link: Some(token),
            };
            let letter = Letter::to_account(Uuid::now_v7(), mail, &links).unwrap();
            assert_eq!(letter.text.lines().filter(|text| *text == line).count(), 1);
            assert_eq!(letter.text.matches("token=").count(), 1);
            assert!(letter.text.is_ascii());
        }
    }

    #[test]
    fn only_a_bare_web_address_begins_a_link() {
        for good in [
            "http://127.0.0.1:8000",
            "https://app.example/",
            "https://a.example/b",
        ] {
            assert!(Links::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "app.example",
            "ftp://a.example",
            "https://a.example/?q",
            "https://a.example/#f",
            "javascript:alert(1)",
        ] {
            assert!(Links::parse(bad).is_none(), "{bad}");
        }
    }
}
