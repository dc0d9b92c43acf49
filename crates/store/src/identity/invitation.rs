//! How an invitation is accepted: by somebody who is signed in, by somebody who has an account, or
//! by somebody new.

use auth::{MailTokenHash, PasswordHash};
use domain::{AccountId, Email, FullName, TenantId};

use super::account::Caller;
use super::{IdentityDb, SignedIn, Verified, open};
use crate::error::Error;
use crate::plan_limits::{PlanLimits, within_plan_of};
use crate::sessions::NewSession;
use crate::{accounts, directory};

/// Whom an invitation is for.
#[derive(Debug, Clone)]
pub struct Invited {
    /// Who may accept it.
    pub email: Email,
    /// What the one who invites calls them.
    pub full_name: FullName,
}

/// Who accepts an invitation.
#[derive(Debug, Clone)]
pub enum Guest {
    /// Somebody who is signed in.
    SignedIn(Caller),
    /// A personal account that exists, whose password was found right.
    Known(AccountId, Verified),
    /// Somebody new, with the address of the invitation.
    New {
        /// The invitation's address.
        email: Email,
        /// The person's name.
        full_name: FullName,
        /// The password's hash.
        password_hash: PasswordHash,
    },
}

impl IdentityDb {
    /// Whom the link of this hash invites.
    ///
    /// # Errors
    /// [`Error::InvalidMailToken`] when it is unknown, used, revoked, replaced or expired.
    pub async fn find_invitation(
        &self,
        tenant: TenantId,
        hash: MailTokenHash,
    ) -> Result<Invited, Error> {
        self.db
            .run(move |conn| directory::invitation(conn, tenant, hash))
            .await
    }

    /// Takes the place that the link of this hash keeps, and opens a session there: all of it, or
    /// nothing. That mail arrives at the address is shown by it too.
    ///
    /// # Errors
    /// As [`find_invitation`](Self::find_invitation); [`Error::OtherAddress`] when the account has
    /// another address than the invitation; [`Error::EmailTaken`] when somebody new has an
    /// account by now; [`Error::PlanLimit`] when the tenant has as many members as it may; those of [`open_session`](Self::open_session) for somebody known, those of
    /// [`Caller`] for somebody signed in.
    pub async fn accept_invitation(
        &self,
        tenant: TenantId,
        hash: MailTokenHash,
        guest: Guest,
        session: NewSession,
        limits: PlanLimits,
    ) -> Result<SignedIn, Error> {
        self.db
            .run(move |conn| {
                let invited = directory::invitation(conn, tenant, hash)?;
                let account = match guest {
                    Guest::SignedIn(caller) => {
                        caller.check(conn)?;
                        accounts::find(conn, caller.account)?
                    }
                    Guest::Known(id, verified) => verified.accept(conn, id)?,
                    Guest::New {
                        email,
                        full_name,
                        password_hash,
                    } => accounts::insert_personal(conn, &email, &full_name, &password_hash)?,
                };
                if account.home_tenant_id.is_some() || account.email != invited.email.as_str() {
                    return Err(Error::OtherAddress);
                }
                accounts::set_verified(conn, account.id)?;
                within_plan_of(conn, tenant, &limits, |conn, room| {
                    directory::accept_invitation(conn, room, account.id, tenant, hash)
                })?;
                let account = accounts::find(conn, account.id)?;
                open(conn, account, Some(tenant), &session)
            })
            .await
    }
}
