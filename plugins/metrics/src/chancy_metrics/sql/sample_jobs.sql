-- About how many jobs there are, by queue and state, from about {pages} pages of the table: (queue, state, count).
--
-- pages  integer
--
-- From the table, not from the view `jobs_v1`, because a view has no pages to take a sample of.
--
-- The sample does not depend on statistics, which are stale when they matter. REPEATABLE takes the same pages each time,
-- so that the estimate does not flicker between two readings of the same table.
WITH share AS (
    SELECT least(
        100.0,
        100.0 * %(pages)s / greatest(1, pg_relation_size('{schema}.jobs') / current_setting('block_size')::integer)
    )::real AS percent
)
SELECT queue, state, count(*) * 100.0 / (SELECT percent FROM share)
FROM {schema}.jobs TABLESAMPLE SYSTEM ((SELECT percent FROM share)) REPEATABLE (1)
GROUP BY queue, state
