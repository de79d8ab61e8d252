-- What keeps vacuum from removing dead rows in this database: (kind, name, who, state, since_s, behind), the oldest first.
--
-- kind     backend, prepared, slot
-- name     its process id; the name of the prepared transaction, or of the replication slot
-- since_s  seconds for which it has been open; NULL where nobody knows
-- behind   how many transactions ago its snapshot was taken
--
-- Vacuum itself holds nothing back. The start of other roles' transactions is seen only by members of pg_read_all_stats.
SELECT kind, name, who, state, since_s, behind
FROM (
    SELECT CASE WHEN backend_type = 'walsender' THEN 'standby' ELSE 'backend' END AS kind,
           pid::text AS name,
           concat_ws(' ', nullif(application_name, ''), 'of role ' || usename, 'at ' || host(client_addr)) AS who,
           state,
           extract(epoch FROM clock_timestamp() - xact_start)::double precision AS since_s,
           greatest(age(backend_xmin), age(backend_xid)) AS behind
    FROM pg_stat_activity
    WHERE (datname = current_database() OR backend_type = 'walsender')
      AND pid <> pg_backend_pid()
      AND backend_type NOT LIKE 'autovacuum%'
      AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
    UNION ALL
    SELECT 'prepared', gid, 'of role ' || owner, 'prepared',
           extract(epoch FROM clock_timestamp() - prepared)::double precision, age(transaction)
    FROM pg_prepared_xacts
    WHERE database = current_database()
    UNION ALL
    SELECT 'slot', slot_name::text, CASE WHEN active THEN 'in use' ELSE 'used by nobody' END, slot_type, NULL,
           greatest(age(xmin), age(catalog_xmin))
    FROM pg_replication_slots
    WHERE xmin IS NOT NULL
) AS holder
ORDER BY since_s DESC NULLS LAST, behind DESC
LIMIT 20
