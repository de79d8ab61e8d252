-- Functions of the newest jobs, by name.
--
-- limit  integer   so many live jobs are read, and as many finished ones
--
-- Uses jobs_pkey and finished_jobs_id, from their ends.
SELECT DISTINCT func
FROM (
    (SELECT func FROM {schema}.jobs_v1 ORDER BY id DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT func FROM {schema}.finished_jobs_v1 ORDER BY id DESC LIMIT %(limit)s)
) AS newest
ORDER BY func
LIMIT 500
