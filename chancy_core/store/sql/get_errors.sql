-- The latest error of each of these jobs, live or finished.
--
-- ids   uuid[]
--
-- Returns (id, state, func, type, message, traceback, at), the newest id first; nothing for a job without an error. Uses jobs_pkey and
-- finished_jobs_id.
SELECT id, state, func, error ->> 'type', left(error ->> 'message', 300), error ->> 'traceback', error ->> 'at'
FROM (
    SELECT id, state, func, errors -> -1 AS error FROM {schema}.jobs WHERE id = ANY (%(ids)s)
    UNION ALL
    SELECT id, state, func, errors -> -1 FROM {schema}.finished_jobs WHERE id = ANY (%(ids)s)
) AS failed
WHERE error IS NOT NULL
ORDER BY id DESC
