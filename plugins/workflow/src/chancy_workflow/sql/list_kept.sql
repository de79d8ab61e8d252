-- What a job has kept of its own steps, in the order in which it did. Uses workflow_kept_pkey.
--
-- job        uuid
-- most       integer   how many
-- most_chars integer   a longer value is left out
--
-- Returns (name, value as JSON text or NULL, how long it is, at).
SELECT name, CASE WHEN length(value::text) <= %(most_chars)s::integer THEN value::text END, length(value::text), at
FROM {schema}.workflow_kept
WHERE job = %(job)s::uuid
ORDER BY at, name
LIMIT %(most)s::integer
