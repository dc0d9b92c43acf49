SET LOCAL ROLE rowhouse_directory;
DROP FUNCTION directory.purge_jobs(int, int);
DROP FUNCTION directory.fail_job(uuid, uuid, int, text, bigint);
DROP FUNCTION directory.claim_jobs(uuid, text[], int, int, int);
DROP FUNCTION directory.complete_job();
DROP FUNCTION directory.enqueue_job(text, jsonb);
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;
DROP TABLE schedule;
DROP TABLE account_mails;
DROP TABLE account_tokens;
DROP TABLE jobs;
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
DROP FUNCTION tenancy.authorize_job(uuid, text, text, int);
DROP FUNCTION tenancy.copy_job();
DROP TABLE tenancy.job;
REVOKE EXECUTE ON FUNCTION tenancy.current_role_version() FROM rowhouse_directory;
SET LOCAL ROLE NONE;
