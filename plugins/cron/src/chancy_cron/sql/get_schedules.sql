-- Schedules, by name.
--
-- name    text   only this one; NULL: all
SELECT name, cron, timezone, job::text AS job, queue, missed, missed_max, jitter_s, overlap, paused, next_at, last_fired_at,
       last_job, last_error, source
FROM {schema}.cron_schedules
WHERE %(name)s::text IS NULL OR name = %(name)s
ORDER BY name
