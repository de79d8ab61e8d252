-- What waits in one queue: (queue, count, exact, oldest_s); no row if nothing does.
--
-- count     runnable jobs, counted up to `limit`
-- exact     whether that is all of them
-- oldest_s  seconds for which the first job of some priority has waited, at the longest
--
-- queue  text
-- limit  integer
--
-- Steps from one priority to the next along jobs_ready, at most a hundred of them.
WITH RECURSIVE head AS (
    (
        SELECT jobs.priority, jobs.waits_s
        FROM {schema}.jobs_v1 AS jobs
        WHERE jobs.queue = %(queue)s AND jobs.state = 'pending'
        ORDER BY jobs.priority, jobs.id
        LIMIT 1
    )
    UNION ALL
    SELECT next.priority, next.waits_s
    FROM head
    CROSS JOIN LATERAL (
        SELECT jobs.priority, jobs.waits_s
        FROM {schema}.jobs_v1 AS jobs
        WHERE jobs.queue = %(queue)s AND jobs.state = 'pending' AND jobs.priority > head.priority
        ORDER BY jobs.priority, jobs.id
        LIMIT 1
    ) AS next
),
oldest AS (
    SELECT greatest(max(waits_s), 0) AS oldest_s FROM (SELECT waits_s FROM head LIMIT 100) AS found
)
SELECT %(queue)s::text AS queue, counted.count, counted.count < %(limit)s AS exact, oldest.oldest_s
FROM oldest
CROSS JOIN (
    SELECT count(*)
    FROM (
        SELECT
        FROM {schema}.jobs_v1 AS jobs
        WHERE jobs.queue = %(queue)s AND jobs.state = 'pending'
        ORDER BY jobs.priority, jobs.id
        LIMIT %(limit)s
    ) AS first
) AS counted
WHERE counted.count > 0
