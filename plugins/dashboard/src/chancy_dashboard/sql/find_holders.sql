-- What keeps vacuum from removing dead rows in this database: (kind, name, who, state, since_s), the oldest first.
--
-- kind     backend, standby, prepared, slot
-- since_s  seconds for which it has been open; NULL where nobody knows
--
-- The start of other roles' transactions is seen only by members of pg_read_all_stats.
SELECT kind, name, who, state, since_s
FROM (
    SELECT CASE WHEN backend_type = 'walsender' THEN 'standby' ELSE 'backend' END AS kind,
           pid::text AS name,
           concat_ws(' ', nullif(application_name, ''), 'of role ' || usename, 'at ' || host(client_addr)) AS who,
           state,
           extract(epoch FROM clock_timestamp() - xact_start)::double precision AS since_s
    FROM pg_stat_activity
    WHERE (datname = current_database() OR backend_type = 'walsender')
      AND pid <> pg_backend_pid()
      AND backend_type NOT LIKE 'autovacuum%%'
      AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
    UNION ALL
    SELECT 'prepared', gid, 'of role ' || owner, 'prepared',
           extract(epoch FROM clock_timestamp() - prepared)::double precision
    FROM pg_prepared_xacts
    WHERE database = current_database()
    UNION ALL
    SELECT 'slot', slot_name::text, CASE WHEN active THEN 'in use' ELSE 'used by nobody' END, slot_type, NULL
    FROM pg_replication_slots
    WHERE xmin IS NOT NULL
) AS holder
ORDER BY since_s DESC NULLS LAST
LIMIT 20
