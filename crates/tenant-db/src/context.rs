//! Who asks, and for which tenant: what a server says, under its seal, to the database.

use std::fmt;
use std::net::IpAddr;

use uuid::Uuid;

/// The context of one transaction: the tenant, the actor, and what they are to each other.
///
/// The database compares it with what it knows (see `tenancy.authorize`) before a single row
/// is seen; a context is a claim, not yet a right.
#[derive(Debug, Clone)]
pub struct Context {
    tenant: Uuid,
    actor: Actor,
    role: Role,
    role_version: i32,
    request_id: String,
    address: Option<IpAddr>,
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// A person, through a session.
    User {
        /// The account's id.
        id: Uuid,
        /// The session's id.
        session: Uuid,
    },
    /// A key that belongs to a tenant.
    Key {
        /// The key's id.
        id: Uuid,
    },
    /// A background job of the tenant.
    Job {
        /// The job's id.
        id: Uuid,
    },
}

impl Actor {
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::Key { .. } => "key",
            Self::Job { .. } => "job",
        }
    }

    pub(crate) fn id(self) -> Uuid {
        match self {
            Self::User { id, .. } | Self::Key { id } | Self::Job { id } => id,
        }
    }

    pub(crate) fn session(self) -> Option<Uuid> {
        match self {
            Self::User { session, .. } => Some(session),
            Self::Key { .. } | Self::Job { .. } => None,
        }
    }
}

/// The base roles that the policies of `tenancy.protect` know, in the order of their power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads and writes.
    Member,
    /// Also manages members.
    Admin,
    /// May do all.
    Owner,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        })
    }
}

impl Context {
    /// A context for `actor` in `tenant`, with role viewer, role version 0, no request id and no
    /// address until they are given.
    #[must_use]
    pub fn new(tenant: Uuid, actor: Actor) -> Self {
        Self {
            tenant,
            actor,
            role: Role::Viewer,
            role_version: 0,
            request_id: String::new(),
            address: None,
        }
    }

    /// The role that the actor claims, and the version of that role (see `TN005`).
    #[must_use]
    pub fn with_role(mut self, role: Role, version: i32) -> Self {
        self.role = role;
        self.role_version = version;
        self
    }

    /// The request that carries this transaction, for the audit trail. At most 64 of
    /// `A-Z a-z 0-9 _ -` are kept, other characters are left out.
    #[must_use]
    pub fn with_request_id(mut self, id: &str) -> Self {
        self.request_id = id
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            .take(64)
            .collect();
        self
    }

    /// Where the request came from, for the audit trail.
    #[must_use]
    pub fn with_address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// The tenant whose rows this context opens.
    #[must_use]
    pub fn tenant(&self) -> Uuid {
        self.tenant
    }

    /// The payload of a seal: all but version, key id and mac, see `tenancy.enter`.
    pub(crate) fn payload(&self, pid: i32, issued_at: i64) -> String {
        let session = self
            .actor
            .session()
            .map(|id| id.to_string())
            .unwrap_or_default();
        let address = self.address.map(|ip| ip.to_string()).unwrap_or_default();
        format!(
            "{tenant}|{kind}|{actor}|{session}|{role}|{version}|{pid}|{issued_at}|{request}|{address}",
            tenant = self.tenant,
            kind = self.actor.kind(),
            actor = self.actor.id(),
            role = self.role,
            version = self.role_version,
            request = self.request_id,
        )
    }
}
