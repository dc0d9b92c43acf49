-- One database: the schema of the kernel and the rights of its roles. Nothing
-- here takes a right from PUBLIC that a program beside it may be using.
DO $$
BEGIN
    IF NOT pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE') THEN
        RAISE EXCEPTION '% does not own the database %', current_user, current_database()
            USING ERRCODE = 'insufficient_privilege',
                HINT = 'The bootstrap needs a superuser, or a role with CREATEROLE that owns the database.';
    END IF;
END
$$;
CREATE SCHEMA IF NOT EXISTS tenancy AUTHORIZATION rowhouse_tenancy;
REVOKE ALL ON SCHEMA tenancy FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO rowhouse_owner;
GRANT USAGE ON SCHEMA public TO rowhouse_app;

DO $$
BEGIN
    -- Elsewhere PUBLIC keeps it, see harden.
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        GRANT USAGE ON LANGUAGE plpgsql, sql TO rowhouse_owner, rowhouse_tenancy;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO rowhouse_app', current_database());
END
$$;

-- A new function of these two roles is nobody's until it is granted.
ALTER DEFAULT PRIVILEGES FOR ROLE rowhouse_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE rowhouse_tenancy REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
