-- Projects are found by how their names begin and listed in the order that is
-- asked for; their views are counted; and they are purged when they were
-- deleted long ago.

SET LOCAL ROLE rowhouse_owner;

-- What two names have in common that differ in case or in how their characters
-- are composed. Case is what the database's LC_CTYPE says it is.
CREATE FUNCTION search_key(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN lower(normalize(name, NFKC));
GRANT EXECUTE ON FUNCTION search_key(text) TO rowhouse_app, rowhouse_directory;

-- Ordered by bytes, so that all that begins alike stands together. A column and
-- not an index on an expression: under a policy, only what cannot leak a row
-- may use an index, and a comparison of columns cannot.
ALTER TABLE projects ADD COLUMN name_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (search_key(name)) STORED;

DROP INDEX projects_tenant_status_idx;
CREATE INDEX projects_created_idx ON projects (tenant_id, is_deleted, created_at, id);
CREATE INDEX projects_status_idx ON projects (tenant_id, is_deleted, status, created_at, id);
CREATE INDEX projects_name_idx ON projects (tenant_id, is_deleted, name_key, id);
CREATE INDEX projects_deleted_idx ON projects (tenant_id, deleted_at) WHERE is_deleted;

-- The door is for the functions below. Nobody but they writes view_count.
SELECT tenancy.protect('projects', write_role => 'member', door => 'rowhouse_directory',
    commands => '{select,insert,update}',
    update_columns => '{name,description,status,is_deleted,deleted_at,version,updated_at}',
    unaudited => '{name_key,view_count,updated_at}');
GRANT SELECT (tenant_id, id, is_deleted, deleted_at, view_count), UPDATE (view_count), DELETE
    ON projects TO rowhouse_directory;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- Without a context: asks each active tenant that has projects deleted this long
-- ago to purge them, unless it was asked already. Returns how many were asked.
CREATE FUNCTION directory.enqueue_project_purges(days int, most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked bigint;
BEGIN
    INSERT INTO public.jobs (tenant_id, id, kind, payload)
    SELECT t.id, directory.new_id(), 'purge_projects', '{}'
    FROM public.tenants t
    WHERE t.status = 'active'
        AND EXISTS (
            SELECT FROM public.projects p
            WHERE p.tenant_id = t.id AND p.is_deleted
                AND p.deleted_at < now() - make_interval(days => enqueue_project_purges.days))
        AND NOT EXISTS (
            SELECT FROM public.jobs j
            WHERE j.tenant_id = t.id AND j.kind = 'purge_projects' AND j.status IN ('queued', 'running'))
    LIMIT enqueue_project_purges.most;
    GET DIAGNOSTICS asked = ROW_COUNT;
    RETURN asked;
END
$$;

-- Inside a job's context: erases projects of the current tenant that were
-- deleted this long ago, and what is in them. Returns how many; TN005 for
-- whoever is no job.
CREATE FUNCTION directory.purge_projects(days int, most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    purged bigint;
BEGIN
    IF tenancy.current_kind() <> 'job' THEN
        PERFORM tenancy.refuse('TN005', 'only a job purges');
    END IF;
    DELETE FROM public.projects WHERE (tenant_id, id) IN (
        SELECT p.tenant_id, p.id FROM public.projects p
        WHERE p.tenant_id = tenancy.current_tenant() AND p.is_deleted
            AND p.deleted_at < now() - make_interval(days => purge_projects.days)
        ORDER BY p.deleted_at LIMIT purge_projects.most FOR UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$$;

-- Without a context: a job in each of these tenants that is active, running
-- already, in whose context a server may count views, once. What a server that
-- died has left open goes.
CREATE FUNCTION directory.open_view_counts(worker uuid, tenants uuid[], lease_seconds int)
RETURNS TABLE (tenant_id uuid, id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    DELETE FROM public.jobs j
    WHERE j.tenant_id = ANY (open_view_counts.tenants) AND j.kind = 'count_views' AND j.due_at <= now();

    RETURN QUERY
    INSERT INTO public.jobs AS j (tenant_id, id, kind, payload, status, due_at, attempts, worker)
    SELECT t.id, directory.new_id(), 'count_views', '{}', 'running',
        now() + make_interval(secs => open_view_counts.lease_seconds), 1, open_view_counts.worker
    FROM public.tenants t
    WHERE t.id = ANY (open_view_counts.tenants) AND t.status = 'active'
    RETURNING j.tenant_id, j.id;
END
$$;

-- Inside the context of such a job, which ends with it: adds to the view counts
-- of projects of the current tenant. Their versions stay. TN005 for anybody
-- else, and for a second time.
CREATE FUNCTION directory.count_views(projects uuid[], views bigint[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    counted bigint;
BEGIN
    DELETE FROM public.jobs
    WHERE tenant_id = tenancy.current_tenant() AND id = tenancy.current_actor()::uuid
        AND tenancy.current_kind() = 'job' AND kind = 'count_views' AND status = 'running';
    IF NOT FOUND THEN
        PERFORM tenancy.refuse('TN005', 'views are counted by their own job, once');
    END IF;
    -- In one order, as another server may count the same.
    PERFORM FROM public.projects p
    WHERE p.tenant_id = tenancy.current_tenant() AND p.id = ANY (count_views.projects)
    ORDER BY p.id FOR NO KEY UPDATE;
    UPDATE public.projects p SET view_count = p.view_count + seen.views
    FROM unnest(count_views.projects, count_views.views) AS seen (id, views)
    WHERE p.tenant_id = tenancy.current_tenant() AND p.id = seen.id AND seen.views > 0;
    GET DIAGNOSTICS counted = ROW_COUNT;
    RETURN counted;
END
$$;

GRANT EXECUTE ON FUNCTION directory.purge_projects(int, int), directory.count_views(uuid[], bigint[]) TO rowhouse_app;
GRANT EXECUTE ON FUNCTION directory.enqueue_project_purges(int, int),
    directory.open_view_counts(uuid, uuid[], int) TO rowhouse_auth;

SET LOCAL ROLE NONE;
