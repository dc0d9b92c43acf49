//! The four built-in roles and their order. What each permits is `auth`'s matter.

use crate::words::words;

words! {
    /// What a member is in one tenant; ordered by power, the weakest first.
    #[derive(PartialOrd, Ord)]
    Role {
        /// Reads.
        Viewer = "viewer",
        /// Reads and writes the tenant's business.
        Member = "member",
        /// Also manages users and the tenant's settings.
        Admin = "admin",
        /// Also disposes of the tenant itself. Every tenant has at least one.
        Owner = "owner",
    }
}

impl Role {
    /// Nobody grants above their own role. Only the ceiling: whether this role may manage users at
    /// all is a permission.
    #[must_use]
    pub fn may_grant(self, other: Self) -> bool {
        other <= self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_grows_from_viewer_to_owner() {
        assert!(Role::ALL.is_sorted());
        assert!(Role::Viewer < Role::Member);
        assert!(Role::Admin < Role::Owner);
    }

    #[test]
    fn nobody_grants_above_their_own_role() {
        assert!(!Role::Admin.may_grant(Role::Owner));
        assert!(Role::Admin.may_grant(Role::Admin));
        assert!(Role::Owner.may_grant(Role::Owner));
        assert!(!Role::Viewer.may_grant(Role::Member));
    }
}
