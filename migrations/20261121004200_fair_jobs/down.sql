SET LOCAL ROLE rowhouse_directory;
DROP FUNCTION directory.retry_job(uuid);
DROP FUNCTION directory.jobs(text, text[], uuid, int);
DROP FUNCTION directory.claim_jobs(uuid, text[], int, int, int, uuid);
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
GRANT EXECUTE ON FUNCTION directory.claim_jobs(uuid, text[], int, int, int) TO rowhouse_auth;
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;
DROP TRIGGER jobs_retried ON jobs;
CREATE INDEX jobs_due_idx ON jobs (due_at) WHERE status IN ('queued', 'running');
DROP INDEX jobs_running_idx;
DROP INDEX jobs_open_idx;
ALTER TABLE jobs DROP COLUMN forgiven_attempts;
SET LOCAL ROLE NONE;
