-- For how many seconds the oldest runnable job of each queue has been waiting: (queue, seconds). Walks jobs_ready and
-- jobs_due.
--
-- levels  integer   priorities looked at in each queue, the most urgent first
-- heads   integer   jobs looked at in each of them
--
-- Within a priority the ids are in the order of the pushes, so the oldest stands among the first; not always in front,
-- because a retry, or a job that was scheduled, waits only since it became due. Starving jobs stand at the last
-- priorities, so each has a look of its own. Jobs that are due and were not promoted yet count as well: if nobody
-- promotes them, that is what there is to see.
WITH RECURSIVE level AS (
    SELECT queues.name AS queue, first.priority, 1 AS depth
    FROM {schema}.queues_v1 AS queues
    CROSS JOIN LATERAL (
        SELECT jobs.priority
        FROM {schema}.jobs_v1 AS jobs
        WHERE jobs.queue = queues.name AND jobs.state = 'pending'
        ORDER BY jobs.priority
        LIMIT 1
    ) AS first
    UNION ALL
    SELECT level.queue, next.priority, level.depth + 1
    FROM level
    CROSS JOIN LATERAL (
        SELECT jobs.priority
        FROM {schema}.jobs_v1 AS jobs
        WHERE jobs.queue = level.queue AND jobs.state = 'pending' AND jobs.priority > level.priority
        ORDER BY jobs.priority
        LIMIT 1
    ) AS next
    WHERE level.depth < %(levels)s
),
runnable AS (
    SELECT level.queue, head.since
    FROM level
    CROSS JOIN LATERAL (
        SELECT greatest(jobs.created_at, jobs.scheduled_at) AS since
        FROM {schema}.jobs_v1 AS jobs
        WHERE jobs.queue = level.queue AND jobs.state = 'pending' AND jobs.priority = level.priority
        ORDER BY jobs.id
        LIMIT %(heads)s
    ) AS head
    UNION ALL
    SELECT due.queue, due.since
    FROM (
        SELECT queue, scheduled_at AS since
        FROM {schema}.jobs_v1 AS jobs
        WHERE state IN ('scheduled', 'retrying') AND scheduled_at <= now()
        ORDER BY scheduled_at
        LIMIT %(heads)s
    ) AS due
)
SELECT queue, extract(epoch FROM now() - min(since))::double precision
FROM runnable
WHERE isfinite(since)
GROUP BY queue
