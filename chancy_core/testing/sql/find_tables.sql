-- The tables of a schema that have rows of their own, by name.
--
-- schema   text   its name
--
-- Returns (name). Reads the catalogs only; the parent of partitions has no rows itself.
SELECT relname::text AS name
FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s) AND relkind = 'r'
ORDER BY relname
