//! Cursors: where a page of a list ended, as a text that a client can hand back but neither make
//! nor move to another list.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256, Sha512};
use uuid::Uuid;

const LABEL: &[u8] = b"rowhouse cursor v1";
const MAC_BYTES: usize = 32;

/// The key that signs cursors (HMAC-SHA256). All servers of one installation share it; to change
/// it makes clients start their lists over.
#[derive(Clone)]
pub struct CursorKey(Hmac<Sha256>);

/// What a cursor is bound to; outside of it, it is invalid.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// The tenant or account whose list it is.
    pub(crate) owner: Uuid,
    /// Which list: the route.
    pub(crate) list: String,
    /// Filters and order, as in the query.
    pub(crate) filters: String,
}

/// Not a cursor of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list with these filters")]
pub(crate) struct InvalidCursor;

impl CursorKey {
    /// Derives the key from a secret of at least 32 random bytes, which may serve elsewhere too.
    #[must_use]
    pub fn derive(secret: &[u8]) -> Self {
        // 64 bytes: exactly what HMAC-SHA256 takes as its key without hashing it first.
        let key = Sha512::new().chain_update(LABEL).chain_update(secret);
        Self(Hmac::new(&key.finalize()))
    }

    /// A cursor behind `key`.
    pub(crate) fn encode<K: Serialize>(
        &self,
        scope: &Scope,
        key: &K,
    ) -> Result<String, serde_json::Error> {
        let payload = serde_json::to_vec(key)?;
        let mac = self.mac(scope, &payload).finalize().into_bytes();
        let cursor: Vec<u8> = mac.into_iter().chain(payload).collect();
        Ok(URL_SAFE_NO_PAD.encode(cursor))
    }

    /// The key that a cursor stands behind.
    pub(crate) fn decode<K: DeserializeOwned>(
        &self,
        scope: &Scope,
        cursor: &str,
    ) -> Result<K, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| InvalidCursor)?;
        let (mac, payload) = bytes.split_at_checked(MAC_BYTES).ok_or(InvalidCursor)?;
        self.mac(scope, payload)
            .verify_slice(mac)
            .map_err(|_| InvalidCursor)?;
        serde_json::from_slice(payload).map_err(|_| InvalidCursor)
    }

    /// Each part goes in behind its length, so that no two scopes read the same.
    fn mac(&self, scope: &Scope, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in [
            scope.owner.as_bytes(),
            scope.list.as_bytes(),
            scope.filters.as_bytes(),
            payload,
        ] {
            mac.update(&part.len().to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(owner: u128, list: &str, filters: &str) -> Scope {
        Scope {
            owner: Uuid::from_u128(owner),
            list: list.to_owned(),
            filters: filters.to_owned(),
        }
    }

    #[test]
    fn a_cursor_leads_back_to_its_key() {
        let key = CursorKey::derive(b"secret");
        let scope = scope(1, "/projects", "status=active");
        let position = ("2026-01-01".to_owned(), 7);
        let cursor = key.encode(&scope, &position).unwrap();
        assert_eq!(key.decode::<(String, i32)>(&scope, &cursor), Ok(position));
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let key = CursorKey::derive(b"secret");
        let cursor = key.encode(&scope(1, "/projects", "a=b"), &7).unwrap();
        for other in [
            scope(2, "/projects", "a=b"),
            scope(1, "/project", "sa=b"),
            scope(1, "/projects", ""),
        ] {
            assert_eq!(key.decode::<i32>(&other, &cursor), Err(InvalidCursor));
        }
        let other_key = CursorKey::derive(b"another secret");
        let scope = scope(1, "/projects", "a=b");
        assert_eq!(other_key.decode::<i32>(&scope, &cursor), Err(InvalidCursor));
        assert_eq!(key.decode::<String>(&scope, &cursor), Err(InvalidCursor));
    }

    #[test]
    fn every_flipped_bit_makes_a_cursor_invalid() {
        let key = CursorKey::derive(b"secret");
        let scope = scope(1, "/projects", "");
        let bytes = URL_SAFE_NO_PAD
            .decode(key.encode(&scope, &"abc").unwrap())
            .unwrap();
        for index in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[index / 8] ^= 1 << (index % 8);
            let cursor = URL_SAFE_NO_PAD.encode(forged);
            assert_eq!(key.decode::<String>(&scope, &cursor), Err(InvalidCursor));
        }
        for nonsense in ["", "=", "abc", "ä", &"A".repeat(43)] {
            assert_eq!(key.decode::<String>(&scope, nonsense), Err(InvalidCursor));
        }
    }

    prop_compose! {
        fn any_scope()(owner: u128, list in "/[a-z]{0,9}", filters in ".{0,9}") -> Scope {
            scope(owner, &list, &filters)
        }
    }

    proptest! {
        #[test]
        fn whatever_a_list_is_sorted_by_comes_back(
            scope in any_scope(),
            sorted_by: (String, i64, Option<bool>),
        ) {
            let key = CursorKey::derive(b"a secret");
            let cursor = key.encode(&scope, &sorted_by).unwrap();
            prop_assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            prop_assert_eq!(key.decode(&scope, &cursor), Ok(sorted_by));
        }

        #[test]
        fn no_cursor_is_good_in_another_scope(ours in any_scope(), theirs in any_scope(), at: u32) {
            prop_assume!((ours.owner, &ours.list, &ours.filters) != (theirs.owner, &theirs.list, &theirs.filters));
            let key = CursorKey::derive(b"a secret");
            let cursor = key.encode(&ours, &at).unwrap();
            prop_assert_eq!(key.decode::<u32>(&theirs, &cursor), Err(InvalidCursor));
        }

        #[test]
        fn no_cursor_survives_a_change_of_its_text(
            scope in any_scope(),
            at: u32,
            place: prop::sample::Index,
            put in "[A-Za-z0-9_=-]{0,3}",
            cut in 0..4_usize,
        ) {
            let key = CursorKey::derive(b"a secret");
            let cursor = key.encode(&scope, &at).unwrap();
            let place = place.index(cursor.len());
            let rest = cursor.get(place + cut..).unwrap_or_default();
            let changed = format!("{}{put}{rest}", cursor.get(..place).unwrap_or_default());
            prop_assume!(changed != cursor);
            prop_assert_eq!(key.decode::<u32>(&scope, &changed), Err(InvalidCursor));
        }

        #[test]
        fn no_text_is_a_cursor(scope in any_scope(), text in ".{0,200}") {
            let key = CursorKey::derive(b"a secret");
            prop_assert_eq!(key.decode::<u32>(&scope, &text), Err(InvalidCursor));
        }
    }

    #[test]
    fn the_key_is_never_printed() {
        let printed = format!("{:?}", CursorKey::derive(b"secret"));
        assert_eq!(printed, "CursorKey([redacted])");
    }
}
