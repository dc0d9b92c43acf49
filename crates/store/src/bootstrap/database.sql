-- One database: the schema of the doors, and who may come in at all.
CREATE SCHEMA IF NOT EXISTS directory AUTHORIZATION rowhouse_directory;
REVOKE ALL ON SCHEMA directory FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO rowhouse_directory, rowhouse_auth, rowhouse_ops;
ALTER DEFAULT PRIVILEGES FOR ROLE rowhouse_directory REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
DO $$
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        GRANT USAGE ON LANGUAGE plpgsql, sql TO rowhouse_directory;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO rowhouse_auth, rowhouse_ops', current_database());
END
$$;
