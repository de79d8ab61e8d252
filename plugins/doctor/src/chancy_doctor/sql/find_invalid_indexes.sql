-- Indexes of the schema that the server does not use, because they were not built to their end: (index, table).
--
-- schema  text
SELECT pg_class.relname::text, pg_index.indrelid::regclass::text
FROM pg_index
JOIN pg_class ON pg_class.oid = pg_index.indexrelid
WHERE pg_class.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
  AND NOT (pg_index.indisvalid AND pg_index.indisready)
ORDER BY 1
