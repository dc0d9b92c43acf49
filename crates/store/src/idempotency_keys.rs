//! What was answered under an idempotency key, inside one tenant: each caller's own, kept for a day.
//! That, and who the caller is, only the database says; see the migration `idempotency`.

use auth::Fingerprints;
use diesel::declare_sql_function;
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Integer, Nullable, Text};
use domain::IdempotencyKey;
use tenant_db::TenantConn;

use crate::error::Error;

#[declare_sql_function]
extern "SQL" {
    /// The door by which a key is taken.
    #[sql_name = "directory.claim_idempotency_key"]
    fn claim_idempotency_key(key: Text, fingerprints: Array<Binary>) -> Array<Nullable<Text>>;

    /// The door by which an answer is kept.
    #[sql_name = "directory.keep_answer"]
    fn keep_answer(
        key: Text,
        fingerprint: Binary,
        status: Integer,
        location: Nullable<Text>,
        etag: Nullable<Text>,
        body: Text,
    ) -> diesel::sql_types::Bool;
}

/// An answer that can be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status, one of success.
    pub status: u16,
    /// The header `Location`.
    pub location: Option<String>,
    /// The header `ETag`.
    pub etag: Option<String>,
    /// The body, JSON.
    pub body: String,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: until the transaction ends it is this transaction's.
    New,
    /// Another transaction has it.
    Running,
    /// It was used for another request.
    OtherRequest,
    /// This was answered to the same request.
    Answered(KeptAnswer),
}

/// What the database says is not what it can say.
#[derive(Debug, thiserror::Error)]
#[error("a claim of an idempotency key cannot be read")]
struct Unreadable;

/// Takes a key of the caller for this transaction, without waiting. One round trip.
///
/// # Errors
/// [`Error::Database`].
pub fn claim(
    conn: &mut TenantConn<'_>,
    key: &IdempotencyKey,
    request: &Fingerprints,
) -> Result<Claim, Error> {
    let fingerprints: Vec<&[u8]> = std::iter::once(&request.current)
        .chain(&request.previous)
        .map(<[u8; 32]>::as_slice)
        .collect();
    let known: Vec<Option<String>> =
        diesel::select(claim_idempotency_key(key.as_str(), fingerprints)).get_result(conn)?;
    let mut known = known.into_iter();
    let mut next = || known.next().flatten();
    match next().as_deref() {
        Some("new") => Ok(Claim::New),
        Some("running") => Ok(Claim::Running),
        Some("other") => Ok(Claim::OtherRequest),
        Some("answered") => {
            let status = next().and_then(|status| status.parse().ok());
            let (location, etag) = (next(), next());
            Ok(Claim::Answered(KeptAnswer {
                status: status.ok_or_else(|| Error::unreadable(Unreadable))?,
                location,
                etag,
                body: next().ok_or_else(|| Error::unreadable(Unreadable))?,
            }))
        }
        _ => Err(Error::unreadable(Unreadable)),
    }
}

/// Keeps the answer under the key that this transaction has taken: it is there if, and only if, the
/// transaction is committed. One round trip.
///
/// # Errors
/// [`Error::Database`].
pub fn insert(
    conn: &mut TenantConn<'_>,
    key: &IdempotencyKey,
    request: &Fingerprints,
    answer: &KeptAnswer,
) -> Result<(), Error> {
    let _: bool = diesel::select(keep_answer(
        key.as_str(),
        request.current.as_slice(),
        i32::from(answer.status),
        answer.location.as_deref(),
        answer.etag.as_deref(),
        answer.body.as_str(),
    ))
    .get_result(conn)?;
    Ok(())
}
