-- How many live jobs each queue has, by state, and for how long the one has waited that could be run the longest.
--
-- most   bigint   so many rows are read at most: beyond that, all counts are of what was read
--
-- Returns (queue, state, count, seconds, NULL unless they are pending). Reads the table, but no more of it than `most`.
SELECT queue,
       state,
       count(*),
       extract(epoch FROM now() - min(greatest(created_at, scheduled_at)) FILTER (WHERE state = 'pending'))::double precision
FROM (SELECT queue, state, created_at, scheduled_at FROM {schema}.jobs LIMIT %(most)s) AS read
GROUP BY queue, state
ORDER BY queue, state
