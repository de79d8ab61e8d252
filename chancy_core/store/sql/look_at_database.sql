-- The server and the database, for people to look at. One row:
--
-- version               of PostgreSQL
-- database              its name
-- read_only             whether nothing can be written there now
-- size_bytes            the database on disk
-- connections           how many clients are connected to the server, and
-- connections_max       how many may be
-- oldest_transaction_s  for how long the oldest snapshot of this database has been held; NULL: none is
-- notify_queue          how full the queue of notifications is, from 0 to 1
-- behind_s              if it is a standby: how old what it shows is, 0 if it has all that it was sent; NULL: it is none
--
-- What other roles do is hidden from one that is not a member of pg_read_all_stats: their snapshots are not counted then.
SELECT current_setting('server_version'),
       current_database(),
       current_setting('transaction_read_only')::boolean,
       pg_database_size(current_database()),
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
       current_setting('max_connections')::integer,
       (
           SELECT max(extract(epoch FROM now() - xact_start))::double precision
           FROM pg_stat_activity
           WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
       ),
       pg_notification_queue_usage(),
       CASE
           WHEN NOT pg_is_in_recovery() THEN NULL
           WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
           ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp())
       END::double precision
