-- Which jobs wait that have these keys, of each of which one may wait while others run. Uses jobs_waiting_key.
--
-- keys     text[]
--
-- Of several it is the one that was never claimed: the others are retries and the like, which wait beside it.
-- Returns what find_by_unique_key does.
SELECT DISTINCT ON (waiting_key)
       waiting_key, id, state, state <> 'running' AND cancel_note IS NULL AS replaceable, queue
FROM {schema}.jobs
WHERE waiting_key = ANY (%(keys)s)
  -- One that was never claimed holds its key whatever else somebody may have written into its row.
  AND (claims = 0 OR state <> 'running' AND cancel_note IS NULL)
ORDER BY waiting_key, claims, id
