-- How many runs of functions failed, by steps until now: (func, steps_ago, bad). Of chancy-history.
--
-- funcs    text[]
-- since_s  double precision   how far back
-- step_s   double precision   how long a step is
SELECT func, floor(extract(epoch FROM now() - at) / %(step_s)s)::integer AS steps_ago, sum(failed + retried) AS bad
FROM {schema}.history_v1
WHERE at > now() - make_interval(secs => %(since_s)s) AND func = ANY (%(funcs)s::text[])
GROUP BY 1, 2
