//! How an account gets a second factor, and loses it; and how a session's holder proves once more
//! who they are.

use std::net::IpAddr;
use std::sync::Arc;

use auth::{SealedTotp, TotpKeys};
use domain::Account;

use super::IdentityDb;
use super::account::Caller;
use super::proof::{SecondFactor, Verified};
use crate::accounts::SecondFactors;
use crate::error::Error;
use crate::login_failures::{self, Admission, Attempt, LoginLimit, Subject};
use crate::{accounts, sessions, totp_secrets};

/// How many secrets are sealed anew in one transaction.
const BATCH: i64 = 100;

impl IdentityDb {
    /// Keeps a secret that is to be confirmed, in the place of an earlier one that never was, with
    /// the hashes of its recovery codes.
    ///
    /// # Errors
    /// Those of [`Caller`]; [`Error::StepUpRequired`]; [`Error::Conflict`] for an account that has
    /// a second factor.
    pub async fn begin_mfa(
        &self,
        caller: Caller,
        max_age_seconds: i32,
        sealed: SealedTotp,
        codes: Vec<[u8; 32]>,
    ) -> Result<Account, Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                sessions::require_recent_sign_in(conn, caller.session, max_age_seconds)?;
                let account = accounts::lock(conn, caller.account)?;
                if account.mfa_enabled {
                    return Err(Error::Conflict);
                }
                totp_secrets::replace(conn, account.id, &sealed, &codes)?;
                Ok(account)
            })
            .await
    }

    /// Takes a slot for a code of the caller's own.
    ///
    /// # Errors
    /// Those of [`Caller`].
    pub async fn admit_caller(
        &self,
        caller: Caller,
        address: IpAddr,
        limit: LoginLimit,
    ) -> Result<Admission, Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                let account = accounts::find(conn, caller.account)?;
                let subject = Subject::new(address, &account.email);
                login_failures::admit(conn, &subject, Some(account.id), limit)
            })
            .await
    }

    /// From now on signing in asks for a second factor: the app's first code shows that it works.
    /// The account's other sessions, which were opened without, have to prove themselves anew.
    ///
    /// # Errors
    /// Those of [`Caller`]; [`Error::Conflict`] when there is nothing to confirm, or no more;
    /// [`Error::WrongSecondFactor`].
    pub async fn confirm_mfa(
        &self,
        caller: Caller,
        attempt: Attempt,
        factor: SecondFactor,
    ) -> Result<(), Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                let account = accounts::lock(conn, caller.account)?;
                let sealed = totp_secrets::lock(conn, account.id)?;
                let sealed = sealed.filter(|_| !account.mfa_enabled);
                let sealed = sealed.ok_or(Error::Conflict)?;
                let code = factor.code.as_deref().unwrap_or_default();
                factor.use_up_code(conn, account.id, &sealed, code)?;
                accounts::set_mfa(conn, account.id, SecondFactors::Asked)?;
                sessions::age_others(conn, account.id, caller.session)?;
                login_failures::forget(conn, &attempt, account.id)
            })
            .await
    }

    /// From now on signing in asks for the password alone. Also takes back what was begun and not
    /// confirmed.
    ///
    /// # Errors
    /// Those of [`Caller`]; [`Error::StepUpRequired`]; [`Error::NotFound`] when there is none.
    pub async fn remove_mfa(&self, caller: Caller, max_age_seconds: i32) -> Result<(), Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                sessions::require_recent_sign_in(conn, caller.session, max_age_seconds)?;
                let account = accounts::lock(conn, caller.account)?;
                if totp_secrets::delete(conn, account.id)? == 0 {
                    return Err(Error::NotFound);
                }
                accounts::set_mfa(conn, account.id, SecondFactors::NotAsked)
            })
            .await
    }

    /// Whoever holds the session has proved once more who they are.
    ///
    /// # Errors
    /// Those of [`Caller`]; [`Error::WrongPassword`], [`Error::MfaRequired`],
    /// [`Error::WrongSecondFactor`].
    pub async fn step_up(&self, caller: Caller, verified: Verified) -> Result<(), Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                verified.accept(conn, caller.account)?;
                sessions::lock(conn, caller.session, caller.account)?;
                sessions::authenticate(conn, caller.session)
            })
            .await
    }

    /// Seals every TOTP secret of a previous key under the current one, so that the previous key
    /// can go; answers how many there were.
    ///
    /// # Errors
    /// [`Error::Database`]; [`Error::Mfa`] for one that does not open.
    pub async fn reseal_totp(&self, keys: Arc<TotpKeys>) -> Result<usize, Error> {
        let mut resealed: usize = 0;
        loop {
            let keys = Arc::clone(&keys);
            let count = self
                .db
                .run(move |conn| totp_secrets::reseal(conn, &keys, BATCH))
                .await?;
            if count == 0 {
                return Ok(resealed);
            }
            resealed = resealed.saturating_add(count);
        }
    }
}
