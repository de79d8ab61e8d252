-- What all queues did, by steps of whole hours, from the views of chancy-history: (at, started, first, finished, bad, wait_s).
--
-- As read_history, for long times: of the hours that were added up already a row each, and of the rest as it was counted.
--
-- since_s  double precision  seconds before now
-- step_s   double precision  seconds, whole hours
WITH added AS MATERIALIZED (
    SELECT coalesce(max(at) + interval '1 hour', '-infinity') AS until FROM {schema}.history_totals_v1
)
SELECT date_bin(make_interval(secs => %(step_s)s), at, '2000-01-01 00:00:00+00') AS at,
       sum(started)::bigint AS started,
       sum(first)::bigint AS first,
       sum(finished)::bigint AS finished,
       sum(bad)::bigint AS bad,
       sum(wait_s)::double precision AS wait_s
FROM (
    SELECT at, started, first, finished, bad, wait_s
    FROM {schema}.history_totals_v1
    WHERE at >= now() - make_interval(secs => %(since_s)s)
    UNION ALL
    SELECT at, started, first, succeeded + failed + cancelled, failed + retried, wait_s
    FROM {schema}.history_v1
    WHERE at >= greatest(now() - make_interval(secs => %(since_s)s), (SELECT until FROM added))
) AS counted
GROUP BY 1
ORDER BY 1
