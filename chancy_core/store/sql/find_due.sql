-- The next {limit} jobs that promote_jobs would take, of those not yet tried.
--
-- limit   integer
-- tried   uuid[]
--
-- Returns (id, queue). Uses jobs_due.
SELECT id, queue
FROM {schema}.jobs
WHERE state IN ('scheduled', 'retrying') AND scheduled_at <= now() AND id <> ALL (%(tried)s::uuid[])
ORDER BY scheduled_at
LIMIT %(limit)s
