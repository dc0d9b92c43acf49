//! The one table of who may do what: every permission, the weakest role that has it, and whether a
//! key may. Sets of them are `permission_set.rs`.

use domain::Role;
use std::fmt;

use crate::UnknownPermission;

/// One thing that may be done in a tenant. What a handler checks beyond that (an owner's own
/// project, one's own name) is the handler's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// See projects.
    ProjectsRead,
    /// See resources, and what they were.
    ResourcesRead,
    /// See the tenant's users.
    UsersRead,
    /// See the tenant's own row.
    TenantRead,
    /// Create and change projects, delete one's own.
    ProjectsWrite,
    /// Create, change, restore and delete resources.
    ResourcesWrite,
    /// Delete anybody's project.
    ProjectsDelete,
    /// See deleted projects and bring them back.
    ProjectsRestore,
    /// Create, change, invite and remove users.
    UsersWrite,
    /// Change the tenant's settings, branding and sign-up.
    TenantWrite,
    /// See the roles that there are.
    RolesRead,
    /// Make, change and delete roles of the tenant's own.
    RolesWrite,
    /// See which API keys there are.
    ApiKeysRead,
    /// Make and revoke API keys.
    ApiKeysWrite,
    /// See who has changed and read what, and who was refused.
    AuditRead,
    /// Delete the tenant, or bring it back within its grace period.
    TenantDelete,
    /// Hand the tenant over to another member.
    TenantTransfer,
}

impl Permission {
    /// Every permission, the weakest role's first.
    pub const ALL: &'static [Self] = &[
        Self::ProjectsRead,
        Self::ResourcesRead,
        Self::UsersRead,
        Self::TenantRead,
        Self::ProjectsWrite,
        Self::ResourcesWrite,
        Self::ProjectsDelete,
        Self::ProjectsRestore,
        Self::UsersWrite,
        Self::TenantWrite,
        Self::RolesRead,
        Self::RolesWrite,
        Self::ApiKeysRead,
        Self::ApiKeysWrite,
        Self::AuditRead,
        Self::TenantDelete,
        Self::TenantTransfer,
    ];

    /// The permission's word, `resource:action`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProjectsRead => "projects:read",
            Self::ProjectsWrite => "projects:write",
            Self::ProjectsDelete => "projects:delete",
            Self::ProjectsRestore => "projects:restore",
            Self::ResourcesRead => "resources:read",
            Self::ResourcesWrite => "resources:write",
            Self::UsersRead => "users:read",
            Self::UsersWrite => "users:write",
            Self::TenantRead => "tenant:read",
            Self::TenantWrite => "tenant:write",
            Self::RolesRead => "roles:read",
            Self::RolesWrite => "roles:write",
            Self::ApiKeysRead => "api_keys:read",
            Self::ApiKeysWrite => "api_keys:write",
            Self::AuditRead => "audit:read",
            Self::TenantDelete => "tenant:delete",
            Self::TenantTransfer => "tenant:transfer",
        }
    }

    /// The weakest role that has it; every stronger one has it too.
    #[must_use]
    pub const fn weakest_role(self) -> Role {
        match self {
            Self::ProjectsRead | Self::ResourcesRead | Self::UsersRead | Self::TenantRead => {
                Role::Viewer
            }
            Self::ProjectsWrite | Self::ResourcesWrite => Role::Member,
            Self::ProjectsDelete
            | Self::ProjectsRestore
            | Self::UsersWrite
            | Self::TenantWrite
            | Self::RolesRead
            | Self::RolesWrite
            | Self::ApiKeysRead
            | Self::ApiKeysWrite
            | Self::AuditRead => Role::Admin,
            Self::TenantDelete | Self::TenantTransfer => Role::Owner,
        }
    }

    /// Whether an API key may have it as a scope. What decides who has which rights, and to whom
    /// the tenant belongs, is left to people.
    #[must_use]
    pub const fn is_scope(self) -> bool {
        !matches!(
            self,
            Self::RolesWrite | Self::ApiKeysWrite | Self::TenantDelete | Self::TenantTransfer
        )
    }
}

impl std::str::FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(word: &str) -> Result<Self, UnknownPermission> {
        let known = Self::ALL.iter().find(|known| known.as_str() == word);
        known.copied().ok_or(UnknownPermission)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Everything that a built-in role may do.
#[must_use]
pub fn permissions_of(role: Role) -> &'static [Permission] {
    let count = Permission::ALL.partition_point(|permission| permission.weakest_role() <= role);
    Permission::ALL.split_at(count).0
}

/// Whether a built-in role may do this.
#[must_use]
pub fn role_permits(role: Role, permission: Permission) -> bool {
    permission.weakest_role() <= role
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn what_a_role_permits_is_what_its_list_says() {
        for &role in Role::ALL {
            for &permission in Permission::ALL {
                assert_eq!(
                    role_permits(role, permission),
                    permissions_of(role).contains(&permission),
                    "{role} {permission}"
                );
            }
        }
    }

    #[test]
    fn each_role_has_exactly_these_permissions() {
        let words = |role| {
            permissions_of(role)
                .iter()
                .map(|p| p.as_str())
                .collect::<Vec<_>>()
        };
        let viewer = [
            "projects:read",
            "resources:read",
            "users:read",
            "tenant:read",
        ];
        assert_eq!(words(Role::Viewer), viewer);
        let member = [&viewer[..], &["projects:write", "resources:write"]].concat();
        assert_eq!(words(Role::Member), member);
        let admin = [
            &member[..],
            &[
                "projects:delete",
                "projects:restore",
                "users:write",
                "tenant:write",
                "roles:read",
                "roles:write",
                "api_keys:read",
                "api_keys:write",
                "audit:read",
            ],
        ]
        .concat();
        assert_eq!(words(Role::Admin), admin);
        let owner = [&admin[..], &["tenant:delete", "tenant:transfer"]].concat();
        assert_eq!(words(Role::Owner), owner);
    }

    #[test]
    fn every_word_leads_back_to_its_permission() {
        for &permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(permission));
        }
        for word in ["", "projects", "Projects:read", "projects:read "] {
            assert_eq!(word.parse::<Permission>(), Err(UnknownPermission), "{word}");
        }
    }

    #[test]
    fn no_two_permissions_share_a_word() {
        let words: HashSet<_> = Permission::ALL.iter().map(|p| p.as_str()).collect();
        assert_eq!(words.len(), Permission::ALL.len());
    }
}
