SET LOCAL ROLE rowhouse_directory;
DROP FUNCTION directory.note_key_use(uuid, uuid);
DROP FUNCTION directory.api_key(text);
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;
DROP TABLE api_keys;
DROP FUNCTION api_keys_made();
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_tenancy;
CREATE OR REPLACE FUNCTION tenancy.authorize(kind text, tenant uuid, actor text, session uuid, role text, version int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    session_live   boolean;
    session_tenant uuid;
    tenant_status  text;
    member_live    boolean;
    member_role    text;
    member_version int;
BEGIN
    IF kind = 'job' THEN
        PERFORM tenancy.authorize_job(tenant, actor, role, version);
        RETURN;
    END IF;
    IF kind <> 'user' THEN
        PERFORM tenancy.refuse('TN007', 'this kind of actor is no member of any tenant');
    END IF;
    SELECT s.live, s.tenant, t.status, m.live, m.role, m.version
    INTO session_live, session_tenant, tenant_status, member_live, member_role, member_version
    FROM tenancy.session s
    LEFT JOIN tenancy.tenant t ON t.id = s.tenant
    LEFT JOIN tenancy.member m ON m.tenant = s.tenant AND m.account = s.account
    WHERE s.id = authorize.session AND s.account = authorize.actor::uuid;
    IF session_live IS NOT TRUE THEN
        PERFORM tenancy.refuse('TN004', 'the session has ended');
    ELSIF session_tenant IS DISTINCT FROM authorize.tenant THEN
        PERFORM tenancy.refuse('TN005', 'the session stands in another tenant');
    ELSIF tenant_status IS DISTINCT FROM 'active' THEN
        PERFORM tenancy.refuse('TN003', 'the tenant is suspended');
    ELSIF member_live IS NOT TRUE THEN
        PERFORM tenancy.refuse('TN007', 'the account is no member of this tenant');
    ELSIF member_role <> authorize.role OR member_version <> authorize.version THEN
        PERFORM tenancy.refuse('TN005', 'the role has changed');
    END IF;
END
$$;
DROP FUNCTION tenancy.authorize_key(uuid, text, text, int);
DROP FUNCTION tenancy.copy_key();
DROP TABLE tenancy.key;
DROP INDEX tenancy.member_member_key;
SET LOCAL ROLE NONE;
