-- Forget finished jobs.
--
-- ids      uuid[]
-- states   text[]      only jobs that are in this state, one for each id …
-- claims   integer[]   … and have been claimed so often; NULL, both: however they are
--
-- Returns the ids of those that are gone. Uses finished_jobs_id.
WITH asked AS (
    SELECT id
    FROM {schema}.finished_jobs
    WHERE id = ANY (%(ids)s)
      AND (%(states)s::text[] IS NULL OR (id, state, claims) IN (
          SELECT * FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(claims)s::integer[])
      ))
    ORDER BY id
    FOR UPDATE
)
DELETE FROM {schema}.finished_jobs
WHERE id = ANY (ARRAY(SELECT id FROM asked))
RETURNING id
