-- Live jobs that have held their unique key for long: (unique_key, id, queue, func, state, age_s), the oldest first.
--
-- since_s  double precision
--
-- Looks at the oldest jobs (jobs_pkey), and at no more than ten thousand.
SELECT unique_key, id, queue, func, state, age_s
FROM (
    SELECT unique_key, id, queue, func, state, age_s
    FROM {schema}.jobs_v1
    ORDER BY id
    LIMIT 10000
) AS oldest
WHERE unique_key IS NOT NULL AND state IN ('pending', 'running', 'retrying') AND age_s > %(since_s)s
ORDER BY age_s DESC
LIMIT 5
