-- What waits in each queue, declared or not: (queue, count, oldest_s).
--
-- count     runnable jobs, counted up to `limit`
-- oldest_s  seconds for which the first job of some priority has waited, at the longest
--
-- limit  integer
--
-- Steps from one queue and priority to the next along jobs_ready, so that a long queue costs no more than a short one;
-- at most two thousand steps.
WITH RECURSIVE head AS (
    (
        SELECT jobs.queue, jobs.priority, jobs.waits_s
        FROM {schema}.jobs_v1 AS jobs
        WHERE jobs.state = 'pending'
        ORDER BY jobs.queue, jobs.priority, jobs.id
        LIMIT 1
    )
    UNION ALL
    SELECT next.queue, next.priority, next.waits_s
    FROM head
    CROSS JOIN LATERAL (
        SELECT jobs.queue, jobs.priority, jobs.waits_s
        FROM {schema}.jobs_v1 AS jobs
        WHERE jobs.state = 'pending' AND (jobs.queue, jobs.priority) > (head.queue, head.priority)
        ORDER BY jobs.queue, jobs.priority, jobs.id
        LIMIT 1
    ) AS next
),
waiting AS (
    SELECT queue, greatest(max(waits_s), 0) AS oldest_s
    FROM (SELECT queue, waits_s FROM head LIMIT 2000) AS found
    GROUP BY queue
)
SELECT waiting.queue, counted.count, waiting.oldest_s
FROM waiting
CROSS JOIN LATERAL (
    SELECT count(*)
    FROM (
        SELECT
        FROM {schema}.jobs_v1 AS jobs
        WHERE jobs.queue = waiting.queue AND jobs.state = 'pending'
        ORDER BY jobs.priority, jobs.id
        LIMIT %(limit)s
    ) AS first
) AS counted
ORDER BY waiting.queue
