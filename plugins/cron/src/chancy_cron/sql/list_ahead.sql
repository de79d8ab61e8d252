-- Schedules whose next look lies ahead, or is missing, by name: to find out whether it lies further ahead than it can.
--
-- after      text               names after this one
-- ahead_s    double precision   what is due within so many seconds need not be looked at
-- retry_s    double precision   a schedule that could not be fired is looked at again within so many seconds
-- limit      integer
--
-- A time that Python cannot read, which only another's hand can have written, is NULL. Uses cron_schedules_pkey.
SELECT name, cron, timezone,
       CASE WHEN next_at >= '1970-01-01 00:00+00' AND next_at < '9999-01-01 00:00+00' THEN next_at END AS next_at,
       CASE WHEN last_fired_at >= '1970-01-01 00:00+00' AND last_fired_at < '9999-01-01 00:00+00' THEN last_fired_at END
           AS last_fired_at,
       wake_at IS NULL OR wake_at > greatest(next_at, now() + make_interval(secs => %(retry_s)s)) AS sleeps,
       now() AS now
FROM {schema}.cron_schedules
WHERE NOT paused
  AND name > %(after)s
  AND (wake_at IS NULL OR wake_at > now() + make_interval(secs => %(ahead_s)s))
ORDER BY name
LIMIT %(limit)s
