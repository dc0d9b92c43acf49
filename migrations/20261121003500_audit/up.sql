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
GRANT EXECUTE ON FUNCTION tenancy.audit_chains(), tenancy.checkpoints(bigint),
    tenancy.add_checkpoint(bigint, text, jsonb, bytea, bytea) TO rowhouse_auth, rowhouse_ops;
GRANT EXECUTE ON FUNCTION tenancy.audit_chain(uuid, bigint, int), tenancy.audit_unsealed(uuid) TO rowhouse_ops;

SET LOCAL ROLE NONE;
