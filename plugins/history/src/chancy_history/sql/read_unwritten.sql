-- For how many seconds runs have ended of which no process has written anything; no row: it is all written, or soon will be.
--
-- owner   text               the plugin, whose tables are as old as what it can know
-- late_s  double precision   what ended later than that is on its way
--
-- Looks at the newest jobs that were pushed before that, and at no more than a thousand: finished_jobs_id. Their ids are made of
-- the time of the push, so that among thousands a second those are found that ended long enough ago.
WITH written AS (
    SELECT greatest(
        (SELECT max(at) FROM {schema}.history_writers),
        (SELECT max(applied_at) FROM {schema}.migrations WHERE owner = %(owner)s),
        now() - interval '1 hour'
    ) AS at
),
newest AS (
    SELECT finished_at, worker, attempts
    FROM {schema}.finished_jobs_v1
    WHERE state IN ('succeeded', 'failed')
      AND finished_at > now() - interval '1 hour'
      AND id < rpad(lpad(
          to_hex((extract(epoch FROM now() - make_interval(secs => %(late_s)s)) * 1000)::bigint), 12, '0'
      ), 32, '0')::uuid
    ORDER BY id DESC
    LIMIT 1000
)
SELECT extract(epoch FROM now() - min(newest.finished_at))::double precision
FROM newest, written
WHERE newest.worker IS NOT NULL
  AND newest.attempts > 0
  -- What a worker counts is written up to a minute later.
  AND newest.finished_at > written.at + interval '1 minute'
  AND newest.finished_at < now() - make_interval(secs => %(late_s)s)
HAVING count(*) > 0
