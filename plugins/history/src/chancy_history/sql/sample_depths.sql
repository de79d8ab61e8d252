-- Keep how many jobs wait in each declared queue, once a minute. Walks jobs_ready, `most` jobs a queue at most.
--
-- most  integer  NULL is kept for a queue with as many
INSERT INTO {schema}.history_depths (at, queue, pending)
SELECT date_trunc('minute', now(), 'UTC'), queues.name, nullif(pending.count, %(most)s::bigint)
FROM {schema}.queues_v1 AS queues
CROSS JOIN LATERAL (
    SELECT count(*)
    FROM (
        SELECT
        FROM {schema}.jobs_v1 AS jobs
        WHERE jobs.queue = queues.name AND jobs.state = 'pending'
        ORDER BY jobs.priority, jobs.id
        LIMIT %(most)s
    ) AS counted
) AS pending
WHERE NOT EXISTS (SELECT FROM {schema}.history_depths AS kept WHERE kept.at = date_trunc('minute', now(), 'UTC'))
ON CONFLICT DO NOTHING
