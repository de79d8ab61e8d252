-- How the server does: one row, of which the columns are named. Views of the server only.
SELECT pg_is_in_recovery() AS standby,
       current_setting('transaction_read_only') = 'on' AS read_only,
       CASE
           WHEN NOT pg_is_in_recovery() THEN NULL
           WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
           ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp())
       END::double precision AS behind_s,
       current_setting('autovacuum') = 'on' AS autovacuum,
       pg_notification_queue_usage()::double precision AS notify_share,
       current_setting('max_connections')::integer
           - current_setting('superuser_reserved_connections')::integer AS connections_max,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user AND NOT rolsuper) AS role_max,
       (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user) AS role_connections,
       current_user::text AS role,
       (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()) AS database_max,
       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS database_connections,
       current_database()::text AS database,
       (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()) AS frozen_age,
       current_setting('autovacuum_freeze_max_age')::integer AS freeze_max_age,
       extract(epoch FROM clock_timestamp())::double precision AS clock
