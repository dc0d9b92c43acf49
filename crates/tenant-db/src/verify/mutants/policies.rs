//! Policies, each made wider, narrower, or taken away.

pub(super) const QUERIES: &[&str] = &[POLICIES];

const POLICIES: &str = ", policy AS (
    SELECT r.name AS object, quote_ident(p.polname) AS name, p.polpermissive AS permissive,
        pg_get_expr(p.polqual, p.polrelid) AS use, pg_get_expr(p.polwithcheck, p.polrelid) AS check,
        p.polroles = '{0}' AS of_public, app.name AS app,
        CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
            ELSE 'ALL' END AS command,
        CASE p.polname WHEN 'tenancy_guard' THEN 'guard' ELSE 'policy' END AS code
    FROM pg_policy p JOIN relation r ON r.oid = p.polrelid CROSS JOIN app
)
SELECT object, format('%s %s', name, m.change) AS change, m.sql, ARRAY[code || m.outcome] AS codes
FROM policy p CROSS JOIN LATERAL (VALUES
    ('is dropped', true, '_missing', format('DROP POLICY %s ON %s', name, object)),
    ('has another name', true, '_missing', format('ALTER POLICY %s ON %s RENAME TO mutant', name, object)),
    ('shows every row', use <> 'true', '_changed', format('ALTER POLICY %s ON %s USING (true)', name, object)),
    ('takes every row', \"check\" <> 'true', '_changed', format('ALTER POLICY %s ON %s WITH CHECK (true)', name, object)),
    ('lets the application pass', use <> 'true', '_changed',
        format('ALTER POLICY %s ON %s USING (%s OR CURRENT_USER = %L)', name, object, use, app)),
    ('binds only those who are named', of_public, '_changed', format('ALTER POLICY %s ON %s TO %s', name, object, app)),
    ('is for everybody', NOT of_public, '_changed', format('ALTER POLICY %s ON %s TO PUBLIC', name, object)),
    ('binds an empty context too', use LIKE '%current_tenant%', '_changed',
        format('ALTER POLICY %s ON %s USING (%s)', name, object,
            replace(use, 'tenancy.current_tenant()', 'gen_random_uuid()'))),
    ('is one that others widen', NOT permissive, '_changed', format(
        'DROP POLICY %1$s ON %2$s; CREATE POLICY %1$s ON %2$s USING (%3$s) WITH CHECK (%3$s)', name, object, use)),
    ('is for reading alone', NOT permissive, '_changed', format(
        'DROP POLICY %1$s ON %2$s; CREATE POLICY %1$s ON %2$s AS RESTRICTIVE FOR SELECT USING (%3$s)', name, object, use)),
    ('is for all commands', permissive AND command <> 'ALL', '_changed', format(
        'DROP POLICY %1$s ON %2$s; CREATE POLICY %1$s ON %2$s USING (%3$s)', name, object, coalesce(use, \"check\")))
) AS m (change, applies, outcome, sql)
WHERE m.applies";
