-- Live jobs that a filter finds, by the index of their state: for states of which there are few.
--
-- pending, running, waiting   boolean   whether jobs of this state are looked at; those wait that are scheduled or retrying
-- among     text[]    the queues whose pending jobs are looked at; NULL: all
-- of_keys   text[]    instead of all of these: jobs with these unique keys; NULL: not
-- lowest    uuid      the ids that are found …
-- highest   uuid      … both ends included
-- scan      integer   how many jobs of each state are looked at: so much it costs
-- limit     integer
-- and those of parts/matching
--
-- Returns (id, state, claims, hit, place), the newest id first; nothing but what was found, unless there are {scan} of a state: a
-- row with that place comes first, and then jobs are missing, and find_jobs has to be asked instead.
--
-- Reads jobs_ready, jobs_running, jobs_due, jobs_unique_key and jobs_waiting_key. To be planned for its values; see `looking`.
WITH terms AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(coalesce(%(terms)s::jsonb, '[]')) AS term (of text, path text[], likes text[], negated boolean)
),
candidates AS MATERIALIZED (
    (
        SELECT *, row_number() OVER () AS place
        FROM {schema}.jobs
        WHERE %(pending)s AND state = 'pending' AND %(among)s::text[] IS NULL
        LIMIT %(scan)s
    )
    UNION ALL
    (
        SELECT *, row_number() OVER () AS place
        FROM {schema}.jobs
        WHERE %(pending)s AND state = 'pending' AND queue = ANY (%(among)s::text[])
        LIMIT %(scan)s
    )
    UNION ALL
    (
        SELECT *, row_number() OVER () AS place
        FROM {schema}.jobs
        WHERE %(running)s AND state = 'running'
        LIMIT %(scan)s
    )
    UNION ALL
    (
        SELECT *, row_number() OVER () AS place
        FROM {schema}.jobs
        WHERE %(waiting)s AND state IN ('scheduled', 'retrying')
        LIMIT %(scan)s
    )
    UNION ALL
    (
        SELECT *, row_number() OVER () AS place
        FROM {schema}.jobs
        WHERE unique_key = ANY (%(of_keys)s::text[]) AND unique_key IS NOT NULL
        LIMIT %(scan)s
    )
    UNION ALL
    (
        SELECT *, row_number() OVER () AS place
        FROM {schema}.jobs
        WHERE waiting_key = ANY (%(of_keys)s::text[]) AND waiting_key IS NOT NULL
        LIMIT %(scan)s
    )
)
SELECT id, state, claims, NULL::timestamptz AS created_at, hit, place
FROM (
    SELECT id, state, claims, place, ({parts/matching}) AND id BETWEEN %(lowest)s AND %(highest)s AS hit
    FROM (
        SELECT id, state, claims, queue, func, worker, coalesce(unique_key, waiting_key) AS unique_key, note, errors,
               kwargs, meta, attempts, priority, place, greatest(created_at, started_at) AS moment
        FROM candidates
    ) AS slice
) AS seen
WHERE hit OR place = %(scan)s
ORDER BY place = %(scan)s DESC, id DESC
LIMIT %(limit)s
