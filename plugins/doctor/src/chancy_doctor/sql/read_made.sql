-- What a schema holds of what migrations make: (kind, relation, name, detail), in that order.
--
-- kind      table, view, column, constraint, index, trigger, function
-- relation  the table or view that it belongs to; empty: none
-- name      its name; empty: it is the relation itself
-- detail    what of it must not be another; that is the same on every server
--
-- Partitions come and go; of them there are only the names. Catalogs of the server only.
--
-- schema  text
WITH relation AS (
    SELECT oid, relname::text AS relname, relkind, relispartition, relpersistence, relrowsecurity
    FROM pg_class
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
),
kept AS (
    SELECT * FROM relation WHERE relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition
)
SELECT CASE WHEN relkind IN ('v', 'm') THEN 'view' ELSE 'table' END AS kind, relname AS relation, '' AS name,
       concat_ws(', ', CASE WHEN relpersistence = 'u' THEN 'unlogged' END,
                 CASE WHEN relrowsecurity THEN 'with row-level security' END) AS detail
FROM kept
UNION ALL
SELECT 'partition', relname, '', '' FROM relation WHERE relkind IN ('r', 'p') AND relispartition
UNION ALL
SELECT 'column', kept.relname, attname::text,
       concat_ws(' ', format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'not null' END,
                 CASE WHEN atthasdef OR attidentity <> '' THEN 'with a default' END)
FROM kept
JOIN pg_attribute ON attrelid = kept.oid AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT 'constraint', kept.relname, conname::text,
       concat_ws(' ', CASE contype WHEN 'c' THEN 'check' WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique'
                                   WHEN 'f' THEN 'foreign key' ELSE 'exclude' END,
                 CASE WHEN NOT convalidated THEN 'not valid' END)
FROM kept
JOIN pg_constraint ON conrelid = kept.oid AND contype IN ('c', 'p', 'u', 'f', 'x')
UNION ALL
SELECT 'index', kept.relname, indexes.relname,
       concat_ws(' ', CASE WHEN indisunique THEN 'unique' END, '(' || (
           -- Each server writes expressions in its own way.
           SELECT string_agg(
               CASE WHEN indkey[number - 1] = 0 THEN 'an expression' ELSE pg_get_indexdef(indexrelid, number, true) END,
               ', ' ORDER BY number
           )
           FROM generate_series(1, indnatts) AS number
       ) || ')', CASE WHEN indpred IS NOT NULL THEN 'of some rows' END)
FROM kept
JOIN pg_index ON indrelid = kept.oid
JOIN relation AS indexes ON indexes.oid = indexrelid
UNION ALL
SELECT 'trigger', kept.relname, tgname::text, CASE WHEN tgenabled = 'D' THEN 'disabled' ELSE '' END
FROM kept
JOIN pg_trigger ON tgrelid = kept.oid AND NOT tgisinternal
UNION ALL
SELECT 'function', '', proname::text, ''
FROM pg_proc
WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
ORDER BY 1, 2, 3, 4
