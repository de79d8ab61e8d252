-- Take an operation that has to be advanced and that no process holds, if there is one. Uses dashboard_operations_open.
--
-- id       uuid               this one; NULL: whichever has waited longest
-- holder   text
-- lease_s  double precision
UPDATE {schema}.dashboard_operations
SET holder = %(holder)s, term = term + 1, lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE id = (
    SELECT id
    FROM {schema}.dashboard_operations
    WHERE state IN ('counting', 'running', 'stopping')
      AND lease_until < clock_timestamp()
      AND (%(id)s::uuid IS NULL OR id = %(id)s)
    ORDER BY made_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING id, state, action, options, filter, queue, made_by, made_from, made_at, confirmed_by, confirmed_at, reason, after, counted,
    found, by_state, batches, next_batch, done, skipped, fresh, ended_at, error, holder, term
