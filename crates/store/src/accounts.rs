//! Accounts and their credentials: one account per person, reached by `rowhouse_auth` only.

use auth::PasswordHash;
use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use domain::{Account, AccountId, Email, FullName, TenantId};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::error::Error;
use crate::schema::{accounts, credentials};

/// One account.
///
/// # Errors
/// [`Error::NotFound`].
pub(crate) fn find(conn: &mut PgConnection, id: AccountId) -> Result<Account, Error> {
    Ok(accounts::table
        .find(id.uuid())
        .select(Row::as_select())
        .first(conn)?
        .into())
}

/// The personal account with this address, and its hash.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn find_personal(
    conn: &mut PgConnection,
    email: &Email,
) -> Result<Option<(Account, PasswordHash)>, Error> {
    find_for_sign_in(conn, email, None)
}

/// The account that signs in with this address: the one that `home` manages, else the personal
/// one.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn find_for_sign_in(
    conn: &mut PgConnection,
    email: &Email,
    home: Option<TenantId>,
) -> Result<Option<(Account, PasswordHash)>, Error> {
    let found: Option<(Row, String)> = accounts::table
        .inner_join(credentials::table)
        .filter(accounts::email.eq(email.as_str()))
        .filter(
            accounts::home_tenant_id
                .is_null()
                .or(accounts::home_tenant_id
                    .eq(home.map(TenantId::uuid))
                    .assume_not_null()),
        )
        .order(accounts::home_tenant_id.asc().nulls_last())
        .select((Row::as_select(), credentials::password_hash))
        .first(conn)
        .optional()?;
    Ok(found.map(|(row, hash)| (row.into(), PasswordHash::from_stored(hash))))
}

/// A new personal account.
///
/// # Errors
/// [`Error::EmailTaken`].
pub(crate) fn insert_personal(
    conn: &mut PgConnection,
    email: &Email,
    full_name: &FullName,
    password_hash: &PasswordHash,
) -> Result<Account, Error> {
    let row: Row = diesel::insert_into(accounts::table)
        .values((
            accounts::id.eq(AccountId::generate().uuid()),
            accounts::email.eq(email.as_str()),
            accounts::full_name.eq(full_name.as_str()),
        ))
        .returning(Row::as_returning())
        .get_result(conn)?;
    diesel::insert_into(credentials::table)
        .values((
            credentials::account_id.eq(row.id),
            credentials::password_hash.eq(password_hash.as_str()),
        ))
        .execute(conn)?;
    Ok(row.into())
}

/// What the account's password hashes to; `None` when it has none.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn find_password(
    conn: &mut PgConnection,
    id: AccountId,
) -> Result<Option<PasswordHash>, Error> {
    let hash = credentials::table
        .find(id.uuid())
        .select(credentials::password_hash)
        .first(conn)
        .optional()?;
    Ok(hash.map(PasswordHash::from_stored))
}

/// Makes sure that the account's password is still the verified one, and stays so until the
/// transaction ends: whoever verified a password worked without a lock.
///
/// # Errors
/// [`Error::WrongPassword`].
pub(crate) fn hold_password(
    conn: &mut PgConnection,
    id: AccountId,
    verified: &PasswordHash,
) -> Result<(), Error> {
    let held: Option<Uuid> = credentials::table
        .find(id.uuid())
        .filter(
            credentials::password_hash
                .eq(verified.as_str())
                .or(credentials::rehash_of
                    .eq(digest(verified))
                    .assume_not_null()),
        )
        .select(credentials::account_id)
        .for_share()
        .first(conn)
        .optional()?;
    held.map(drop).ok_or(Error::WrongPassword)
}

/// A new password in the place of the verified one.
///
/// # Errors
/// [`Error::WrongPassword`] when it was changed meanwhile.
pub(crate) fn update_password(
    conn: &mut PgConnection,
    id: AccountId,
    verified: &PasswordHash,
    new: &PasswordHash,
) -> Result<(), Error> {
    let updated = diesel::update(credentials::table.find(id.uuid()))
        .filter(
            credentials::password_hash
                .eq(verified.as_str())
                .or(credentials::rehash_of
                    .eq(digest(verified))
                    .assume_not_null()),
        )
        .set((
            credentials::password_hash.eq(new.as_str()),
            credentials::rehash_of.eq(None::<Vec<u8>>),
            credentials::changed_at.eq(diesel::dsl::now),
        ))
        .execute(conn)?;
    match updated {
        0 => Err(Error::WrongPassword),
        _ => Ok(()),
    }
}

/// A new password, whatever the old one was.
///
/// # Errors
/// [`Error::NotFound`] when the account has none any more: it was deleted.
pub(crate) fn replace_password(
    conn: &mut PgConnection,
    id: AccountId,
    new: &PasswordHash,
) -> Result<(), Error> {
    let updated = diesel::update(credentials::table.find(id.uuid()))
        .set((
            credentials::password_hash.eq(new.as_str()),
            credentials::rehash_of.eq(None::<Vec<u8>>),
            credentials::changed_at.eq(diesel::dsl::now),
        ))
        .execute(conn)?;
    (updated == 1).then_some(()).ok_or(Error::NotFound)
}

/// Mail to the account's address arrives.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn set_verified(conn: &mut PgConnection, id: AccountId) -> Result<(), Error> {
    diesel::update(accounts::table.find(id.uuid()))
        .filter(accounts::email_verified.eq(false))
        .set((
            accounts::email_verified.eq(true),
            accounts::updated_at.eq(diesel::dsl::now),
        ))
        .execute(conn)?;
    Ok(())
}

/// The same password under a dearer hash, in the place of the verified one; nothing when somebody
/// else was faster.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn rehash_password(
    conn: &mut PgConnection,
    id: AccountId,
    verified: &PasswordHash,
    dearer: &PasswordHash,
) -> Result<(), Error> {
    diesel::update(credentials::table.find(id.uuid()))
        .filter(credentials::password_hash.eq(verified.as_str()))
        .set((
            credentials::password_hash.eq(dearer.as_str()),
            credentials::rehash_of.eq(Some(digest(verified))),
        ))
        .execute(conn)?;
    Ok(())
}

/// Keeps everybody from opening a session by this account's password until the transaction ends.
/// One account, or the account without its password, at a time.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] for an account without a password.
pub(crate) fn lock(conn: &mut PgConnection, id: AccountId) -> Result<Account, Error> {
    let password: Option<Uuid> = credentials::table
        .find(id.uuid())
        .select(credentials::account_id)
        .for_no_key_update()
        .first(conn)
        .optional()?;
    password.ok_or(Error::Conflict)?;
    Ok(accounts::table
        .find(id.uuid())
        .select(Row::as_select())
        .for_no_key_update()
        .first(conn)?
        .into())
}

/// Holds the account's row until the transaction ends: whoever does so comes one after the other.
///
/// # Errors
/// [`Error::NotFound`].
pub(crate) fn hold(conn: &mut PgConnection, id: AccountId) -> Result<(), Error> {
    let _: Uuid = accounts::table
        .find(id.uuid())
        .select(accounts::id)
        .for_no_key_update()
        .first(conn)?;
    Ok(())
}

/// Whether signing in asks for a second factor from now on.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn set_mfa(
    conn: &mut PgConnection,
    id: AccountId,
    mfa: SecondFactors,
) -> Result<(), Error> {
    diesel::update(accounts::table.find(id.uuid()))
        .set((
            accounts::mfa_enabled.eq(mfa == SecondFactors::Asked),
            accounts::updated_at.eq(diesel::dsl::now),
        ))
        .execute(conn)?;
    Ok(())
}

/// What signing in asks for besides the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecondFactors {
    /// One.
    Asked,
    /// None.
    NotAsked,
}

/// What is kept of a hash that was replaced by a dearer one.
fn digest(hash: &PasswordHash) -> Vec<u8> {
    Sha256::digest(hash.as_str()).to_vec()
}

/// Changes the person's name. What its tenants call it is theirs.
///
/// # Errors
/// [`Error::NotFound`].
pub(crate) fn rename(
    conn: &mut PgConnection,
    id: AccountId,
    full_name: &FullName,
) -> Result<Account, Error> {
    Ok(diesel::update(accounts::table.find(id.uuid()))
        .set((
            accounts::full_name.eq(full_name.as_str()),
            accounts::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Row::as_returning())
        .get_result(conn)?
        .into())
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = accounts, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    home_tenant_id: Option<Uuid>,
    email: String,
    full_name: String,
    email_verified: bool,
    mfa_enabled: bool,
    created_at: DateTime<Utc>,
}

impl From<Row> for Account {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            email: row.email,
            full_name: row.full_name,
            email_verified: row.email_verified,
            mfa_enabled: row.mfa_enabled,
            home_tenant_id: row.home_tenant_id.map(Into::into),
            created_at: row.created_at,
        }
    }
}
