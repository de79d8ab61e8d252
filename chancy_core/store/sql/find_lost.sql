-- The next {limit} jobs that rescue_jobs would take, of those not yet tried.
--
-- me       text               as in rescue_jobs
-- limit    integer
-- grace_s  double precision   as in rescue_jobs
-- tried    uuid[]
--
-- Returns (id, queue, orphan), orphan being whether its worker has no row at all. Uses jobs_running, as rescue_jobs does.
SELECT id, queue, NOT EXISTS (SELECT FROM {schema}.workers WHERE workers.worker = jobs.worker) AS orphan
FROM {schema}.jobs
WHERE state = 'running'
  AND NOT EXISTS (
      SELECT FROM {schema}.workers WHERE workers.worker = jobs.worker AND lease_until > now()
  )
  AND worker <> %(me)s
  AND NOT now() BETWEEN pg_postmaster_start_time()
                     AND pg_postmaster_start_time() + make_interval(secs => %(grace_s)s)
  AND id <> ALL (%(tried)s::uuid[])
ORDER BY worker
LIMIT %(limit)s
