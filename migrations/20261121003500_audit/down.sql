SET LOCAL ROLE rowhouse_owner;
DROP TRIGGER withdraw_values ON memberships;
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;
DROP FUNCTION directory.withdraw_values();
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_tenancy;
REVOKE EXECUTE ON FUNCTION tenancy.act_as(uuid) FROM rowhouse_directory, rowhouse_auth;
REVOKE EXECUTE ON FUNCTION tenancy.erase_object(uuid, text, text), tenancy.erase_actor(uuid, uuid),
    tenancy.erase_trail(uuid, bigint) FROM rowhouse_directory;
REVOKE EXECUTE ON FUNCTION tenancy.tenants_to_seal(int), tenancy.seal_events(uuid, int) FROM rowhouse_auth;
REVOKE EXECUTE ON FUNCTION tenancy.audit_chains(), tenancy.checkpoints(bigint), tenancy.last_checkpoint(),
    tenancy.add_checkpoint(bigint, text, jsonb, bytea, bytea) FROM rowhouse_auth, rowhouse_ops;
REVOKE EXECUTE ON FUNCTION tenancy.audit_chain(uuid, bigint, int), tenancy.audit_unsealed(uuid) FROM rowhouse_ops;
REVOKE USAGE ON SCHEMA tenancy FROM rowhouse_auth, rowhouse_ops;
SET LOCAL ROLE NONE;
