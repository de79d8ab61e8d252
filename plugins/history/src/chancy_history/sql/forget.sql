-- Delete what is older than wanted: (minutes, hours, depths). Minutes go by whole hours, so that an hour is never counted in part.
--
-- minutes_s  integer  how long minutes are kept, in seconds
-- hours_s    integer  how long hours are kept, in seconds
WITH minutes AS (
    DELETE FROM {schema}.history_minutes
    WHERE at < date_trunc('hour', now() - make_interval(secs => %(minutes_s)s), 'UTC')
    RETURNING 1
),
hours AS (
    DELETE FROM {schema}.history_hours
    WHERE at < date_trunc('hour', now() - make_interval(secs => %(hours_s)s), 'UTC')
    RETURNING 1
),
depths AS (
    DELETE FROM {schema}.history_depths
    WHERE at < date_trunc('hour', now() - make_interval(secs => %(minutes_s)s), 'UTC')
    RETURNING 1
),
totals AS (
    DELETE FROM {schema}.history_totals
    WHERE at < date_trunc('hour', now() - make_interval(secs => %(hours_s)s), 'UTC')
),
-- Who has not written for so long has ended, or has nothing more to say of that writing.
writers AS (
    DELETE FROM {schema}.history_writers
    WHERE at < now() - make_interval(secs => %(minutes_s)s)
)
SELECT (SELECT count(*) FROM minutes), (SELECT count(*) FROM hours), (SELECT count(*) FROM depths)
