-- Give running jobs the attempts that their functions declare, before they are released to be tried again: their rows had
-- been written by somebody who did not know of it.
--
-- id       uuid[]      sorted
-- claims   integer[]   the fence, as in finish_jobs
-- most     integer[]   the attempts
--
-- How it finds the rows is explained in finish_jobs; uses jobs_pkey.
WITH outcome AS (
    SELECT *
    FROM unnest(
        (SELECT %(id)s::uuid[]), (SELECT %(claims)s::integer[]), (SELECT %(most)s::integer[])
    ) AS given (id, claims, most)
)
UPDATE {schema}.jobs
SET max_attempts = greatest(jobs.max_attempts, outcome.most)
FROM outcome
WHERE jobs.id = ANY (ARRAY[outcome.id]) AND jobs.claims = outcome.claims AND jobs.worker IS NOT NULL
