-- Keep what was found of an operation's jobs, and how far was looked; in the transaction of hold_operation.
--
-- id        uuid
-- after     uuid      the last id that was looked at
-- counted   boolean   whether these were the last
-- found     bigint    how many have been found so far
-- by_state  json
-- batches   integer   how many batches they are
UPDATE {schema}.dashboard_operations
SET state = CASE WHEN NOT %(counted)s THEN state WHEN %(found)s::bigint = 0 THEN 'done' ELSE 'counted' END,
    ended_at = CASE WHEN %(counted)s AND %(found)s::bigint = 0 THEN clock_timestamp() END,
    lease_until = CASE WHEN %(counted)s THEN '-infinity' ELSE lease_until END,
    after = %(after)s, counted = %(counted)s, found = %(found)s, by_state = %(by_state)s, batches = %(batches)s
WHERE id = %(id)s
