//! A set of permissions: what a custom role grants, what a key is for.

use domain::Role;

use crate::{Permission, permissions_of};

/// Some permissions, each once, in the order of [`Permission::ALL`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermissionSet(Vec<Permission>);

impl PermissionSet {
    /// All that a built-in role may do.
    #[must_use]
    pub fn of(role: Role) -> Self {
        permissions_of(role).iter().copied().collect()
    }

    /// What these words grant to somebody in this role. Words that nobody knows, and what the role
    /// itself may not do, grant nothing: a database may be older, or newer, than this table.
    #[must_use]
    pub fn granted<'a>(words: impl IntoIterator<Item = &'a str>, role: Role) -> Self {
        let known = words.into_iter().filter_map(|word| word.parse().ok());
        known
            .filter(|permission: &Permission| permission.weakest_role() <= role)
            .collect()
    }

    /// Whether this permission is one of them.
    #[must_use]
    pub fn contains(&self, permission: Permission) -> bool {
        self.0.contains(&permission)
    }

    /// Whether there is nothing here that `other` lacks.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.iter().all(|permission| other.contains(permission))
    }

    /// The weakest built-in role that has all of them.
    #[must_use]
    pub fn weakest_role(&self) -> Role {
        let roles = self.iter().map(Permission::weakest_role);
        roles.max().unwrap_or(Role::Viewer)
    }

    /// Them, in the order of [`Permission::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Permission> {
        self.0.iter().copied()
    }

    /// Their words.
    #[must_use]
    pub fn words(&self) -> Vec<&'static str> {
        self.iter().map(Permission::as_str).collect()
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        let mut permissions: Vec<Permission> = permissions.into_iter().collect();
        permissions.sort_unstable();
        permissions.dedup();
        Self(permissions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_roles_lie_within_one_another() {
        let sets: Vec<PermissionSet> = Role::ALL
            .iter()
            .map(|role| PermissionSet::of(*role))
            .collect();
        for (weaker, stronger) in sets.iter().zip(sets.iter().skip(1)) {
            assert!(weaker.is_within(stronger));
            assert!(!stronger.is_within(weaker));
        }
        for (set, &role) in sets.iter().zip(Role::ALL) {
            assert_eq!(set.weakest_role(), role);
            assert_eq!(set.words().len(), permissions_of(role).len());
        }
    }

    #[test]
    fn neither_unknown_words_nor_those_above_the_role_grant_anything() {
        let words = [
            "users:write",
            "coffee:brew",
            "users:read",
            "users:read",
            "tenant:delete",
        ];
        assert_eq!(
            PermissionSet::granted(words, Role::Viewer).words(),
            ["users:read"]
        );
        assert_eq!(
            PermissionSet::granted(words, Role::Admin).words(),
            ["users:read", "users:write"]
        );
    }
}
