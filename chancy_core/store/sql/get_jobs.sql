-- Jobs by id, live or finished, in one snapshot, so that a job on its way from one table to the other is seen once.
--
-- ids   uuid[]
SELECT func, queue, kwargs::text, priority, max_attempts, scheduled_at, limits::text, unique_key, meta::text,
       options::text,
       id, state, attempts, claims, created_at, started_at, errors::text, worker, note,
       expires_at, NULL::timestamptz AS finished_at, NULL AS result, progress::text, NULL::real AS run_s,
       NULL::bigint AS peak_bytes, cancel_note IS NOT NULL AS cancel_requested
FROM {schema}.jobs
WHERE id = ANY (%(ids)s)
UNION ALL
SELECT func, queue, kwargs::text, priority, max_attempts, scheduled_at, limits::text, unique_key, meta::text,
       options::text,
       id, state, attempts, claims, created_at, started_at, errors::text, worker, note,
       expires_at, finished_at, result::text, progress::text, run_s, peak_bytes, false
FROM {schema}.finished_jobs
WHERE id = ANY (%(ids)s)
