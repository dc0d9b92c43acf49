SET LOCAL ROLE rowhouse_tenancy;
CREATE TABLE tenancy.member (tenant uuid, actor uuid, PRIMARY KEY (tenant, actor));
CREATE OR REPLACE FUNCTION tenancy.authorize(
    kind text, tenant uuid, actor text, session uuid, role text, version int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF kind <> 'job' AND NOT EXISTS (SELECT FROM tenancy.member m
        WHERE m.tenant = authorize.tenant AND m.actor = authorize.actor::uuid) THEN
        PERFORM tenancy.refuse('TN007', 'not a member');
    END IF;
END $$;
SET LOCAL ROLE NONE;
