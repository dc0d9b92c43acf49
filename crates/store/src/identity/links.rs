//! What somebody does who only has a mail: ask for one, and follow the link in it.

use auth::{MailPurpose, MailTokenHash, PasswordHash};
use chrono::{DateTime, Utc};
use diesel::Connection as _;
use domain::{Email, FullName, MailKind, TenantName, TenantSlug};

use super::{IdentityDb, enter_tenant};
use crate::error::Error;
use crate::plan_limits::PlanLimits;
use crate::{account_mails, account_tokens, accounts, sessions};

impl IdentityDb {
    /// Asks for a mail to whoever signs in with this address and this slug. The same is done
    /// whether there is an account or not; the worker finds out.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn request_mail(
        &self,
        kind: MailKind,
        email: Email,
        tenant: Option<TenantSlug>,
    ) -> Result<(), Error> {
        self.db
            .run(move |conn| account_mails::enqueue(conn, kind, &email, tenant.as_ref()))
            .await
    }

    /// Makes the account, and makes or joins the tenant if one is named; a mail says how to go on.
    /// With an address that has an account nothing is made, and a mail says that. Nobody learns
    /// here which of the two it was: the same is done and undone, and the same errors come.
    ///
    /// # Errors
    /// [`Error::SlugTaken`], [`Error::SignupClosed`], [`Error::PlanLimit`].
    pub async fn register_by_mail(
        &self,
        email: Email,
        full_name: FullName,
        password_hash: PasswordHash,
        tenant: Option<(TenantSlug, TenantName)>,
        limits: PlanLimits,
    ) -> Result<(), Error> {
        self.db
            .run(move |conn| {
                let is_known = accounts::find_personal(conn, &email)?.is_some();
                let stand_in = is_known.then(Email::of_nobody);
                let made = conn.transaction(|conn| {
                    let email = stand_in.as_ref().unwrap_or(&email);
                    let account =
                        accounts::insert_personal(conn, email, &full_name, &password_hash)?;
                    if let Some((slug, name)) = &tenant {
                        enter_tenant(conn, account.id, slug, name, &limits)?;
                    }
                    // Rolls back.
                    if is_known {
                        return Err(Error::EmailTaken);
                    }
                    Ok(())
                });
                let kind = match made {
                    Ok(()) => MailKind::VerifyEmail,
                    // Also when it was registered meanwhile, or the tenant has a member with it.
                    Err(Error::EmailTaken) => MailKind::AddressKnown,
                    Err(error) => return Err(error),
                };
                account_mails::enqueue(conn, kind, &email, None)
            })
            .await
    }

    /// Uses up a link that verifies an address.
    ///
    /// # Errors
    /// [`Error::InvalidMailToken`].
    pub async fn verify_email(&self, hash: MailTokenHash, now: DateTime<Utc>) -> Result<(), Error> {
        self.db
            .run(move |conn| {
                let account = account_tokens::use_up(conn, MailPurpose::VerifyEmail, hash, now)?;
                accounts::set_verified(conn, account)
            })
            .await
    }

    /// Whether a link to a new password is good, before the password is hashed for it.
    ///
    /// # Errors
    /// [`Error::InvalidMailToken`].
    pub async fn check_reset(&self, hash: MailTokenHash, now: DateTime<Utc>) -> Result<(), Error> {
        self.db
            .run(move |conn| {
                account_tokens::find_account(conn, MailPurpose::ResetPassword, hash, now)?;
                Ok(())
            })
            .await
    }

    /// Uses up a link to a new password, which ends every session of the account. That mail
    /// arrives at its address is shown by it too.
    ///
    /// # Errors
    /// [`Error::InvalidMailToken`].
    pub async fn reset_password(
        &self,
        hash: MailTokenHash,
        new: PasswordHash,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.db
            .run(move |conn| {
                let account = account_tokens::use_up(conn, MailPurpose::ResetPassword, hash, now)?;
                accounts::set_verified(conn, account)?;
                // Before the sessions are looked for: from here on nobody opens another one with
                // the old password.
                match accounts::replace_password(conn, account, &new) {
                    Err(Error::NotFound) => return Err(Error::InvalidMailToken),
                    replaced => replaced?,
                }
                let live = sessions::lock_all(conn, account)?;
                sessions::revoke(conn, live)
            })
            .await
    }
}
