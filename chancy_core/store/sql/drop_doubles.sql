-- Remove jobs that were stored once more although they have finished by now. It is the statement after the one that stored
-- them, in its transaction, so that it sees what was committed meanwhile.
--
-- ids   uuid[]
--
-- Returns the ids. Uses jobs_pkey and finished_jobs_id.
DELETE FROM {schema}.jobs
WHERE id = ANY (ARRAY(SELECT id FROM {schema}.finished_jobs WHERE id = ANY (%(ids)s)))
RETURNING id
