-- How many jobs run, at most {limit} of all queues together: (queue, state, count). Walks jobs_running.
--
-- limit  integer
SELECT queue, 'running', count(*)
FROM (
    SELECT queue
    FROM {schema}.jobs_v1
    WHERE state = 'running'
    ORDER BY worker
    LIMIT %(limit)s
) AS counted
GROUP BY queue
