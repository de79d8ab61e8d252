-- Pause a schedule that this transaction has locked, or resume it.
--
-- name       text
-- paused     boolean
-- next_at    timestamptz   its next time
--
-- Uses cron_schedules_pkey.
UPDATE {schema}.cron_schedules
SET paused = %(paused)s, next_at = %(next_at)s, wake_at = %(next_at)s,
    times_since = CASE WHEN %(paused)s THEN times_since ELSE now() END
WHERE name = %(name)s
