// @generated automatically by Diesel CLI.

diesel::table! {
    account_mails (id) {
        id -> Uuid,
        kind -> Text,
        email -> Text,
        tenant_slug -> Nullable<Text>,
        token_id -> Nullable<Uuid>,
        issue -> Nullable<Int4>,
        status -> Text,
        due_at -> Timestamptz,
        attempts -> Int4,
        worker -> Nullable<Uuid>,
        last_error -> Nullable<Text>,
        created_at -> Timestamptz,
        finished_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    account_tokens (id) {
        id -> Uuid,
        account_id -> Uuid,
        purpose -> Text,
        issue -> Int4,
        hash -> Nullable<Bytea>,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    accounts (id) {
        id -> Uuid,
        home_tenant_id -> Nullable<Uuid>,
        email -> Text,
        full_name -> Text,
        email_verified -> Bool,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        removed_at -> Nullable<Timestamptz>,
        mfa_enabled -> Bool,
    }
}

diesel::table! {
    api_keys (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
        prefix -> Text,
        hash -> Bytea,
        role -> Text,
        scopes -> Array<Nullable<Text>>,
        created_by -> Uuid,
        expires_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    api_usage (tenant_id, month) {
        tenant_id -> Uuid,
        month -> Date,
        calls -> Int8,
    }
}

diesel::table! {
    credentials (account_id) {
        account_id -> Uuid,
        password_hash -> Text,
        changed_at -> Timestamptz,
        rehash_of -> Nullable<Bytea>,
    }
}

diesel::table! {
    denials (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        at -> Timestamptz,
        actor_kind -> Text,
        actor_id -> Nullable<Uuid>,
        route -> Nullable<Text>,
        reason -> Text,
        status -> Int2,
        object_type -> Nullable<Text>,
        object_id -> Nullable<Uuid>,
        request_id -> Text,
        address -> Nullable<Inet>,
    }
}

diesel::table! {
    idempotency_keys (tenant_id, actor_kind, actor_id, key) {
        tenant_id -> Uuid,
        actor_kind -> Text,
        actor_id -> Uuid,
        key -> Text,
        fingerprint -> Bytea,
        status -> Int2,
        location -> Nullable<Text>,
        etag -> Nullable<Text>,
        body -> Text,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    invitations (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        membership_id -> Uuid,
        issue -> Int4,
        hash -> Nullable<Bytea>,
        expires_at -> Timestamptz,
        accepted_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    jobs (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        kind -> Text,
        payload -> Jsonb,
        status -> Text,
        due_at -> Timestamptz,
        attempts -> Int4,
        worker -> Nullable<Uuid>,
        last_error -> Nullable<Text>,
        created_at -> Timestamptz,
        finished_at -> Nullable<Timestamptz>,
        forgiven_attempts -> Int4,
    }
}

diesel::table! {
    login_failures (address, email_hash, slot) {
        address -> Inet,
        email_hash -> Bytea,
        slot -> Int4,
        account_id -> Nullable<Uuid>,
        attempted_at -> Timestamptz,
        is_open -> Bool,
    }
}

diesel::table! {
    memberships (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        account_id -> Nullable<Uuid>,
        email -> Text,
        full_name -> Text,
        role -> Text,
        status -> Text,
        role_version -> Int4,
        removed_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        custom_role_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    operators (account_id) {
        account_id -> Uuid,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    platform_denials (id) {
        id -> Uuid,
        at -> Timestamptz,
        tenant_id -> Nullable<Uuid>,
        selected -> Nullable<Text>,
        actor_kind -> Text,
        actor_id -> Nullable<Uuid>,
        route -> Nullable<Text>,
        reason -> Text,
        status -> Int2,
        object_type -> Nullable<Text>,
        object_id -> Nullable<Uuid>,
        request_id -> Text,
        address -> Nullable<Inet>,
    }
}

diesel::table! {
    projects (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
        description -> Nullable<Text>,
        status -> Text,
        owner_id -> Uuid,
        is_deleted -> Bool,
        deleted_at -> Nullable<Timestamptz>,
        view_count -> Int8,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        name_key -> Text,
    }
}

diesel::table! {
    reads (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        at -> Timestamptz,
        actor_kind -> Text,
        actor_id -> Uuid,
        route -> Text,
        object_type -> Nullable<Text>,
        object_id -> Nullable<Uuid>,
        request_id -> Text,
        address -> Nullable<Inet>,
    }
}

diesel::table! {
    recovery_codes (account_id, hash) {
        account_id -> Uuid,
        hash -> Bytea,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    refresh_tokens (hash) {
        hash -> Bytea,
        session_id -> Uuid,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    resource_versions (tenant_id, resource_id, version) {
        tenant_id -> Uuid,
        resource_id -> Uuid,
        version -> Int4,
        name -> Text,
        #[sql_name = "type"]
        type_ -> Nullable<Text>,
        data -> Jsonb,
        updated_at -> Timestamptz,
        replaced_at -> Timestamptz,
        replaced_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    resources (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        project_id -> Uuid,
        name -> Text,
        #[sql_name = "type"]
        type_ -> Nullable<Text>,
        data -> Jsonb,
        version -> Int4,
        created_by -> Uuid,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    roles (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
        based_on -> Text,
        permissions -> Array<Nullable<Text>>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    schedule (name) {
        name -> Text,
        last_run_at -> Timestamptz,
        runs -> Int8,
    }
}

diesel::table! {
    sessions (id) {
        id -> Uuid,
        account_id -> Uuid,
        tenant_id -> Nullable<Uuid>,
        device -> Nullable<Text>,
        address -> Nullable<Inet>,
        created_at -> Timestamptz,
        last_used_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
        authenticated_at -> Timestamptz,
    }
}

diesel::table! {
    tenants (id) {
        id -> Uuid,
        slug -> Text,
        subdomain -> Text,
        name -> Text,
        status -> Text,
        subscription_tier -> Text,
        rate_limit_per_minute -> Nullable<Int4>,
        rate_limit_burst -> Nullable<Int4>,
        signup -> Text,
        signup_domains -> Array<Nullable<Text>>,
        settings -> Jsonb,
        branding -> Jsonb,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        erase_after -> Nullable<Timestamptz>,
        features -> Jsonb,
    }
}

diesel::table! {
    totp_secrets (account_id) {
        account_id -> Uuid,
        kid -> Text,
        sealed -> Bytea,
        last_step -> Nullable<Int8>,
        created_at -> Timestamptz,
    }
}

diesel::joinable!(account_tokens -> credentials (account_id));
diesel::joinable!(accounts -> tenants (home_tenant_id));
diesel::joinable!(api_keys -> tenants (tenant_id));
diesel::joinable!(api_usage -> tenants (tenant_id));
diesel::joinable!(credentials -> accounts (account_id));
diesel::joinable!(denials -> tenants (tenant_id));
diesel::joinable!(idempotency_keys -> tenants (tenant_id));
diesel::joinable!(invitations -> tenants (tenant_id));
diesel::joinable!(jobs -> tenants (tenant_id));
diesel::joinable!(login_failures -> accounts (account_id));
diesel::joinable!(memberships -> accounts (account_id));
diesel::joinable!(memberships -> tenants (tenant_id));
diesel::joinable!(operators -> accounts (account_id));
diesel::joinable!(projects -> tenants (tenant_id));
diesel::joinable!(reads -> tenants (tenant_id));
diesel::joinable!(recovery_codes -> totp_secrets (account_id));
diesel::joinable!(refresh_tokens -> sessions (session_id));
diesel::joinable!(resource_versions -> tenants (tenant_id));
diesel::joinable!(resources -> tenants (tenant_id));
diesel::joinable!(roles -> tenants (tenant_id));
diesel::joinable!(sessions -> accounts (account_id));
diesel::joinable!(sessions -> tenants (tenant_id));
diesel::joinable!(totp_secrets -> credentials (account_id));

diesel::allow_tables_to_appear_in_same_query!(
    account_mails,
    account_tokens,
    accounts,
    api_keys,
    api_usage,
    credentials,
    denials,
    idempotency_keys,
    invitations,
    jobs,
    login_failures,
    memberships,
    operators,
    platform_denials,
    projects,
    reads,
    recovery_codes,
    refresh_tokens,
    resource_versions,
    resources,
    roles,
    schedule,
    sessions,
    tenants,
    totp_secrets,
);
