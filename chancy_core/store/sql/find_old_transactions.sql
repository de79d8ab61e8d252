-- Transactions of this database that have gone on for longest, as far as this role may see them: what CREATE INDEX
-- CONCURRENTLY waits for.
-- Index: none, a view of the server
SELECT pid, usename, application_name, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s
FROM pg_stat_activity
WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
ORDER BY xact_start
LIMIT 3
