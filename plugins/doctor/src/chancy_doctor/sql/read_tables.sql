-- How the tables of the schema do: (name, live, dead, vacuumed_s_ago, autovacuum_off). Statistics of the server only.
SELECT tables.relname::text,
       tables.n_live_tup,
       tables.n_dead_tup,
       extract(epoch FROM now() - greatest(tables.last_autovacuum, tables.last_vacuum))::double precision,
       coalesce(pg_class.reloptions @> ARRAY['autovacuum_enabled=false'], false)
           OR coalesce(pg_class.reloptions @> ARRAY['autovacuum_enabled=off'], false)
FROM pg_stat_all_tables AS tables
JOIN pg_class ON pg_class.oid = tables.relid
WHERE tables.schemaname = %(schema)s
ORDER BY tables.relname
