-- The runs of a queue, the longest first: (id, worker, runs_s, count), count being how many there are. jobs_running.
--
-- queue  text
-- limit  integer
SELECT id, worker, greatest(runs_s, 0), count(*) OVER ()
FROM {schema}.jobs_v1
WHERE state = 'running' AND queue = %(queue)s
ORDER BY runs_s DESC
LIMIT %(limit)s
