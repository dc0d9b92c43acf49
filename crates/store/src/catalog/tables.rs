//! Every table: those of tenants with what `protect` was given, and those of none.

use tenant_db::Role;
use tenant_db::verify::{Table, TenantTable};

use super::{AUTH, DIRECTORY, OPS, OWNER, TENANCY};

pub(super) fn tenant_tables() -> Vec<TenantTable> {
    vec![
        // A slug is an address on the Internet: who takes it takes it from all.
        TenantTable::new("public.tenants")
            .write_role(Role::Admin)
            .door(DIRECTORY)
            .tenant_column("id")
            .commands(&["select", "update"])
            .update_columns(&[
                "name",
                "signup",
                "signup_domains",
                "settings",
                "branding",
                "updated_at",
            ])
            .unaudited_columns(&["updated_at"])
            .spanning_indexes(&["tenants_slug_key", "tenants_subdomain_key"])
            .grant(
                "SELECT, INSERT, DELETE, UPDATE (status, erase_after, subscription_tier, rate_limit_per_minute, rate_limit_burst, features, updated_at)",
                DIRECTORY,
            ),
        // The door that lists a person's tenants knows the account only; no tenant writes
        // account_id.
        TenantTable::new("public.memberships")
            .write_role(Role::Admin)
            .door(DIRECTORY)
            .commands(&["select", "update"])
            .update_columns(&[
                "full_name",
                "role",
                "custom_role_id",
                "status",
                "removed_at",
                "updated_at",
            ])
            .unaudited_columns(&["updated_at"])
            .spanning_indexes(&["memberships_account_idx"])
            .global_references(&["memberships_account_id_fkey"])
            .grant(
                "SELECT, INSERT, DELETE, UPDATE (account_id, full_name, role, custom_role_id, role_version, status, removed_at, updated_at)",
                DIRECTORY,
            ),
        TenantTable::new("public.roles")
            .write_role(Role::Admin)
            .door(DIRECTORY)
            .update_columns(&["name", "based_on", "permissions", "updated_at"])
            .unaudited_columns(&["updated_at"])
            .grant("SELECT", DIRECTORY),
        // The door that lets a key in knows its prefix only.
        TenantTable::new("public.api_keys")
            .write_role(Role::Admin)
            .door(DIRECTORY)
            .commands(&["select", "insert", "delete"])
            .redact(&["hash"])
            .unaudited_columns(&["last_used_at"])
            .spanning_indexes(&["api_keys_prefix_idx"])
            .grant("SELECT, DELETE, UPDATE (last_used_at)", DIRECTORY),
        // Views are counted, and purges asked for and done, by doors.
        TenantTable::new("public.projects")
            .door(DIRECTORY)
            .grant(
                "DELETE, SELECT (tenant_id, id, is_deleted, deleted_at, view_count), UPDATE (view_count)",
                DIRECTORY,
            )
            .commands(&["select", "insert", "update"])
            .update_columns(&[
                "name",
                "description",
                "status",
                "is_deleted",
                "deleted_at",
                "version",
                "updated_at",
            ])
            .unaudited_columns(&["name_key", "view_count", "updated_at"]),
        TenantTable::new("public.invitations")
            .write_role(Role::Admin)
            .door(DIRECTORY)
            .commands(&["select", "update"])
            .update_columns(&["issue", "expires_at"])
            .redact(&["hash"])
            .grant("SELECT, INSERT, DELETE, UPDATE (issue, hash, expires_at, accepted_at)", DIRECTORY),
        TenantTable::new("public.resources")
            .update_columns(&["name", "type", "data"])
            .unaudited_columns(&["updated_at"])
            .grant("DELETE, SELECT (tenant_id, id)", DIRECTORY),
        // Written by the trigger on resources alone, which is the door's; the events of the resource
        // say all that is in it.
        TenantTable::new("public.resource_versions")
            .door(DIRECTORY)
            .unaudited()
            .commands(&["select"])
            .grant(
                "INSERT, DELETE, SELECT (tenant_id, resource_id, version)",
                DIRECTORY,
            ),
        // Each caller's own: read and written by doors only, and forgotten by one. Copies of answers,
        // kept for a day.
        TenantTable::new("public.idempotency_keys")
            .door(DIRECTORY)
            .unaudited()
            .commands(&[])
            .grant(
                "SELECT, INSERT, DELETE, \
                 UPDATE (fingerprint, status, location, etag, body, expires_at)",
                DIRECTORY,
            ),
        // Counted by doors, and read by one. A counter, which servers move by themselves.
        TenantTable::new("public.api_usage")
            .write_role(Role::Owner)
            .unaudited()
            .door(DIRECTORY)
            .commands(&[])
            .grant("SELECT, INSERT, UPDATE (calls)", DIRECTORY),
        // Written behind the requests by one door, read by admins through another. Trails themselves.
        TenantTable::new("public.denials")
            .write_role(Role::Admin)
            .door(DIRECTORY)
            .unaudited()
            .commands(&[])
            .grant("SELECT, INSERT, DELETE", DIRECTORY),
        TenantTable::new("public.reads")
            .write_role(Role::Admin)
            .door(DIRECTORY)
            .unaudited()
            .commands(&[])
            .grant("SELECT, INSERT, DELETE", DIRECTORY),
        // Workers look for what is due in all tenants. Bookkeeping of theirs: what a job does is
        // audited where it does it.
        TenantTable::new("public.jobs")
            .write_role(Role::Owner)
            .unaudited()
            .door(DIRECTORY)
            .commands(&["select"])
            .grant(
                "SELECT, INSERT, DELETE, \
                 UPDATE (status, due_at, attempts, forgiven_attempts, worker, last_error, finished_at)",
                DIRECTORY,
            ),
    ]
}

/// Tables that belong to no tenant: never a grant to `rowhouse_app`.
pub(super) fn tables() -> Vec<Table> {
    vec![
        Table::of_migrations("public.__diesel_schema_migrations")
            .grant("SELECT", AUTH)
            .grant("SELECT", OPS),
        Table::new("public.accounts", OWNER)
            .grant(
                "SELECT, INSERT, DELETE, UPDATE (email, full_name, removed_at, updated_at)",
                DIRECTORY,
            )
            .grant(
                "SELECT, INSERT, DELETE, UPDATE (email, full_name, email_verified, mfa_enabled, updated_at)",
                AUTH,
            ),
        Table::new("public.credentials", OWNER)
            .grant("INSERT, DELETE, SELECT (account_id)", DIRECTORY)
            .grant(
                "SELECT, INSERT, DELETE, UPDATE (password_hash, changed_at, rehash_of)",
                AUTH,
            ),
        Table::new("public.sessions", OWNER)
            .grant(
                "SELECT, INSERT, DELETE, \
                 UPDATE (tenant_id, device, address, last_used_at, revoked_at, authenticated_at)",
                AUTH,
            )
            .grant(
                "SELECT (id, account_id, tenant_id, revoked_at, authenticated_at), UPDATE (tenant_id, revoked_at)",
                DIRECTORY,
            ),
        Table::new("public.refresh_tokens", OWNER)
            .grant("SELECT, INSERT, DELETE, UPDATE (used_at)", AUTH),
        Table::new("public.totp_secrets", OWNER)
            .grant("SELECT, INSERT, DELETE, UPDATE (kid, sealed, last_step)", AUTH),
        Table::new("public.recovery_codes", OWNER)
            .grant("SELECT, INSERT, DELETE, UPDATE (used_at)", AUTH),
        Table::new("public.login_failures", OWNER).grant(
            "SELECT, INSERT, DELETE, UPDATE (account_id, attempted_at, is_open)",
            AUTH,
        ),
        Table::new("public.operators", OWNER).grant("SELECT (account_id), INSERT", DIRECTORY),
        Table::new("public.account_tokens", OWNER)
            .grant(
                "SELECT, INSERT, DELETE, UPDATE (issue, hash, expires_at, used_at)",
                AUTH,
            ),
        Table::new("public.account_mails", OWNER)
            .grant(
                "SELECT, INSERT, DELETE, UPDATE (token_id, issue, status, due_at, attempts, worker, \
                 last_error, finished_at)",
                AUTH,
            )
            .grant("DELETE, SELECT (tenant_slug)", DIRECTORY),
        Table::new("public.platform_denials", OWNER).grant("SELECT, INSERT, DELETE", DIRECTORY),
        Table::new("public.schedule", OWNER)
            .grant("SELECT, INSERT, UPDATE (last_run_at, runs)", AUTH),
        Table::new("tenancy.checked_chains", TENANCY),
        Table::new("tenancy.job", TENANCY),
        Table::new("tenancy.tenant", TENANCY),
        Table::new("tenancy.member", TENANCY),
        Table::new("tenancy.session", TENANCY),
        Table::new("tenancy.key", TENANCY),
        Table::new("tenancy.chain_checks", TENANCY),
    ]
}
