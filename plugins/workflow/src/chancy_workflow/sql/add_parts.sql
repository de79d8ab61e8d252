-- Make the parts of a map: one for each item. The run must be locked.
--
-- run    uuid
-- map    integer   the step
-- name   text      its name
-- items  json      an array
-- begin  integer   so many of them are ready
--
-- Returns (n, node) of those that are ready. Uses workflow_steps_pkey.
WITH base AS (
    SELECT max(n) + 1 AS n FROM {schema}.workflow_steps WHERE run = %(run)s::uuid
),
made AS (
    INSERT INTO {schema}.workflow_steps (run, n, name, kind, state, scope, need, node)
    SELECT %(run)s::uuid, base.n + place - 1, %(name)s::text || '[' || place - 1 || ']', 'part',
        CASE WHEN place <= %(begin)s::integer THEN 'ready' ELSE 'waiting' END, %(map)s::integer, 0,
        json_build_object('item', item)
    FROM base, json_array_elements(%(items)s::json) WITH ORDINALITY AS given (item, place)
    RETURNING n, state, name, node
)
SELECT n, name, node::text FROM made WHERE state = 'ready' ORDER BY n
