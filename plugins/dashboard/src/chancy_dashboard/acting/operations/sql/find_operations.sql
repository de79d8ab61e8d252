-- Operations, the newest first. Uses dashboard_operations_pkey or dashboard_operations_made_at.
--
-- id     uuid      this one; NULL: all
-- limit  integer
SELECT id, state, action, options, filter, queue, made_by, made_from, made_at, confirmed_by, confirmed_at, reason, after, counted,
    found, by_state, batches, next_batch, done, skipped, fresh, ended_at, error, holder, term
FROM {schema}.dashboard_operations
WHERE %(id)s::uuid IS NULL OR id = %(id)s
ORDER BY made_at DESC, id
LIMIT %(limit)s
