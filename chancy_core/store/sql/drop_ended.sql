-- Drop, of the {limit} oldest ends that some plugin has yet to be told, those that are too old or that nobody asks for any
-- more.
--
-- limit   integer
-- age_s   double precision
--
-- Returns (plugin), one row an end. Uses ended_pkey, in whose order the oldest come first.
WITH oldest AS (
    SELECT number, at < now() - make_interval(secs => %(age_s)s) AS old, plugin
    FROM {schema}.ended
    ORDER BY number
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
DELETE FROM {schema}.ended
WHERE number = ANY (ARRAY(
    SELECT number
    FROM oldest
    WHERE old OR NOT EXISTS (SELECT FROM {schema}.listeners WHERE listeners.plugin = oldest.plugin)
))
RETURNING plugin
