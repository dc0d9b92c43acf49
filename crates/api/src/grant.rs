//! Nobody gives what they do not have: which roles a caller may give to members, and which members
//! a caller may change. The database asks the same of the base roles, whatever is forgotten here.

use auth::{PermissionSet, Principal};
use domain::{CustomRole, GrantedRole, MembershipId, Role, RoleName};
use store::{memberships, roles};
use tenant_db::TenantConn;

use crate::error::{ApiError, FieldErrorCode};

/// The role of this name, held until the transaction ends.
///
/// # Errors
/// 422 at `/role` if the tenant has none of this name; `Forbidden` if it permits what the caller
/// may not do.
pub(crate) fn role(
    conn: &mut TenantConn<'_>,
    caller: &Principal,
    name: &RoleName,
) -> Result<GrantedRole, ApiError> {
    let (role, permissions) = match name {
        RoleName::BuiltIn(role) => ((*role).into(), PermissionSet::of(*role)),
        RoleName::Custom(name) => {
            let found = roles::hold_by_name(conn, name)?.ok_or_else(|| {
                ApiError::field("/role", FieldErrorCode::Invalid, "is no role of the tenant")
            })?;
            let role = GrantedRole {
                base: found.based_on,
                custom: Some(found.id),
            };
            (role, permissions_of(&found))
        }
    };
    within(caller, &permissions).map(|()| role)
}

/// Whether the caller may change, or remove, this member.
///
/// # Errors
/// `NotFound`; `Forbidden` if the member may do what the caller may not.
pub(crate) fn member(
    conn: &mut TenantConn<'_>,
    caller: &Principal,
    id: MembershipId,
) -> Result<(), ApiError> {
    // Where the base role is all that the caller has, the database's word is enough.
    if !caller.is_narrowed() {
        return Ok(());
    }
    let held = memberships::lock_role(conn, id)?;
    let permissions = match held.custom {
        Some(role) => permissions_of(&roles::find(conn, role)?),
        None => PermissionSet::of(held.base),
    };
    within(caller, &permissions)
}

/// Whether this base role is at most the caller's own.
///
/// # Errors
/// `Forbidden`.
pub(crate) fn within_base(caller: &Principal, role: Role) -> Result<(), ApiError> {
    let own = caller.tenant().map(|tenant| tenant.role);
    if own.is_some_and(|own| own >= role) {
        Ok(())
    } else {
        Err(ApiError::Forbidden)
    }
}

/// Whether the caller may do all of these.
///
/// # Errors
/// `Forbidden`.
pub(crate) fn within(caller: &Principal, permissions: &PermissionSet) -> Result<(), ApiError> {
    if permissions.is_within(&caller.permissions()) {
        Ok(())
    } else {
        Err(ApiError::Forbidden)
    }
}

/// All that a custom role permits.
pub(crate) fn permissions_of(role: &CustomRole) -> PermissionSet {
    let words = role.permissions.iter().map(String::as_str);
    PermissionSet::granted(words, role.based_on)
}
