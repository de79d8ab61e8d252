-- What runs now: (worker, queue, func, count, oldest_s). By jobs_running: as many rows are read as jobs run.
SELECT worker, queue, func, count(*) AS count, max(runs_s) AS oldest_s
FROM {schema}.jobs_v1
WHERE state = 'running'
GROUP BY worker, queue, func
ORDER BY worker, count(*) DESC, queue, func
