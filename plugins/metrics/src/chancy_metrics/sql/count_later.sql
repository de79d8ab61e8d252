-- How many jobs wait for their time, at most {limit} of all queues together: (queue, state, count). Walks jobs_due.
--
-- limit  integer
SELECT queue, state, count(*)
FROM (
    SELECT queue, state
    FROM {schema}.jobs_v1
    WHERE state IN ('scheduled', 'retrying')
    ORDER BY scheduled_at
    LIMIT %(limit)s
) AS counted
GROUP BY queue, state
