-- How many jobs wait in each declared queue, at most {limit} each: (queue, state, count). Walks jobs_ready.
--
-- limit  integer
SELECT queues.name, 'pending', pending.count
FROM {schema}.queues_v1 AS queues
CROSS JOIN LATERAL (
    SELECT count(*)
    FROM (
        SELECT
        FROM {schema}.jobs_v1 AS jobs
        WHERE jobs.queue = queues.name AND jobs.state = 'pending'
        ORDER BY jobs.priority, jobs.id
        LIMIT %(limit)s
    ) AS counted
) AS pending
