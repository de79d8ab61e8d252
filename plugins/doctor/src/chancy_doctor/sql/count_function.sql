-- How many of the first {limit} runnable jobs of a queue call a function. Walks jobs_ready.
--
-- queue  text
-- func   text
-- limit  integer
SELECT count(*) FILTER (WHERE func = %(func)s)
FROM (
    SELECT jobs.func
    FROM {schema}.jobs_v1 AS jobs
    WHERE jobs.queue = %(queue)s AND jobs.state = 'pending'
    ORDER BY jobs.priority, jobs.id
    LIMIT %(limit)s
) AS first
