-- How many live jobs a queue has.
--
-- name   text
SELECT count(*) FROM {schema}.jobs WHERE queue = %(name)s
