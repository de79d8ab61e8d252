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
       pg_notification_queue_usage()
