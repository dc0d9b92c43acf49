-- One database: schemas, and what PUBLIC may no longer do in it.
CREATE SCHEMA IF NOT EXISTS tenancy AUTHORIZATION rowhouse_tenancy;
REVOKE ALL ON SCHEMA tenancy FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO rowhouse_owner;
GRANT USAGE ON SCHEMA public TO rowhouse_app;

-- No temporary tables that shadow real ones, no functions or DO blocks.
DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO rowhouse_app', current_database());
END
$$;
REVOKE USAGE ON LANGUAGE plpgsql, sql FROM PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql, sql TO rowhouse_owner, rowhouse_tenancy;

-- A new function is nobody's until it is granted.
ALTER DEFAULT PRIVILEGES FOR ROLE rowhouse_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE rowhouse_tenancy REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Built-ins that reach beyond one tenant: what other sessions of the same role
-- are running, ending them, and large objects, which no policy guards.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT p.oid::regprocedure FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND (
            p.proname IN ('pg_stat_get_activity', 'pg_stat_get_backend_activity', 'pg_stat_get_backend_idset',
                'pg_cancel_backend', 'pg_terminate_backend', 'pg_export_snapshot', 'pg_blocking_pids',
                'pg_logical_emit_message', 'loread', 'lowrite', 'pg_get_backend_memory_contexts')
            OR p.proname LIKE 'lo\_%')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END
$$;
