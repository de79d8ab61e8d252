-- Record that many schedules fire, each at its time; arrays of equal length.
--
-- name      text[]
-- fire_at   timestamptz[]
--
-- Returns (schedule, fire_at) of those that had not been recorded before. Uses cron_fires_pkey.
INSERT INTO {schema}.cron_fires (schedule, fire_at)
SELECT name, fire_at FROM unnest(%(name)b::text[], %(fire_at)s::timestamptz[]) AS given (name, fire_at)
ON CONFLICT (schedule, fire_at) DO NOTHING
RETURNING schedule, fire_at
