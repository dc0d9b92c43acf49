//! Triggers that do not fire, fire too seldom, or do something else.

pub(super) const QUERIES: &[&str] = &[TRIGGERS, ALL_OF_A_TABLE];

const TRIGGERS: &str = ", trigger AS (
    SELECT r.name AS object, quote_ident(t.tgname) AS name, pg_get_triggerdef(t.oid) AS definition
    FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid
    WHERE NOT t.tgisinternal
)
SELECT object, format('trigger %s %s', name, m.change) AS change, m.sql,
    ARRAY[CASE name WHEN 'tenancy_audit' THEN 'audit' ELSE 'trigger' END || m.code] AS codes
FROM trigger t CROSS JOIN LATERAL (VALUES
    ('is dropped', '_missing', format('DROP TRIGGER %s ON %s', name, object)),
    ('is off', '_disabled', format('ALTER TABLE %s DISABLE TRIGGER %s', object, name)),
    ('fires on replicas alone', '_disabled', format('ALTER TABLE %s ENABLE REPLICA TRIGGER %s', object, name)),
    ('runs another function', '_changed', regexp_replace(replace(definition, 'CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER'),
        'EXECUTE FUNCTION .*$', 'EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()')),
    ('fires on a condition', '_changed', regexp_replace(replace(definition, 'CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER'),
        '(WHEN \\(.*\\) )?EXECUTE FUNCTION', 'WHEN (false) EXECUTE FUNCTION'))
) AS m (change, code, sql)";

/// Those that hold foreign keys too.
const ALL_OF_A_TABLE: &str = "
SELECT r.name AS object, 'all of its triggers are off' AS change,
    format('ALTER TABLE %s DISABLE TRIGGER ALL', r.name) AS sql, ARRAY['trigger_disabled'] AS codes
FROM relation r WHERE r.oid IN (SELECT tgrelid FROM pg_trigger)";
