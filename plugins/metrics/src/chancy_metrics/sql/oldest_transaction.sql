-- What keeps vacuum from removing dead rows in this database: (seconds, transactions).
--
-- seconds       age of the oldest open transaction that holds a snapshot or has written; 0 without one
-- transactions  how many transactions ago the oldest snapshot was taken, replication slots included; 0 without one
--
-- Prepared transactions count: they are the ones that everybody has forgotten. Vacuum itself holds nothing back. The
-- start of other roles' transactions is seen only by members of pg_read_all_stats; their snapshots are seen by everyone.
WITH holder AS (
    SELECT xact_start AS since, greatest(age(backend_xmin), age(backend_xid)) AS behind
    FROM pg_stat_activity
    WHERE datname = current_database()
      AND pid <> pg_backend_pid()
      AND backend_type <> 'autovacuum worker'
      AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
    UNION ALL
    SELECT prepared, age(transaction) FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL
    SELECT NULL, age(xmin) FROM pg_replication_slots WHERE xmin IS NOT NULL
)
SELECT greatest(coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0), 0)::double precision,
       coalesce(max(behind), 0)::double precision
FROM holder
