//! The declared list of all that is in the database: what `verify` compares it with.
//!
//! A new table, function, trigger or role gets its entry here in the change that makes it; a
//! database with something else in it does not pass. The digests of functions are printed by
//! `verify` where they differ: read the function again before you copy one.

mod copies;
mod functions;
mod keys;
mod tables;

use tenant_db::verify::Catalog;

use self::functions::{DIRECTORY_CALLS, functions};
use self::tables::{tables, tenant_tables};

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
        .grant("USAGE", "SCHEMA tenancy", AUTH)
        .grant("USAGE", "SCHEMA tenancy", OPS)
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
    copies::declare(keys::declare(triggers(audit(catalog))))
}

/// Who works on the audit trail, which is tenant-db's.
fn audit(catalog: Catalog) -> Catalog {
    let calls = [
        ("act_as(uuid)", &[DIRECTORY, AUTH][..]),
        ("erase_object(uuid,text,text)", &[DIRECTORY]),
        ("erase_actor(uuid,uuid)", &[DIRECTORY]),
        ("erase_trail(uuid,bigint)", &[DIRECTORY]),
        ("tenants_to_seal(integer)", &[AUTH]),
        ("seal_events(uuid,integer)", &[AUTH]),
        ("audit_chains()", &[AUTH, OPS]),
        ("last_checkpoint()", &[AUTH, OPS]),
        ("checkpoints(bigint)", &[AUTH, OPS]),
        (
            "add_checkpoint(bigint,text,jsonb,bytea,bytea)",
            &[AUTH, OPS],
        ),
        ("audit_chain(uuid,bigint,integer)", &[OPS]),
        ("audit_unsealed(uuid)", &[OPS]),
    ];
    calls.iter().fold(catalog, |catalog, (function, roles)| {
        roles.iter().fold(catalog, |catalog, role| {
            catalog.grant("EXECUTE", &format!("FUNCTION tenancy.{function}"), role)
        })
    })
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
        include_str!("../../../migrations/20261121003200_tenant_plans/up.sql"),
        include_str!("../../../migrations/20261121003300_plan_limits/up.sql"),
        include_str!("../../../migrations/20261121003500_audit/up.sql"),
        include_str!("../../../migrations/20261121003600_denials_and_reads/up.sql"),
        include_str!("../../../migrations/20261121004100_plan_limits_of_roles_and_keys/up.sql"),
        include_str!("../../../migrations/20261121004200_fair_jobs/up.sql"),
    ]
}

fn triggers(catalog: Catalog) -> Catalog {
    catalog
        .trigger(
            "public.tenants",
            "tenants_copy",
            "AFTER INSERT OR DELETE OR UPDATE OF status",
            "FOR EACH ROW EXECUTE FUNCTION tenancy.copy_tenant()",
        )
        .trigger(
            "public.tenants",
            "tenants_tell_plan_changed",
            "AFTER UPDATE OF subscription_tier, rate_limit_per_minute, rate_limit_burst, features",
            "FOR EACH ROW EXECUTE FUNCTION directory.tell_plan_changed()",
        )
        .trigger(
            "public.tenants",
            "tenants_forget_trail",
            "AFTER DELETE",
            "FOR EACH ROW EXECUTE FUNCTION directory.forget_tenant()",
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
            "public.memberships",
            "withdraw_values",
            "AFTER UPDATE OF removed_at",
            "FOR EACH ROW WHEN (((old.removed_at IS NULL) AND (new.removed_at IS NOT NULL))) \
             EXECUTE FUNCTION directory.withdraw_values()",
        )
        .trigger(
            "public.jobs",
            "jobs_copy",
            "AFTER INSERT OR DELETE OR UPDATE OF status, attempts",
            "FOR EACH ROW EXECUTE FUNCTION tenancy.copy_job()",
        )
        .trigger(
            "public.jobs",
            "jobs_retried",
            "AFTER UPDATE OF status",
            "FOR EACH ROW WHEN (((old.status = 'dead'::text) AND (new.status = 'queued'::text))) \
             EXECUTE FUNCTION tenancy.record_event('jobs', 'tenant_id', '{id}', '{}', \
             '{tenant_id,due_at,finished_at,forgiven_attempts}')",
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
