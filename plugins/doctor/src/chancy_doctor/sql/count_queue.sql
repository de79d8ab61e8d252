-- How many runnable jobs a queue has, counted up to {limit}. Walks jobs_ready.
--
-- queue  text
-- limit  integer
SELECT count(*)
FROM (
    SELECT
    FROM {schema}.jobs_v1 AS jobs
    WHERE jobs.queue = %(queue)s AND jobs.state = 'pending'
    ORDER BY jobs.priority, jobs.id
    LIMIT %(limit)s
) AS first
