-- What tells whether a schema is still as its migrations made it: its parts by name, who made them, and how much is in it.
-- Parameters:
--   schema text  its name
-- Index: those of the catalogs, by relation or namespace; no table of the schema is read.
WITH here AS (
    SELECT oid, nspname, nspacl, nspowner FROM pg_namespace WHERE nspname = %(schema)s
),
relations AS MATERIALIZED (
    SELECT pg_class.oid, pg_class.xmin, relname, relkind, reltuples
    FROM pg_class
    JOIN here ON here.oid = relnamespace
),
parts AS (
    SELECT xmin, relkind::text || ' ' || relname AS part FROM relations
    UNION ALL
    SELECT pg_attribute.xmin, 'column ' || relname || '.' || attname
    FROM pg_attribute JOIN relations ON relations.oid = attrelid
    WHERE attnum > 0
    UNION ALL
    SELECT pg_attrdef.xmin, 'default ' || relname || '.' || adnum FROM pg_attrdef JOIN relations ON relations.oid = adrelid
    UNION ALL
    SELECT pg_constraint.xmin, 'constraint ' || conname FROM pg_constraint JOIN here ON here.oid = connamespace
    UNION ALL
    SELECT pg_index.xmin, 'index ' || relname FROM pg_index JOIN relations ON relations.oid = indexrelid
    UNION ALL
    SELECT pg_trigger.xmin, 'trigger ' || tgname FROM pg_trigger JOIN relations ON relations.oid = tgrelid
    UNION ALL
    SELECT pg_rewrite.xmin, 'rule ' || relname FROM pg_rewrite JOIN relations ON relations.oid = ev_class
    UNION ALL
    SELECT pg_policy.xmin, 'policy ' || polname FROM pg_policy JOIN relations ON relations.oid = polrelid
    UNION ALL
    SELECT pg_statistic_ext.xmin, 'statistics ' || stxname FROM pg_statistic_ext JOIN here ON here.oid = stxnamespace
    UNION ALL
    SELECT pg_publication_rel.xmin, 'publication ' || relname
    FROM pg_publication_rel JOIN relations ON relations.oid = prrelid
    UNION ALL
    -- Functions have the schema's name in their text, and so are made again when it gets another: they say what they are.
    SELECT NULL, 'function ' || concat_ws(' ', proname, md5(replace(pg_get_functiondef(pg_proc.oid), nspname, '')), proacl)
    FROM pg_proc JOIN here ON here.oid = pronamespace
    WHERE prokind IN ('f', 'p')
    UNION ALL
    SELECT pg_proc.xmin, 'aggregate ' || proname FROM pg_proc JOIN here ON here.oid = pronamespace
    WHERE prokind NOT IN ('f', 'p')
    UNION ALL
    SELECT pg_type.xmin, 'type ' || typname FROM pg_type JOIN here ON here.oid = typnamespace
    UNION ALL
    SELECT pg_default_acl.xmin, 'rights' FROM pg_default_acl JOIN here ON here.oid = defaclnamespace
)
SELECT
    md5(string_agg(part, ',' ORDER BY part)) AS parts,
    -- All by one transaction, which made the schema: whatever was changed later has another number.
    count(DISTINCT xmin::text) = 1
        AND (SELECT nspacl IS NULL AND nspowner = current_user::regrole FROM here) AS untouched,
    -- Three pages hold what a test needs; and what was vacuumed or analysed has statistics that the next test has not.
    (SELECT max(CASE WHEN reltuples >= 0 THEN 1000000000 ELSE pg_relation_size(oid) END) FROM relations WHERE relkind = 'r')
        <= 3 * 8192 AS small,
    (SELECT array_agg(relname::text ORDER BY relkind, relname) FROM relations WHERE relkind IN ('p', 'r')) AS tables,
    (SELECT array_agg(relname::text ORDER BY relname) FROM relations WHERE relkind = 'r') AS holding,
    (SELECT coalesce(array_agg(relname::text ORDER BY relname), '{}') FROM relations WHERE relkind = 'S') AS sequences
FROM parts
HAVING count(*) > 0
