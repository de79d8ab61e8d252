-- Remove the rows of workers whose lease ran out and who have no running job left.
--
-- grace_s  double precision   as in rescue_jobs
--
-- Returns (forgotten, living): their names, and how many workers have a lease.
WITH gone AS (
    DELETE FROM {schema}.workers
    WHERE lease_until <= now()
      AND now() - pg_postmaster_start_time() > make_interval(secs => %(grace_s)s)
      AND NOT EXISTS (SELECT FROM {schema}.jobs WHERE state = 'running' AND jobs.worker = workers.worker)
    RETURNING worker
)
SELECT ARRAY(SELECT worker FROM gone) AS forgotten,
       (SELECT count(*) FROM {schema}.workers WHERE lease_until > now()) AS living
