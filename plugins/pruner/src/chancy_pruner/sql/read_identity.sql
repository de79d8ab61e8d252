-- What tells the rows of a partition apart for those who subscribe to it: 'd' by default its primary key, 'f' everything,
-- 'n' nothing, 'i' an index. No row: there is no such table.
--
-- schema, partition   text   their names
SELECT relreplident::text
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = %(schema)s AND relname = %(partition)s
