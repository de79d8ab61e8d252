-- How many runnable jobs of a queue are claimed before a job, counted up to {limit}. Walks jobs_ready.
--
-- queue     text
-- priority  integer   the job's
-- id        uuid      its id
-- limit     integer
SELECT count(*)
FROM (
    SELECT
    FROM {schema}.jobs_v1 AS jobs
    WHERE jobs.queue = %(queue)s AND jobs.state = 'pending' AND (jobs.priority, jobs.id) < (%(priority)s, %(id)s)
    ORDER BY jobs.priority, jobs.id
    LIMIT %(limit)s
) AS first
