-- Roles. They are cluster-wide while advisory locks are per database: two
-- bootstraps at once may both try, and the one that comes second is done.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        ('rowhouse_owner',   'NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION BYPASSRLS'),
        ('rowhouse_tenancy', 'NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS'),
        ('rowhouse_app',     'LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS')
    ) AS role (name, attributes)
    LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) THEN
                EXECUTE format('CREATE ROLE %I %s', wanted.name, wanted.attributes);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
    -- The slot: this role alone, beside superusers, may write it.
    IF NOT has_parameter_privilege('rowhouse_tenancy', 'backtrace_functions', 'SET') THEN
        BEGIN
            GRANT SET ON PARAMETER backtrace_functions TO rowhouse_tenancy;
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END IF;
END
$$;
