-- The jobs of a test, live and finished, the oldest first.
--
-- func    text      whose function has this name; NULL: any
-- queue   text      of this queue; NULL: any
-- limit   integer   so many at most, the newest
--
-- Returns (id). Reads all jobs of the schema: there are a test's worth of them.
SELECT id FROM (
    SELECT id FROM (
        SELECT id, func, queue FROM {schema}.jobs
        UNION ALL
        SELECT id, func, queue FROM {schema}.finished_jobs
    ) AS pushed
    WHERE (%(func)s::text IS NULL OR func = %(func)s::text) AND (%(queue)s::text IS NULL OR queue = %(queue)s::text)
    ORDER BY id DESC
    LIMIT %(limit)s
) AS newest
ORDER BY id
