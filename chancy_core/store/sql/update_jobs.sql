-- Change jobs that wait: to be run, for their time, or for their next attempt.
--
-- ids            uuid[]
-- states         text[]        only jobs that are in this state, one for each id …
-- claims         integer[]     … and have been claimed so often; NULL, both: however they are
-- priority       integer       NULL: as it is
-- queue          text          NULL: as it is
-- reschedule     boolean       whether the next one counts
-- scheduled_at   timestamptz   NULL: as soon as possible
--
-- One that has been tried stays retrying, and is promoted when its time has come: its attempts are not counted anew. One
-- without an attempt left, which only somebody else can have written, waits for promote_these to end it.
-- Returns (id, queue, state) as they are now. Uses jobs_pkey.
WITH asked AS (
    SELECT id
    FROM {schema}.jobs
    WHERE id = ANY (%(ids)s)
      AND state IN ('scheduled', 'pending', 'retrying')
      AND (%(states)s::text[] IS NULL OR (id, state, claims) IN (
          SELECT * FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(claims)s::integer[])
      ))
    ORDER BY id
    FOR UPDATE
)
UPDATE {schema}.jobs
SET priority = coalesce(%(priority)s, priority),
    queue = coalesce(%(queue)s, queue),
    state = CASE WHEN NOT %(reschedule)s OR state = 'retrying' OR attempts >= max_attempts THEN state
                 WHEN %(scheduled_at)s::timestamptz > now() THEN 'scheduled'
                 ELSE 'pending' END,
    scheduled_at = CASE WHEN NOT %(reschedule)s THEN scheduled_at
                        WHEN state = 'retrying' OR attempts >= max_attempts
                        THEN coalesce(%(scheduled_at)s::timestamptz, now())
                        ELSE %(scheduled_at)s::timestamptz END
WHERE id = ANY (ARRAY(SELECT id FROM asked))
RETURNING id, queue, state
