-- One schedule, locked for this transaction, and the database's time.
--
-- name    text
--
-- Uses cron_schedules_pkey.
SELECT name, cron, timezone, job::text AS job, queue, missed, missed_max, jitter_s, overlap, paused, next_at, last_fired_at,
       last_job, last_error, source, clock_timestamp() AS now
FROM {schema}.cron_schedules
WHERE name = %(name)s
FOR UPDATE
