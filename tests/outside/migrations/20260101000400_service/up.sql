CREATE ROLE notes_service LOGIN;
SET LOCAL ROLE rowhouse_tenancy;
GRANT USAGE ON SCHEMA tenancy TO notes_service;
GRANT SELECT, INSERT, DELETE ON tenancy.member TO notes_service;
GRANT EXECUTE ON FUNCTION tenancy.tenants_to_seal(int), tenancy.seal_events(uuid, int) TO notes_service;
SET LOCAL ROLE NONE;
