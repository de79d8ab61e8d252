-- What became of runs whose outcomes were not accepted. Locks nothing, and waits for nobody.
--
-- id   uuid[]
--
-- Returns (id, claims, worker, state, note, live), live being whether the job is in jobs. Uses jobs_pkey and
-- finished_jobs_id.
SELECT id, claims, worker, state, note, true AS live FROM {schema}.jobs WHERE id = ANY (%(id)s::uuid[])
UNION ALL
SELECT id, claims, worker, state, note, false FROM {schema}.finished_jobs WHERE id = ANY (%(id)s::uuid[])
