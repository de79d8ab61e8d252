-- Up to `limit` schedules that are due, the longest due first, and locked for this transaction; those that another
-- worker fires just now are left out.
--
-- limit    integer
--
-- Uses cron_schedules_due.
SELECT name, cron, timezone, job::text AS job, queue, missed, missed_max, jitter_s, overlap, paused, next_at, last_fired_at,
       last_job, last_error, source, now() AS now
FROM {schema}.cron_schedules
WHERE NOT paused AND wake_at <= now()
ORDER BY wake_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
