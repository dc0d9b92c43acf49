//! Foreign keys, keys and indexes, as PostgreSQL writes them: a test compares them with the database. Those
//! that are dropped by hand are missed by `verify`. Primary keys of tenant tables are not here: each has the
//! one that its rules want.

use tenant_db::verify::Catalog;

pub(super) fn declare(catalog: Catalog) -> Catalog {
    let catalog = KEYS
        .iter()
        .fold(catalog, |catalog, (table, name, definition)| {
            catalog.key(table, name, definition)
        });
    let catalog = UNIQUE_INDEXES
        .iter()
        .fold(catalog, |catalog, (table, name, columns)| {
            catalog.unique_index(table, name, columns)
        });
    INDEXES
        .iter()
        .fold(catalog, |catalog, (table, name, columns)| {
            catalog.index(table, name, columns)
        })
}

/// What holds rows together.
const KEYS: &[(&str, &str, &str)] = &[
    (
        "public.account_mails",
        "account_mails_pkey",
        "PRIMARY KEY (id)",
    ),
    (
        "public.account_tokens",
        "account_tokens_account_id_fkey",
        "FOREIGN KEY (account_id) REFERENCES public.credentials(account_id) ON DELETE CASCADE",
    ),
    (
        "public.account_tokens",
        "account_tokens_hash_key",
        "UNIQUE (hash)",
    ),
    (
        "public.account_tokens",
        "account_tokens_pkey",
        "PRIMARY KEY (id)",
    ),
    (
        "public.account_tokens",
        "account_tokens_purpose_key",
        "UNIQUE (account_id, purpose)",
    ),
    (
        "public.accounts",
        "accounts_email_key",
        "UNIQUE NULLS NOT DISTINCT (home_tenant_id, email)",
    ),
    (
        "public.accounts",
        "accounts_home_tenant_id_fkey",
        "FOREIGN KEY (home_tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE",
    ),
    ("public.accounts", "accounts_pkey", "PRIMARY KEY (id)"),
    (
        "public.api_keys",
        "api_keys_tenant_id_created_by_fkey",
        "FOREIGN KEY (tenant_id, created_by) REFERENCES public.memberships(tenant_id, id) ON DELETE CASCADE",
    ),
    (
        "public.api_keys",
        "api_keys_tenant_id_fkey",
        "FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE",
    ),
    (
        "public.api_keys",
        "api_keys_tenant_prefix_key",
        "UNIQUE (tenant_id, prefix)",
    ),
    (
        "public.api_usage",
        "api_usage_tenant_id_fkey",
        "FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE",
    ),
    (
        "public.credentials",
        "credentials_account_id_fkey",
        "FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE",
    ),
    (
        "public.credentials",
        "credentials_pkey",
        "PRIMARY KEY (account_id)",
    ),
    (
        "public.idempotency_keys",
        "idempotency_keys_tenant_id_fkey",
        "FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE",
    ),
    (
        "public.invitations",
        "invitations_membership_key",
        "UNIQUE (tenant_id, membership_id)",
    ),
    (
        "public.invitations",
        "invitations_tenant_id_fkey",
        "FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE",
    ),
    (
        "public.invitations",
        "invitations_tenant_id_membership_id_fkey",
        "FOREIGN KEY (tenant_id, membership_id) REFERENCES public.memberships(tenant_id, id) ON DELETE CASCADE",
    ),
    (
        "public.jobs",
        "jobs_tenant_id_fkey",
        "FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE",
    ),
    (
        "public.login_failures",
        "login_failures_account_id_fkey",
        "FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE",
    ),
    (
        "public.login_failures",
        "login_failures_pkey",
        "PRIMARY KEY (address, email_hash, slot)",
    ),
    (
        "public.memberships",
        "memberships_account_id_fkey",
        "FOREIGN KEY (account_id) REFERENCES public.accounts(id)",
    ),
    (
        "public.memberships",
        "memberships_custom_role_fkey",
        "FOREIGN KEY (tenant_id, custom_role_id, role) REFERENCES public.roles(tenant_id, id, based_on) ON UPDATE CASCADE ON DELETE RESTRICT",
    ),
    (
        "public.memberships",
        "memberships_tenant_id_fkey",
        "FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE",
    ),
    (
        "public.operators",
        "operators_account_id_fkey",
        "FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE",
    ),
    (
        "public.operators",
        "operators_pkey",
        "PRIMARY KEY (account_id)",
    ),
    (
        "public.platform_denials",
        "platform_denials_pkey",
        "PRIMARY KEY (id)",
    ),
    (
        "public.projects",
        "projects_tenant_id_fkey",
        "FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE",
    ),
    (
        "public.projects",
        "projects_tenant_id_owner_id_fkey",
        "FOREIGN KEY (tenant_id, owner_id) REFERENCES public.memberships(tenant_id, id) ON DELETE CASCADE",
    ),
    (
        "public.recovery_codes",
        "recovery_codes_account_id_fkey",
        "FOREIGN KEY (account_id) REFERENCES public.totp_secrets(account_id) ON DELETE CASCADE",
    ),
    (
        "public.recovery_codes",
        "recovery_codes_pkey",
        "PRIMARY KEY (account_id, hash)",
    ),
    (
        "public.refresh_tokens",
        "refresh_tokens_pkey",
        "PRIMARY KEY (hash)",
    ),
    (
        "public.refresh_tokens",
        "refresh_tokens_session_id_fkey",
        "FOREIGN KEY (session_id) REFERENCES public.sessions(id) ON DELETE CASCADE",
    ),
    (
        "public.resource_versions",
        "resource_versions_tenant_id_fkey",
        "FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE",
    ),
    (
        "public.resource_versions",
        "resource_versions_tenant_id_replaced_by_fkey",
        "FOREIGN KEY (tenant_id, replaced_by) REFERENCES public.memberships(tenant_id, id) ON DELETE CASCADE",
    ),
    (
        "public.resource_versions",
        "resource_versions_tenant_id_resource_id_fkey",
        "FOREIGN KEY (tenant_id, resource_id) REFERENCES public.resources(tenant_id, id) ON DELETE CASCADE",
    ),
    (
        "public.resources",
        "resources_project_fkey",
        "FOREIGN KEY (tenant_id, project_id) REFERENCES public.projects(tenant_id, id) ON DELETE CASCADE",
    ),
    (
        "public.resources",
        "resources_tenant_id_created_by_fkey",
        "FOREIGN KEY (tenant_id, created_by) REFERENCES public.memberships(tenant_id, id) ON DELETE CASCADE",
    ),
    (
        "public.resources",
        "resources_tenant_id_fkey",
        "FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE",
    ),
    (
        "public.roles",
        "roles_tenant_base_key",
        "UNIQUE (tenant_id, id, based_on)",
    ),
    (
        "public.roles",
        "roles_tenant_id_fkey",
        "FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE",
    ),
    (
        "public.roles",
        "roles_tenant_name_key",
        "UNIQUE (tenant_id, name)",
    ),
    ("public.schedule", "schedule_pkey", "PRIMARY KEY (name)"),
    (
        "public.sessions",
        "sessions_account_id_fkey",
        "FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE",
    ),
    ("public.sessions", "sessions_pkey", "PRIMARY KEY (id)"),
    (
        "public.sessions",
        "sessions_tenant_id_fkey",
        "FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE",
    ),
    ("public.tenants", "tenants_slug_key", "UNIQUE (slug)"),
    (
        "public.tenants",
        "tenants_subdomain_key",
        "UNIQUE (subdomain)",
    ),
    (
        "public.totp_secrets",
        "totp_secrets_account_id_fkey",
        "FOREIGN KEY (account_id) REFERENCES public.credentials(account_id) ON DELETE CASCADE",
    ),
    (
        "public.totp_secrets",
        "totp_secrets_pkey",
        "PRIMARY KEY (account_id)",
    ),
    (
        "tenancy.chain_checks",
        "chain_checks_pkey",
        "PRIMARY KEY (tenant_id)",
    ),
    (
        "tenancy.checked_chains",
        "checked_chains_pkey",
        "PRIMARY KEY (tenant_id)",
    ),
    ("tenancy.job", "job_pkey", "PRIMARY KEY (tenant, id)"),
    ("tenancy.key", "key_pkey", "PRIMARY KEY (tenant, id)"),
    (
        "tenancy.member",
        "member_pkey",
        "PRIMARY KEY (tenant, account)",
    ),
    ("tenancy.session", "session_pkey", "PRIMARY KEY (id)"),
    ("tenancy.tenant", "tenant_pkey", "PRIMARY KEY (id)"),
];

/// Keys of some rows only, and those of private copies.
const UNIQUE_INDEXES: &[(&str, &str, &str)] = &[
    (
        "public.memberships",
        "memberships_tenant_account_key",
        "btree (tenant_id, account_id) WHERE (removed_at IS NULL)",
    ),
    (
        "public.memberships",
        "memberships_tenant_email_key",
        "btree (tenant_id, email) WHERE (removed_at IS NULL)",
    ),
    (
        "tenancy.member",
        "member_member_key",
        "btree (tenant, member)",
    ),
];

/// What queries rely on.
const INDEXES: &[(&str, &str, &str)] = &[
    (
        "public.account_mails",
        "account_mails_due_idx",
        "btree (due_at) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]))",
    ),
    ("public.accounts", "accounts_email_idx", "btree (email)"),
    (
        "public.api_keys",
        "api_keys_created_by_idx",
        "btree (tenant_id, created_by)",
    ),
    (
        "public.api_keys",
        "api_keys_prefix_idx",
        "btree (prefix, tenant_id)",
    ),
    (
        "public.idempotency_keys",
        "idempotency_keys_expiry_idx",
        "btree (tenant_id, expires_at)",
    ),
    (
        "public.jobs",
        "jobs_open_idx",
        "btree (tenant_id, kind, due_at) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]))",
    ),
    (
        "public.jobs",
        "jobs_running_idx",
        "btree (tenant_id, due_at) WHERE (status = 'running'::text)",
    ),
    (
        "public.login_failures",
        "login_failures_account_idx",
        "btree (account_id)",
    ),
    (
        "public.login_failures",
        "login_failures_attempted_idx",
        "btree (attempted_at)",
    ),
    (
        "public.memberships",
        "memberships_account_idx",
        "btree (account_id, tenant_id)",
    ),
    (
        "public.memberships",
        "memberships_custom_role_idx",
        "btree (tenant_id, custom_role_id)",
    ),
    (
        "public.projects",
        "projects_created_idx",
        "btree (tenant_id, is_deleted, created_at, id)",
    ),
    (
        "public.projects",
        "projects_deleted_idx",
        "btree (tenant_id, deleted_at) WHERE is_deleted",
    ),
    (
        "public.projects",
        "projects_name_idx",
        "btree (tenant_id, is_deleted, name_key, id)",
    ),
    (
        "public.projects",
        "projects_owner_idx",
        "btree (tenant_id, owner_id)",
    ),
    (
        "public.projects",
        "projects_status_idx",
        "btree (tenant_id, is_deleted, status, created_at, id)",
    ),
    (
        "public.refresh_tokens",
        "refresh_tokens_session_idx",
        "btree (session_id)",
    ),
    (
        "public.resource_versions",
        "resource_versions_replaced_by_idx",
        "btree (tenant_id, replaced_by)",
    ),
    (
        "public.resources",
        "resources_created_by_idx",
        "btree (tenant_id, created_by)",
    ),
    (
        "public.resources",
        "resources_project_idx",
        "btree (tenant_id, project_id, id)",
    ),
    (
        "public.sessions",
        "sessions_account_idx",
        "btree (account_id, id)",
    ),
    (
        "public.sessions",
        "sessions_tenant_idx",
        "btree (tenant_id, id)",
    ),
    ("public.totp_secrets", "totp_secrets_kid_idx", "btree (kid)"),
    (
        "tenancy.audit_events",
        "audit_events_actor_idx",
        "btree (tenant_id, actor_id, id)",
    ),
];
