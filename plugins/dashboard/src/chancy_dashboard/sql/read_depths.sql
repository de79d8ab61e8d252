-- How many jobs waited, by steps of time, from the view of chancy-history: (at, queue, pending).
--
-- pending  the mean of the step; NULL: too many to be counted
--
-- since_s  double precision  seconds before now
-- step_s   double precision  seconds
-- queue    text              NULL: all queues together, whose name is empty then
--
-- By history_depths_pkey, from `since_s` on.
SELECT date_bin(make_interval(secs => %(step_s)s), at, '2000-01-01 00:00:00+00') AS at,
       coalesce(%(queue)s, '') AS queue,
       avg(pending)::double precision AS pending
FROM (
    SELECT at, CASE WHEN bool_or(pending IS NULL) THEN NULL ELSE sum(pending) END AS pending
    FROM {schema}.history_depths_v1
    WHERE at >= now() - make_interval(secs => %(since_s)s) AND (%(queue)s::text IS NULL OR queue = %(queue)s)
    GROUP BY at
) AS moments
GROUP BY 1
ORDER BY 1
