-- Lock those of these running jobs that nobody else has locked, so that a write of their outcomes waits for nobody.
--
-- id   uuid[]
--
-- Returns the ids. Uses jobs_pkey.
SELECT id
FROM {schema}.jobs
WHERE id = ANY (%(id)s::uuid[]) AND worker IS NOT NULL
ORDER BY id
FOR UPDATE SKIP LOCKED
