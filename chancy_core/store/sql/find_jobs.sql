-- Jobs that a filter finds, live and finished in one order, the newest id first: those among the next {scan} jobs.
--
-- live      boolean   whether live jobs are looked at
-- states    text[]    partitions of other states are not
-- lowest    uuid      the ids that are looked at …
-- highest   uuid      … both ends included
-- scan      integer   how many jobs are looked at, whatever becomes of them: so much it costs
-- limit     integer   it ends earlier when so many are found
-- and those of parts/matching
--
-- Returns (id, state, claims, created_at, hit, place), place being its number among those that were looked at. The row with
-- the number {scan} comes even if it is none that was looked for, and the search goes on below it. Without that row nothing is
-- left down to `lowest`, unless the limit was reached.
--
-- Merges jobs_pkey and the index finished_jobs_id of each partition, read backwards, so that nothing is sorted. Only what an
-- index serves may stand inside of a slice: other conditions would drop rows that nobody counts. To be planned for its
-- values; see `looking`.
WITH terms AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(coalesce(%(terms)s::jsonb, '[]')) AS term (of text, path text[], likes text[], negated boolean)
)
SELECT id, state, claims,
       CASE WHEN created_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN created_at END,
       hit, place
FROM (
    SELECT id, state, claims, created_at, place, ({parts/matching}) AS hit
    FROM (
        SELECT both_tables.*, row_number() OVER () AS place
        FROM (
            (
                SELECT id, state, claims, created_at, queue, func, worker, coalesce(unique_key, waiting_key) AS unique_key,
                       note, errors, kwargs, meta, attempts, priority, greatest(created_at, started_at) AS moment
                FROM {schema}.jobs
                WHERE %(live)s AND id BETWEEN %(lowest)s AND %(highest)s
                ORDER BY id DESC
                LIMIT %(scan)s
            )
            UNION ALL
            (
                SELECT id, state, claims, created_at, queue, func, worker, unique_key, note, errors, kwargs, meta, attempts,
                       priority, finished_at
                FROM {schema}.finished_jobs
                WHERE state = ANY (%(states)s::text[]) AND id BETWEEN %(lowest)s AND %(highest)s
                ORDER BY id DESC
                LIMIT %(scan)s
            )
            ORDER BY id DESC
            LIMIT %(scan)s
        ) AS both_tables
    ) AS slice
) AS seen
WHERE hit OR place = %(scan)s
LIMIT %(limit)s
