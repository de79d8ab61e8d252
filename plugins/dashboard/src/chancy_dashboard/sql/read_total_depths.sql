-- How many jobs of all queues waited, by steps of whole hours, from the views of chancy-history: (at, pending).
--
-- As read_depths, for long times: an hour that was added up already counts as its sixty minutes.
--
-- since_s  double precision  seconds before now
-- step_s   double precision  seconds, whole hours
WITH added AS MATERIALIZED (
    SELECT coalesce(max(at) + interval '1 hour', '-infinity') AS until FROM {schema}.history_totals_v1
)
SELECT date_bin(make_interval(secs => %(step_s)s), at, '2000-01-01 00:00:00+00') AS at,
       (sum(pending * minutes) / sum(minutes) FILTER (WHERE pending IS NOT NULL))::double precision AS pending
FROM (
    SELECT at, pending, 60 AS minutes
    FROM {schema}.history_totals_v1
    WHERE at >= now() - make_interval(secs => %(since_s)s)
    UNION ALL
    SELECT at, CASE WHEN bool_or(pending IS NULL) THEN NULL ELSE sum(pending) END, 1
    FROM {schema}.history_depths_v1
    WHERE at >= greatest(now() - make_interval(secs => %(since_s)s), (SELECT until FROM added))
    GROUP BY at
) AS moments
GROUP BY 1
ORDER BY 1
