-- Remove a schedule.
--
-- name    text
--
-- Returns who had declared it; nothing if there was none. Uses cron_schedules_pkey.
DELETE FROM {schema}.cron_schedules WHERE name = %(name)s RETURNING source
