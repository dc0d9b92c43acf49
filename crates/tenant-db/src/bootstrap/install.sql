-- One database: the schema of the kernel and the rights of its roles. Nothing
-- here takes a right from PUBLIC that a program beside it may be using.
CREATE SCHEMA IF NOT EXISTS tenancy AUTHORIZATION rowhouse_tenancy;
REVOKE ALL ON SCHEMA tenancy FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO rowhouse_owner;
GRANT USAGE ON SCHEMA public TO rowhouse_app;
GRANT USAGE ON LANGUAGE plpgsql, sql TO rowhouse_owner, rowhouse_tenancy;

DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO rowhouse_app', current_database());
END
$$;

-- A new function of these two roles is nobody's until it is granted.
ALTER DEFAULT PRIVILEGES FOR ROLE rowhouse_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE rowhouse_tenancy REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
