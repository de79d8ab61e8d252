-- Pause or resume a queue. Returns no row if it was never declared, or is to resume at a moment that is over.
--
-- name         text
-- state        text
-- resume_at    timestamptz        when it resumes by itself, or NULL
-- resume_in_s  double precision   or in how many seconds, or NULL
--
-- It may run in a transaction of a caller that began long ago, so the time is that of the clock on the wall.
UPDATE {schema}.queues
SET state = %(state)s,
    resume_at = coalesce(%(resume_at)s::timestamptz, clock_timestamp() + make_interval(secs => %(resume_in_s)s))
WHERE name = %(name)s AND (%(resume_at)s::timestamptz IS NULL OR %(resume_at)s::timestamptz > clock_timestamp())
RETURNING name
