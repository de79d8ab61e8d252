-- About how many finished jobs are kept, as the statistics of their partitions have it.
--
-- schema  text
SELECT coalesce(sum(greatest(reltuples, 0)), 0)::double precision
FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
  AND relkind = 'r'
  AND relispartition
  AND relname LIKE 'finished\_%%'
