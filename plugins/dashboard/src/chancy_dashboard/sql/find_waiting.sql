-- What waits in each queue, declared or not: (queue, count, exact, oldest_s).
--
-- count     runnable jobs, as far as they were counted
-- exact     whether that is all of them
-- oldest_s  seconds for which the first job of some priority has waited, at the longest
--
-- limit  integer  so many of one queue at most …
-- all    integer  … and so many of all together, of each an equal part; but a hundred of each are always counted
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
),
part AS MATERIALIZED (
    SELECT greatest(least(%(limit)s, %(all)s / greatest(count(*), 1)), 100) AS most FROM waiting
)
SELECT waiting.queue, counted.count, counted.count < part.most AS exact, waiting.oldest_s
FROM waiting
CROSS JOIN part
CROSS JOIN LATERAL (
    SELECT count(*)
    FROM (
        SELECT
        FROM {schema}.jobs_v1 AS jobs
        WHERE jobs.queue = waiting.queue AND jobs.state = 'pending'
        ORDER BY jobs.priority, jobs.id
        LIMIT (SELECT most FROM part)
    ) AS first
) AS counted
ORDER BY waiting.queue
