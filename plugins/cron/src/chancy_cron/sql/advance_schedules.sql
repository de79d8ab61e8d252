-- Write what became of schedules that this transaction has locked, and of their fires; arrays of equal length.
--
-- name             text[]
-- next_at          timestamptz[]  their next time; NULL: none
-- wake_at          timestamptz[]  when to look at them next
-- last_fired_at    timestamptz[]  the latest time fired; NULL: as it was
-- last_job         text[]         the job pushed for it; NULL: none was
-- last_error       text[]         why it could not be fired; NULL: it could
--
-- and, of equal length among themselves
--
-- fired            text[]         the schedule of a fire that this transaction has recorded
-- fire_at          timestamptz[]  its time
-- job              text[]         the job that was pushed for it, or the one because of which none was
-- skipped          boolean[]      whether none was
--
-- Uses cron_schedules_pkey and cron_fires_pkey.
WITH told AS (
    UPDATE {schema}.cron_fires AS fires
    SET job = given.job, skipped = given.skipped
    FROM unnest(%(fired)b::text[], %(fire_at)s::timestamptz[], %(job)b::text[], %(skipped)s::boolean[])
        AS given (schedule, fire_at, job, skipped)
    WHERE fires.schedule = given.schedule AND fires.fire_at = given.fire_at
)
UPDATE {schema}.cron_schedules AS schedules
SET next_at = given.next_at,
    wake_at = given.wake_at,
    last_job = CASE WHEN given.last_fired_at IS NULL THEN schedules.last_job ELSE given.last_job END,
    last_fired_at = coalesce(given.last_fired_at, schedules.last_fired_at),
    last_error = given.last_error
FROM unnest(
    %(name)b::text[], %(next_at)s::timestamptz[], %(wake_at)s::timestamptz[], %(last_fired_at)s::timestamptz[],
    %(last_job)b::text[], %(last_error)b::text[]
) AS given (name, next_at, wake_at, last_fired_at, last_job, last_error)
WHERE schedules.name = given.name
