SET LOCAL ROLE rowhouse_tenancy;

DROP FUNCTION tenancy.protect(regclass, text, name, name, text[], name[], name, boolean);
DROP FUNCTION tenancy.blind_statistics(regclass);
DROP FUNCTION tenancy.guard_write();
DROP FUNCTION tenancy.assert_clean();
DROP FUNCTION tenancy.enter(text);
DROP FUNCTION tenancy.authorize(text, uuid, text, uuid, text, int);
DROP FUNCTION tenancy.allows(text);
DROP FUNCTION tenancy.role_rank(text);
DROP FUNCTION tenancy.current_address();
DROP FUNCTION tenancy.current_request_id();
DROP FUNCTION tenancy.current_role_version();
DROP FUNCTION tenancy.current_role_name();
DROP FUNCTION tenancy.current_session();
DROP FUNCTION tenancy.current_actor();
DROP FUNCTION tenancy.current_kind();
DROP FUNCTION tenancy.current_tenant();
DROP FUNCTION tenancy.slot();
DROP FUNCTION tenancy.no_context();
DROP FUNCTION tenancy.refuse(text, text);
DROP TABLE tenancy.seal_key;
REVOKE USAGE ON SCHEMA tenancy FROM rowhouse_owner, rowhouse_app;

SET LOCAL ROLE NONE;
