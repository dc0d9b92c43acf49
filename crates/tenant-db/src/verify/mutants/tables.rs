//! Tables as a whole, and what is laid beside one.

pub(super) const QUERIES: &[&str] = &[TENANT, EVERY];

const TENANT: &str = "
SELECT r.name AS object, m.change, format(m.sql, r.name) AS sql, ARRAY[m.code] AS codes
FROM relation r CROSS JOIN (VALUES
    ('Row-Level Security is off', 'ALTER TABLE %s DISABLE ROW LEVEL SECURITY', 'rls_disabled'),
    ('Row-Level Security is not forced', 'ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', 'rls_not_forced')
) AS m (change, sql, code)
WHERE r.tenant_column IS NOT NULL";

const EVERY: &str = "
SELECT r.name AS object, m.change, format(m.sql, r.name, app.name) AS sql, ARRAY[m.code] AS codes
FROM relation r CROSS JOIN app CROSS JOIN (VALUES
    ('it belongs to the application', 'ALTER TABLE %1$s OWNER TO %2$s', 'owner'),
    ('it is gone', 'DROP TABLE %1$s CASCADE', 'table_missing'),
    ('a policy for everything is added', 'CREATE POLICY mutant ON %1$s USING (true)', 'policy_unknown'),
    ('a rule rewrites its updates', 'CREATE RULE mutant AS ON UPDATE TO %1$s DO INSTEAD NOTHING', 'rule'),
    ('a table inherits from it', 'CREATE TABLE public.mutant () INHERITS (%1$s)', 'inheritance'),
    ('a copy is kept of it', 'CREATE TABLE public.mutant AS TABLE %1$s', 'table_unknown'),
    ('a view reads it with its owner''s rights', 'CREATE VIEW public.mutant AS TABLE %1$s', 'view_not_invoker'),
    ('a view reads it', 'CREATE VIEW public.mutant WITH (security_invoker) AS TABLE %1$s', 'view_unknown'),
    ('a view keeps it', 'CREATE MATERIALIZED VIEW public.mutant AS TABLE %1$s', 'view_unknown'),
    ('a function reads it with its owner''s rights',
        'CREATE FUNCTION public.mutant() RETURNS SETOF %1$s LANGUAGE sql SECURITY DEFINER RETURN NULL::%1$s',
        'function_unknown'),
    ('it is published', 'CREATE PUBLICATION mutant FOR TABLE %1$s', 'object_unknown')
) AS m (change, sql, code)";
