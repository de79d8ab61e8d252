-- Remove a worker that stopped in good order: one that holds no run any more. Whoever finds runs without their worker
-- counts them as lost.
--
-- worker   text
--
-- Returns no row if it holds some. Uses jobs_running.
DELETE FROM {schema}.workers
WHERE worker = %(worker)s
  AND NOT EXISTS (SELECT FROM {schema}.jobs WHERE state = 'running' AND jobs.worker = %(worker)s)
RETURNING worker
