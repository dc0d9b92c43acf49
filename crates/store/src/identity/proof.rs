//! What somebody proves to sign in: a password, and a second factor where the account has one; and
//! how many may try. Comparing the password itself is done outside of any transaction.

use std::sync::Arc;

use auth::{PasswordHash, RecoveryCode, SealedTotp, TotpKeys};
use chrono::{DateTime, Utc};
use diesel::PgConnection;
use domain::{Account, AccountId};

use super::IdentityDb;
use crate::error::Error;
use crate::login_failures::{self, Attempt, LoginLimit};
use crate::{accounts, totp_secrets};

/// What came with the password: a code of the authenticator app, a recovery code, or nothing.
#[derive(Debug, Clone)]
pub struct SecondFactor {
    /// As it was typed.
    pub code: Option<String>,
    /// What opens the account's secret.
    pub keys: Arc<TotpKeys>,
    /// When it was typed.
    pub now: DateTime<Utc>,
}

/// A password that was compared and found right.
#[derive(Debug, Clone)]
pub struct Verified {
    /// What it was compared with.
    pub hash: PasswordHash,
    /// The same password under the cost of today, where that one is outdated.
    pub rehash: Option<PasswordHash>,
    /// The slot that the comparison took.
    pub attempt: Attempt,
    /// What came with it.
    pub factor: SecondFactor,
}

impl Verified {
    /// Holds the password, uses the second factor up and forgets earlier failures.
    pub(super) fn accept(
        &self,
        conn: &mut PgConnection,
        account: AccountId,
    ) -> Result<Account, Error> {
        if let Some(rehash) = &self.rehash {
            accounts::rehash_password(conn, account, &self.hash, rehash)?;
        }
        accounts::hold_password(conn, account, &self.hash)?;
        // Read behind the lock: from here on nobody asks for a second factor that this one lacks.
        let account = accounts::find(conn, account)?;
        if account.mfa_enabled {
            self.factor.use_up(conn, account.id)?;
        }
        login_failures::forget(conn, &self.attempt, account.id)?;
        Ok(account)
    }
}

impl SecondFactor {
    /// A code is good once, and in the order of time; the row is locked, so also among many.
    fn use_up(&self, conn: &mut PgConnection, account: AccountId) -> Result<(), Error> {
        let code = self.code.as_deref().ok_or(Error::MfaRequired)?;
        if let Some(recovery) = RecoveryCode::parse(code) {
            return totp_secrets::use_recovery_code(conn, account, &recovery, self.now);
        }
        let sealed = totp_secrets::lock(conn, account)?.ok_or(Error::WrongSecondFactor)?;
        self.use_up_code(conn, account, &sealed, code)
    }

    /// As [`use_up`](Self::use_up), of the app only: for the confirmation that it works.
    pub(super) fn use_up_code(
        &self,
        conn: &mut PgConnection,
        account: AccountId,
        sealed: &SealedTotp,
        code: &str,
    ) -> Result<(), Error> {
        let secret = self.keys.open(account, sealed)?;
        let step = secret
            .step_of(code, self.now)?
            .ok_or(Error::WrongSecondFactor)?;
        totp_secrets::use_up(conn, account, step)
    }
}

impl IdentityDb {
    /// The sign-in has failed, and counts.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn keep_failure(&self, attempt: Attempt, limit: LoginLimit) -> Result<(), Error> {
        self.db
            .run(move |conn| login_failures::keep(conn, &attempt, limit))
            .await
    }

    /// The sign-in neither failed nor succeeded, and does not count.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn give_back(&self, attempt: Attempt) -> Result<(), Error> {
        self.db
            .run(move |conn| login_failures::give_back(conn, &attempt))
            .await
    }
}
