-- What PUBLIC may no longer do in this database.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- No temporary tables that shadow real ones.
DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

-- What only a superuser can take: functions and DO blocks, and built-ins that
-- reach beyond one tenant: what other sessions of the same role are running,
-- ending them, and large objects, which no policy guards. At level managed they
-- stay, and verify lists them.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE NOTICE 'level managed: PUBLIC keeps the languages and built-ins that only a superuser can take';
        RETURN;
    END IF;
    REVOKE USAGE ON LANGUAGE plpgsql, sql FROM PUBLIC;
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
