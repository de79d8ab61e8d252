-- Record that a schedule fires at these times.
--
-- name     text
-- times    timestamptz[]
--
-- Returns the times that had not been recorded before, in their order. Uses cron_fires_pkey.
WITH recorded AS (
    INSERT INTO {schema}.cron_fires (schedule, fire_at)
    SELECT %(name)s, fire_at FROM unnest(%(times)s::timestamptz[]) AS given (fire_at)
    ON CONFLICT (schedule, fire_at) DO NOTHING
    RETURNING fire_at
)
SELECT fire_at FROM recorded ORDER BY fire_at
