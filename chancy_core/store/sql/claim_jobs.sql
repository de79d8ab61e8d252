-- Hand out up to {limit} runnable jobs of one queue to one worker, the most urgent first.
--
-- queue    text
-- worker   text         claims nothing unless this worker's lease still runs
-- limit    integer
-- bytes    bigint       … and no more, once so many bytes of arguments and the like, as they are stored, are among them
-- refused  uuid[]       jobs that cannot be claimed for the moment
-- unable   text[]       functions that this worker cannot run for the moment; NULL for none
-- low      integer[]    ranges of priorities to look through, in order …
-- high     integer[]    … both ends included …
-- floor    uuid[]       … and in each, at its lowest priority, only ids above this
--
-- Reading. The index jobs_ready holds the pending jobs of each queue in the order of priority and id, which is the order
-- in which they are handed out. So PostgreSQL reads the index from the front of each range and stops at the limit. It
-- sorts nothing, and it does not touch the jobs that it leaves behind, however many they are.
--
-- Writing. `found` has locked its rows, so nobody can move them, and the UPDATE finds each again by its place in the table
-- (ctid). The UPDATE must not say `state = 'pending'` once more. If it did, the planner could choose jobs_ready for it too:
-- while its statistics are from an hour when the table was empty, reading that whole index looks cheap, and then every
-- claim reads the whole backlog.
--
-- The same UPDATE spends the attempt and raises `claims`, so no run can begin without either.
WITH found AS (
    SELECT job.place,
           -- No order is given, so that nothing is sorted: rows come in that of the index.
           sum(job.bytes) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
    FROM unnest(%(low)s::integer[], %(high)s::integer[], %(floor)s::uuid[]) AS part (low, high, floor)
    CROSS JOIN LATERAL (
        SELECT jobs.ctid AS place,
               -- Of what is stored elsewhere this looks at the reference only.
               coalesce(pg_column_size(jobs.kwargs), 0) + coalesce(pg_column_size(jobs.meta), 0)
                   + coalesce(pg_column_size(jobs.errors), 0) AS bytes
        FROM {schema}.jobs
        WHERE jobs.queue = %(queue)s
          AND jobs.state = 'pending'
          AND (jobs.priority, jobs.id) > (part.low, part.floor)
          AND jobs.priority <= part.high
          -- What expired, or was cancelled, waits for sweep_jobs.
          AND (jobs.expires_at IS NULL OR jobs.expires_at > now() OR jobs.attempts > 0)
          AND jobs.cancel_note IS NULL
          AND jobs.id <> ALL (%(refused)s::uuid[])
          -- A CASE, because the planner would estimate a plain comparison by how many functions there are: with one
          -- of them it expects no row, and what reads the whole queue looks as good as its index.
          AND CASE WHEN jobs.func = ANY (%(unable)b::text[]) THEN false ELSE true END
        ORDER BY jobs.priority, jobs.id
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ) AS job
    -- Not now(), which is when this began: it may have waited for a lock since.
    WHERE EXISTS (SELECT FROM {schema}.workers WHERE worker = %(worker)s AND lease_until > clock_timestamp())
      AND EXISTS (
          SELECT FROM {schema}.queues
          WHERE name = %(queue)s AND (state = 'active' OR resume_at <= now())
      )
    LIMIT %(limit)s
),
ready AS (
    SELECT place FROM found WHERE bytes_before IS NULL OR bytes_before < %(bytes)s
),
claimed AS (
    UPDATE {schema}.jobs
    SET state = 'running',
        worker = %(worker)s,
        attempts = attempts + 1,
        -- After the last integer it begins at 1 again: by then no outcome of that run can be on its way.
        claims = mod(claims, 2147483647) + 1,
        started_at = now(),
        note = NULL
    WHERE ctid = ANY (ARRAY(SELECT place FROM ready))
    RETURNING func, queue, kwargs::text, priority, max_attempts, scheduled_at, limits::text,
       coalesce(unique_key, waiting_key) AS unique_key, meta::text, options::text,
              id, state, attempts, claims, created_at, started_at, errors::text, worker, note,
              expires_at
)
SELECT * FROM claimed ORDER BY priority, id
