-- Pause or resume a queue. Returns no row if it was never declared, or is to resume at a moment that is over.
--
-- name         text
-- state        text
-- resume_at    timestamptz        when it resumes by itself, or NULL
-- resume_in_s  double precision   or in how many seconds, or NULL
-- paused_by    text               who pauses it; NULL: nobody does
-- reason       text               why; NULL: as it was said before, if it is paused already
--
-- It may run in a transaction of a caller that began long ago, so the time is that of the clock on the wall.
UPDATE {schema}.queues
SET state = %(state)s,
    resume_at = coalesce(%(resume_at)s::timestamptz, clock_timestamp() + make_interval(secs => %(resume_in_s)s)),
    -- Whoever pauses it once more only changes until when.
    paused_at = CASE
        WHEN %(paused_by)s::text IS NULL THEN NULL
        WHEN state = 'paused' AND (resume_at IS NULL OR resume_at > clock_timestamp())
            THEN coalesce(paused_at, clock_timestamp())
        ELSE clock_timestamp()
    END,
    paused_by = %(paused_by)s,
    pause_reason = CASE
        WHEN %(paused_by)s::text IS NULL THEN NULL
        WHEN state = 'paused' AND (resume_at IS NULL OR resume_at > clock_timestamp())
            THEN coalesce(%(reason)s, pause_reason)
        ELSE %(reason)s
    END
WHERE name = %(name)s AND (%(resume_at)s::timestamptz IS NULL OR %(resume_at)s::timestamptz > clock_timestamp())
RETURNING name
