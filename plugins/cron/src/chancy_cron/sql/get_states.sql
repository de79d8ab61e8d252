-- The states of jobs, as far as they are still there: (id, state).
--
-- ids    uuid[]
--
-- By the indexes of ids of both views, one look into each partition for each id.
SELECT id, state FROM {schema}.jobs_v1 WHERE id = ANY (%(ids)s::uuid[])
UNION ALL
SELECT id, state FROM {schema}.finished_jobs_v1 WHERE id = ANY (%(ids)s::uuid[])
