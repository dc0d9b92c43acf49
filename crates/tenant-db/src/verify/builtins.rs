//! PostgreSQL's own objects, and those of extensions: nobody has more there than PostgreSQL
//! gives, and PUBLIC has lost what reaches beyond one tenant.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::grants::short_name;
use super::report::Report;
use crate::error::Error;
use crate::level::Level;

pub(super) fn check(conn: &mut PgConnection, report: &mut Report) -> Result<(), Error> {
    let changed: Vec<Changed> = diesel::sql_query(CHANGED).load(conn)?;
    for function in &changed {
        function.find(report);
    }
    let added: Vec<Right> = diesel::sql_query(ADDED).load(conn)?;
    for right in &added {
        right.find(report, "which PostgreSQL does not give");
    }
    let open: Vec<Right> = diesel::sql_query(format!("{REVOKED} AND ({REACHING})")).load(conn)?;
    let found = |right: &&Right| right.role == "PUBLIC" && report.level() == Level::Full;
    for right in open.iter().filter(found).collect::<Vec<_>>() {
        right.find(
            report,
            "which the bootstrap takes away: it reaches beyond one tenant",
        );
    }
    report.count("builtins", open.len());
    Ok(())
}

/// The condition of `bootstrap/harden.sql`; a test holds the two together.
pub(crate) const REACHING: &str = "
            p.proname IN ('pg_stat_get_activity', 'pg_stat_get_backend_activity', 'pg_stat_get_backend_idset',
                'pg_cancel_backend', 'pg_terminate_backend', 'pg_export_snapshot', 'pg_blocking_pids',
                'pg_logical_emit_message', 'loread', 'lowrite', 'pg_get_backend_memory_contexts')
            OR p.proname LIKE 'lo\\_%'";

/// A row per function, and per grant to PUBLIC.
const REVOKED: &str = "
SELECT 'FUNCTION pg_catalog.' || p.oid::regprocedure AS object, 'EXECUTE' AS privilege,
    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE '' END AS role
FROM pg_proc p
LEFT JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a ON a.grantee = 0
WHERE p.pronamespace = 'pg_catalog'::regnamespace";

/// None of PostgreSQL's functions runs with its owner's rights, which are those of the first
/// superuser, whose number is always 10.
const CHANGED: &str = "
SELECT p.oid::regprocedure::text AS name, quote_ident(r.rolname) AS first
FROM pg_proc p CROSS JOIN pg_roles r
WHERE p.oid < 16384 AND (p.prosecdef OR p.proconfig IS NOT NULL OR p.proowner <> r.oid) AND r.oid = 10
ORDER BY 1";

#[derive(QueryableByName)]
struct Changed {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    first: String,
}

impl Changed {
    fn find(&self, report: &mut Report) {
        let Self { name, first } = self;
        report.find(
            "builtin_changed",
            name,
            "The function of PostgreSQL has another owner, other rights or settings than it came with.",
            format!(
                "ALTER FUNCTION {name} OWNER TO {first};\nALTER FUNCTION {name} SECURITY INVOKER;\n\
                 ALTER FUNCTION {name} RESET ALL;"
            ),
        );
    }
}

/// Rights that are neither those of initdb nor those of CREATE EXTENSION. Of its information
/// schema initdb keeps no record.
const ADDED: &str = "
WITH member AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
object (name, columns, owner, acl, initial) AS (
    SELECT 'TABLE ' || format('%I.%I', n.nspname, c.relname), '', c.relowner, c.relacl,
        coalesce(i.initprivs, acldefault(CASE c.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r' END, c.relowner))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_init_privs i ON i.classoid = 'pg_class'::regclass AND i.objoid = c.oid AND i.objsubid = 0
    WHERE c.relacl IS NOT NULL
        AND (c.oid < 16384 OR ('pg_class'::regclass, c.oid) IN (SELECT * FROM member))
    UNION ALL
    SELECT 'TABLE ' || format('%I.%I', n.nspname, c.relname), format(' (%I)', a.attname), c.relowner, a.attacl,
        i.initprivs
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_init_privs i ON i.classoid = 'pg_class'::regclass AND i.objoid = c.oid AND i.objsubid = a.attnum
    WHERE a.attacl IS NOT NULL
        AND (c.oid < 16384 OR ('pg_class'::regclass, c.oid) IN (SELECT * FROM member))
    UNION ALL
    SELECT 'FUNCTION ' || CASE n.nspname WHEN 'pg_catalog' THEN 'pg_catalog.' ELSE '' END || p.oid::regprocedure, '',
        p.proowner, p.proacl, coalesce(i.initprivs, acldefault('f', p.proowner))
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    LEFT JOIN pg_init_privs i ON i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid
    WHERE p.proacl IS NOT NULL
        AND (p.oid < 16384 OR ('pg_proc'::regclass, p.oid) IN (SELECT * FROM member))
    UNION ALL
    SELECT 'SCHEMA ' || quote_ident(n.nspname), '', n.nspowner, n.nspacl,
        coalesce(i.initprivs, acldefault('n', n.nspowner))
    FROM pg_namespace n
    LEFT JOIN pg_init_privs i ON i.classoid = 'pg_namespace'::regclass AND i.objoid = n.oid
    WHERE n.nspacl IS NOT NULL AND n.nspname <> 'public'
        AND (n.oid < 16384 OR ('pg_namespace'::regclass, n.oid) IN (SELECT * FROM member))
    UNION ALL
    SELECT 'LANGUAGE ' || quote_ident(lanname), '', lanowner, lanacl, acldefault('l', lanowner)
    FROM pg_language WHERE NOT lanpltrusted AND lanacl IS NOT NULL
)
SELECT o.name AS object, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS role,
    a.privilege_type || o.columns AS privilege
FROM object o
CROSS JOIN LATERAL (SELECT grantee, privilege_type FROM aclexplode(o.acl)
    EXCEPT SELECT grantee, privilege_type FROM aclexplode(o.initial)) a
LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE a.grantee <> o.owner AND NOT coalesce(r.rolsuper, false)
    AND NOT (o.name ~ '^(TABLE|SCHEMA) information_schema' AND a.grantee = 0 AND a.privilege_type IN ('SELECT', 'USAGE'))
ORDER BY 1, 2, 3";

#[derive(QueryableByName)]
struct Right {
    #[diesel(sql_type = Text)]
    object: String,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Text)]
    privilege: String,
}

impl Right {
    fn find(&self, report: &mut Report, why: &str) {
        let Self {
            object,
            role,
            privilege,
        } = self;
        report.find(
            "builtin_granted",
            short_name(object),
            format!("{role} has {privilege}, {why}."),
            format!("REVOKE {privilege} ON {object} FROM {role} CASCADE;"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::REACHING;

    #[test]
    fn the_bootstrap_revokes_what_is_checked() {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(crate::DATABASE_SQL).contains(&words(REACHING)));
    }
}
