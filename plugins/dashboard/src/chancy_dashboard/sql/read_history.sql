-- What the queues did, by steps of time, from the view of chancy-history: (at, started, first, finished, bad, ran, wait_s).
--
-- at        the beginning of a step in which anything was counted
-- finished  jobs that ended by a run
-- bad       runs that failed, whether or not there is another attempt
-- ran       runs that ended, with another attempt to come or not
-- wait_s    for how long the first runs had waited, summed up
--
-- since_s  double precision  seconds before now
-- step_s   double precision  seconds
-- queue    text              NULL: of all queues
--
-- By history_minutes_pkey and history_hours_pkey, from `since_s` on.
SELECT date_bin(make_interval(secs => %(step_s)s), at, '2000-01-01 00:00:00+00') AS at,
       sum(started)::bigint AS started,
       sum(first)::bigint AS first,
       sum(succeeded + failed + cancelled)::bigint AS finished,
       sum(failed + retried)::bigint AS bad,
       sum(succeeded + failed + cancelled + retried)::bigint AS ran,
       sum(wait_s)::double precision AS wait_s
FROM {schema}.history_v1
WHERE at >= now() - make_interval(secs => %(since_s)s) AND (%(queue)s::text IS NULL OR queue = %(queue)s)
GROUP BY 1
ORDER BY 1
