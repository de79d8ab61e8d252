-- Remove the rows of workers whose lease ran out and who have no running job left.
--
-- grace_s  double precision   as in rescue_jobs
--
-- Returns their names.
DELETE FROM {schema}.workers
WHERE lease_until <= now()
  AND NOT now() BETWEEN pg_postmaster_start_time() AND pg_postmaster_start_time() + make_interval(secs => %(grace_s)s)
  AND NOT EXISTS (SELECT FROM {schema}.jobs WHERE state = 'running' AND jobs.worker = workers.worker)
RETURNING worker
