-- Prolong a worker's lease, and nothing else. Returns no row if it is no longer known: others have taken its jobs.
--
-- worker   text
-- lease_s  double precision
UPDATE {schema}.workers
SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s), lease_s = %(lease_s)s, seen_at = now()
WHERE worker = %(worker)s
RETURNING worker
