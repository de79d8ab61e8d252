-- Who holds these unique keys now. Uses jobs_unique_key.
--
-- keys     text[]
--
-- Returns (unique_key, id, state, replaceable, queue), replaceable being whether it waits and may be replaced.
SELECT unique_key, id, state, state <> 'running' AND cancel_note IS NULL AS replaceable, queue
FROM {schema}.jobs
WHERE unique_key = ANY (%(keys)s) AND unique_key IS NOT NULL
