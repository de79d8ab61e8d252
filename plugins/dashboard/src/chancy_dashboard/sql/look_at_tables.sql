-- The tables of the schema, the largest first: (name, partitions, size_bytes, live, dead, vacuumed_at). The partitions of a
-- table are one row, which has their number. Statistics of the server.
--
-- schema  text
-- limit   integer
SELECT coalesce(parents.relname, tables.relname)::text AS name,
       count(parents.oid) AS partitions,
       sum(pg_total_relation_size(tables.relid))::bigint AS size_bytes,
       sum(tables.n_live_tup)::bigint AS live,
       sum(tables.n_dead_tup)::bigint AS dead,
       max(greatest(tables.last_autovacuum, tables.last_vacuum)) AS vacuumed_at
FROM pg_stat_all_tables AS tables
LEFT JOIN pg_inherits ON pg_inherits.inhrelid = tables.relid
LEFT JOIN pg_class AS parents ON parents.oid = pg_inherits.inhparent
WHERE tables.schemaname = %(schema)s
GROUP BY 1
ORDER BY size_bytes DESC, name
LIMIT %(limit)s
