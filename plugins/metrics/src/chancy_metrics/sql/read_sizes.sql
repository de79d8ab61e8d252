-- How large the tables are with their indexes and partitions, and how many dead rows wait for vacuum: (table, bytes,
-- rows). Asks the file system and the statistics, and reads no table.
-- Of the tables themselves: a view has no size.
SELECT 'jobs',
       pg_total_relation_size('{schema}.jobs'::regclass)::double precision,
       pg_stat_get_dead_tuples('{schema}.jobs'::regclass)::double precision
UNION ALL
SELECT 'finished_jobs',
       sum(pg_total_relation_size(relid))::double precision,
       sum(pg_stat_get_dead_tuples(relid))::double precision
FROM pg_partition_tree('{schema}.finished_jobs'::regclass)
