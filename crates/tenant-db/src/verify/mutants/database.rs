//! The database around the tables: schemas, languages, built-in functions, what is made from now
//! on, what sessions start with, and objects that nobody knows.

pub(super) const QUERIES: &[&str] = &[DATABASE, ROLES, SCHEMAS, LANGUAGES, BUILTINS];

/// Who does not own a built-in is only warned by a GRANT of it, and refused a COMMENT.
const DATABASE: &str = ", this AS (
    SELECT quote_ident(current_database()) AS name, 'DATABASE ' || quote_ident(current_database()) AS object, app.name AS app
    FROM app
)
SELECT object, m.change, m.sql, ARRAY[m.code] AS codes FROM this CROSS JOIN LATERAL (VALUES
    ('it belongs to the application', 'owner', format('ALTER DATABASE %s OWNER TO %s', name, app)),
    ('anybody may copy it', 'database_template', format('ALTER DATABASE %s IS_TEMPLATE true', name)),
    ('everybody makes temporary tables', 'grant_excess', format('GRANT TEMPORARY ON DATABASE %s TO PUBLIC', name)),
    ('the application makes schemas', 'grant_excess', format('GRANT CREATE ON DATABASE %s TO %s', name, app)),
    ('sessions fire no trigger', 'setting', format('ALTER DATABASE %s SET session_replication_role = replica', name)),
    ('large objects are open', 'setting', format('ALTER DATABASE %s SET lo_compat_privileges = on', name)),
    ('sessions start in a context', 'setting', format('ALTER DATABASE %s SET backtrace_functions = ''mutant''', name)),
    ('a table is new', 'table_unknown', 'CREATE TABLE public.mutant (id int)'),
    ('a table of tenants is new, and not protected', 'table_unknown',
        'CREATE TABLE public.mutant (tenant_id uuid NOT NULL, id uuid NOT NULL, PRIMARY KEY (tenant_id, id))'),
    ('a partitioned table is new', 'table_unknown', 'CREATE TABLE public.mutant (tenant_id uuid) PARTITION BY HASH (tenant_id)'),
    ('a foreign table is new', 'table_unknown', 'CREATE FOREIGN DATA WRAPPER mutant; CREATE SERVER mutant FOREIGN DATA WRAPPER mutant;
        CREATE FOREIGN TABLE public.mutant (id int) SERVER mutant'),
    ('a schema is new', 'schema_unknown', 'CREATE SCHEMA mutant'),
    ('a sequence is new', 'sequence_unknown', 'CREATE SEQUENCE public.mutant'),
    ('a type is new', 'object_unknown', 'CREATE TYPE public.mutant AS ENUM (''a'')'),
    ('a cast is new', 'object_unknown', 'CREATE CAST (text AS uuid) WITH INOUT AS IMPLICIT'),
    ('an operator is new', 'object_unknown', 'CREATE OPERATOR public.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = uuid_ne)'),
    ('a large object is new', 'object_unknown', 'SELECT lo_create(0)'),
    ('a function is new', 'function_unknown', 'CREATE FUNCTION public.mutant() RETURNS int LANGUAGE sql RETURN 1'),
    ('an event trigger is new', 'object_unknown',
        'CREATE FUNCTION public.mutant() RETURNS event_trigger LANGUAGE plpgsql AS ''BEGIN END'';
        CREATE EVENT TRIGGER mutant ON ddl_command_end EXECUTE FUNCTION public.mutant()'),
    ('passwords'' hashes are open', 'builtin_granted', format('GRANT SELECT ON pg_authid TO %s', app)),
    ('the host''s files are open', 'builtin_granted', format('GRANT EXECUTE ON FUNCTION pg_read_file(text) TO %s', app)),
    ('a built-in function has a superuser''s rights', 'builtin_changed',
        'ALTER FUNCTION query_to_xml(text, boolean, boolean, text) SECURITY DEFINER'),
    ('the application makes built-in functions', 'builtin_granted', 
        format('COMMENT ON SCHEMA pg_catalog IS NULL; GRANT CREATE ON SCHEMA pg_catalog TO %s', app))
) AS m (change, code, sql)";

/// In this database: nothing that other databases see.
const ROLES: &str = "
SELECT r.name AS object, m.change, m.sql, ARRAY[m.code] AS codes
FROM role r CROSS JOIN app CROSS JOIN LATERAL (VALUES
    ('its sessions have policies off', 'role_setting',
        format('ALTER ROLE %s IN DATABASE %I SET row_security = off', r.name, current_database())),
    ('its new tables are open', 'default_privileges',
        format('ALTER DEFAULT PRIVILEGES FOR ROLE %s GRANT SELECT ON TABLES TO PUBLIC', r.name)),
    ('its new functions are open', 'default_privileges',
        format('ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO PUBLIC', r.name))
) AS m (change, code, sql)";

const SCHEMAS: &str = ", schema AS (
    SELECT quote_ident(nspname) AS name, nspowner AS owner, nspacl AS acl FROM pg_namespace
    WHERE (oid >= 16384 OR nspname = 'public') AND nspname !~ '^pg_(toast_)?temp_'
),
grantee (name, oid) AS (SELECT name, name::regrole::oid FROM role UNION ALL SELECT 'PUBLIC', 0)
SELECT 'SCHEMA ' || s.name AS object, format('%s may %s there', g.name, privilege) AS change,
    format('GRANT %s ON SCHEMA %s TO %s', privilege, s.name, g.name) AS sql, ARRAY['grant_excess'] AS codes
FROM schema s CROSS JOIN grantee g CROSS JOIN unnest('{USAGE,CREATE}'::text[]) AS privilege
WHERE g.oid <> s.owner
    AND (s.name, g.name, privilege) <> ('public', 'PUBLIC', 'USAGE')
    AND NOT EXISTS (SELECT FROM aclexplode(coalesce(s.acl, acldefault('n', s.owner))) a
        WHERE a.grantee = g.oid AND a.privilege_type = privilege)
UNION ALL
SELECT 'SCHEMA ' || s.name, 'it belongs to the application', format('ALTER SCHEMA %s OWNER TO %s', s.name, app.name), ARRAY['owner']
FROM schema s CROSS JOIN app";

const LANGUAGES: &str = "
SELECT 'LANGUAGE ' || quote_ident(l.lanname) AS object, 'everybody may write in it' AS change,
    format('COMMENT ON LANGUAGE %1$I IS NULL; GRANT USAGE ON LANGUAGE %1$I TO PUBLIC', l.lanname) AS sql, ARRAY['grant_excess'] AS codes
FROM pg_language l
WHERE l.lanpltrusted AND NOT EXISTS (SELECT FROM aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) a WHERE a.grantee = 0)";

/// Those that the bootstrap took from everybody.
const BUILTINS: &str = "
SELECT p.oid::regprocedure::text AS object, 'everybody may call it' AS change,
    format('COMMENT ON FUNCTION pg_catalog.%1$s IS NULL; GRANT EXECUTE ON FUNCTION pg_catalog.%1$s TO PUBLIC', p.oid::regprocedure) AS sql, ARRAY['builtin_granted'] AS codes
FROM pg_proc p LEFT JOIN pg_init_privs i ON i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid
WHERE p.oid < 16384 AND p.pronamespace = 'pg_catalog'::regnamespace AND p.proacl IS NOT NULL
    AND EXISTS (SELECT FROM aclexplode(coalesce(i.initprivs, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
    AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0)";
