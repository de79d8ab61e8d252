-- Jobs whose workers were lost while they ran them: (func, queue, id, times, failed, worker).
--
-- times   how many of its runs ended with their worker
-- failed  whether it has failed by that, for want of attempts
-- worker  the worker that was lost last
--
-- since_s  double precision   failed jobs that ended within so many seconds
-- limit    integer            how many rows are looked at, of each kind
--
-- Of what waits the oldest (jobs_pkey), because a rescued job is an old one; of what failed the newest (finished_jobs_id).
WITH looked AS (
    (
        SELECT id, queue, func, errors, false AS failed
        FROM {schema}.jobs_v1
        WHERE state = 'running' AND errors IS NOT NULL
        LIMIT %(limit)s
    )
    UNION ALL
    (
        SELECT id, queue, func, errors, false
        FROM (SELECT id, queue, func, state, errors FROM {schema}.jobs_v1 ORDER BY id LIMIT %(limit)s) AS oldest
        WHERE state IN ('pending', 'scheduled', 'retrying') AND errors IS NOT NULL
    )
    UNION ALL
    (
        SELECT id, queue, func, errors, true
        FROM (
            SELECT id, queue, func, errors, finished_at
            FROM {schema}.finished_jobs_v1
            WHERE state = 'failed' AND finished_at > now() - interval '1 day'
            ORDER BY id DESC
            LIMIT %(limit)s
        ) AS newest
        WHERE finished_at > now() - make_interval(secs => %(since_s)s) AND errors -> -1 ->> 'type' = 'WorkerLost'
    )
)
SELECT func, queue, id, lost.times, failed, lost.worker
FROM looked
CROSS JOIN LATERAL (
    SELECT count(*) AS times, max(error ->> 'worker') AS worker
    FROM jsonb_array_elements(CASE WHEN jsonb_typeof(errors) = 'array' THEN errors END) AS error
    WHERE error ->> 'type' = 'WorkerLost'
) AS lost
WHERE lost.times > 0
ORDER BY lost.times DESC, func, id
