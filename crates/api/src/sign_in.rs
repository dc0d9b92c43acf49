//! What every handler that compares a password does around it: a slot before, its fate after. How
//! slots are counted is the store's `login_failures.rs`.

use actix_web::rt::time::sleep;
use auth::{Password, PasswordHash};
use chrono::Utc;
use std::time::{Duration, Instant};
use store::{Admission, Attempt, SecondFactor, Verified};

use crate::{error::ApiError, services::Services};

/// How often, and for how long at most, somebody waits while others with the same e-mail are being
/// decided.
const PAUSE: Duration = Duration::from_millis(25);
const PATIENCE: Duration = Duration::from_secs(5);

impl Services {
    /// Asks until there is a slot.
    ///
    /// # Errors
    /// 429 `too_many_attempts`; 503 `busy` when the wait was too long; those of `ask`.
    pub(crate) async fn admitted<T>(
        &self,
        mut ask: impl AsyncFnMut() -> Result<(Admission, T), store::Error>,
    ) -> Result<(Attempt, T), ApiError> {
        let known = self
            .admitted_if_known(async || ask().await.map(Some))
            .await?;
        known.ok_or_else(|| ApiError::internal("a slot was neither given nor refused"))
    }

    /// As [`admitted`](Self::admitted), where there may be nothing to compare with.
    ///
    /// # Errors
    /// As said there.
    pub(crate) async fn admitted_if_known<T>(
        &self,
        mut ask: impl AsyncFnMut() -> Result<Option<(Admission, T)>, store::Error>,
    ) -> Result<Option<(Attempt, T)>, ApiError> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            match ask().await? {
                None => return Ok(None),
                Some((Admission::Admitted(attempt), found)) => return Ok(Some((attempt, found))),
                Some((
                    Admission::Refused {
                        retry_after_seconds,
                    },
                    _,
                )) => {
                    return Err(ApiError::TooManyAttempts {
                        retry_after_seconds,
                    });
                }
                Some((Admission::Crowded, _)) if Instant::now() >= give_up => {
                    return Err(ApiError::Busy {
                        retry_after_seconds: 1,
                    });
                }
                Some((Admission::Crowded, _)) => sleep(PAUSE).await,
            }
        }
    }

    /// Compares a password, always exactly once; `None` when it is wrong, which is then counted.
    ///
    /// # Errors
    /// 503 `busy`, which does not count.
    pub(crate) async fn verify(
        &self,
        attempt: Attempt,
        password: Password,
        hash: Option<PasswordHash>,
        totp: Option<String>,
    ) -> Result<Option<Verified>, ApiError> {
        let compared = self.passwords.verify(password.clone(), hash.clone()).await;
        match (compared, hash) {
            (Ok(true), Some(hash)) => Ok(Some(Verified {
                rehash: self.rehash(password, &hash).await,
                hash,
                attempt,
                factor: self.second_factor(totp),
            })),
            (Ok(_), _) => {
                self.identity
                    .keep_failure(attempt, self.login_limit)
                    .await?;
                Ok(None)
            }
            (Err(error), _) => Err(self.settle(attempt, error.into()).await?),
        }
    }

    /// The answer to a sign-in whose password was right; a wrong second factor is counted.
    ///
    /// # Errors
    /// Those of the sign-in.
    pub(crate) async fn conclude<T>(
        &self,
        attempt: Attempt,
        signed_in: Result<T, impl Into<ApiError>>,
    ) -> Result<T, ApiError> {
        match signed_in {
            Ok(signed_in) => Ok(signed_in),
            Err(error) => Err(self.settle(attempt, error.into()).await?),
        }
    }

    /// Counts a sign-in that failed for its credentials, and gives the slot back for any other
    /// reason, which is answered.
    ///
    /// # Errors
    /// When the database cannot do so.
    pub(crate) async fn settle(
        &self,
        attempt: Attempt,
        reason: ApiError,
    ) -> Result<ApiError, ApiError> {
        let is_failure = matches!(
            reason,
            ApiError::InvalidCredentials | ApiError::EmailTakenByAnother
        );
        if is_failure {
            self.identity
                .keep_failure(attempt, self.login_limit)
                .await?;
        } else if let Err(error) = self.identity.give_back(attempt).await {
            // What went wrong first says more; the slot will be free by itself.
            log::warn!(error:% = error; "a slot for a sign-in was not given back");
        }
        Ok(reason)
    }

    /// What came with a password, as of now.
    pub(crate) fn second_factor(&self, code: Option<String>) -> SecondFactor {
        SecondFactor {
            code,
            keys: self.totp_keys.clone(),
            now: Utc::now(),
        }
    }

    /// The same password under the cost of today. Whoever knew it is not refused for the lack of a
    /// thread: the next sign-in will do.
    async fn rehash(&self, password: Password, hash: &PasswordHash) -> Option<PasswordHash> {
        if !self.passwords.is_outdated(hash) {
            return None;
        }
        let rehash = self.passwords.hash(password).await;
        rehash
            .inspect_err(|error| log::info!(error:% = error; "a password was not hashed anew"))
            .ok()
    }
}
