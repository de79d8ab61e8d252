-- Let an operation that has been counted begin, or one that was stopped or has failed go on.
--
-- id            uuid
-- found         bigint   how many jobs whoever confirms it has seen
-- confirmed_by  text
-- reason        text
UPDATE {schema}.dashboard_operations
SET state = 'running', confirmed_by = %(confirmed_by)s, confirmed_at = clock_timestamp(), reason = %(reason)s,
    ended_at = NULL, error = NULL, lease_until = '-infinity'
WHERE id = %(id)s AND counted AND found = %(found)s AND state IN ('counted', 'stopped', 'failed')
RETURNING id, state, action, options, filter, queue, made_by, made_from, made_at, confirmed_by, confirmed_at, reason, after, counted,
    found, by_state, batches, next_batch, done, skipped, fresh, ended_at, error, holder, term
