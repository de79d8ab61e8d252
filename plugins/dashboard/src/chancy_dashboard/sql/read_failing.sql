-- How many runs of each function began and failed, by steps until now: (func, steps_ago, started, bad). Of chancy-history.
--
-- since_s  double precision   how far back
-- step_s   double precision   how long a step is
--
-- By history_minutes_pkey and history_hours_pkey, from `since_s` on.
SELECT func, floor(extract(epoch FROM now() - at) / %(step_s)s)::integer AS steps_ago, sum(started)::bigint AS started,
    sum(failed + retried)::bigint AS bad
FROM {schema}.history_v1
WHERE at > now() - make_interval(secs => %(since_s)s)
GROUP BY 1, 2
