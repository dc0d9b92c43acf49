-- What is done later, and at least once: the tenants' outbox, the mails to
-- accounts, and what runs by the clock.

SET LOCAL ROLE rowhouse_owner;

-- A tenant's outbox. Written and changed by the doors below only.
CREATE TABLE jobs (
    tenant_id   uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id          uuid NOT NULL,
    kind        text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
    -- Ids of what the job is about; never a secret.
    payload     jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object' AND octet_length(payload::text) <= 4096),
    -- dead: it failed for good, and waits for somebody to look at last_error.
    status      text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'done', 'dead')),
    -- When a worker may take it: while it is queued, its time; while it runs,
    -- the end of the lease that the worker has on it.
    due_at      timestamptz NOT NULL DEFAULT now(),
    -- Rises with every claim; only the last attempt may act, and finish.
    attempts    integer NOT NULL DEFAULT 0,
    worker      uuid,
    last_error  text CHECK (char_length(last_error) <= 1000),
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CHECK ((status = 'running') = (worker IS NOT NULL)),
    CHECK ((status IN ('done', 'dead')) = (finished_at IS NOT NULL))
);
-- For the workers, who look for what is due in all tenants.
CREATE INDEX jobs_due_idx ON jobs (due_at) WHERE status IN ('queued', 'running');

GRANT SELECT, INSERT, DELETE, UPDATE (status, due_at, attempts, worker, last_error, finished_at)
    ON jobs TO rowhouse_directory;
-- Workers' bookkeeping: what a job does is audited where it does it.
SELECT tenancy.protect('jobs', write_role => 'owner', door => 'rowhouse_directory', commands => '{select}',
    audit => false);

-- What a link in a mail to an account stands for: one of each purpose, so that
-- a new link ends the one before. Kept as SHA-256; goes with the password.
CREATE TABLE account_tokens (
    id         uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES credentials ON DELETE CASCADE,
    purpose    text NOT NULL CHECK (purpose IN ('verify_email', 'reset_password')),
    issue      integer NOT NULL DEFAULT 1,
    hash       bytea CONSTRAINT account_tokens_hash_key UNIQUE CHECK (octet_length(hash) = 32),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    CONSTRAINT account_tokens_purpose_key UNIQUE (account_id, purpose)
);

-- Mails to accounts, which belong to no tenant. Holds the address as somebody
-- gave it: whether it has an account is looked up by the worker, so that
-- nobody learns it from the time that a request takes.
CREATE TABLE account_mails (
    id          uuid PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('verify_email', 'reset_password', 'address_known')),
    email       text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 254),
    tenant_slug text CHECK (char_length(tenant_slug) <= 63),
    -- The link that was made for this mail.
    token_id    uuid,
    issue       integer,
    status      text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'done', 'dead')),
    due_at      timestamptz NOT NULL DEFAULT now(),
    attempts    integer NOT NULL DEFAULT 0,
    worker      uuid,
    last_error  text CHECK (char_length(last_error) <= 1000),
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CHECK ((token_id IS NULL) = (issue IS NULL)),
    CHECK ((status = 'running') = (worker IS NOT NULL)),
    CHECK ((status IN ('done', 'dead')) = (finished_at IS NOT NULL))
);
CREATE INDEX account_mails_due_idx ON account_mails (due_at) WHERE status IN ('queued', 'running');

-- When each of the things that run by the clock ran last, on whatever server.
CREATE TABLE schedule (
    name        text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    last_run_at timestamptz NOT NULL DEFAULT 'epoch',
    runs        bigint NOT NULL DEFAULT 0
);

GRANT SELECT, INSERT, DELETE, UPDATE (issue, hash, expires_at, used_at) ON account_tokens TO rowhouse_auth;
GRANT SELECT, INSERT, DELETE,
    UPDATE (token_id, issue, status, due_at, attempts, worker, last_error, finished_at) ON account_mails TO rowhouse_auth;
GRANT SELECT, INSERT, UPDATE (last_run_at, runs) ON schedule TO rowhouse_auth;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_tenancy;

GRANT EXECUTE ON FUNCTION tenancy.current_role_version() TO rowhouse_directory;

-- The jobs that run right now; kept by one trigger.
CREATE TABLE tenancy.job (
    tenant  uuid NOT NULL,
    id      uuid NOT NULL,
    attempt integer NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE FUNCTION tenancy.copy_job() RETURNS trigger
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
GRANT EXECUTE ON FUNCTION tenancy.copy_job() TO rowhouse_owner;

-- A job acts in its own tenant while it runs, as owner, and only by its last
-- attempt: a worker that lost its lease is out. A suspended tenant's wait.
CREATE FUNCTION tenancy.authorize_job(tenant uuid, actor text, role text, attempt int)
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

-- As before, and jobs.
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

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- Doors inside a context; tenant and job come from the slot only ---------------

-- Puts a job into the current tenant's outbox, whatever the caller's role: it
-- is there if the transaction is committed. Returns its id.
CREATE FUNCTION directory.enqueue_job(kind text, payload jsonb) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    job uuid := directory.new_id();
BEGIN
    INSERT INTO public.jobs (tenant_id, id, kind, payload)
    VALUES (tenancy.current_tenant(), job, enqueue_job.kind, enqueue_job.payload);
    RETURN job;
END
$$;

-- The job that acts is done, with whatever it did in this transaction. TN005
-- when the caller is no job, or not its last attempt any more. Returns its id.
CREATE FUNCTION directory.complete_job() RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    job uuid;
BEGIN
    UPDATE public.jobs SET status = 'done', worker = NULL, finished_at = now()
    WHERE tenant_id = tenancy.current_tenant() AND id = tenancy.current_actor()::uuid
        AND tenancy.current_kind() = 'job' AND status = 'running' AND attempts = tenancy.current_role_version()
    RETURNING id INTO job;
    IF job IS NULL THEN
        PERFORM tenancy.refuse('TN005', 'another attempt of the job has begun');
    END IF;
    RETURN job;
END
$$;

-- Doors without a context; EXECUTE for rowhouse_auth ---------------------------

-- Takes jobs that are due, in whatever active tenant, for a worker; until the
-- lease ends they are its own. What they are about only their context shows.
-- A job whose last attempt died with its worker is dead.
CREATE FUNCTION directory.claim_jobs(worker uuid, kinds text[], most int, lease_seconds int, max_attempts int)
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

-- An attempt failed, or was given up: the job is due again after this time, or
-- dead when there is none. False when the attempt was not the last one.
CREATE FUNCTION directory.fail_job(tenant uuid, job uuid, attempt int, error text, retry_after_ms bigint)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.jobs SET worker = NULL, last_error = left(fail_job.error, 1000),
        status = CASE WHEN fail_job.retry_after_ms IS NULL THEN 'dead' ELSE 'queued' END,
        finished_at = CASE WHEN fail_job.retry_after_ms IS NULL THEN now() END,
        due_at = now() + make_interval(secs => coalesce(fail_job.retry_after_ms, 0) / 1000.0)
    WHERE tenant_id = fail_job.tenant AND id = fail_job.job AND status = 'running' AND attempts = fail_job.attempt;
    RETURN FOUND;
END
$$;

-- Forgets jobs that were done this long ago. Returns how many.
CREATE FUNCTION directory.purge_jobs(days int, most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    purged bigint;
BEGIN
    DELETE FROM public.jobs WHERE (tenant_id, id) IN (
        SELECT j.tenant_id, j.id FROM public.jobs j
        WHERE j.status = 'done' AND j.finished_at < now() - make_interval(days => purge_jobs.days)
        LIMIT purge_jobs.most FOR UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$$;

GRANT EXECUTE ON FUNCTION directory.enqueue_job(text, jsonb), directory.complete_job() TO rowhouse_app;
GRANT EXECUTE ON FUNCTION directory.claim_jobs(uuid, text[], int, int, int),
    directory.fail_job(uuid, uuid, int, text, bigint), directory.purge_jobs(int, int) TO rowhouse_auth;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;

CREATE TRIGGER jobs_copy AFTER INSERT OR DELETE OR UPDATE OF status, attempts ON jobs
    FOR EACH ROW EXECUTE FUNCTION tenancy.copy_job();

SET LOCAL ROLE NONE;
