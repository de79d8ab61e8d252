-- How the newest runs of each function ended: (func, failed, succeeded, waiting, error_type, error_message, sample_id).
--
-- failed     runs that failed: jobs that did so for good, and those that wait for another attempt
-- succeeded  jobs that succeeded meanwhile
-- waiting    of the failed, those that wait for another attempt
-- error_*    what the last of them raised
--
-- since_s  double precision   only what happened within so many seconds
-- limit    integer            how many finished jobs are looked at, and how many that are due
--
-- Where more jobs finish than that, the time looked at is shorter, and the same for both sides. finished_jobs_id, jobs_due.
WITH newest AS (
    SELECT id, func, state, finished_at, error_type, error_message
    FROM {schema}.finished_jobs_v1
    WHERE state IN ('succeeded', 'failed') AND finished_at > now() - interval '1 day'
    ORDER BY id DESC
    LIMIT %(limit)s
),
ended AS (
    SELECT * FROM newest WHERE finished_at > now() - make_interval(secs => %(since_s)s)
),
since AS (
    SELECT CASE WHEN (SELECT count(*) FROM newest) < %(limit)s THEN now() - make_interval(secs => %(since_s)s)
                ELSE coalesce((SELECT min(finished_at) FROM ended), now())
           END AS moment
),
again AS (
    SELECT id, func, started_at, error_type, error_message
    FROM (
        SELECT id, func, state, started_at, error_type, error_message
        FROM {schema}.jobs_v1
        WHERE state IN ('scheduled', 'retrying')
        ORDER BY scheduled_at
        LIMIT %(limit)s
    ) AS due
    WHERE state = 'retrying' AND started_at >= (SELECT moment FROM since)
),
run AS (
    SELECT id, func, state = 'succeeded' AS good, false AS again, finished_at AS at, error_type, error_message FROM ended
    UNION ALL
    SELECT id, func, false, true, started_at, error_type, error_message FROM again
)
SELECT func,
       count(*) FILTER (WHERE NOT good),
       count(*) FILTER (WHERE good),
       count(*) FILTER (WHERE again),
       (array_agg(error_type ORDER BY at DESC) FILTER (WHERE NOT good))[1],
       (array_agg(error_message ORDER BY at DESC) FILTER (WHERE NOT good))[1],
       (array_agg(id::text ORDER BY at DESC) FILTER (WHERE NOT good))[1]
FROM run
GROUP BY func
HAVING count(*) FILTER (WHERE NOT good) > 0
ORDER BY 2 DESC
