-- Have an operation stopped: by whoever advances it after the batch that is being done, or, if it is being counted, now.
--
-- id  uuid
UPDATE {schema}.dashboard_operations
SET state = CASE WHEN state = 'running' THEN 'stopping' ELSE 'stopped' END,
    ended_at = CASE WHEN state = 'counting' THEN clock_timestamp() END
WHERE id = %(id)s AND state IN ('counting', 'running')
RETURNING id, state, action, options, filter, queue, made_by, made_from, made_at, confirmed_by, confirmed_at, reason, after, counted,
    found, by_state, batches, next_batch, done, skipped, fresh, ended_at, error, holder, term
