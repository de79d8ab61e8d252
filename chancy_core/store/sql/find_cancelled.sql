-- The runs of one worker that somebody wants cancelled. Uses jobs_cancelled.
--
-- worker   text
SELECT id, claims
FROM {schema}.jobs
WHERE worker = %(worker)s AND cancel_note IS NOT NULL
