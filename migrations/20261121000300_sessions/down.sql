SET LOCAL ROLE rowhouse_owner;
DROP TABLE refresh_tokens;
DROP TABLE sessions;
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_tenancy;
CREATE OR REPLACE FUNCTION tenancy.authorize(kind text, tenant uuid, actor text, session uuid, role text, version int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN;
END
$$;
DROP FUNCTION tenancy.copy_session();
DROP TABLE tenancy.session;
SET LOCAL ROLE NONE;
