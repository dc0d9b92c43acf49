-- Who works on the audit trail: doors name the account that they act for and
-- erase what was recorded of it, the servers seal and sign, the administrator
-- examines.

SET LOCAL ROLE rowhouse_tenancy;

GRANT USAGE ON SCHEMA tenancy TO rowhouse_auth, rowhouse_ops;
-- rowhouse_auth, so that what a door says counts in its sessions.
GRANT EXECUTE ON FUNCTION tenancy.act_as(uuid) TO rowhouse_directory, rowhouse_auth;
GRANT EXECUTE ON FUNCTION tenancy.erase_object(uuid, text, text), tenancy.erase_actor(uuid, uuid),
    tenancy.erase_trail(uuid, bigint) TO rowhouse_directory;
GRANT EXECUTE ON FUNCTION tenancy.tenants_to_seal(int), tenancy.seal_events(uuid, int) TO rowhouse_auth;
GRANT EXECUTE ON FUNCTION tenancy.audit_chains(), tenancy.checkpoints(bigint), tenancy.last_checkpoint(),
    tenancy.add_checkpoint(bigint, text, jsonb, bytea, bytea) TO rowhouse_auth, rowhouse_ops;
GRANT EXECUTE ON FUNCTION tenancy.audit_chain(uuid, bigint, int), tenancy.audit_unsealed(uuid) TO rowhouse_ops;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- What was recorded of somebody whose account is a tenant's own goes when they are
-- removed, as what was recorded of everybody else does when they delete their account.
-- A personal account lives on elsewhere.
CREATE FUNCTION directory.withdraw_values() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM public.accounts a WHERE a.id = NEW.account_id AND a.home_tenant_id = NEW.tenant_id) THEN
        PERFORM tenancy.erase_object(NEW.tenant_id, 'memberships', NEW.id::text);
        PERFORM tenancy.erase_actor(NEW.tenant_id, NEW.account_id);
    END IF;
    RETURN NULL;
END
$$;
GRANT EXECUTE ON FUNCTION directory.withdraw_values() TO rowhouse_owner;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;

-- Triggers fire in the order of their names: behind tenancy_audit, so that the event
-- of the removal is there.
CREATE TRIGGER withdraw_values AFTER UPDATE OF removed_at ON memberships
    FOR EACH ROW WHEN (OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL)
    EXECUTE FUNCTION directory.withdraw_values();

SET LOCAL ROLE NONE;
