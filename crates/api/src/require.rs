//! The permissions as types, for a handler's signature: `Authorized<require::ProjectsWrite>`. Who
//! has which is `auth`'s matter.

use auth::Permission;

/// A type that stands for a permission.
pub trait Require {
    /// Which one.
    const PERMISSION: Permission;
}

macro_rules! requirements {
    ($($permission:ident,)+) => {
        $(
            #[doc = concat!("Stands for [`Permission::", stringify!($permission), "`].")]
            #[derive(Clone, Copy, Debug)]
            pub enum $permission {}

            impl Require for $permission {
                const PERMISSION: Permission = Permission::$permission;
            }
        )+

        #[cfg(test)]
        const ALL: &[Permission] = &[$(Permission::$permission),+];
    };
}

requirements! {
    ProjectsRead,
    ProjectsWrite,
    ProjectsDelete,
    ProjectsRestore,
    ResourcesRead,
    ResourcesWrite,
    UsersRead,
    UsersWrite,
    TenantRead,
    TenantWrite,
    RolesRead,
    RolesWrite,
    ApiKeysRead,
    ApiKeysWrite,
    AuditRead,
    TenantDelete,
    TenantTransfer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_can_be_required() {
        for permission in Permission::ALL {
            assert!(
                ALL.contains(permission),
                "{permission} is missing: add it to `requirements!` above"
            );
        }
    }
}
