-- The server and the database. One row, of which the columns are named. Views of the server only.
SELECT current_setting('server_version') AS version,
       current_database()::text AS database,
       pg_is_in_recovery() AS standby,
       pg_database_size(current_database()) AS size_bytes,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'chancy%%') AS ours,
       current_setting('max_connections')::integer AS connections_max,
       pg_notification_queue_usage()::double precision AS notify_share,
       (SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()) AS transactions,
       pg_postmaster_start_time() AS started_at
