-- The queues whose global concurrency is full, of runs whose workers are lost among others: (queue, limit, running, lost).
--
-- Index: jobs_running, which holds no more than what runs in the whole schema.
SELECT queues.name,
       queues.global_concurrency,
       count(*),
       count(*) FILTER (WHERE NOT jobs.worker_alive)
FROM {schema}.queues_v1 AS queues
JOIN {schema}.jobs_v1 AS jobs ON jobs.queue = queues.name AND jobs.state = 'running'
WHERE queues.global_concurrency IS NOT NULL
GROUP BY queues.name, queues.global_concurrency
HAVING count(*) >= queues.global_concurrency AND count(*) FILTER (WHERE NOT jobs.worker_alive) > 0
ORDER BY queues.name
