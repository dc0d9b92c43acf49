//! What the tables can answer instead of rows. The API turns these into problems, the commands
//! into messages; both need no other error of the database.

use chrono::{DateTime, Utc};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use domain::{AccountId, Feature, PlanResource, TenantId};

/// Why a query has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such row, or none that this tenant may know of.
    #[error("not found")]
    NotFound,
    /// The row exists, and whoever asks may not do this to it.
    #[error("not allowed")]
    NotAllowed,
    /// Only what is deleted is restored.
    #[error("it is not deleted")]
    NotDeleted,
    /// A tenant keeps at least one active owner, and this is the last one.
    #[error("the last owner of a tenant cannot go")]
    LastOwner,
    /// No refresh token that was handed out, or one that has expired or was replaced.
    #[error("the refresh token is not valid")]
    InvalidRefreshToken,
    /// No link that was mailed, or one that has expired, was used or was replaced.
    #[error("the mailed token is not valid")]
    InvalidMailToken,
    /// A refresh token was used before, too long ago: its session has ended with this.
    #[error("the refresh token was used before")]
    RefreshReused {
        /// Whose session it was.
        account: AccountId,
        /// The tenant in which it stood.
        tenant: Option<TenantId>,
    },
    /// The password is right, and the account has a second factor that was not given.
    #[error("a second factor is needed")]
    MfaRequired,
    /// No code of this moment, one that was used already, or no recovery code.
    #[error("the second factor is wrong")]
    WrongSecondFactor,
    /// The session's holder must first prove once more who they are.
    #[error("the sign-in is not recent enough")]
    StepUpRequired {
        /// How long ago it may be; 0 where the database alone knows.
        max_age_seconds: i32,
    },
    /// What is asked contradicts the current state.
    #[error("the current state does not allow this")]
    Conflict,
    /// It is not any more what the caller knows.
    #[error("it changed since the caller read it")]
    Outdated,
    /// A second factor could not be read.
    #[error("a second factor cannot be read")]
    Mfa(#[from] auth::MfaError),
    /// The account has another address than the invitation that it would accept.
    #[error("the invitation is for another address")]
    OtherAddress,
    /// The invitation was accepted or revoked.
    #[error("the invitation is not pending any more")]
    NotPending,
    /// Somebody who was invited and has not accepted yet has no status to change.
    #[error("the member has not accepted yet")]
    NotAccepted,
    /// The account has another password than the one that was verified, by now.
    #[error("the password is wrong")]
    WrongPassword,
    /// The address belongs to another account or member.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// The slug belongs to another tenant.
    #[error("the slug is taken")]
    SlugTaken,
    /// The tenant takes nobody in without an invitation.
    #[error("the tenant's sign-up is closed")]
    SignupClosed,
    /// The tenant has a role of this name.
    #[error("the role's name is taken")]
    RoleNameTaken,
    /// Members have the role.
    #[error("the role is in use")]
    RoleInUse,
    /// The tenant's plan does not allow one more.
    #[error("the plan allows {limit} {resource}, and there are {current}")]
    PlanLimit {
        /// Of what.
        resource: PlanResource,
        /// How many the plan allows.
        limit: i64,
        /// How many there are.
        current: i64,
    },
    /// The account owns as many tenants as it may.
    #[error("an account owns at most {limit} tenants")]
    TooManyTenants {
        /// How many.
        limit: i64,
    },
    /// The month's calls of the API are used up.
    #[error("the plan allows {limit} calls a month")]
    ApiCallLimit {
        /// How many the plan allows.
        limit: i64,
        /// How many there were.
        current: i64,
        /// When the next month begins.
        resets_at: DateTime<Utc>,
    },
    /// The tenant does not have this.
    #[error("the feature {0} is off")]
    FeatureDisabled(Feature),
    /// A generated password would replace the one of a role that exists: roles are the cluster's,
    /// and somebody else may be signing in.
    #[error(
        "{role} has a password already, and the generated one of this home is another: bring the credentials.toml \
         of the installation that made it, or set database.app_password, database.auth_password and \
         database.ops_password; what is set there replaces it, for all databases of the cluster"
    )]
    PasswordKept {
        /// The role.
        role: &'static str,
    },
    /// Whatever else happened in or around the transaction.
    #[error(transparent)]
    Database(tenant_db::Error),
}

impl From<tenant_db::Error> for Error {
    /// The one place where a constraint of the database becomes a meaning.
    fn from(error: tenant_db::Error) -> Self {
        match &error {
            tenant_db::Error::Query(DieselError::NotFound) => Self::NotFound,
            tenant_db::Error::Query(DieselError::DatabaseError(_, info))
                if info.constraint_name() == Some("LO001") =>
            {
                Self::LastOwner
            }
            tenant_db::Error::Query(DieselError::DatabaseError(_, info))
                if info.constraint_name() == Some("SU001") =>
            {
                Self::StepUpRequired { max_age_seconds: 0 }
            }
            tenant_db::Error::Query(DieselError::DatabaseError(
                DatabaseErrorKind::CheckViolation,
                info,
            )) if info.constraint_name() == Some("memberships_check") => Self::NotAccepted,
            tenant_db::Error::Query(DieselError::DatabaseError(
                DatabaseErrorKind::UniqueViolation,
                info,
            )) => match info.constraint_name() {
                Some(
                    "accounts_email_key"
                    | "memberships_tenant_email_key"
                    | "memberships_tenant_account_key",
                ) => Self::EmailTaken,
                Some("tenants_slug_key" | "tenants_subdomain_key") => Self::SlugTaken,
                Some("roles_tenant_name_key") => Self::RoleNameTaken,
                _ => Self::Database(error),
            },
            tenant_db::Error::Query(DieselError::DatabaseError(
                DatabaseErrorKind::ForeignKeyViolation | DatabaseErrorKind::RestrictViolation,
                info,
            )) => match info.constraint_name() {
                Some("memberships_custom_role_fkey") => Self::RoleInUse,
                // The project went for good while something was made in it.
                Some("resources_project_fkey") => Self::NotFound,
                // The tenant itself did.
                Some(key) if key.ends_with("_tenant_id_fkey") => {
                    Self::Database(tenant_db::Error::NotAMember)
                }
                _ => Self::Database(error),
            },
            _ => Self::Database(error),
        }
    }
}

impl Error {
    /// Whether the database has answered that it does not take what it was given: so it may be with
    /// these values again, and not with others.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Database(tenant_db::Error::Query(_) | tenant_db::Error::NotAMember)
        )
    }

    pub(crate) fn session_revoked() -> Self {
        Self::Database(tenant_db::Error::SessionRevoked)
    }

    /// What is in the database and cannot be there.
    pub(crate) fn unreadable(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::from(DieselError::DeserializationError(Box::new(cause)))
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        tenant_db::Error::from(error).into()
    }
}

/// A word in the database that the code does not know: a migration ran ahead of this binary.
pub(crate) fn unknown_word(word: domain::UnknownWord) -> Error {
    Error::unreadable(word)
}
