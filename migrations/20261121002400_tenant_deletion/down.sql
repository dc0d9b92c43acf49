SET LOCAL ROLE rowhouse_directory;
DROP FUNCTION directory.condemn_tenant(text), directory.erase_tenant(uuid), directory.purge_tenant(int),
    directory.enqueue_erasures(int), directory.restore_tenant(uuid, uuid), directory.delete_tenant(int),
    directory.tell_owners(uuid, text, jsonb);

CREATE OR REPLACE FUNCTION directory.claim_jobs(worker uuid, kinds text[], most int, lease_seconds int, max_attempts int)
RETURNS TABLE (tenant_id uuid, id uuid, kind text, attempt int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    WITH spent AS (
        SELECT j.tenant_id, j.id FROM public.jobs j
        WHERE j.status = 'running' AND j.due_at <= now() AND j.attempts >= claim_jobs.max_attempts
        FOR UPDATE SKIP LOCKED
    )
    UPDATE public.jobs j SET status = 'dead', worker = NULL, finished_at = now(),
        last_error = 'the lease of the last attempt ran out'
    FROM spent WHERE j.tenant_id = spent.tenant_id AND j.id = spent.id;

    RETURN QUERY
    WITH due AS (
        SELECT j.tenant_id, j.id FROM public.jobs j JOIN public.tenants t ON t.id = j.tenant_id
        WHERE j.status IN ('queued', 'running') AND j.due_at <= now() AND t.status = 'active'
            AND j.kind = ANY (claim_jobs.kinds)
        ORDER BY j.due_at LIMIT claim_jobs.most FOR UPDATE OF j SKIP LOCKED
    )
    UPDATE public.jobs j SET status = 'running', worker = claim_jobs.worker, attempts = j.attempts + 1,
        due_at = now() + make_interval(secs => claim_jobs.lease_seconds)
    FROM due WHERE j.tenant_id = due.tenant_id AND j.id = due.id
    RETURNING j.tenant_id, j.id, j.kind, j.attempts;
END
$$;

DROP FUNCTION directory.tenants(text);
CREATE FUNCTION directory.tenants(slug text DEFAULT NULL)
RETURNS TABLE (id uuid, slug text, name text, status text, subscription_tier text, rate_limit_per_minute int,
               rate_limit_burst int, signup text, members bigint, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.status, t.subscription_tier, t.rate_limit_per_minute, t.rate_limit_burst, t.signup,
           (SELECT count(*) FROM public.memberships m WHERE m.tenant_id = t.id AND m.removed_at IS NULL),
           t.created_at
    FROM public.tenants t
    WHERE tenants.slug IS NULL OR t.slug = tenants.slug
    ORDER BY t.slug
$$;
GRANT EXECUTE ON FUNCTION directory.tenants(text) TO rowhouse_ops;

DROP FUNCTION directory.tenant_of(uuid, uuid);
CREATE FUNCTION directory.tenant_of(account uuid, tenant uuid)
RETURNS TABLE (id uuid, slug text, subdomain text, name text, status text, subscription_tier text,
               rate_limit_per_minute int, rate_limit_burst int, signup text, signup_domains text[],
               settings jsonb, branding jsonb, created_at timestamptz, updated_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.subdomain, t.name, t.status, t.subscription_tier, t.rate_limit_per_minute,
           t.rate_limit_burst, t.signup, t.signup_domains, t.settings, t.branding, t.created_at, t.updated_at
    FROM public.tenants t JOIN public.memberships m ON m.tenant_id = t.id
    WHERE t.id = tenant_of.tenant AND m.account_id = tenant_of.account
        AND m.status = 'active' AND m.removed_at IS NULL
$$;
GRANT EXECUTE ON FUNCTION directory.tenant_of(uuid, uuid) TO rowhouse_auth;
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
    IF kind = 'key' THEN
        PERFORM tenancy.authorize_key(tenant, actor, role, version);
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

CREATE OR REPLACE FUNCTION tenancy.authorize_key(tenant uuid, actor text, role text, version int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key_role       text;
    tenant_status  text;
    member_live    boolean;
    member_role    text;
    member_version int;
BEGIN
    SELECT k.role, t.status, m.live, m.role, m.version
    INTO key_role, tenant_status, member_live, member_role, member_version
    FROM tenancy.key k
    LEFT JOIN tenancy.tenant t ON t.id = k.tenant
    LEFT JOIN tenancy.member m ON m.tenant = k.tenant AND m.member = k.member
    WHERE k.tenant = authorize_key.tenant AND k.id = authorize_key.actor::uuid
        AND (k.expires_at IS NULL OR k.expires_at > now());
    IF key_role IS NULL OR member_live IS NOT TRUE
        OR tenancy.role_rank(member_role) < tenancy.role_rank(key_role)
    THEN
        PERFORM tenancy.refuse('TN009', 'the key is not good any more');
    ELSIF tenant_status IS DISTINCT FROM 'active' THEN
        PERFORM tenancy.refuse('TN003', 'the tenant is suspended');
    ELSIF key_role <> authorize_key.role OR member_version <> authorize_key.version THEN
        PERFORM tenancy.refuse('TN005', 'the rights of the key''s maker have changed');
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION tenancy.authorize_job(tenant uuid, actor text, role text, attempt int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    running_attempt int;
    tenant_status   text;
BEGIN
    SELECT j.attempt, t.status INTO running_attempt, tenant_status
    FROM tenancy.job j LEFT JOIN tenancy.tenant t ON t.id = j.tenant
    WHERE j.tenant = authorize_job.tenant AND j.id = authorize_job.actor::uuid;
    IF running_attempt IS NULL THEN
        PERFORM tenancy.refuse('TN007', 'no such job runs in this tenant');
    ELSIF tenant_status IS DISTINCT FROM 'active' THEN
        PERFORM tenancy.refuse('TN003', 'the tenant is suspended');
    ELSIF running_attempt IS DISTINCT FROM authorize_job.attempt OR authorize_job.role IS DISTINCT FROM 'owner' THEN
        PERFORM tenancy.refuse('TN005', 'another attempt of the job has begun');
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION tenancy.copy_job() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM tenancy.job WHERE tenant = OLD.tenant_id AND id = OLD.id;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.status = 'running' THEN
        INSERT INTO tenancy.job (tenant, id, attempt) VALUES (NEW.tenant_id, NEW.id, NEW.attempts);
    END IF;
    RETURN NULL;
END
$$;

ALTER TABLE tenancy.job DROP COLUMN kind;
DROP FUNCTION tenancy.refuse_tenant(text);
DROP FUNCTION tenancy.works_in(text, text);
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;
REVOKE DELETE ON accounts, memberships, invitations, api_keys FROM rowhouse_directory;
REVOKE ALL ON resources FROM rowhouse_directory;
REVOKE SELECT (tenant_id, resource_id, version), DELETE ON resource_versions FROM rowhouse_directory;
REVOKE SELECT (tenant_slug), DELETE ON account_mails FROM rowhouse_directory;
REVOKE SELECT (tenant_id), UPDATE (tenant_id) ON sessions FROM rowhouse_directory;
REVOKE DELETE ON tenants FROM rowhouse_directory;
-- Whoever is to be erased stays refused: `deleting` is a status without an end again.
ALTER TABLE tenants DROP COLUMN erase_after,
    DROP CONSTRAINT tenants_settings_size_check, DROP CONSTRAINT tenants_branding_size_check;
SET LOCAL ROLE NONE;
