-- Note how far runs are.
--
-- id         uuid[]      sorted
-- claims     integer[]   the fence, as in finish_jobs
-- progress   text[]      JSON
--
-- Uses jobs_pkey; touches no indexed column.
UPDATE {schema}.jobs
SET progress = report.progress::json
FROM unnest(
    (SELECT %(id)s::uuid[]), (SELECT %(claims)s::integer[]), (SELECT %(progress)s::text[])
) AS report (id, claims, progress)
WHERE jobs.id = ANY (ARRAY[report.id]) AND jobs.claims = report.claims AND jobs.worker IS NOT NULL
