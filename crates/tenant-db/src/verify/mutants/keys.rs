//! Primary keys, unique keys, indexes and foreign keys that are gone, or do not carry the tenant any more.

use super::Mutant;
use crate::verify::catalog::Catalog;

pub(super) const QUERIES: &[&str] = &[INDEXES, PRIMARY_KEYS, NEW_INDEXES, INVALID, FOREIGN_KEYS];

/// Those that begin with the tenant's column, made without it.
const INDEXES: &str = ", index AS (
    SELECT r.name AS object, i.indexrelid::regclass::text AS name, i.indisunique AS is_unique, quote_ident(k.conname) AS key,
        pg_get_indexdef(i.indexrelid) AS definition, quote_ident(r.tenant_column) AS tenant_column,
        (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY n.position)
            FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS n (number, position)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = n.number
            WHERE n.position BETWEEN 2 AND i.indnkeyatts) AS others
    FROM pg_index i JOIN relation r ON r.oid = i.indrelid
    JOIN pg_attribute t ON t.attrelid = i.indrelid AND t.attnum = i.indkey[0] AND t.attname = r.tenant_column
    LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype = 'u'
    WHERE NOT i.indisprimary AND i.indnkeyatts > 1
)
SELECT object, format('%s begins with something else than the tenant', name) AS change,
    CASE WHEN key IS NULL
        THEN format('DROP INDEX %s CASCADE; %s', name, replace(definition, format('(%s, ', tenant_column), '('))
        ELSE format('ALTER TABLE %1$s DROP CONSTRAINT %2$s CASCADE; ALTER TABLE %1$s ADD CONSTRAINT %2$s UNIQUE (%3$s)',
            object, key, others) END AS sql,
    ARRAY[CASE WHEN is_unique THEN 'unique_key' ELSE 'index_order' END] AS codes
FROM index";

const PRIMARY_KEYS: &str = ", key AS (
    SELECT r.name AS object, quote_ident(k.conname) AS name, quote_ident(r.tenant_column) AS tenant_column,
        cardinality(k.conkey) AS width, (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY n.position DESC)
            FROM unnest(k.conkey) WITH ORDINALITY AS n (number, position)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = n.number) AS turned
    FROM pg_constraint k JOIN relation r ON r.oid = k.conrelid
    WHERE k.contype = 'p' AND r.tenant_column IS NOT NULL
)
SELECT object, m.change, m.sql, ARRAY[m.code] AS codes FROM key CROSS JOIN LATERAL (VALUES
    ('it has no primary key', true, 'primary_key', format('ALTER TABLE %s DROP CONSTRAINT %s CASCADE', object, name)),
    ('its primary key is turned around', width > 1, 'primary_key', format(
        'ALTER TABLE %1$s DROP CONSTRAINT %2$s CASCADE; ALTER TABLE %1$s ADD CONSTRAINT %2$s PRIMARY KEY (%3$s)',
        object, name, turned)),
    ('its tenant may be NULL', true, 'tenant_column', format(
        'ALTER TABLE %1$s DROP CONSTRAINT %2$s CASCADE; ALTER TABLE %1$s ALTER COLUMN %3$s DROP NOT NULL',
        object, name, tenant_column))
) AS m (change, applies, code, sql)
WHERE m.applies";

const NEW_INDEXES: &str = "
SELECT r.name AS object, m.change, format(m.sql, r.name, (
    SELECT quote_ident(a.attname) FROM pg_attribute a
    WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> r.tenant_column
        AND a.atttypid IN ('uuid'::regtype, 'text'::regtype, 'timestamptz'::regtype, 'int'::regtype, 'bigint'::regtype)
    ORDER BY a.attnum LIMIT 1)) AS sql, ARRAY[m.code] AS codes
FROM relation r CROSS JOIN (VALUES
    ('a unique key spans tenants', 'CREATE UNIQUE INDEX mutant ON %s (%s)', 'unique_key'),
    ('an index spans tenants', 'CREATE INDEX mutant ON %s (%s)', 'index_order'),
    ('an exclusion spans tenants', 'ALTER TABLE %s ADD CONSTRAINT mutant EXCLUDE USING btree (%s WITH =)', 'unique_key')
) AS m (change, sql, code)
WHERE r.tenant_column IS NOT NULL";

const INVALID: &str = "
SELECT r.name AS object, format('%s holds nothing together', i.indexrelid::regclass) AS change,
    format('UPDATE pg_index SET indisvalid = false WHERE indexrelid = %L::regclass', i.indexrelid::regclass) AS sql,
    ARRAY['index_invalid'] AS codes
FROM pg_index i JOIN relation r ON r.oid = i.indrelid WHERE i.indisunique";

/// A plain one needs a key to point at. One whose columns may not be NULL can be made to set
/// them all the same.
const FOREIGN_KEYS: &str = ", key AS (
    SELECT r.name AS object, quote_ident(k.conname) AS name, k.confrelid::regclass::text AS target,
        pg_get_constraintdef(k.oid) AS definition, cardinality(k.conkey) AS width,
        r.tenant_column IS NOT NULL AND t.tenant_column IS NOT NULL AS within_tenants,
        (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY n.position)
            FROM unnest(k.conkey) WITH ORDINALITY AS n (number, position)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = n.number WHERE n.position > 1) AS others,
        (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY n.position)
            FROM unnest(k.confkey) WITH ORDINALITY AS n (number, position)
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = n.number WHERE n.position > 1) AS target_others
    FROM pg_constraint k JOIN relation r ON r.oid = k.conrelid JOIN relation t ON t.oid = k.confrelid
    WHERE k.contype = 'f'
)
SELECT object, format('foreign key %s %s', name, m.change) AS change,
    format('ALTER TABLE %s DROP CONSTRAINT %s; ', object, name) || m.sql AS sql, ARRAY[m.code] AS codes
FROM key k CROSS JOIN LATERAL (VALUES
    ('was never checked', true, 'foreign_key_not_enforced',
        format('ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID', object, name, definition)),
    ('sets NULL', true, 'foreign_key_action', format('ALTER TABLE %s ADD CONSTRAINT %s %s ON DELETE SET NULL', object, name,
        regexp_replace(definition, ' ON (DELETE|UPDATE) (CASCADE|RESTRICT|NO ACTION|SET NULL|SET DEFAULT)', '', 'g'))),
    ('leaves the tenant out', within_tenants AND width > 1, 'foreign_key_plain', format(
        'ALTER TABLE %3$s ADD CONSTRAINT mutant UNIQUE (%5$s);
         ALTER TABLE %1$s ADD CONSTRAINT %2$s FOREIGN KEY (%4$s) REFERENCES %3$s (%5$s)',
        object, name, target, others, target_others))
) AS m (change, applies, code, sql)
WHERE m.applies";

/// Keys and indexes that are declared: of others nobody says that they must be there.
pub(super) fn declared(catalog: &Catalog) -> impl Iterator<Item = Mutant> {
    let keys = catalog.keys.iter().map(|key| {
        let (table, name) = (&key.table, &key.name);
        let sql = format!("ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE");
        dropped(table, &format!("key {name}"), sql, key.missing())
    });
    keys.chain(catalog.indexes.iter().map(|index| {
        let sql = format!("DROP INDEX {} CASCADE", index.full_name());
        let what = format!("index {}", index.name);
        dropped(&index.table, &what, sql, "index_missing")
    }))
}

fn dropped(table: &str, what: &str, sql: String, code: &str) -> Mutant {
    Mutant {
        object: table.to_owned(),
        change: format!("{what} is dropped"),
        sql,
        codes: vec![code.to_owned()],
    }
}
