//! The private copies: what `tenancy.authorize` knows of tenants, members, sessions, keys and jobs, and what
//! each must hold, said once more beside the trigger that keeps it.

use tenant_db::verify::{Catalog, PrivateCopy};

use super::DIRECTORY;

pub(super) fn declare(catalog: Catalog) -> Catalog {
    COPIES
        .iter()
        .fold(catalog, |catalog, (table, source, query)| {
            catalog.private_copy(PrivateCopy::new(table, source, query).read_by(DIRECTORY))
        })
}

const COPIES: &[(&str, &str, &str)] = &[
    (
        "tenancy.tenant",
        "public.tenants",
        "SELECT id, status FROM public.tenants",
    ),
    (
        "tenancy.member",
        "public.memberships",
        "SELECT tenant_id AS tenant, account_id AS account, id AS member, role, role_version AS version, \
             status = 'active' AS live \
         FROM public.memberships WHERE removed_at IS NULL AND account_id IS NOT NULL",
    ),
    (
        "tenancy.session",
        "public.sessions",
        "SELECT id, account_id AS account, tenant_id AS tenant, revoked_at IS NULL AS live FROM public.sessions",
    ),
    (
        "tenancy.key",
        "public.api_keys",
        "SELECT tenant_id AS tenant, id, created_by AS member, role, expires_at FROM public.api_keys",
    ),
    (
        "tenancy.job",
        "public.jobs",
        "SELECT tenant_id AS tenant, id, attempts AS attempt, kind FROM public.jobs WHERE status = 'running'",
    ),
];
