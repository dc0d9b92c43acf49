//! The declared list of all that is in the database: what `verify` compares it with.
//!
//! A new table, function, trigger or role gets its entry here in the change that makes it; a
//! database with something else in it does not pass. The digests of functions are printed by
//! `verify` where they differ: read the function again before you copy one.

use tenant_db::Role;
use tenant_db::verify::{Catalog, Function, Table, TenantTable};

const OWNER: &str = "rowhouse_owner";
const TENANCY: &str = "rowhouse_tenancy";
const DIRECTORY: &str = "rowhouse_directory";
const APP: &str = "rowhouse_app";
const AUTH: &str = "rowhouse_auth";
const OPS: &str = "rowhouse_ops";

/// All that Rowhouse declares, on top of what tenant-db does.
#[must_use]
pub fn catalog() -> Catalog {
    let catalog = Catalog::new()
        .definer_role(DIRECTORY)
        .login_role(AUTH)
        .login_role(OPS)
        .schema("directory", DIRECTORY)
        .grant("USAGE", "SCHEMA directory", AUTH)
        .grant("USAGE", "SCHEMA directory", APP)
        .grant("USAGE", "SCHEMA directory", OWNER)
        .grant("USAGE", "SCHEMA directory", OPS)
        .grant("USAGE", "SCHEMA public", DIRECTORY)
        .grant("USAGE", "SCHEMA public", AUTH)
        .grant("USAGE", "SCHEMA public", OPS)
        .grant("USAGE", "SCHEMA tenancy", DIRECTORY)
        .grant("USAGE", "LANGUAGE plpgsql", DIRECTORY)
        .grant("USAGE", "LANGUAGE sql", DIRECTORY)
        .grant("CONNECT", "DATABASE", AUTH)
        .grant("CONNECT", "DATABASE", OPS);
    let catalog = scripts().into_iter().fold(catalog, Catalog::script);
    let catalog = tenant_tables()
        .into_iter()
        .fold(catalog, Catalog::tenant_table);
    let catalog = tables().into_iter().fold(catalog, Catalog::table);
    let catalog = functions().into_iter().fold(catalog, Catalog::function);
    let catalog = DIRECTORY_CALLS.iter().fold(catalog, |catalog, function| {
        catalog.grant(
            "EXECUTE",
            &format!("FUNCTION tenancy.{function}"),
            DIRECTORY,
        )
    });
    triggers(catalog)
}

/// Where functions are defined, oldest first.
fn scripts() -> Vec<&'static str> {
    vec![
        include_str!("../../../migrations/20261121000100_tenants_and_accounts/up.sql"),
        include_str!("../../../migrations/20261121000200_memberships/up.sql"),
        include_str!("../../../migrations/20261121000300_sessions/up.sql"),
        include_str!("../../../migrations/20261121000400_directory/up.sql"),
        include_str!("../../../migrations/20261121000500_projects/up.sql"),
        include_str!("../../../migrations/20261121000600_members/up.sql"),
        include_str!("../../../migrations/20261121000700_jobs/up.sql"),
        include_str!("../../../migrations/20261121000800_account_deletion/up.sql"),
        include_str!("../../../migrations/20261121000900_roles/up.sql"),
        include_str!("../../../migrations/20261121001000_api_keys/up.sql"),
        include_str!("../../../migrations/20261121001100_mfa/up.sql"),
        include_str!("../../../migrations/20261121001300_invitations/up.sql"),
        include_str!("../../../migrations/20261121001400_operations/up.sql"),
        include_str!("../../../migrations/20261121002000_resources/up.sql"),
        include_str!("../../../migrations/20261121002100_projects_in_full/up.sql"),
        include_str!("../../../migrations/20261121002400_tenant_deletion/up.sql"),
        include_str!("../../../migrations/20261121002600_idempotency/up.sql"),
        include_str!("../../../migrations/20261121002700_conditional_writes/up.sql"),
    ]
}

fn tenant_tables() -> Vec<TenantTable> {
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
            .spanning_indexes(&["tenants_slug_key", "tenants_subdomain_key"])
            .grant(
                "SELECT, INSERT, DELETE, UPDATE (status, erase_after, subscription_tier, rate_limit_per_minute, rate_limit_burst, updated_at)",
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
            .grant("SELECT", DIRECTORY),
        // The door that lets a key in knows its prefix only.
        TenantTable::new("public.api_keys")
            .write_role(Role::Admin)
            .door(DIRECTORY)
            .commands(&["select", "insert", "delete"])
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
            ]),
        TenantTable::new("public.invitations")
            .write_role(Role::Admin)
            .door(DIRECTORY)
            .commands(&["select", "update"])
            .update_columns(&["issue", "expires_at"])
            .grant("SELECT, INSERT, DELETE, UPDATE (issue, hash, expires_at, accepted_at)", DIRECTORY),
        TenantTable::new("public.resources")
            .update_columns(&["name", "type", "data"])
            .grant("DELETE, SELECT (tenant_id, id)", DIRECTORY),
        // Written by the trigger on resources alone, which is the door's.
        TenantTable::new("public.resource_versions")
            .door(DIRECTORY)
            .commands(&["select"])
            .grant(
                "INSERT, DELETE, SELECT (tenant_id, resource_id, version)",
                DIRECTORY,
            ),
        // Each caller's own: read and written by doors only, and forgotten by one.
        TenantTable::new("public.idempotency_keys")
            .door(DIRECTORY)
            .commands(&[])
            .grant(
                "SELECT, INSERT, DELETE, \
                 UPDATE (fingerprint, status, location, etag, body, expires_at)",
                DIRECTORY,
            ),
        // Workers look for what is due in all tenants.
        TenantTable::new("public.jobs")
            .write_role(Role::Owner)
            .door(DIRECTORY)
            .commands(&["select"])
            .spanning_indexes(&["jobs_due_idx"])
            .grant(
                "SELECT, INSERT, DELETE, \
                 UPDATE (status, due_at, attempts, worker, last_error, finished_at)",
                DIRECTORY,
            ),
    ]
}

/// Tables that belong to no tenant: never a grant to `rowhouse_app`.
fn tables() -> Vec<Table> {
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
        Table::new("public.schedule", OWNER)
            .grant("SELECT, INSERT, UPDATE (last_run_at, runs)", AUTH),
        Table::new("tenancy.job", TENANCY),
        Table::new("tenancy.tenant", TENANCY),
        Table::new("tenancy.member", TENANCY),
        Table::new("tenancy.session", TENANCY),
        Table::new("tenancy.key", TENANCY),
    ]
}

fn functions() -> Vec<Function> {
    vec![
        Function::invoker(
            "tenancy.authorize(text,uuid,text,uuid,text,integer)",
            TENANCY,
            "9534cef24f635cec3d910dcb451ec5e66a0129b1333a27153064df0a9b9f9a0b",
        ),
        Function::definer(
            "tenancy.copy_tenant()",
            TENANCY,
            "10c70cc7f609fecb9fb24952dc10b2d68aaa6cb9a830dbfe7c58059c84c4c4ff",
        )
        .callers(&[OWNER]),
        Function::definer(
            "tenancy.copy_member()",
            TENANCY,
            "5870679e65fe5e3ab403438c9e614218f9baf5d575e628cad1dfce9b2f7c96c7",
        )
        .callers(&[OWNER]),
        Function::definer(
            "tenancy.copy_session()",
            TENANCY,
            "88b6cfaa588ed3ae08b33cf95bae3e9056dfd81cd620dff2f525f237964f9331",
        )
        .callers(&[OWNER]),
        Function::invoker(
            "public.memberships_role_change()",
            OWNER,
            "6bec71a19e59ad782015f790922ccd016fb4d384b3e5c7e3f7531121aa967a6d",
        )
        .callers(&[APP, DIRECTORY]),
        Function::definer(
            "directory.memberships_of(uuid)",
            DIRECTORY,
            "34b74a4bdcfdadc186a7c76bbfc8ef0b21be08d20b3b94e22dc6d4b8bd54c84d",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.tenant_by(text)",
            DIRECTORY,
            "eae0c09981040215b657f26d0822686389baf542531b65ae6a5eb9f491c0c41f",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.tenant_by(uuid)",
            DIRECTORY,
            "563779c5deda3900677696db7a832411e37afdb38c535f02f4af7931085e2739",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.create_tenant(uuid,text,text)",
            DIRECTORY,
            "7bc83114efd919852aa98534e1557d286004d010902ee1664efaf28925e5c879",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.join_tenant(uuid,uuid,text,text)",
            DIRECTORY,
            "a53116af9b746d6c4bcd165d187cdafbc62676d139f282ffc042aff7ed8593e2",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.create_managed_account(text,text,text)",
            DIRECTORY,
            "8f60f286b98e19f8e1b4e873d93438a09f83293aeaf09bc2afe9aa24be8af32d",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.keep_an_owner()",
            DIRECTORY,
            "9f2d12d137b3fd142f970914a6bf07685119aa6e0423f7cf19d4668239a732d2",
        )
        .callers(&[OWNER]),
        Function::definer(
            "directory.retire_managed_account()",
            DIRECTORY,
            "dfae21996ffcfd787e88c4a811af6eaa1d8d608a96f8f5e352cff6009565ef1b",
        )
        .callers(&[OWNER]),
        Function::definer(
            "directory.set_own_name(text)",
            DIRECTORY,
            "b423d603970cdbc7965215f06b9481cd0545357a1ed43b8bc306e631543428ef",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.hold_own_membership()",
            DIRECTORY,
            "a9ffe858ab3fc348e8bb8f7318a28b526c17c188981b048b2a90492e21b82396",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.leave()",
            DIRECTORY,
            "3761cb6fa44c540a970a0e181ff2415b7bb19d11e491e4722ce0564697be5977",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.require_recent_sign_in(integer)",
            DIRECTORY,
            "da8217e6afb95fdeed37a9adbc7d15a1626597cc2da9c78a4fa0fcbad9987400",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.delete_account(uuid)",
            DIRECTORY,
            "b62fe93abc6094083a1035d3e552560380a8467d497d5301ee70961c0dd324be",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.tenant_of(uuid,uuid)",
            DIRECTORY,
            "335b2475cd2818b788905e1aa5eb50780d90aafb11e1d07b6682ddb8f79ad6ad",
        )
        .callers(&[AUTH]),
        Function::invoker(
            "directory.lock_out(uuid)",
            DIRECTORY,
            "842179c33eebd79b8d19714f80adb307ad5bca7bb06d38a1aa5e3c94ddc7cea1",
        ),
        Function::definer(
            "directory.tenants(text)",
            DIRECTORY,
            "eca64bad548af0402e1d3ae6313f7dcccb6305418b67ebf3a07de18e66fc1562",
        )
        .callers(&[OPS]),
        Function::definer(
            "directory.open_tenant(text,text)",
            DIRECTORY,
            "66066a3df9018beb6bfdf01a18c0838bba7cdfbf2ea6eea9079f917e8bbf8691",
        )
        .callers(&[OPS]),
        Function::definer(
            "directory.set_tenant_status(text,text)",
            DIRECTORY,
            "e303aae039a5e28dbc4401a4a1e3f4c46cc07c7fe6ff6a37e1b1d1759fe4871d",
        )
        .callers(&[OPS]),
        Function::definer(
            "directory.set_tenant_tier(text,text)",
            DIRECTORY,
            "2aa4f4a22088fdf0a33a1f24964f7cd6d50c2e9a9d5ac07221aea82e26f26314",
        )
        .callers(&[OPS]),
        Function::definer(
            "directory.set_tenant_limits(text,integer,integer)",
            DIRECTORY,
            "08435380094ebc1b8965dcdcaa858c503fc141ec6a2746ca7ce1c3cdc2d6791f",
        )
        .callers(&[OPS]),
        Function::definer(
            "directory.add_owner(uuid,text,text,timestamp with time zone)",
            DIRECTORY,
            "d9a896872d951d2f4ffdfd330d95feb749808157afeaf27fe910683da49d6b6b",
        )
        .callers(&[OPS]),
        Function::definer(
            "directory.add_operator(text)",
            DIRECTORY,
            "8e040cd5b13d4031148727d5c0beee37f620097e8b37099f53be327d2c04c062",
        )
        .callers(&[OPS]),
        Function::invoker(
            "tenancy.authorize_job(uuid,text,text,integer)",
            TENANCY,
            "661f6abcdde34db1e79649a646e176d57f18d46774df390183b31b989926825a",
        ),
        Function::definer(
            "tenancy.copy_job()",
            TENANCY,
            "28f080cdffe5fca9c85b80466bbaa5f26a2ea7ecdd9fc02ee230e410f1d7004d",
        )
        .callers(&[OWNER]),
        Function::definer(
            "directory.enqueue_job(text,jsonb)",
            DIRECTORY,
            "e14bb13e44b7c70562dd8e0cdb2a2b53139f856353d3f553be8c3b0d0f6ea31f",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.complete_job()",
            DIRECTORY,
            "03cdd4b3863a2e169e41c8bf90aa2c7697b56f2094fdd4b538688e98a62e2ab3",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.claim_jobs(uuid,text[],integer,integer,integer)",
            DIRECTORY,
            "3a22418bf8b030a519a3a662bc0b74fdfd26a283eaa8e7ebb7cdad0810ace530",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.fail_job(uuid,uuid,integer,text,bigint)",
            DIRECTORY,
            "1318e1427708db6c48ff83ee33f4ee195a754ad042ebbfef51609e9afa38d375",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.claim_idempotency_key(text,bytea[])",
            DIRECTORY,
            "ccc471eacbfa1942ac33b870858e7ec4393ab7b31f91be7055a166649f419401",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.keep_answer(text,bytea,integer,text,text,text)",
            DIRECTORY,
            "8a05f356bd8624a0e4686e2ae9aa788a19f6f5627dcd209fe0578405e98c67f1",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.forget_answers(integer)",
            DIRECTORY,
            "5a7ada0bbae8603cc0a711aa2eee979d2ef5891ce1ae1b2b7a432428d076eaa4",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.purge_jobs(integer,integer)",
            DIRECTORY,
            "9c6309c5bedf8e14a54553d72cdfd862490a58b75dd9de409aa461fafb5d9505",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.invite(text,text,timestamp with time zone)",
            DIRECTORY,
            "847ce9000aadee2440a90297b113fe2777bdf344394805699a0c4e69eb2f4d89",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.issue_invitation(uuid,integer,bytea)",
            DIRECTORY,
            "a7ec9fef0056e69e85173e1538dfb22c2b322a5968907778b374d92c927c2ee6",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.invitation(uuid,text)",
            DIRECTORY,
            "ad90f41317b07bda08c9200541c8f5700175fa1fb07a4cecdea585c8aaf2f5c8",
        )
        .callers(&[AUTH]),
        Function::invoker(
            "tenancy.authorize_key(uuid,text,text,integer)",
            TENANCY,
            "2ed3b7253f6232e110741c32635e6412fe97f815a81b82c1d56a3b4102f3f3b0",
        ),
        Function::definer(
            "tenancy.copy_key()",
            TENANCY,
            "b9b9729832bb0312a99ccb83b859e08c6dfb0911b1ee9323a73966e734a70c49",
        )
        .callers(&[OWNER]),
        Function::invoker(
            "public.refuse_keys()",
            OWNER,
            "f8fb1fd6f326d20fb571862dfa72231624cb4821a733e394ca1196ae833c194f",
        )
        .callers(&[APP, DIRECTORY]),
        Function::invoker(
            "public.api_keys_made()",
            OWNER,
            "620c08acb22faa3057420b844cc0d600e30df06dc8f159f84876aaf7786c0cee",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.role_changed()",
            DIRECTORY,
            "17b8a446c0f203f4067c34ee90ccfb9bf9b62d6cba4ebafcde41e48e2d444a60",
        )
        .callers(&[OWNER]),
        Function::definer(
            "directory.api_key(text)",
            DIRECTORY,
            "363f11f4e07d740e0c9130371025427137e11da210d8bb877bf7a9f2a78da15c",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.note_key_use(uuid,uuid)",
            DIRECTORY,
            "8afe6fdf01f9aab9b3a53febb02bd4da99a803e2ae799b7fbd776bbb286b46fc",
        )
        .callers(&[AUTH]),
        Function::invoker(
            "directory.acting_member()",
            DIRECTORY,
            "4540aa706b6b4a38cb9c00f3762b3f9a124726c15bd968995702418c1053dc36",
        ),
        Function::definer(
            "directory.keep_resource_version()",
            DIRECTORY,
            "ea1a670861549473c665f280e380a054ef4ad14487d2f7dd8c32ef6673b6eba1",
        )
        .callers(&[OWNER]),
        Function::inline(
            "public.search_key(text)",
            OWNER,
            "5c74e289b5277adf4fe0153b44421d1f8d722b82194a68e113ed66277db97d70",
        )
        .callers(&[APP, DIRECTORY]),
        Function::definer(
            "directory.enqueue_project_purges(integer,integer)",
            DIRECTORY,
            "e76c0d543cc03518bba29576e3310ae7bebda628da967d3140020be877a45c4f",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.purge_projects(integer,integer)",
            DIRECTORY,
            "a7d0831dc5f5c9a43086c636d9ffba96705f17b575cbbfe69bfa52073dbfc0f9",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.open_view_counts(uuid,uuid[],integer)",
            DIRECTORY,
            "83f014fe803a3c36cc327696603b597ef8b0b8c76e8f351508d83086c50fd3d5",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.count_views(uuid[],bigint[])",
            DIRECTORY,
            "c525cca02e96edd2a61220f4c374838e6f5fd93626999288bf54e433c981409f",
        )
        .callers(&[APP]),
        Function::inline(
            "tenancy.works_in(text,text)",
            TENANCY,
            "fc1cf9a284d31d2d60b362d014f45975650faebd2997fe14050c177ea1822410",
        )
        .callers(&[DIRECTORY]),
        Function::invoker(
            "tenancy.refuse_tenant(text)",
            TENANCY,
            "d5d825cbf39212636d9e56f0617ec4c20f2a847a345430a9bfe226f8b179a321",
        ),
        Function::invoker(
            "directory.tell_owners(uuid,text,jsonb)",
            DIRECTORY,
            "b64bbb24fb256006d62bab602826a2a5e30c6bb27cc4191152c14eaf14c0cc37",
        ),
        Function::definer(
            "directory.delete_tenant(integer)",
            DIRECTORY,
            "dd9691c9473af288e6fb8723540aa1213d0c502783332fcb93cbba196d711f0d",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.restore_tenant(uuid,uuid)",
            DIRECTORY,
            "e1a9d589e1f174d50ad9cd82596b05def8852d85d802ab83e03115a26bd9fbb8",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.enqueue_erasures(integer)",
            DIRECTORY,
            "6c945784d37a0ac2e22e8b8050cffa57830443a0e2462068485e7c108f5ca923",
        )
        .callers(&[AUTH]),
        Function::definer(
            "directory.purge_tenant(integer)",
            DIRECTORY,
            "031328c27f53fecfab2550520e54da746980dae9061e6a2c4cc2e51d5d79af81",
        )
        .callers(&[APP]),
        Function::definer(
            "directory.erase_tenant(uuid)",
            DIRECTORY,
            "361cd77427f9402a2ba41291c5fa39395b7621aab219553dec9abc121a9d1fb2",
        )
        .callers(&[AUTH, OPS]),
        Function::definer(
            "directory.condemn_tenant(text)",
            DIRECTORY,
            "12ebf3db551fca5f22a758e55f33f96f48c217f860697110a7647634feafa319",
        )
        .callers(&[OPS]),
        Function::invoker(
            "directory.new_id()",
            DIRECTORY,
            "90a8e1f97a8a7e2f24a80a78a86ed13cc86990d896556b5451372df7d3a96990",
        ),
    ]
}

/// What the doors call in `tenancy`.
const DIRECTORY_CALLS: &[&str] = &[
    "refuse(text,text)",
    "no_context()",
    "slot()",
    "current_tenant()",
    "current_kind()",
    "current_actor()",
    "current_session()",
    "current_role_name()",
    "current_role_version()",
    "role_rank(text)",
    "allows(text)",
    "guard_write()",
];

fn triggers(catalog: Catalog) -> Catalog {
    catalog
        .trigger(
            "public.tenants",
            "tenants_copy",
            "AFTER INSERT OR DELETE OR UPDATE OF status",
            "FOR EACH ROW EXECUTE FUNCTION tenancy.copy_tenant()",
        )
        .trigger(
            "public.memberships",
            "memberships_copy",
            "AFTER INSERT OR DELETE OR UPDATE",
            "FOR EACH ROW EXECUTE FUNCTION tenancy.copy_member()",
        )
        .trigger(
            "public.memberships",
            "memberships_role_change",
            "BEFORE UPDATE",
            "FOR EACH ROW EXECUTE FUNCTION public.memberships_role_change()",
        )
        .trigger(
            "public.memberships",
            "memberships_keep_an_owner",
            "AFTER UPDATE OF role, status, removed_at",
            "FOR EACH ROW WHEN (((old.role = 'owner'::text) AND (old.status = 'active'::text) \
             AND (old.removed_at IS NULL) AND ((new.role <> 'owner'::text) \
             OR (new.status <> 'active'::text) OR (new.removed_at IS NOT NULL)))) \
             EXECUTE FUNCTION directory.keep_an_owner()",
        )
        .trigger(
            "public.memberships",
            "memberships_keep_an_owner_delete",
            "AFTER DELETE",
            "FOR EACH ROW WHEN (((old.role = 'owner'::text) AND (old.status = 'active'::text) \
             AND (old.removed_at IS NULL))) EXECUTE FUNCTION directory.keep_an_owner()",
        )
        .trigger(
            "public.memberships",
            "memberships_retire_managed",
            "AFTER UPDATE OF removed_at",
            "FOR EACH ROW WHEN (((old.removed_at IS NULL) AND (new.removed_at IS NOT NULL))) \
             EXECUTE FUNCTION directory.retire_managed_account()",
        )
        .trigger(
            "public.jobs",
            "jobs_copy",
            "AFTER INSERT OR DELETE OR UPDATE OF status, attempts",
            "FOR EACH ROW EXECUTE FUNCTION tenancy.copy_job()",
        )
        .trigger(
            "public.roles",
            "roles_refuse_keys",
            "BEFORE INSERT OR DELETE OR UPDATE",
            "FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_keys()",
        )
        .trigger(
            "public.roles",
            "roles_changed",
            "AFTER UPDATE",
            "FOR EACH ROW WHEN ((old.based_on = new.based_on)) EXECUTE FUNCTION directory.role_changed()",
        )
        .trigger(
            "public.api_keys",
            "api_keys_refuse_keys",
            "BEFORE INSERT OR DELETE OR UPDATE",
            "FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_keys()",
        )
        .trigger(
            "public.api_keys",
            "api_keys_made",
            "BEFORE INSERT",
            "FOR EACH ROW EXECUTE FUNCTION public.api_keys_made()",
        )
        .trigger(
            "public.api_keys",
            "api_keys_copy",
            "AFTER INSERT OR DELETE OR UPDATE OF id, created_by, role, expires_at",
            "FOR EACH ROW EXECUTE FUNCTION tenancy.copy_key()",
        )
        .trigger(
            "public.resources",
            "resources_keep_version",
            "BEFORE INSERT OR UPDATE",
            "FOR EACH ROW EXECUTE FUNCTION directory.keep_resource_version()",
        )
        .trigger(
            "public.sessions",
            "sessions_copy",
            "AFTER INSERT OR DELETE OR UPDATE OF tenant_id, revoked_at",
            "FOR EACH ROW EXECUTE FUNCTION tenancy.copy_session()",
        )
}
