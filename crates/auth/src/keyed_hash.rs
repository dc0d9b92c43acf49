//! The one keyed hash of this crate: HMAC-SHA256 (RFC 2104).

use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;

/// Ready to take the message.
#[expect(clippy::expect_used, reason = "RFC 2104, 2: any length will do")]
pub(crate) fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}
