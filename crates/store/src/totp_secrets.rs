//! Second factors: TOTP secrets, sealed, and recovery codes, as hashes. Reached by `rowhouse_auth`
//! only. Whether signing in asks for one says the account.

use auth::{RecoveryCode, SealedTotp, TotpKeys};
use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use domain::AccountId;
use uuid::Uuid;

use crate::error::Error;
use crate::schema::{recovery_codes, totp_secrets};

/// The account's secret, confirmed or not, locked until the transaction ends.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn lock(
    conn: &mut PgConnection,
    account: AccountId,
) -> Result<Option<SealedTotp>, Error> {
    let found: Option<(String, Vec<u8>)> = totp_secrets::table
        .find(account.uuid())
        .select((totp_secrets::kid, totp_secrets::sealed))
        .for_update()
        .first(conn)
        .optional()?;
    Ok(found.map(|(kid, bytes)| SealedTotp { kid, bytes }))
}

/// A new secret in the place of whatever was there, with the hashes of its recovery codes.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn replace(
    conn: &mut PgConnection,
    account: AccountId,
    sealed: &SealedTotp,
    codes: &[[u8; 32]],
) -> Result<(), Error> {
    delete(conn, account)?;
    diesel::insert_into(totp_secrets::table)
        .values((
            totp_secrets::account_id.eq(account.uuid()),
            totp_secrets::kid.eq(&sealed.kid),
            totp_secrets::sealed.eq(&sealed.bytes),
        ))
        .execute(conn)?;
    let codes: Vec<_> = codes
        .iter()
        .map(|hash| {
            (
                recovery_codes::account_id.eq(account.uuid()),
                recovery_codes::hash.eq(hash.as_slice()),
            )
        })
        .collect();
    diesel::insert_into(recovery_codes::table)
        .values(codes)
        .execute(conn)?;
    Ok(())
}

/// Uses the code of a step up. Of one step, or an earlier one, no code is good any more.
///
/// # Errors
/// [`Error::WrongSecondFactor`] for a code that was used.
pub(crate) fn use_up(conn: &mut PgConnection, account: AccountId, step: i64) -> Result<(), Error> {
    let used = diesel::update(totp_secrets::table.find(account.uuid()))
        .filter(
            totp_secrets::last_step
                .is_null()
                .or(totp_secrets::last_step.lt(step).assume_not_null()),
        )
        .set(totp_secrets::last_step.eq(step))
        .execute(conn)?;
    (used == 1).then_some(()).ok_or(Error::WrongSecondFactor)
}

/// Uses a recovery code up.
///
/// # Errors
/// [`Error::WrongSecondFactor`] for one that was used, or is not the account's.
pub(crate) fn use_recovery_code(
    conn: &mut PgConnection,
    account: AccountId,
    code: &RecoveryCode,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let used = diesel::update(recovery_codes::table)
        .filter(recovery_codes::account_id.eq(account.uuid()))
        .filter(recovery_codes::hash.eq(code.hash().as_slice()))
        .filter(recovery_codes::used_at.is_null())
        .set(recovery_codes::used_at.eq(now))
        .execute(conn)?;
    (used == 1).then_some(()).ok_or(Error::WrongSecondFactor)
}

/// Takes the secret away, if there is one, and its recovery codes with it; answers how many there
/// were.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn delete(conn: &mut PgConnection, account: AccountId) -> Result<usize, Error> {
    Ok(diesel::delete(totp_secrets::table.find(account.uuid())).execute(conn)?)
}

/// Seals up to `limit` secrets of previous keys under the current one; answers how many there were.
///
/// # Errors
/// [`Error::Mfa`] for one that does not open.
pub(crate) fn reseal(conn: &mut PgConnection, keys: &TotpKeys, limit: i64) -> Result<usize, Error> {
    let found: Vec<(Uuid, String, Vec<u8>)> = totp_secrets::table
        .filter(totp_secrets::kid.eq_any(keys.previous()))
        .select((
            totp_secrets::account_id,
            totp_secrets::kid,
            totp_secrets::sealed,
        ))
        .limit(limit)
        .for_update()
        .skip_locked()
        .load(conn)?;
    let count = found.len();
    for (account, kid, bytes) in found {
        let id = AccountId::from(account);
        let secret = keys.open(id, &SealedTotp { kid, bytes })?;
        let sealed = keys.seal(id, &secret)?;
        diesel::update(totp_secrets::table.find(account))
            .set((
                totp_secrets::kid.eq(sealed.kid),
                totp_secrets::sealed.eq(sealed.bytes),
            ))
            .execute(conn)?;
    }
    Ok(count)
}
