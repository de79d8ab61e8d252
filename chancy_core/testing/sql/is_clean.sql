-- Whether nobody has left anything in a schema whose tests roll back what they do.
--
-- queues   text[]   the queues that it had at the beginning, by name
--
-- Returns (clean). Each table is read up to its first row.
SELECT NOT EXISTS (SELECT FROM {schema}.jobs)
    AND NOT EXISTS (SELECT FROM {schema}.finished_jobs)
    AND NOT EXISTS (SELECT FROM {schema}.ended)
    AND NOT EXISTS (SELECT FROM {schema}.workers)
    AND ARRAY(SELECT name FROM {schema}.queues WHERE state = 'active' ORDER BY name) = %(queues)s::text[] AS clean
