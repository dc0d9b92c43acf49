//! What the links in mails to accounts stand for, as hashes, reached by `rowhouse_auth` only. An
//! account has one of each purpose: a new one ends the one before.

use auth::{MailKey, MailPurpose, MailToken, MailTokenHash};
use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use domain::AccountId;
use uuid::Uuid;

use crate::error::Error;
use crate::schema::account_tokens;

/// How a purpose is called in the database; `None` for one that is no account's.
fn word(purpose: MailPurpose) -> Option<&'static str> {
    match purpose {
        MailPurpose::VerifyEmail => Some("verify_email"),
        MailPurpose::ResetPassword => Some("reset_password"),
        MailPurpose::Invitation => None,
    }
}

/// A new link for this account, in the place of the one before.
///
/// # Errors
/// [`Error::NotFound`] for a purpose that is no account's.
pub(crate) fn issue(
    conn: &mut PgConnection,
    key: &MailKey,
    account: AccountId,
    purpose: MailPurpose,
    expires_at: DateTime<Utc>,
) -> Result<MailToken, Error> {
    let word = word(purpose).ok_or(Error::NotFound)?;
    // The row is locked from here on; its hash follows from what it answers.
    let (id, issue): (Uuid, i32) = diesel::insert_into(account_tokens::table)
        .values((
            account_tokens::id.eq(Uuid::now_v7()),
            account_tokens::account_id.eq(account.uuid()),
            account_tokens::purpose.eq(word),
            account_tokens::expires_at.eq(expires_at),
        ))
        .on_conflict((account_tokens::account_id, account_tokens::purpose))
        .do_update()
        .set((
            account_tokens::issue.eq(account_tokens::issue + 1),
            account_tokens::expires_at.eq(expires_at),
            account_tokens::used_at.eq(None::<DateTime<Utc>>),
        ))
        .returning((account_tokens::id, account_tokens::issue))
        .get_result(conn)?;
    let token = MailToken::derive(key, purpose, None, id, issue);
    diesel::update(account_tokens::table.find(id))
        .set(account_tokens::hash.eq(token.hash().as_bytes().as_slice()))
        .execute(conn)?;
    Ok(token)
}

/// The same link once more; `None` when there is a newer one, or it was used. Its hash is written
/// again, in case the key has changed meanwhile.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn reissue(
    conn: &mut PgConnection,
    key: &MailKey,
    purpose: MailPurpose,
    id: Uuid,
    issue: i32,
) -> Result<Option<MailToken>, Error> {
    let token = MailToken::derive(key, purpose, None, id, issue);
    let updated = diesel::update(account_tokens::table.find(id))
        .filter(account_tokens::issue.eq(issue))
        .filter(account_tokens::used_at.is_null())
        .set(account_tokens::hash.eq(token.hash().as_bytes().as_slice()))
        .execute(conn)?;
    Ok((updated == 1).then_some(token))
}

/// Whose a link is, if it is good at `now`. Uses nothing up.
///
/// # Errors
/// [`Error::InvalidMailToken`].
pub(crate) fn find_account(
    conn: &mut PgConnection,
    purpose: MailPurpose,
    hash: MailTokenHash,
    now: DateTime<Utc>,
) -> Result<AccountId, Error> {
    let word = word(purpose).ok_or(Error::InvalidMailToken)?;
    let account: Option<Uuid> = account_tokens::table
        .filter(account_tokens::hash.eq(hash.as_bytes().as_slice()))
        .filter(account_tokens::purpose.eq(word))
        .filter(account_tokens::used_at.is_null())
        .filter(account_tokens::expires_at.gt(now))
        .select(account_tokens::account_id)
        .first(conn)
        .optional()?;
    account.map(Into::into).ok_or(Error::InvalidMailToken)
}

/// Uses a link up: of any number of callers one gets the account.
///
/// # Errors
/// [`Error::InvalidMailToken`] when it is unknown, used, replaced or expired.
pub(crate) fn use_up(
    conn: &mut PgConnection,
    purpose: MailPurpose,
    hash: MailTokenHash,
    now: DateTime<Utc>,
) -> Result<AccountId, Error> {
    let word = word(purpose).ok_or(Error::InvalidMailToken)?;
    let account: Option<Uuid> = diesel::update(account_tokens::table)
        .filter(account_tokens::hash.eq(hash.as_bytes().as_slice()))
        .filter(account_tokens::purpose.eq(word))
        .filter(account_tokens::used_at.is_null())
        .filter(account_tokens::expires_at.gt(now))
        .set(account_tokens::used_at.eq(now))
        .returning(account_tokens::account_id)
        .get_result(conn)
        .optional()?;
    account.map(Into::into).ok_or(Error::InvalidMailToken)
}

/// Forgets at most `most` links that have expired. Returns how many.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn purge(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> Result<usize, Error> {
    let expired = account_tokens::table
        .filter(account_tokens::expires_at.le(now))
        .select(account_tokens::id)
        .limit(most)
        .for_update()
        .skip_locked()
        .load::<Uuid>(conn)?;
    Ok(diesel::delete(account_tokens::table)
        .filter(account_tokens::id.eq_any(expired))
        .execute(conn)?)
}
