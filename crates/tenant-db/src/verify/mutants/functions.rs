//! Functions with another body, other rights, or open to somebody else.

pub(super) const QUERIES: &[&str] = &[FUNCTIONS, CALLERS];

/// A body is emptied, which leaves out whatever it asked.
const FUNCTIONS: &str = ", function AS (
    SELECT p.oid::regprocedure::text AS name, quote_ident(r.rolname) AS owner, p.prosecdef AS definer,
        p.proconfig IS NOT NULL AS pinned, p.proisstrict AS strict, p.proleakproof AS leakproof,
        pg_get_functiondef(p.oid) AS definition, p.prosrc AS body, pg_get_function_sqlbody(p.oid) AS expression,
        pg_get_function_result(p.oid) AS result, l.lanname AS language,
        (SELECT o.name FROM role o WHERE o.name <> r.rolname ORDER BY o.is_app DESC LIMIT 1) AS other
    FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner JOIN pg_language l ON l.oid = p.prolang
    WHERE p.oid >= 16384 AND p.prokind = 'f'
        AND p.oid NOT IN (SELECT objid FROM pg_depend WHERE classid = 'pg_proc'::regclass AND deptype = 'e')
)
SELECT name AS object, m.change, m.sql, m.codes::text[]
FROM function f CROSS JOIN LATERAL (VALUES
    ('it answers NULL', expression IS NOT NULL AND result <> 'void', '{function_definition}',
        replace(definition, expression, format('RETURN NULL::%s', result))),
    ('it does nothing', expression IS NULL, '{function_definition,authorize_allows_all}',
        replace(definition, format('$function$%s$function$', body),
            format('$function$%s$function$', CASE language WHEN 'plpgsql' THEN 'BEGIN END' ELSE 'SELECT NULL' END))),
    ('it is skipped for NULL', NOT strict, '{function_definition}', format('ALTER FUNCTION %s STRICT', name)),
    ('it is trusted to hide nothing', NOT leakproof, '{function_definition}', format('ALTER FUNCTION %s LEAKPROOF', name)),
    ('it runs with other rights', true, '{function_definer}',
        format('ALTER FUNCTION %s SECURITY %s', name, CASE WHEN definer THEN 'INVOKER' ELSE 'DEFINER' END)),
    ('its search_path is not pinned', pinned, '{function_search_path}', format('ALTER FUNCTION %s RESET ALL', name)),
    ('it looks for names in public', true, '{function_search_path}', format('ALTER FUNCTION %s SET search_path = public', name)),
    ('policies are off in it', true, '{function_search_path}', format('ALTER FUNCTION %s SET row_security = off', name)),
    ('it belongs to another role', other IS NOT NULL, '{owner}', format('ALTER FUNCTION %s OWNER TO %s', name, other)),
    ('it is gone', true, '{function_missing}', format('DROP FUNCTION %s CASCADE', name))
) AS m (change, applies, codes, sql)
WHERE m.applies";

const CALLERS: &str = ", grantee (name, oid) AS (
    SELECT name, name::regrole::oid FROM role UNION ALL SELECT 'PUBLIC', 0
)
SELECT p.oid::regprocedure::text AS object, format('%s may call it', g.name) AS change,
    format('GRANT EXECUTE ON FUNCTION %s TO %s', p.oid::regprocedure, g.name) AS sql, ARRAY['grant_excess'] AS codes
FROM pg_proc p CROSS JOIN grantee g
WHERE p.oid >= 16384 AND p.proowner <> g.oid AND p.prokind = 'f'
    AND p.oid NOT IN (SELECT objid FROM pg_depend WHERE classid = 'pg_proc'::regclass AND deptype = 'e')
    AND NOT EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        WHERE a.grantee = g.oid AND a.privilege_type = 'EXECUTE')";
