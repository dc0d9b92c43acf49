//! What the crates below fail of, in this crate's words. Whatever has no arm is a failure of ours.

use domain::PlanResource;

use super::{ApiError, RETRY_AFTER_SECONDS};

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound => Self::NotFound,
            store::Error::NotAllowed => Self::Forbidden,
            store::Error::PlanLimit {
                resource,
                limit,
                current,
            } => Self::PlanLimitExceeded {
                resource,
                limit,
                current,
                resets_at: None,
            },
            store::Error::ApiCallLimit {
                limit,
                current,
                resets_at,
            } => Self::PlanLimitExceeded {
                resource: PlanResource::ApiCalls,
                limit,
                current,
                resets_at: Some(resets_at),
            },
            store::Error::FeatureDisabled(feature) => Self::FeatureDisabled(feature),
            store::Error::OtherAddress => Self::OtherAddress,
            store::Error::NotPending => Self::NotPending,
            store::Error::NotAccepted => Self::Conflict,
            store::Error::NotDeleted => Self::NotDeleted,
            store::Error::LastOwner => Self::LastOwner,
            store::Error::InvalidRefreshToken | store::Error::InvalidMailToken => {
                Self::InvalidToken
            }
            store::Error::RefreshReused { account, tenant } => {
                Self::RefreshReused { account, tenant }
            }
            store::Error::WrongPassword | store::Error::WrongSecondFactor => {
                Self::InvalidCredentials
            }
            store::Error::MfaRequired => Self::MfaRequired,
            store::Error::StepUpRequired { max_age_seconds } => {
                Self::StepUpRequired { max_age_seconds }
            }
            store::Error::Conflict => Self::Conflict,
            store::Error::Outdated => Self::PreconditionFailed,
            store::Error::EmailTaken => Self::EmailTaken,
            store::Error::SlugTaken => Self::SlugTaken,
            store::Error::TooManyTenants { limit } => Self::TooManyTenants { limit },
            store::Error::SignupClosed => Self::SignupClosed,
            store::Error::RoleNameTaken => Self::RoleNameTaken,
            store::Error::RoleInUse => Self::RoleInUse,
            store::Error::Database(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

impl From<tenant_db::Error> for ApiError {
    fn from(error: tenant_db::Error) -> Self {
        use tenant_db::Error;
        match error {
            Error::TenantSuspended => Self::TenantSuspended,
            Error::TenantDeleting => Self::TenantDeleting,
            Error::SessionRevoked => Self::SessionRevoked,
            Error::Stale => Self::TokenStale,
            Error::NotAMember => Self::NotAMember,
            Error::RoleMayNotWrite => Self::Forbidden,
            Error::KeyRefused => Self::InvalidToken,
            // Nothing was done, and the same request will find its way.
            Error::Busy | Error::Deadlock(_) => Self::Busy {
                retry_after_seconds: RETRY_AFTER_SECONDS,
            },
            Error::Unavailable(_)
            | Error::OutcomeUnknown(_)
            | Error::Timeout(_)
            | Error::Tainted => Self::DatabaseUnavailable(error.into()),
            error => Self::internal(error),
        }
    }
}

impl From<auth::HashingError> for ApiError {
    fn from(error: auth::HashingError) -> Self {
        match error {
            auth::HashingError::Busy {
                retry_after_seconds,
            } => Self::Busy {
                retry_after_seconds,
            },
            auth::HashingError::Bcrypt(_) | auth::HashingError::NoAnswer => Self::internal(error),
        }
    }
}
