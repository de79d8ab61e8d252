-- What the workers run now, the oldest run of each first.
--
-- limit   integer
--
-- Returns (worker, id, queue, func, attempts, seconds since it was claimed, whether it is to be cancelled). Reads jobs_running, which
-- holds as many jobs as run.
SELECT worker, id, queue, func, attempts,
       extract(epoch FROM now() - least(started_at, now()))::double precision, cancel_note IS NOT NULL
FROM (SELECT * FROM {schema}.jobs WHERE state = 'running' LIMIT %(limit)s) AS running
ORDER BY worker, started_at, id
