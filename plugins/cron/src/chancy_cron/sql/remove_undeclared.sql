-- Remove the schedules that the settings of `owner` declared before, and do not declare now.
--
-- owner    text
-- names    text[]   those that they declare now
--
-- Returns their names.
DELETE FROM {schema}.cron_schedules
WHERE source = 'toml' AND owner = %(owner)s AND name <> ALL (%(names)s::text[])
RETURNING name
