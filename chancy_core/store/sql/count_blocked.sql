-- How many of these backends wait for a lock that another one holds.
--
-- backends   integer[]   process ids of the server
SELECT count(*) FROM unnest(%(backends)s::integer[]) AS backend (pid) WHERE cardinality(pg_blocking_pids(backend.pid)) > 0
