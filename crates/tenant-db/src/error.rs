//! What can go wrong on a tenant's path: whoever calls [`TenantDb`](crate::TenantDb)
//! or writes queries inside its closures meets these, and nothing else.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// The reasons why a transaction in a tenant's context did not happen, or did not end well.
///
/// The `TN` codes are raised by the SQL of this crate, as SQLSTATE and as constraint name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// TN001: a query ran without a context. A defect of the caller, counted as a violation.
    #[error("no tenant context")]
    NoContext(#[source] DieselError),
    /// TN002: the database did not accept the server's seal: another key, a clock that is more
    /// than ten seconds off, or forgery. Counted as a violation.
    #[error("the seal was refused")]
    SealRefused(#[source] DieselError),
    /// TN003: the tenant is suspended.
    #[error("the tenant is suspended")]
    TenantSuspended,
    /// TN004: the session that the context names has ended.
    #[error("the session has ended")]
    SessionRevoked,
    /// TN005: role, role version or tenant are not those of the session any more.
    #[error("the context is stale")]
    Stale,
    /// TN006: the connection carried something of an earlier transaction, twice in a row.
    #[error("the connection was tainted")]
    Tainted,
    /// TN007: the actor does not belong to the tenant.
    #[error("not a member of the tenant")]
    NotAMember,
    /// TN008: the actor's role may not write there.
    #[error("the role may not write")]
    RoleMayNotWrite,
    /// TN009: the key that the context names is not good, or not any more.
    #[error("the key was refused")]
    KeyRefused,
    /// TN010: the tenant is about to be erased.
    #[error("the tenant is about to be erased")]
    TenantDeleting,
    /// The connection's role lacks a right. For the application's, [`verify`](crate::verify::verify())
    /// says which: most often one on a column that was added, and `tenancy.protect` not called again.
    #[error("the database role lacks a right; on a new column, tenancy.protect grants it")]
    PermissionDenied(#[source] DieselError),
    /// A row for another tenant was refused by Row-Level Security: a defect of the caller,
    /// counted as a violation.
    #[error("a row of another tenant was refused")]
    Violation(#[source] DieselError),
    /// All connections are busy, and the queue is full or the wait was too long. Nothing ran.
    #[error("all database connections are busy")]
    Busy,
    /// No connection could be had, or it was lost before COMMIT. Nothing was written.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection was lost during COMMIT: the transaction may or may not have happened.
    #[error("the connection was lost during COMMIT: the outcome is unknown")]
    OutcomeUnknown(#[source] DieselError),
    /// A statement ran longer than the statement timeout. Nothing was written.
    #[error("a statement took too long")]
    Timeout(#[source] DieselError),
    /// This transaction and another waited for each other, and PostgreSQL ended this one. Nothing was
    /// written; the same work may be done again.
    #[error("transactions waited for each other")]
    Deadlock(#[source] DieselError),
    /// The closure answered `Ok` although a statement had failed, and the transaction with it.
    /// Nothing was written.
    #[error("a database error was swallowed inside the transaction; it was rolled back")]
    Swallowed,
    /// Something inside the closure ended the transaction. The connection was dropped.
    #[error("the transaction was ended from within; its connection was dropped")]
    EndedEarly,
    /// `run` inside the closure of another `run`: one closure, one transaction, one connection.
    #[error("a tenant transaction cannot open another one")]
    Nested,
    /// The closure panicked. Nothing was written.
    #[error("the work panicked; its transaction was rolled back")]
    Panicked,
    /// The role of the database URL could read past Row-Level Security.
    #[error("database role {role} {reason}; TenantDb refuses to work with it")]
    RoleCanBypass {
        /// The role's name.
        role: String,
        /// What it can do, as the end of a sentence.
        reason: &'static str,
    },
    /// The database accepts no seal of this server, as a check found before anybody asked for
    /// anything.
    #[error("the database accepts no seal under key {kid}: {reason}")]
    SealKeyRefused {
        /// The key's name.
        kid: String,
        /// Why, as a sentence.
        reason: &'static str,
    },
    /// A seal key cannot be registered: a name stands for one secret for ever.
    #[error("seal key {kid} is known with another secret: choose a new kid for this one")]
    SealKeyTaken {
        /// The key's name.
        kid: String,
    },
    /// A seal key cannot be retired: without it every request would be refused.
    #[error("seal key {kid} is the last one without an end: register another one first")]
    LastSealKey {
        /// The key's name.
        kid: String,
    },
    /// Any other answer of the database, or of Diesel.
    #[error("a query failed")]
    Query(#[source] DieselError),
}

impl Error {
    /// Whether this error says that somebody reached, or tried to reach, beyond a tenant:
    /// what an operator wants to be woken for.
    #[must_use]
    pub fn is_violation(&self) -> bool {
        matches!(
            self,
            Self::NoContext(_) | Self::SealRefused(_) | Self::Violation(_)
        )
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        let DieselError::DatabaseError(kind, info) = &error else {
            return Self::Query(error);
        };
        if is_loss(kind) {
            return Self::Unavailable(Box::new(error));
        }
        match info.constraint_name() {
            Some("TN001") => Self::NoContext(error),
            Some("TN002") => Self::SealRefused(error),
            Some("TN003") => Self::TenantSuspended,
            Some("TN004") => Self::SessionRevoked,
            Some("TN005") => Self::Stale,
            Some("TN006") => Self::Tainted,
            Some("TN007") => Self::NotAMember,
            Some("TN008") => Self::RoleMayNotWrite,
            Some("TN009") => Self::KeyRefused,
            Some("TN010") => Self::TenantDeleting,
            // Diesel shows neither 42501 nor 57014 nor 40P01; `verify` checks lc_messages.
            _ if info.message().contains("row-level security policy") => Self::Violation(error),
            _ if info.message().starts_with("permission denied for ") => {
                Self::PermissionDenied(error)
            }
            _ if info.message().starts_with("canceling statement due to") => Self::Timeout(error),
            _ if info.message() == "deadlock detected" => Self::Deadlock(error),
            _ => Self::Query(error),
        }
    }
}

/// Whether an error of this kind means that the connection is gone.
pub(crate) fn is_loss(kind: &DatabaseErrorKind) -> bool {
    matches!(
        kind,
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand
    )
}

/// Whether this error means that the connection is gone.
pub(crate) fn lost(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(kind, _) => is_loss(kind),
        DieselError::BrokenTransactionManager => true,
        _ => false,
    }
}
