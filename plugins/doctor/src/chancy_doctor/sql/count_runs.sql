-- What runs, by queue and worker: (queue, worker, count). A row for each running job: jobs_running.
SELECT queue, worker, count(*)
FROM {schema}.jobs_v1
WHERE state = 'running'
GROUP BY queue, worker
