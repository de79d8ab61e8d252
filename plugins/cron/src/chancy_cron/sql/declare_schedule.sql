-- Declare a schedule, or declare it anew.
--
-- name … overlap    a column each; job as JSON text
-- source            text         toml or code; code does not change what the settings declare
-- owner             text         in whose name the settings declare it
-- next_at           timestamptz  its next time
--
-- Declared anew, its next time stays if nothing about the times has changed, or if it is due: no fire is lost.
-- Returns the schedule as it now stands; nothing if it belongs to the settings. Uses cron_schedules_pkey.
--
-- A time that Python cannot read, which only another's hand can have written, is NULL.
INSERT INTO {schema}.cron_schedules AS old (
    name, cron, timezone, job, queue, missed, missed_max, jitter_s, overlap, source, owner, next_at, wake_at
)
VALUES (
    %(name)s, %(cron)s, %(timezone)s, %(job)s::json, %(queue)s, %(missed)s, %(missed_max)s, %(jitter_s)s, %(overlap)s,
    %(source)s, %(owner)s, %(next_at)s::timestamptz, %(next_at)s::timestamptz
)
ON CONFLICT (name) DO UPDATE
SET cron = EXCLUDED.cron,
    timezone = EXCLUDED.timezone,
    job = EXCLUDED.job,
    queue = EXCLUDED.queue,
    missed = EXCLUDED.missed,
    missed_max = EXCLUDED.missed_max,
    jitter_s = EXCLUDED.jitter_s,
    overlap = EXCLUDED.overlap,
    source = EXCLUDED.source,
    owner = EXCLUDED.owner,
    last_error = NULL,
    times_since = CASE WHEN (old.cron, old.timezone) = (EXCLUDED.cron, EXCLUDED.timezone)
                       THEN old.times_since ELSE now() END,
    next_at = CASE WHEN (old.cron, old.timezone) = (EXCLUDED.cron, EXCLUDED.timezone) OR old.next_at <= now()
                   THEN old.next_at ELSE EXCLUDED.next_at END,
    wake_at = CASE WHEN (old.cron, old.timezone) = (EXCLUDED.cron, EXCLUDED.timezone) OR old.next_at <= now()
                   THEN old.next_at ELSE EXCLUDED.next_at END
WHERE EXCLUDED.source = 'toml' OR old.source = 'code'
RETURNING name, cron, timezone, job::text AS job, queue, missed, missed_max, jitter_s, overlap, paused,
       CASE WHEN next_at >= '1970-01-01 00:00+00' AND next_at < '9999-01-01 00:00+00' THEN next_at END AS next_at,
       CASE WHEN last_fired_at >= '1970-01-01 00:00+00' AND last_fired_at < '9999-01-01 00:00+00' THEN last_fired_at END
           AS last_fired_at,
       last_job, last_error, source
