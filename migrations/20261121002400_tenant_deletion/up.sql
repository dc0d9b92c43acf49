-- How a tenant ends: asked for by an owner, brought back within its grace, and
-- erased after it, or at once by an operator. From the moment that it is asked
-- for, nobody works in it: its owners read its own row and restore it by the
-- doors below, which open no context.

SET LOCAL ROLE rowhouse_owner;

-- Until then its owners can bring it back; afterwards it is erased.
ALTER TABLE tenants ADD COLUMN erase_after timestamptz;

-- There is none, but where this migration was taken back.
ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY;
UPDATE tenants SET erase_after = now() + interval '30 days' WHERE status = 'deleting';
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;

ALTER TABLE tenants
    ADD CONSTRAINT tenants_erase_after_check CHECK ((status = 'deleting') = (erase_after IS NOT NULL)),
    -- Backstops: the API counts the bytes of the text, and this is more than such
    -- a text can take.
    ADD CONSTRAINT tenants_settings_size_check CHECK (pg_column_size(settings) <= 262144),
    ADD CONSTRAINT tenants_branding_size_check CHECK (pg_column_size(branding) <= 65536);

SELECT tenancy.protect('tenants', write_role => 'admin', door => 'rowhouse_directory', tenant_column => 'id',
    commands => '{select,update}', update_columns => '{name,signup,signup_domains,settings,branding,updated_at}',
    unaudited => '{updated_at}');

GRANT UPDATE (erase_after), DELETE ON tenants TO rowhouse_directory;
GRANT SELECT (tenant_id), UPDATE (tenant_id) ON sessions TO rowhouse_directory;
GRANT SELECT (tenant_slug), DELETE ON account_mails TO rowhouse_directory;
GRANT SELECT (tenant_id, id), DELETE ON resources TO rowhouse_directory;
GRANT SELECT (tenant_id, resource_id, version), DELETE ON resource_versions TO rowhouse_directory;
GRANT DELETE ON accounts, memberships, invitations, api_keys TO rowhouse_directory;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_tenancy;

-- Whether jobs of this kind are done in a tenant of this status: all of them in
-- an active one; in one that is to be erased, what ends it and the mail that
-- says so.
CREATE FUNCTION tenancy.works_in(kind text, status text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE status
    WHEN 'active' THEN true
    WHEN 'deleting' THEN coalesce(kind IN ('erase_tenant', 'mail_tenant_deleting'), false)
    ELSE false
END;
GRANT EXECUTE ON FUNCTION tenancy.works_in(text, text) TO rowhouse_directory;

-- Why nobody works in a tenant of this status: TN010 or TN003.
CREATE FUNCTION tenancy.refuse_tenant(status text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF status = 'deleting' THEN
        PERFORM tenancy.refuse('TN010', 'the tenant is about to be erased');
    END IF;
    PERFORM tenancy.refuse('TN003', 'the tenant is suspended');
END
$$;

-- NULL: claimed before there was this column.
ALTER TABLE tenancy.job ADD COLUMN kind text;

CREATE OR REPLACE FUNCTION tenancy.copy_job() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM tenancy.job WHERE tenant = OLD.tenant_id AND id = OLD.id;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.status = 'running' THEN
        INSERT INTO tenancy.job (tenant, id, attempt, kind) VALUES (NEW.tenant_id, NEW.id, NEW.attempts, NEW.kind);
    END IF;
    RETURN NULL;
END
$$;

-- As before, by the kind of job, and TN010.
CREATE OR REPLACE FUNCTION tenancy.authorize_job(tenant uuid, actor text, role text, attempt int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    running_attempt int;
    tenant_status   text;
    job_kind        text;
BEGIN
    SELECT j.attempt, t.status, j.kind INTO running_attempt, tenant_status, job_kind
    FROM tenancy.job j LEFT JOIN tenancy.tenant t ON t.id = j.tenant
    WHERE j.tenant = authorize_job.tenant AND j.id = authorize_job.actor::uuid;
    IF running_attempt IS NULL THEN
        PERFORM tenancy.refuse('TN007', 'no such job runs in this tenant');
    ELSIF tenancy.works_in(job_kind, tenant_status) IS NOT TRUE THEN
        PERFORM tenancy.refuse_tenant(tenant_status);
    ELSIF running_attempt IS DISTINCT FROM authorize_job.attempt OR authorize_job.role IS DISTINCT FROM 'owner' THEN
        PERFORM tenancy.refuse('TN005', 'another attempt of the job has begun');
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
        PERFORM tenancy.refuse_tenant(tenant_status);
    ELSIF key_role <> authorize_key.role OR member_version <> authorize_key.version THEN
        PERFORM tenancy.refuse('TN005', 'the rights of the key''s maker have changed');
    END IF;
END
$$;

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
        PERFORM tenancy.refuse_tenant(tenant_status);
    ELSIF member_live IS NOT TRUE THEN
        PERFORM tenancy.refuse('TN007', 'the account is no member of this tenant');
    ELSIF member_role <> authorize.role OR member_version <> authorize.version THEN
        PERFORM tenancy.refuse('TN005', 'the role has changed');
    END IF;
END
$$;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

DROP FUNCTION directory.tenant_of(uuid, uuid);

-- The whole row of a tenant, for one of its active members.
CREATE FUNCTION directory.tenant_of(account uuid, tenant uuid)
RETURNS TABLE (id uuid, slug text, subdomain text, name text, status text, subscription_tier text,
               rate_limit_per_minute int, rate_limit_burst int, signup text, signup_domains text[],
               settings jsonb, branding jsonb, created_at timestamptz, updated_at timestamptz,
               erase_after timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.subdomain, t.name, t.status, t.subscription_tier, t.rate_limit_per_minute,
           t.rate_limit_burst, t.signup, t.signup_domains, t.settings, t.branding, t.created_at, t.updated_at,
           t.erase_after
    FROM public.tenants t JOIN public.memberships m ON m.tenant_id = t.id
    WHERE t.id = tenant_of.tenant AND m.account_id = tenant_of.account
        AND m.status = 'active' AND m.removed_at IS NULL
$$;
GRANT EXECUTE ON FUNCTION directory.tenant_of(uuid, uuid) TO rowhouse_auth;

DROP FUNCTION directory.tenants(text);

-- All tenants, or the one with this slug; with how many members each has.
CREATE FUNCTION directory.tenants(slug text DEFAULT NULL)
RETURNS TABLE (id uuid, slug text, name text, status text, subscription_tier text, rate_limit_per_minute int,
               rate_limit_burst int, signup text, members bigint, created_at timestamptz,
               erase_after timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.status, t.subscription_tier, t.rate_limit_per_minute, t.rate_limit_burst, t.signup,
           (SELECT count(*) FROM public.memberships m WHERE m.tenant_id = t.id AND m.removed_at IS NULL),
           t.created_at, t.erase_after
    FROM public.tenants t
    WHERE tenants.slug IS NULL OR t.slug = tenants.slug
    ORDER BY t.slug
$$;
GRANT EXECUTE ON FUNCTION directory.tenants(text) TO rowhouse_ops;

-- As before, by the kind of job.
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
        WHERE j.status IN ('queued', 'running') AND j.due_at <= now()
            AND tenancy.works_in(j.kind, t.status) AND j.kind = ANY (claim_jobs.kinds)
        ORDER BY j.due_at LIMIT claim_jobs.most FOR UPDATE OF j SKIP LOCKED
    )
    UPDATE public.jobs j SET status = 'running', worker = claim_jobs.worker, attempts = j.attempts + 1,
        due_at = now() + make_interval(secs => claim_jobs.lease_seconds)
    FROM due WHERE j.tenant_id = due.tenant_id AND j.id = due.id
    RETURNING j.tenant_id, j.id, j.kind, j.attempts;
END
$$;

-- A job for each active owner, who gets a mail.
CREATE FUNCTION directory.tell_owners(tenant uuid, kind text, payload jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.jobs (tenant_id, id, kind, payload)
    SELECT m.tenant_id, directory.new_id(), tell_owners.kind,
        tell_owners.payload || jsonb_build_object('membership_id', m.id)
    FROM public.memberships m
    WHERE m.tenant_id = tell_owners.tenant AND m.role = 'owner' AND m.status = 'active' AND m.removed_at IS NULL;
END
$$;

-- Inside a context: the current tenant is to be erased after so many days, and
-- at least one; from the next transaction on nobody works in it. Owners in
-- person only (TN008). Asked for twice, the first time counts. True when this was
-- the first time.
CREATE FUNCTION directory.delete_tenant(grace_days int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_status text;
    erased       timestamptz := now() + make_interval(days => greatest(delete_tenant.grace_days, 1));
BEGIN
    IF tenancy.current_kind() <> 'user' OR NOT tenancy.allows('owner') THEN
        PERFORM tenancy.refuse('TN008', 'only an owner deletes a tenant');
    END IF;
    SELECT t.status INTO found_status FROM public.tenants t WHERE t.id = tenancy.current_tenant() FOR NO KEY UPDATE;
    IF found_status = 'deleting' THEN
        RETURN false;
    ELSIF found_status <> 'active' THEN
        PERFORM tenancy.refuse('TN003', 'the tenant is suspended');
    END IF;
    UPDATE public.tenants SET status = 'deleting', erase_after = erased, updated_at = now()
    WHERE id = tenancy.current_tenant();
    PERFORM directory.tell_owners(tenancy.current_tenant(), 'mail_tenant_deleting',
        jsonb_build_object('erase_after', erased));
    RETURN true;
END
$$;
GRANT EXECUTE ON FUNCTION directory.delete_tenant(int) TO rowhouse_app;

-- Without a context, as there is none: an owner brings the tenant back. Whoever
-- is none any more gets TN007 or TN005, TN010 comes when the grace is over, TN003
-- when it is suspended. False: it is not about to be erased. The clock is read
-- behind the lock, which whoever erases holds as well.
CREATE FUNCTION directory.restore_tenant(account uuid, tenant uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found     public.tenants;
    held_role text;
BEGIN
    PERFORM tenancy.act_as(restore_tenant.account);
    SELECT * INTO found FROM public.tenants t WHERE t.id = restore_tenant.tenant FOR NO KEY UPDATE;
    SELECT m.role INTO held_role FROM public.memberships m
    WHERE m.tenant_id = restore_tenant.tenant AND m.account_id = restore_tenant.account
        AND m.status = 'active' AND m.removed_at IS NULL;
    IF held_role IS NULL THEN
        PERFORM tenancy.refuse('TN007', 'the account is no member of this tenant');
    ELSIF held_role <> 'owner' THEN
        PERFORM tenancy.refuse('TN005', 'the role has changed');
    ELSIF found.status = 'active' THEN
        RETURN false;
    ELSIF found.status <> 'deleting' THEN
        PERFORM tenancy.refuse('TN003', 'the tenant is suspended');
    ELSIF found.erase_after <= clock_timestamp() THEN
        PERFORM tenancy.refuse('TN010', 'the grace is over');
    END IF;
    UPDATE public.tenants SET status = 'active', erase_after = NULL, updated_at = now() WHERE id = found.id;
    PERFORM directory.tell_owners(found.id, 'mail_tenant_restored', '{}');
    RETURN true;
END
$$;

-- Without a context: asks each tenant whose grace is over to erase itself,
-- unless it was asked already. Returns how many were asked.
CREATE FUNCTION directory.enqueue_erasures(most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked bigint;
BEGIN
    INSERT INTO public.jobs (tenant_id, id, kind, payload)
    SELECT t.id, directory.new_id(), 'erase_tenant', '{}'
    FROM public.tenants t
    WHERE t.status = 'deleting' AND t.erase_after <= now()
        AND NOT EXISTS (
            SELECT FROM public.jobs j
            WHERE j.tenant_id = t.id AND j.kind = 'erase_tenant' AND j.status IN ('queued', 'running'))
    LIMIT enqueue_erasures.most;
    GET DIAGNOSTICS asked = ROW_COUNT;
    RETURN asked;
END
$$;

-- Inside a job's context: erases at most so many rows of the current tenant
-- whose grace is over, those that refer to others first. Returns how many; fewer
-- than most: what is left goes with the tenant's own row. TN005 for whoever is no
-- job, and while the tenant can still be restored, which waits for this to end.
CREATE FUNCTION directory.purge_tenant(most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mine   uuid := tenancy.current_tenant();
    gone   bigint;
    purged bigint := 0;
BEGIN
    IF tenancy.current_kind() <> 'job' THEN
        PERFORM tenancy.refuse('TN005', 'only a job purges');
    END IF;
    PERFORM FROM public.tenants t
    WHERE t.id = mine AND t.status = 'deleting' AND t.erase_after <= now() FOR SHARE;
    IF NOT FOUND THEN
        PERFORM tenancy.refuse('TN005', 'the tenant is not to be erased yet');
    END IF;
    DELETE FROM public.resource_versions WHERE (tenant_id, resource_id, version) IN (
        SELECT r.tenant_id, r.resource_id, r.version FROM public.resource_versions r
        WHERE r.tenant_id = mine LIMIT most);
    GET DIAGNOSTICS gone = ROW_COUNT;
    purged := purged + gone;
    DELETE FROM public.resources WHERE (tenant_id, id) IN (
        SELECT r.tenant_id, r.id FROM public.resources r WHERE r.tenant_id = mine LIMIT most - purged);
    GET DIAGNOSTICS gone = ROW_COUNT;
    purged := purged + gone;
    DELETE FROM public.projects WHERE (tenant_id, id) IN (
        SELECT p.tenant_id, p.id FROM public.projects p WHERE p.tenant_id = mine LIMIT most - purged);
    GET DIAGNOSTICS gone = ROW_COUNT;
    purged := purged + gone;
    DELETE FROM public.api_keys WHERE (tenant_id, id) IN (
        SELECT k.tenant_id, k.id FROM public.api_keys k WHERE k.tenant_id = mine LIMIT most - purged);
    GET DIAGNOSTICS gone = ROW_COUNT;
    purged := purged + gone;
    DELETE FROM public.invitations WHERE (tenant_id, id) IN (
        SELECT i.tenant_id, i.id FROM public.invitations i WHERE i.tenant_id = mine LIMIT most - purged);
    GET DIAGNOSTICS gone = ROW_COUNT;
    purged := purged + gone;
    -- A tenant keeps an owner while it is there.
    DELETE FROM public.memberships WHERE (tenant_id, id) IN (
        SELECT m.tenant_id, m.id FROM public.memberships m
        WHERE m.tenant_id = mine AND m.role <> 'owner' LIMIT most - purged);
    GET DIAGNOSTICS gone = ROW_COUNT;
    purged := purged + gone;
    DELETE FROM public.accounts WHERE id IN (
        SELECT a.id FROM public.accounts a
        WHERE a.home_tenant_id = mine
            AND NOT EXISTS (SELECT FROM public.memberships m WHERE m.account_id = a.id) LIMIT most - purged);
    GET DIAGNOSTICS gone = ROW_COUNT;
    purged := purged + gone;
    DELETE FROM public.jobs WHERE (tenant_id, id) IN (
        SELECT j.tenant_id, j.id FROM public.jobs j
        WHERE j.tenant_id = mine AND j.id <> tenancy.current_actor()::uuid LIMIT most - purged);
    GET DIAGNOSTICS gone = ROW_COUNT;
    purged := purged + gone;
    -- What was just deleted has left events too.
    RETURN purged + tenancy.erase_trail(mine, most - purged);
END
$$;
GRANT EXECUTE ON FUNCTION directory.purge_tenant(int) TO rowhouse_app;

-- Without a context: erases a tenant whose grace is over, and all that is left
-- of it, managed accounts too. Whoever has an account of their own keeps it, and
-- their sessions then stand nowhere. False: there is no such tenant.
CREATE FUNCTION directory.erase_tenant(tenant uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erased_slug text;
BEGIN
    -- Whoever moves a session hither, or writes a row, waits; or is waited for.
    SELECT t.slug INTO erased_slug FROM public.tenants t
    WHERE t.id = erase_tenant.tenant AND t.status = 'deleting' AND t.erase_after <= now() FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM FROM public.sessions s WHERE s.tenant_id = erase_tenant.tenant ORDER BY s.id FOR NO KEY UPDATE;
    UPDATE public.sessions SET tenant_id = NULL WHERE tenant_id = erase_tenant.tenant;
    -- Nobody shall get a mail by the next tenant's slug.
    DELETE FROM public.account_mails WHERE tenant_slug = erased_slug;
    -- A role that somebody has cannot go, and which of the two goes first nobody says.
    UPDATE public.memberships SET custom_role_id = NULL
    WHERE tenant_id = erase_tenant.tenant AND custom_role_id IS NOT NULL;
    DELETE FROM public.tenants WHERE id = erase_tenant.tenant;
    PERFORM tenancy.erase_trail(erase_tenant.tenant, NULL);
    RETURN true;
END
$$;

-- Ends whatever grace a tenant has, or has not: an operator erases it. Returns
-- its id; NULL when there is none with this slug.
CREATE FUNCTION directory.condemn_tenant(slug text) RETURNS uuid
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE public.tenants t SET status = 'deleting', erase_after = least(t.erase_after, now()), updated_at = now()
    WHERE t.slug = condemn_tenant.slug
    RETURNING t.id
$$;

GRANT EXECUTE ON FUNCTION directory.restore_tenant(uuid, uuid), directory.enqueue_erasures(int) TO rowhouse_auth;
GRANT EXECUTE ON FUNCTION directory.erase_tenant(uuid) TO rowhouse_auth, rowhouse_ops;
GRANT EXECUTE ON FUNCTION directory.condemn_tenant(text) TO rowhouse_ops;

SET LOCAL ROLE NONE;
