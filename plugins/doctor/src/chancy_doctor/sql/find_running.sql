-- What runs, by worker: (worker, alive, count, longest_s). A row for each running job: jobs_running.
SELECT worker, worker_alive, count(*), greatest(max(runs_s), 0)
FROM {schema}.jobs_v1
WHERE state = 'running'
GROUP BY worker, worker_alive
ORDER BY worker
