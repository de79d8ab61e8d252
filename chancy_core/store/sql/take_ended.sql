-- Take up to {limit} ends that a plugin has yet to be told. They are gone when the transaction in which it is told commits.
--
-- plugin   text
-- limit    integer
--
-- Returns (number, id, claims, queue, func, state, how, attempts, unique_key, note, meta, at), the oldest first. Uses
-- ended_due and ended_pkey.
WITH taken AS (
    DELETE FROM {schema}.ended
    WHERE number = ANY (ARRAY(
        SELECT number
        FROM {schema}.ended
        WHERE plugin = %(plugin)s AND due_at <= now()
        ORDER BY due_at
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING number, id, claims, queue, func, state, how, attempts, unique_key, note, meta::text, at
)
SELECT * FROM taken ORDER BY number
