-- The server, for `chancy bench`: what decides how fast it can be. One row:
--
-- version             of PostgreSQL
-- fsync               whether what is committed is on the disk
-- synchronous_commit  whether a commit waits for that, as the setting has it
-- standby             whether a commit waits for a standby as well
-- in_recovery         whether it is a standby itself, which takes no changes
-- may_create          whether this role may make a schema
-- is_near             whether it answers from this machine
-- others              how many sessions of others are at work now, as far as this role may see
-- connections         how many clients are connected, and
-- connections_max     how many may be
SELECT current_setting('server_version'),
       current_setting('fsync')::boolean,
       current_setting('synchronous_commit'),
       current_setting('synchronous_standby_names') <> '',
       pg_is_in_recovery(),
       has_database_privilege(current_database(), 'CREATE'),
       coalesce(inet_server_addr() = inet_client_addr(), true),
       (
           SELECT count(*) FROM pg_stat_activity
           WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()
       ),
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
       current_setting('max_connections')::integer
