SET LOCAL ROLE rowhouse_tenancy;
CREATE OR REPLACE FUNCTION tenancy.authorize(
    kind text, tenant uuid, actor text, session uuid, role text, version int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN;
END $$;
DROP TABLE tenancy.member;
SET LOCAL ROLE NONE;
