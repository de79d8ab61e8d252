-- How many jobs of each queue ended lately, and within how many seconds: (queue, ended, over_s).
--
-- over_s  double precision   the time that is looked at
-- limit   integer            how many of the newest jobs are looked at
--
-- Where more jobs finish than that, the time is shorter. finished_jobs_id.
WITH newest AS (
    SELECT id, queue, finished_at
    FROM {schema}.finished_jobs_v1
    WHERE state IN ('succeeded', 'failed') AND finished_at > now() - interval '1 day'
    ORDER BY id DESC
    LIMIT %(limit)s
),
ended AS (
    SELECT * FROM newest WHERE finished_at > now() - make_interval(secs => %(over_s)s)
),
looked AS (
    SELECT CASE WHEN (SELECT count(*) FROM newest) < %(limit)s THEN %(over_s)s
                ELSE greatest(extract(epoch FROM now() - min(finished_at)), 0.001)
           END::double precision AS over_s
    FROM ended
)
SELECT queue, count(*), (SELECT over_s FROM looked)
FROM ended
GROUP BY queue
