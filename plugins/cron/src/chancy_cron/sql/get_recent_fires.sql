-- What was fired lately of some schedules: (schedule, fire_at, job, skipped), the newest first within each.
--
-- names    text[]
-- since_s  double precision  seconds before now
-- limit    integer           so many of each at most
--
-- Uses cron_fires_pkey, read backwards for each.
SELECT fires.schedule, fires.fire_at, fires.job, fires.skipped
FROM unnest(%(names)b::text[]) AS wanted (name)
CROSS JOIN LATERAL (
    SELECT schedule, fire_at, job, skipped
    FROM {schema}.cron_fires
    WHERE schedule = wanted.name AND fire_at > now() - make_interval(secs => %(since_s)s) AND fire_at <= now()
    ORDER BY fire_at DESC
    LIMIT %(limit)s
) AS fires
