//! Whether PostgreSQL would let a password in, judged by what it keeps of it: SCRAM-SHA-256
//! (RFC 5802, RFC 7677). For whoever may read `pg_authid`, and must not guess.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

/// Whether `verifier`, as `pg_authid.rolpassword` has it, is this password's. Printable ASCII only,
/// which SASLprep leaves as it is. `false` for a verifier of another kind than SCRAM-SHA-256.
#[must_use]
pub fn is_password_of(verifier: &str, password: &SecretString) -> bool {
    matches(verifier, password.expose_secret().as_bytes()).unwrap_or(false)
}

/// `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`, all but the number in Base64.
fn matches(verifier: &str, password: &[u8]) -> Option<bool> {
    let (rounds, rest) = verifier.strip_prefix("SCRAM-SHA-256$")?.split_once(':')?;
    let (salt, keys) = rest.split_once('$')?;
    let (stored, _) = keys.split_once(':')?;
    let rounds: NonZeroU32 = rounds.parse().ok()?;
    let salt = BASE64_STANDARD.decode(salt).ok()?;
    let stored = BASE64_STANDARD.decode(stored).ok()?;
    let mut salted = [0; digest::SHA256_OUTPUT_LEN];
    let kind = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(kind, rounds, &salt, password, &mut salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client = hmac::sign(&key, b"Client Key");
    let made = digest::digest(&digest::SHA256, client.as_ref());
    Some(constant_time::verify_slices_are_equal(made.as_ref(), &stored).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PostgreSQL 15 made it of `pencil`.
    const PENCIL: &str = "SCRAM-SHA-256$4096:l0D2F5GU2TbaiO6C+thHmg==$\
        KRii9GqHIfjoAFYvAuDhVx+u6Wc+BI+yB2UemOyrOmc=:BBHJ1ESKEAPYbnPs2ktmVY1KRbcM5u1iqlJamFKBq5k=";

    #[test]
    fn a_password_is_told_from_others_by_its_verifier() {
        let is =
            |verifier: &str, password: &str| is_password_of(verifier, &password.to_owned().into());
        assert!(is(PENCIL, "pencil"));
        assert!(!is(PENCIL, "pencil "));
        assert!(!is(PENCIL, ""));
        for other in [
            "",
            "md5c3fcd3d76192e4007dfb496cca67e13b",
            "SCRAM-SHA-256$0:AA==$AA==:AA==",
        ] {
            assert!(!is(other, "pencil"), "{other}");
        }
    }
}
