-- Lock an operation for the length of a transaction, and renew its lease, if this process still holds it.
--
-- id       uuid
-- term     bigint             the term in which it was taken
-- lease_s  double precision
UPDATE {schema}.dashboard_operations
SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE id = %(id)s AND term = %(term)s
RETURNING id, state, action, options, filter, queue, made_by, made_from, made_at, confirmed_by, confirmed_at, reason, after, counted,
    found, by_state, batches, next_batch, done, skipped, fresh, ended_at, error, holder, term
