-- Hand out runnable jobs of several queues to one worker, of each the most urgent first: claim_jobs for queues of few jobs.
--
-- queue    text[]      the queues …
-- wanted   integer[]   … and how many of each at most
-- worker   text        claims nothing unless this worker's lease still runs
-- bytes    bigint      … and no more, once so many bytes of arguments and the like, as they are stored, are among them
--
-- For each queue, PostgreSQL reads the index jobs_ready from the front of the queue and stops at what is wanted of it. How
-- the rest works is explained in claim_jobs. The queues are looked up first, so that no row of a paused one is locked.
WITH asked AS MATERIALIZED (
    SELECT part.queue, part.wanted
    FROM unnest(%(queue)b::text[], %(wanted)s::integer[]) AS part (queue, wanted)
    JOIN {schema}.queues ON queues.name = part.queue
    WHERE (queues.state = 'active' OR queues.resume_at <= now())
      AND EXISTS (SELECT FROM {schema}.workers WHERE worker = %(worker)s AND lease_until > clock_timestamp())
),
found AS (
    SELECT job.place,
           sum(job.bytes) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
    FROM asked
    CROSS JOIN LATERAL (
        SELECT jobs.ctid AS place,
               coalesce(pg_column_size(jobs.kwargs), 0) + coalesce(pg_column_size(jobs.meta), 0)
                   + coalesce(pg_column_size(jobs.errors), 0) AS bytes
        FROM {schema}.jobs
        WHERE jobs.queue = asked.queue
          AND jobs.state = 'pending'
          AND (jobs.expires_at IS NULL OR jobs.expires_at > now() OR jobs.attempts > 0)
          AND jobs.cancel_note IS NULL
        ORDER BY jobs.priority, jobs.id
        LIMIT asked.wanted
        FOR UPDATE SKIP LOCKED
    ) AS job
),
ready AS (
    SELECT place FROM found WHERE bytes_before IS NULL OR bytes_before < %(bytes)s
),
claimed AS (
    UPDATE {schema}.jobs
    SET state = 'running',
        worker = %(worker)s,
        attempts = attempts + 1,
        claims = mod(claims, 2147483647) + 1,
        started_at = now(),
        note = NULL
    WHERE ctid = ANY (ARRAY(SELECT place FROM ready))
    RETURNING func, queue, kwargs::text, priority, max_attempts, scheduled_at, limits::text,
       coalesce(unique_key, waiting_key) AS unique_key, meta::text, options::text,
              id, state, attempts, claims, created_at, started_at, errors::text, worker, note,
              expires_at
)
SELECT * FROM claimed ORDER BY queue, priority, id
