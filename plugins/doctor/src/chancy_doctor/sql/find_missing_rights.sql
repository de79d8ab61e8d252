-- The tables of the schema on which this role lacks a right that workers and applications need: (table, rights, role).
--
-- schema  text
SELECT pg_class.relname::text, array_agg(wanted.privilege ORDER BY wanted.privilege), current_user::text
FROM pg_class
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted (privilege)
WHERE pg_class.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
  AND pg_class.relkind IN ('r', 'p')
  AND NOT pg_class.relispartition
  AND NOT (pg_class.relname = 'migrations' AND wanted.privilege <> 'SELECT')
  AND NOT has_table_privilege(pg_class.oid, wanted.privilege)
GROUP BY pg_class.relname
ORDER BY pg_class.relname
