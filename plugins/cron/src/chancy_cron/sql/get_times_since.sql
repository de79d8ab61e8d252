-- Since when it is known what some schedules fired at the times at which they fire: (name, since).
--
-- names    text[]
--
-- Older fires than the oldest that is kept may have been forgotten. Uses cron_schedules_pkey and, for each, the first
-- row of cron_fires_pkey.
SELECT name, greatest(times_since, (SELECT min(fire_at) FROM {schema}.cron_fires WHERE schedule = name))
FROM {schema}.cron_schedules
WHERE name = ANY (%(names)b::text[])
