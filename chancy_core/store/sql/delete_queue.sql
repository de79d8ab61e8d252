-- Forget a queue. Returns no row if it was never declared.
--
-- name   text
DELETE FROM {schema}.queues WHERE name = %(name)s RETURNING name
