//! From a verified caller to the context that the database checks.

use auth::{Principal, TenantClaim};
use domain::Role;
use tenant_db::{Actor, Context};

/// The context of a caller in the tenant that the token names, or that the key belongs to. Of a
/// custom role and of a key's scopes the database knows the base.
#[must_use]
pub fn context(principal: &Principal, tenant: &TenantClaim) -> Context {
    let actor = match principal {
        Principal::User(user) => Actor::User {
            id: user.account.uuid(),
            session: user.session.uuid(),
        },
        Principal::Key(key) => Actor::Key { id: key.key.uuid() },
    };
    Context::new(tenant.id.uuid(), actor).with_role(base_role(tenant.role), tenant.role_version)
}

pub(crate) fn base_role(role: Role) -> tenant_db::Role {
    match role {
        Role::Viewer => tenant_db::Role::Viewer,
        Role::Member => tenant_db::Role::Member,
        Role::Admin => tenant_db::Role::Admin,
        Role::Owner => tenant_db::Role::Owner,
    }
}
