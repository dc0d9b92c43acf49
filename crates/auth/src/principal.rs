//! Who is asking: what a verified access token, or a key, says. To hold one is to have verified it.

use domain::{AccountId, ApiKeyId, CustomRoleName, Role, SessionId, TenantId};

use crate::{Permission, PermissionSet};

/// Whoever asks for something in a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A person, by a session.
    User(UserPrincipal),
    /// A program, by a key.
    Key(KeyPrincipal),
}

/// A signed-in account, and the tenant that it stands in. Its rights are as of the token's issue;
/// the database compares session, role and role version at every transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPrincipal {
    /// Who.
    pub account: AccountId,
    /// By which sign-in.
    pub session: SessionId,
    /// In which tenant; `None`: in none, good for one's account and for switching.
    pub tenant: Option<TenantClaim>,
}

/// A key, and the tenant that it belongs to. Its rights are as of this request; the database looks
/// at the key and at its maker once more in every transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrincipal {
    /// Which key.
    pub key: ApiKeyId,
    /// Who made it: whose is what it makes.
    pub maker: AccountId,
    /// In which tenant. The role is the key's, its version the maker's.
    pub tenant: TenantClaim,
    /// What it is for.
    pub scopes: PermissionSet,
}

/// The tenant that a principal stands in, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantClaim {
    /// The tenant.
    pub id: TenantId,
    /// Its slug when the token was issued.
    pub slug: String,
    /// The member's role there, or the one that a custom role is based on: what the database
    /// compares.
    pub role: Role,
    /// The version of that role; a later one makes the token stale.
    pub role_version: i32,
    /// The custom role that narrows it; `None`: all that the role may do.
    pub custom_role: Option<CustomRoleClaim>,
}

/// A custom role, as of a token's issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomRoleClaim {
    /// Its name.
    pub name: CustomRoleName,
    /// What it permits.
    pub permissions: PermissionSet,
}

impl Principal {
    /// The tenant that it stands in.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantClaim> {
        match self {
            Self::User(user) => user.tenant.as_ref(),
            Self::Key(key) => Some(&key.tenant),
        }
    }

    /// The person: whoever signed in, or made the key. What a key makes belongs to its maker.
    #[must_use]
    pub fn account(&self) -> AccountId {
        match self {
            Self::User(user) => user.account,
            Self::Key(key) => key.maker,
        }
    }

    /// The person who is here themselves; `None` for a key, which is nobody's self.
    #[must_use]
    pub fn user(&self) -> Option<&UserPrincipal> {
        match self {
            Self::User(user) => Some(user),
            Self::Key(_) => None,
        }
    }

    /// All that it may do in its tenant; nothing in none.
    #[must_use]
    pub fn permissions(&self) -> PermissionSet {
        match self {
            Self::User(user) => user
                .tenant
                .as_ref()
                .map(TenantClaim::permissions)
                .unwrap_or_default(),
            Self::Key(key) => key.scopes.clone(),
        }
    }

    /// Whether it may do this in its tenant.
    #[must_use]
    pub fn permits(&self, permission: Permission) -> bool {
        self.permissions().contains(permission)
    }

    /// Whether it may do less than its role: then what the database compares, which knows the
    /// role only, is not the whole of what must be asked.
    #[must_use]
    pub fn is_narrowed(&self) -> bool {
        match self {
            Self::User(user) => user
                .tenant
                .as_ref()
                .is_some_and(|tenant| tenant.custom_role.is_some()),
            Self::Key(_) => true,
        }
    }
}

impl TenantClaim {
    /// All that the role permits.
    #[must_use]
    pub fn permissions(&self) -> PermissionSet {
        match &self.custom_role {
            Some(custom) => custom.permissions.clone(),
            None => PermissionSet::of(self.role),
        }
    }
}
