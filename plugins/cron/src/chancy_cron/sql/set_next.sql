-- Set the next time of a schedule that this transaction has locked.
--
-- name       text
-- next_at    timestamptz
--
-- Uses cron_schedules_pkey.
UPDATE {schema}.cron_schedules SET next_at = %(next_at)s, wake_at = %(next_at)s WHERE name = %(name)s
