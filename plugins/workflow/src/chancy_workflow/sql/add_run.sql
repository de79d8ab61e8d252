-- Store a run, unless one with its key is under way.
--
-- run         uuid
-- name        text
-- unique_key  text      NULL: none
-- on_failure  text
-- size        integer   how many steps it has
--
-- Returns its id, if it was stored. Uses workflow_runs_unique_key.
INSERT INTO {schema}.workflow_runs (id, name, unique_key, on_failure, size, unended)
VALUES (
    %(run)s::uuid, %(name)s::text, %(unique_key)s::text, %(on_failure)s::text, %(size)s::integer, %(size)s::integer
)
ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL AND state = 'running' DO NOTHING
RETURNING id::text
