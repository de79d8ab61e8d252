-- Since when some schedules fire at the times at which they do: (name, times_since). Uses cron_schedules_pkey.
--
-- names    text[]
SELECT name, times_since
FROM {schema}.cron_schedules
WHERE name = ANY (%(names)b::text[])
