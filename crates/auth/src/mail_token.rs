//! What a link in a mail carries. Nothing secret of it rests anywhere: whoever sends the mail makes
//! the token again from the row that it stands for, and the database keeps its hash.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::TenantId;
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::{Digest as _, Sha256};
use std::fmt;
use uuid::Uuid;

use crate::InvalidMailToken;
use crate::keyed_hash::hmac;

/// Lets a leaked token be found by scanners, and told from the other tokens at sight.
const PREFIX: &str = "mt_";
const KEY_LABEL: &[u8] = b"rowhouse mail v1";
const ID_BYTES: usize = 16;
const ISSUE_BYTES: usize = 4;
const MAC_BYTES: usize = 32;

/// What the bearer of a token may do, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailPurpose {
    /// Show that mail to the account's address arrives.
    VerifyEmail,
    /// Give the account a new password.
    ResetPassword,
    /// Accept an invitation of a tenant.
    Invitation,
}

impl MailPurpose {
    /// Every purpose.
    pub const ALL: &'static [Self] = &[Self::VerifyEmail, Self::ResetPassword, Self::Invitation];

    fn byte(self) -> u8 {
        match self {
            Self::VerifyEmail => 1,
            Self::ResetPassword => 2,
            Self::Invitation => 3,
        }
    }
}

/// The key under which mail tokens are made. All servers of one installation share it; when it
/// changes, links that were sent stay good, as only their hashes are compared.
#[derive(Clone)]
pub struct MailKey(Hmac<Sha256>);

impl MailKey {
    /// Derives the key, `HMAC-SHA256(secret, "rowhouse mail v1")`, from a secret of at least 32
    /// random bytes, which may serve elsewhere too.
    #[must_use]
    pub fn derive(secret: &[u8]) -> Self {
        let key = hmac(secret).chain_update(KEY_LABEL).finalize();
        Self(hmac(&key.into_bytes()))
    }
}

/// A token in the clear. `Debug` prints `[redacted]`; its memory is wiped when it is dropped.
///
/// ```
/// use auth::{MailKey, MailPurpose, MailToken};
///
/// let key = MailKey::derive(b"at least 32 bytes, better random");
/// let invitation = uuid::Uuid::now_v7();
/// let token = MailToken::derive(&key, MailPurpose::Invitation, None, invitation, 1);
/// let presented = MailToken::parse(&token.reveal())?;
/// assert_eq!(presented.hash(), token.hash());
/// assert_eq!(presented.id(), invitation);
/// # Ok::<(), auth::InvalidMailToken>(())
/// ```
pub struct MailToken {
    purpose: MailPurpose,
    tenant: Option<TenantId>,
    id: Uuid,
    issue: i32,
    bytes: SecretSlice<u8>,
}

impl MailToken {
    /// The token for the `issue`th link to the row `id`, of a tenant if the row is one's. Always
    /// the same for the same.
    #[must_use]
    pub fn derive(
        key: &MailKey,
        purpose: MailPurpose,
        tenant: Option<TenantId>,
        id: Uuid,
        issue: i32,
    ) -> Self {
        let mut bytes = vec![purpose.byte(), u8::from(tenant.is_some())];
        if let Some(tenant) = tenant {
            bytes.extend_from_slice(tenant.uuid().as_bytes());
        }
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&issue.to_be_bytes());
        let mac = key.0.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mac);
        Self {
            purpose,
            tenant,
            id,
            issue,
            bytes: bytes.into(),
        }
    }

    /// Reads what [`reveal`](Self::reveal) wrote. Whether the token is genuine its hash says, held
    /// against the one that is kept; nothing else of it is to be believed before.
    ///
    /// # Errors
    /// [`InvalidMailToken`] for what is not shaped like one.
    pub fn parse(text: &str) -> Result<Self, InvalidMailToken> {
        const LONGEST: usize = 2 + 2 * ID_BYTES + ISSUE_BYTES + MAC_BYTES;
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidMailToken)?;
        if encoded.len() > LONGEST.div_ceil(3) * 4 {
            return Err(InvalidMailToken);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| InvalidMailToken)?;
        Self::read(bytes).ok_or(InvalidMailToken)
    }

    fn read(bytes: Vec<u8>) -> Option<Self> {
        let (&purpose, rest) = bytes.split_first()?;
        let (&has_tenant, rest) = rest.split_first()?;
        let purpose = MailPurpose::ALL
            .iter()
            .copied()
            .find(|known| known.byte() == purpose)?;
        let (tenant, rest) = match has_tenant {
            0 => (None, rest),
            1 => {
                let (tenant, rest) = rest.split_first_chunk::<ID_BYTES>()?;
                (Some(Uuid::from_bytes(*tenant).into()), rest)
            }
            _ => return None,
        };
        let (id, rest) = rest.split_first_chunk::<ID_BYTES>()?;
        let (issue, mac) = rest.split_first_chunk::<ISSUE_BYTES>()?;
        let (id, issue) = (Uuid::from_bytes(*id), i32::from_be_bytes(*issue));
        (mac.len() == MAC_BYTES).then_some(())?;
        Some(Self {
            purpose,
            tenant,
            id,
            issue,
            bytes: bytes.into(),
        })
    }

    /// The token's text, for the one mail that carries it: `mt_` and base64url without padding
    /// (RFC 4648, 5), safe in any part of a URL.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!(
            "{PREFIX}{}",
            URL_SAFE_NO_PAD.encode(self.bytes.expose_secret())
        )
    }

    /// What is stored and looked up: the SHA-256 of all its bytes, of which 256 bits are a MAC.
    #[must_use]
    pub fn hash(&self) -> MailTokenHash {
        MailTokenHash(Sha256::digest(self.bytes.expose_secret()).into())
    }

    /// What it is for.
    #[must_use]
    pub fn purpose(&self) -> MailPurpose {
        self.purpose
    }

    /// Whose row it stands for, when the row is a tenant's.
    #[must_use]
    pub fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    /// The row that it stands for.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The how manieth link to that row it is.
    #[must_use]
    pub fn issue(&self) -> i32 {
        self.issue
    }
}

impl fmt::Debug for MailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for MailToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What is stored of a mail token; nobody can do anything with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MailTokenHash([u8; 32]);

impl MailTokenHash {
    /// The hash, for a `bytea` column.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash in lower-case hex, for where a text is asked for.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> TenantId {
        Uuid::from_u128(7).into()
    }

    #[test]
    fn a_token_survives_its_text() {
        let key = MailKey::derive(b"secret");
        for &purpose in MailPurpose::ALL {
            for tenant in [None, Some(tenant())] {
                let id = Uuid::now_v7();
                let token = MailToken::derive(&key, purpose, tenant, id, 3);
                let text = token.reveal();
                assert!(
                    text.bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
                    "{text}"
                );
                let read = MailToken::parse(&text).unwrap();
                assert_eq!(read.hash(), token.hash());
                assert_eq!(
                    (read.purpose(), read.tenant(), read.id(), read.issue()),
                    (purpose, tenant, id, 3)
                );
            }
        }
    }

    #[test]
    fn a_token_is_the_mac_of_what_it_says() {
        let token = MailToken::derive(
            &MailKey::derive(b"secret"),
            MailPurpose::ResetPassword,
            Some(tenant()),
            Uuid::from_u128(9),
            1,
        );
        // Python: t = b"\x02\x01" + (7).to_bytes(16, "big") + (9).to_bytes(16, "big") + bytes([0, 0, 0, 1]);
        // k = hmac.digest(b"secret", b"rowhouse mail v1", "sha256");
        // base64.urlsafe_b64encode(t + hmac.digest(k, t, "sha256")).rstrip(b"=")
        let expected = "mt_AgEAAAAAAAAAAAAAAAAAAAAHAAAAAAAAAAAAAAAAAAAACQAAAAFpB7jPrHpdpaTZkFK8WBWkw15F1jYc2GG3bGahw0oIOw";
        assert_eq!(token.reveal(), expected);
    }

    #[test]
    fn whatever_differs_makes_another_token() {
        let (key, id) = (MailKey::derive(b"one"), Uuid::now_v7());
        let derive = |key, purpose, tenant, id, issue| {
            MailToken::derive(key, purpose, tenant, id, issue).hash()
        };
        let token = derive(&key, MailPurpose::VerifyEmail, None, id, 1);
        let other = MailKey::derive(b"two");
        for stranger in [
            derive(&other, MailPurpose::VerifyEmail, None, id, 1),
            derive(&key, MailPurpose::ResetPassword, None, id, 1),
            derive(&key, MailPurpose::VerifyEmail, Some(tenant()), id, 1),
            derive(&key, MailPurpose::VerifyEmail, None, Uuid::now_v7(), 1),
            derive(&key, MailPurpose::VerifyEmail, None, id, 2),
        ] {
            assert_ne!(token, stranger);
        }
        assert_eq!(token, derive(&key, MailPurpose::VerifyEmail, None, id, 1));
    }

    #[test]
    fn every_other_shape_is_refused() {
        let key = MailKey::derive(b"secret");
        let text =
            MailToken::derive(&key, MailPurpose::VerifyEmail, None, Uuid::now_v7(), 1).reveal();
        let body = text.strip_prefix("mt_").unwrap();
        let shaped = |first: &[u8], length: usize| {
            let mut bytes = first.to_vec();
            bytes.resize(length, 0);
            format!("mt_{}", URL_SAFE_NO_PAD.encode(bytes))
        };
        assert!(MailToken::parse(&shaped(&[1, 0], 54)).is_ok());
        assert!(MailToken::parse(&shaped(&[1, 1], 70)).is_ok());
        for bad in [
            String::new(),
            "mt_".to_owned(),
            body.to_owned(),
            format!("MT_{body}"),
            format!("{text}="),
            format!("{text}A"),
            format!(" {text}"),
            format!("{text}\n"),
            shaped(&[0, 0], 54),
            shaped(&[4, 0], 54),
            shaped(&[1, 2], 70),
            shaped(&[1, 1], 54),
            shaped(&[1, 0], 70),
            shaped(&[1, 0], 53),
            shaped(&[1, 0], 55),
            format!("mt_{}", "A".repeat(1_000_000)),
        ] {
            assert!(MailToken::parse(&bad).is_err(), "{bad:.60}");
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let key = MailKey::derive(b"secret");
        let token = MailToken::derive(&key, MailPurpose::VerifyEmail, None, Uuid::now_v7(), 1);
        assert_eq!(format!("{token:?}{key:?}"), "[redacted][redacted]");
    }
}
