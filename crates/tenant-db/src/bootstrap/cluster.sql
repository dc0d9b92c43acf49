-- Whoever runs this decides the level. A superuser: full. A role with CREATEROLE
-- that owns the database: managed, without BYPASSRLS and without the slot, and
-- it becomes a member of the roles that it makes, to migrate as them.
--
-- Roles. They are cluster-wide while advisory locks are per database: two
-- bootstraps at once may both try, and the one that comes second is done.
DO $$
DECLARE
    wanted    record;
    superuser boolean := (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
BEGIN
    IF NOT superuser AND NOT (SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user) THEN
        RAISE EXCEPTION '% may not make roles', current_user
            USING ERRCODE = 'insufficient_privilege',
                HINT = 'The bootstrap needs a superuser, or a role with CREATEROLE that owns the database.';
    END IF;
    -- Who may make roles could, before 16, be a member of a superuser's, and so
    -- of what reaches into every database of the cluster that has level full.
    IF NOT superuser AND EXISTS (
        SELECT FROM pg_roles r WHERE r.rolname = 'rowhouse_owner' AND r.rolbypassrls
            OR r.rolname = 'rowhouse_tenancy' AND has_parameter_privilege(r.oid, 'backtrace_functions', 'SET')
    ) AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'tenancy' AND p.proname = 'level'
            AND pg_catalog.pg_get_function_sqlbody(p.oid) LIKE '%managed%'
    ) THEN
        RAISE EXCEPTION 'a superuser made the roles of this cluster, and % is none: let a superuser run the bootstrap, or take another cluster', current_user
            USING ERRCODE = 'insufficient_privilege',
                HINT = 'Level managed is not to be had beside databases of level full.';
    END IF;
    FOR wanted IN SELECT * FROM (VALUES
        ('rowhouse_owner',   'NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION '
            || CASE WHEN superuser THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END),
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
    IF NOT superuser THEN
        -- From 16 on, who makes a role may administer it, which is not yet to be it.
        EXECUTE format('GRANT rowhouse_owner, rowhouse_tenancy TO %I%s', current_user,
            CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END);
        RETURN;
    END IF;
    -- The slot: this role alone, beside superusers, may write it. A database that
    -- was made without it goes on without it.
    IF NOT has_parameter_privilege('rowhouse_tenancy', 'backtrace_functions', 'SET')
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname = 'tenancy' AND p.proname = 'level'
                AND pg_catalog.pg_get_function_sqlbody(p.oid) LIKE '%managed%'
        )
    THEN
        BEGIN
            GRANT SET ON PARAMETER backtrace_functions TO rowhouse_tenancy;
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END IF;
END
$$;
