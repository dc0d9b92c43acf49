SET LOCAL ROLE rowhouse_tenancy;

DROP FUNCTION tenancy.erase_trail(uuid, bigint);
DROP FUNCTION tenancy.erase_actor(uuid, uuid);
DROP FUNCTION tenancy.erase_object(uuid, text, text);
DROP FUNCTION tenancy.add_checkpoint(bigint, text, jsonb, bytea, bytea);
DROP FUNCTION tenancy.last_checkpoint();
DROP FUNCTION tenancy.checkpoints(bigint);
DROP FUNCTION tenancy.audit_unsealed(uuid);
DROP FUNCTION tenancy.audit_chain(uuid, bigint, int);
DROP FUNCTION tenancy.audit_chains();
DROP FUNCTION tenancy.event_state(tenancy.audit_events, bytea, bytea, bytea, bytea, bytea);
DROP FUNCTION tenancy.seal_events(uuid, int);
DROP FUNCTION tenancy.lock_chain(uuid);
DROP FUNCTION tenancy.tenants_to_seal(int);
DROP FUNCTION tenancy.event_time(uuid);
DROP FUNCTION tenancy.audit(regclass, name, boolean, name[], name[]);
DROP FUNCTION tenancy.record_event();
DROP FUNCTION tenancy.act_as(uuid);
DROP FUNCTION tenancy.audit_digest(bytea, text);
DROP FUNCTION tenancy.audit_commitment(uuid, uuid, timestamptz, text, text, uuid, text, text, text, text, text, bytea, bytea);
DROP TABLE tenancy.audit_checkpoints;
DROP TABLE tenancy.audit_heads;
DROP TABLE tenancy.audit_seals;
DROP TABLE tenancy.audit_pending;
DROP TABLE tenancy.audit_events;

SET LOCAL ROLE NONE;
