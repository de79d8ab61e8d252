-- Jobs by id, live or finished, in one snapshot, so that a job on its way from one table to the other is seen once.
--
-- ids   uuid[]
--
-- Of a finished job, moments that Python cannot read are left out: no constraint has looked at what was there before.
-- Those of live ones are kept in range by jobs_moments.
SELECT func, queue, kwargs::text, priority, max_attempts, scheduled_at, limits::text,
       coalesce(unique_key, waiting_key) AS unique_key, meta::text, options::text,
       id, state, attempts, claims, created_at, started_at, errors::text, worker, note,
       expires_at, NULL::timestamptz AS finished_at, NULL AS result, progress::text, NULL::real AS run_s,
       NULL::bigint AS peak_bytes, cancel_note IS NOT NULL AS cancel_requested
FROM {schema}.jobs
WHERE id = ANY (%(ids)s)
UNION ALL
SELECT func, queue, kwargs::text, priority, max_attempts,
       CASE WHEN scheduled_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN scheduled_at END,
       limits::text, unique_key, meta::text, options::text, id, state, attempts, claims,
       CASE WHEN created_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN created_at END,
       CASE WHEN started_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN started_at END,
       errors::text, worker, note,
       CASE WHEN expires_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN expires_at END,
       CASE WHEN finished_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN finished_at END,
       result::text, progress::text, run_s, peak_bytes, false
FROM {schema}.finished_jobs
WHERE id = ANY (%(ids)s)
