-- Workers serve tenants in turns, so that one with many jobs does not keep its
-- neighbours waiting; and the operator sees the outboxes from outside, and puts
-- what is dead back into them.

SET LOCAL ROLE rowhouse_owner;

-- Attempts that do not count any more, as somebody has put the job back since.
-- attempts itself never falls: by it a worker that lost its lease is known.
ALTER TABLE jobs ADD COLUMN forgiven_attempts integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT jobs_forgiven_attempts_check CHECK (forgiven_attempts BETWEEN 0 AND attempts);

-- What is due is looked for by tenant and kind.
CREATE INDEX jobs_open_idx ON jobs (tenant_id, kind, due_at) WHERE status IN ('queued', 'running');
CREATE INDEX jobs_running_idx ON jobs (tenant_id, due_at) WHERE status = 'running';
DROP INDEX jobs_due_idx;

GRANT UPDATE (forgiven_attempts) ON jobs TO rowhouse_directory;
-- As before; it is what grants the new column.
SELECT tenancy.protect('jobs', write_role => 'owner', door => 'rowhouse_directory', commands => '{select}',
    audit => false);

-- Of all that happens to a job, what an operator does to it is in the tenant's trail.
CREATE TRIGGER jobs_retried AFTER UPDATE OF status ON jobs
    FOR EACH ROW WHEN (OLD.status = 'dead' AND NEW.status = 'queued')
    EXECUTE FUNCTION tenancy.record_event('jobs', 'tenant_id', '{id}', '{}',
        '{tenant_id,due_at,finished_at,forgiven_attempts}');

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- As before, but in turns: in each round one job of each tenant that has one due,
-- of the kind that waits longest; the first round begins behind the tenant that
-- the worker was served by last. tries is the attempt without those that were
-- forgiven.
--
-- Which tenants have jobs is found by jumps through the index, and no further than
-- there is room: so what it takes does not grow with the number of jobs, and what
-- cannot be done now, as the tenant is suspended or the kind unknown, is jumped over.
DROP FUNCTION directory.claim_jobs(uuid, text[], int, int, int);
CREATE FUNCTION directory.claim_jobs(worker uuid, kinds text[], most int, lease_seconds int, max_attempts int,
    last_served uuid DEFAULT NULL)
RETURNS TABLE (tenant_id uuid, id uuid, kind text, attempt int, tries int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    middle uuid := coalesce(claim_jobs.last_served, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    taken  uuid[] := '{}';
    before int;
    part   record;
    queue  record;
BEGIN
    WITH spent AS (
        SELECT j.tenant_id, j.id FROM public.jobs j
        WHERE j.status = 'running' AND j.due_at <= now()
            AND j.attempts - j.forgiven_attempts >= claim_jobs.max_attempts
        FOR UPDATE SKIP LOCKED
    )
    UPDATE public.jobs j SET status = 'dead', worker = NULL, finished_at = now(),
        last_error = 'the lease of the last attempt ran out'
    FROM spent WHERE j.tenant_id = spent.tenant_id AND j.id = spent.id;

    LOOP
        before := cardinality(taken);
        FOR part IN VALUES (middle, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid),
            ('00000000-0000-0000-0000-000000000000', middle)
        LOOP
            FOR queue IN
                WITH RECURSIVE place AS (
                    (SELECT j.tenant_id FROM public.jobs j
                     WHERE j.status IN ('queued', 'running')
                        AND j.tenant_id > part.column1 AND j.tenant_id <= part.column2
                     ORDER BY j.tenant_id LIMIT 1)
                    UNION ALL
                    SELECT next.tenant_id FROM place p CROSS JOIN LATERAL (
                        SELECT j.tenant_id FROM public.jobs j
                        WHERE j.status IN ('queued', 'running')
                            AND j.tenant_id > p.tenant_id AND j.tenant_id <= part.column2
                        ORDER BY j.tenant_id LIMIT 1
                    ) next
                )
                SELECT p.tenant_id, first.kind FROM place p
                CROSS JOIN LATERAL (SELECT t.status FROM public.tenants t WHERE t.id = p.tenant_id LIMIT 1) t
                CROSS JOIN LATERAL (
                    SELECT k.kind FROM unnest(claim_jobs.kinds) AS k (kind) CROSS JOIN LATERAL (
                        SELECT j.due_at FROM public.jobs j
                        WHERE j.status IN ('queued', 'running') AND j.due_at <= now()
                            AND j.tenant_id = p.tenant_id AND j.kind = k.kind
                        ORDER BY j.due_at LIMIT 1
                    ) head
                    WHERE tenancy.works_in(k.kind, t.status)
                    ORDER BY head.due_at LIMIT 1
                ) first
            LOOP
                EXIT WHEN cardinality(taken) >= claim_jobs.most;
                UPDATE public.jobs j SET status = 'running', worker = claim_jobs.worker, attempts = j.attempts + 1,
                    due_at = now() + make_interval(secs => claim_jobs.lease_seconds)
                WHERE j.tenant_id = queue.tenant_id AND j.id = (
                    SELECT d.id FROM public.jobs d
                    WHERE d.tenant_id = queue.tenant_id AND d.kind = queue.kind
                        AND d.status IN ('queued', 'running') AND d.due_at <= now() AND d.id <> ALL (taken)
                    ORDER BY d.due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
                RETURNING j.tenant_id, j.id, j.kind, j.attempts, j.attempts - j.forgiven_attempts
                INTO tenant_id, id, kind, attempt, tries;
                IF FOUND THEN
                    taken := taken || id;
                    RETURN NEXT;
                END IF;
            END LOOP;
        END LOOP;
        EXIT WHEN cardinality(taken) >= claim_jobs.most OR cardinality(taken) = before;
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION directory.claim_jobs(uuid, text[], int, int, int, uuid) TO rowhouse_auth;

-- The operator's: at most so many jobs, newest first, of the tenant with this slug or
-- of all, in these states. Not what they are about, which is the tenants' own; an
-- error may quote an answer of the mail server.
CREATE FUNCTION directory.jobs(slug text, states text[], before uuid, most int)
RETURNS TABLE (id uuid, tenant text, kind text, status text, attempts int, due_at timestamptz, created_at timestamptz,
               finished_at timestamptz, error text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT j.id, t.slug, j.kind, j.status, j.attempts, j.due_at, j.created_at, j.finished_at, j.last_error
    FROM public.jobs j JOIN public.tenants t ON t.id = j.tenant_id
    WHERE (jobs.slug IS NULL OR t.slug = jobs.slug) AND j.status = ANY (states)
        AND j.id < coalesce(before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY j.id DESC LIMIT most
$$;

-- Puts a dead job back into its tenant's outbox, with all of its attempts. Returns
-- the state in which it was, and nothing where there is no such job; what was not
-- dead is as it was.
CREATE FUNCTION directory.retry_job(job uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found public.jobs;
BEGIN
    -- One look into the index for each tenant: it begins with them.
    SELECT j.* INTO found FROM public.tenants t CROSS JOIN LATERAL (
        SELECT i.* FROM public.jobs i WHERE i.tenant_id = t.id AND i.id = job) j;
    SELECT j.* INTO found FROM public.jobs j
    WHERE j.tenant_id = found.tenant_id AND j.id = found.id FOR NO KEY UPDATE;
    IF found.status = 'dead' THEN
        UPDATE public.jobs j SET status = 'queued', due_at = now(), finished_at = NULL, forgiven_attempts = j.attempts
        WHERE j.tenant_id = found.tenant_id AND j.id = found.id;
    END IF;
    RETURN found.status;
END
$$;
GRANT EXECUTE ON FUNCTION directory.jobs(text, text[], uuid, int), directory.retry_job(uuid) TO rowhouse_ops;

SET LOCAL ROLE NONE;
