-- One schedule, locked for this transaction, and the database's time.
--
-- name    text
--
-- Uses cron_schedules_pkey.
--
-- A time that Python cannot read, which only another's hand can have written, is NULL.
SELECT name, cron, timezone, job::text AS job, queue, missed, missed_max, jitter_s, overlap, paused,
       CASE WHEN next_at >= '1970-01-01 00:00+00' AND next_at < '9999-01-01 00:00+00' THEN next_at END AS next_at,
       CASE WHEN last_fired_at >= '1970-01-01 00:00+00' AND last_fired_at < '9999-01-01 00:00+00' THEN last_fired_at END
           AS last_fired_at,
       last_job, last_error, source, clock_timestamp() AS now
FROM {schema}.cron_schedules
WHERE name = %(name)s
FOR UPDATE
