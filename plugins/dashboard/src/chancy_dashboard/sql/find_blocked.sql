-- Sessions that wait for a lock on one of our tables, and who holds it: (pid, who, waits_s, relation, by).
--
-- schema  text
SELECT waiting.pid,
       concat_ws(' ', nullif(activity.application_name, ''), 'of role ' || activity.usename) AS who,
       extract(epoch FROM clock_timestamp() - activity.query_start)::double precision AS waits_s,
       tables.relname::text AS relation,
       pg_blocking_pids(waiting.pid) AS by
FROM pg_locks AS waiting
JOIN pg_class AS tables ON tables.oid = waiting.relation
JOIN pg_namespace AS schemas ON schemas.oid = tables.relnamespace AND schemas.nspname = %(schema)s
JOIN pg_stat_activity AS activity ON activity.pid = waiting.pid
WHERE NOT waiting.granted
ORDER BY activity.query_start
LIMIT 20
