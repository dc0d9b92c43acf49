//! Rights that nobody declared: of the application and of everybody each that there is, of the
//! other roles reading and emptying.

pub(super) const QUERIES: &[&str] = &[TABLES, COLUMNS, OPTIONS];

const TABLES: &str = ", grantee (name, oid, in_full) AS (
    SELECT name, name::regrole::oid, is_app FROM role UNION ALL SELECT 'PUBLIC', 0, true
)
SELECT r.name AS object, format('%s may %s', g.name, privilege) AS change,
    format('GRANT %s ON %s TO %s', privilege, r.name, g.name) AS sql, ARRAY['grant_excess'] AS codes
FROM relation r CROSS JOIN grantee g
CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS privilege
WHERE g.name <> r.owner AND (g.in_full OR privilege IN ('SELECT', 'TRUNCATE'))
    AND NOT EXISTS (SELECT FROM pg_class c CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
        WHERE c.oid = r.oid AND a.grantee = g.oid AND a.privilege_type = privilege)";

/// The tenant's column, and where there is none the first.
const COLUMNS: &str = "
SELECT r.name AS object, format('%s may %s (%s)', app.name, privilege, a.attname) AS change,
    format('GRANT %s (%I) ON %s TO %s', privilege, a.attname, r.name, app.name) AS sql, ARRAY['grant_excess'] AS codes
FROM relation r CROSS JOIN app
JOIN LATERAL (SELECT * FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attname IS DISTINCT FROM r.tenant_column, a.attnum LIMIT 1) a ON true
CROSS JOIN unnest('{SELECT,UPDATE,REFERENCES}'::text[]) AS privilege
WHERE app.name <> r.owner AND (r.tenant_column IS NULL OR privilege <> 'SELECT')";

const OPTIONS: &str = "
SELECT DISTINCT ON (r.name, a.grantee) r.name AS object, format('%s may hand on %s', a.grantee::regrole, a.privilege_type) AS change,
    format('GRANT %s ON %s TO %s WITH GRANT OPTION', a.privilege_type, r.name, a.grantee::regrole) AS sql,
    ARRAY['grant_option'] AS codes
FROM relation r JOIN pg_class c ON c.oid = r.oid CROSS JOIN LATERAL aclexplode(c.relacl) a
WHERE a.grantee <> c.relowner AND a.grantee <> 0
ORDER BY r.name, a.grantee, a.privilege_type";
