//! Statistics of tables that are declared to have none.

pub(super) const QUERIES: &[&str] = &[COLUMNS, EXPRESSIONS, EXTENDED];

/// PostgreSQL's own target is -1, and up to 16 has no other name.
const COLUMNS: &str = "
SELECT b.name AS object, format('the planner keeps statistics of %s', a.attname) AS change,
    format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS -1', b.name, a.attname) AS sql, ARRAY['statistics_kept'] AS codes
FROM blind b JOIN pg_attribute a ON a.attrelid = b.name::regclass
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget = 0";

const EXPRESSIONS: &str = "
SELECT b.name AS object, format('the planner keeps statistics of an expression of %s', i.indexrelid::regclass) AS change,
    format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS -1', i.indexrelid::regclass, a.attnum) AS sql,
    ARRAY['statistics_kept'] AS codes
FROM blind b JOIN pg_index i ON i.indrelid = b.name::regclass JOIN pg_attribute a ON a.attrelid = i.indexrelid
WHERE i.indkey[a.attnum - 1] = 0 AND a.attstattarget = 0";

const EXTENDED: &str = "
SELECT b.name AS object, 'the planner keeps statistics of two columns together' AS change,
    format('CREATE STATISTICS public.mutant ON %s FROM %s', (SELECT string_agg(quote_ident(c.attname), ', ')
        FROM (SELECT attname FROM pg_attribute WHERE attrelid = b.name::regclass AND attnum > 0 AND NOT attisdropped
            ORDER BY attnum LIMIT 2) c), b.name) AS sql, ARRAY['statistics_kept'] AS codes
FROM blind b";
