-- Pause or resume a queue. Returns no row if it was never declared.
--
-- name, state text; resume_at timestamptz or NULL
UPDATE {schema}.queues SET state = %(state)s, resume_at = %(resume_at)s WHERE name = %(name)s RETURNING name
