//! Who has signed the checkpoints of the audit trail, and whether that signature counts.

use auth::TrustedKey;
use tenant_db::audit::Checkpoint;

/// Checkpoints in a row that one key has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Which key: Ed25519, 32 bytes.
    pub public_key: Vec<u8>,
    /// The number of the first of them.
    pub first: i64,
    /// And of the last.
    pub last: i64,
}

/// Why the signature of a checkpoint does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// Neither a key that is known has signed it, nor the one that stands beside it.
    #[error("checkpoint {number} is not signed by the key that stands beside it")]
    Nobody {
        /// Which.
        number: i64,
    },
    /// The key that stands beside it has signed it, and nobody knows that one.
    #[error("checkpoint {number} is signed by a key that is not known here: {key}")]
    Stranger {
        /// Which.
        number: i64,
        /// The key.
        key: TrustedKey,
    },
    /// A key has that does not count any more.
    #[error("checkpoint {number} is signed by an earlier key, behind the last that counts: {key}")]
    Later {
        /// Which.
        number: i64,
        /// The key, and how far it counts.
        key: TrustedKey,
    },
}

/// The text of a checkpoint, and what makes it more than a text.
#[derive(Debug, Clone, Copy)]
pub struct SignedStatement<'a> {
    /// The checkpoint's number.
    pub number: i64,
    /// The text.
    pub text: &'a str,
    /// The key that is said to have signed it.
    pub public_key: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> SignedStatement<'a> {
    pub(crate) fn of(checkpoint: &'a Checkpoint) -> Self {
        Self {
            number: checkpoint.number,
            text: &checkpoint.statement,
            public_key: &checkpoint.public_key,
            signature: &checkpoint.signature,
        }
    }

    /// Which of these keys has signed it; where none is given, the one that is said to have.
    ///
    /// # Errors
    /// None of them has, or one that does not count for this checkpoint.
    pub fn signer(&self, trusted: &[TrustedKey]) -> Result<Vec<u8>, Unsigned> {
        let number = self.number;
        let is_signed = |key: &TrustedKey| key.has_signed(self.text.as_bytes(), self.signature);
        let mut earlier = None;
        for key in trusted.iter().filter(|key| is_signed(key)) {
            if key.counts_for(number) {
                return Ok(key.bytes().to_vec());
            }
            earlier = Some(key.clone());
        }
        let named = TrustedKey::new(self.public_key.to_vec());
        match earlier {
            Some(key) => Err(Unsigned::Later { number, key }),
            None if !is_signed(&named) => Err(Unsigned::Nobody { number }),
            None if trusted.is_empty() => Ok(named.bytes().to_vec()),
            None => Err(Unsigned::Stranger { number, key: named }),
        }
    }
}

/// Who has signed these, up to the first whose signature does not count, and why it does not.
pub(crate) fn signers_of(
    checkpoints: &[Checkpoint],
    trusted: &[TrustedKey],
) -> (Vec<Signer>, Option<Unsigned>) {
    let mut signers: Vec<Signer> = Vec::new();
    for checkpoint in checkpoints {
        let number = checkpoint.number;
        let public_key = match SignedStatement::of(checkpoint).signer(trusted) {
            Ok(key) => key,
            Err(why) => return (signers, Some(why)),
        };
        match signers.last_mut() {
            Some(signer) if signer.public_key == public_key => signer.last = number,
            _ => signers.push(Signer {
                public_key,
                first: number,
                last: number,
            }),
        }
    }
    (signers, None)
}
